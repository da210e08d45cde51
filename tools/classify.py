#!/usr/bin/env python3
"""Holds every layer of examples/classify against numpy in f64, and classifies all images with it.

    ./fetch-models efficientnet photographs
    pip install numpy==2.4.6 safetensors==0.8.0
    cargo run --release --example classify -- --layers target/classify
    python3 tools/classify.py target/classify

Prints how many images numpy classifies correctly; then, layer by layer, the largest error as a share of the layer's largest number
(f32), and the signal to quantisation noise ratio in decibels (8-bit formats): what the layer's error has grown to, its input's
included.
"""

import pathlib
import sys

import numpy as np
from safetensors.numpy import load_file

models = pathlib.Path(__file__).parent.parent / "models"
weights = load_file(models / "efficientnet/efficientnet-lite0-57934424.safetensors")
photographs = load_file(models / "photographs/images.safetensors")
strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]


def conv2d(x, name, norm, stride=1):
    """Tap by tap, padded as TensorFlow's SAME; then BatchNorm."""
    w = weights[f"{name}.weight"].astype(np.float64)
    out, each, taps, _ = w.shape
    size = x.shape[1]
    to = -(-size // stride)
    zeros = max((to - 1) * stride + taps - size, 0)
    edge = (zeros // 2, zeros - zeros // 2)
    x = np.pad(x, ((0, 0), edge, edge, (0, 0)))
    y = 0
    for r in range(taps):
        for s in range(taps):
            part = x[:, r : r + stride * to : stride, s : s + stride * to : stride][:, :to, :to]
            y = y + (part * w[:, 0, r, s] if each == 1 else part @ w[:, :, r, s].T)
    gamma, beta, mean, variance = (
        weights[f"{norm}.{p}"].astype(np.float64) for p in ["weight", "bias", "running_mean", "running_var"]
    )
    return (y - mean) / np.sqrt(variance + 1e-3) * gamma + beta


relu6 = lambda x: np.clip(x, 0, 6)


def layers(images):
    """The output of every layer."""
    x = (images.astype(np.float64) - 127) / 128
    x, out = relu6(conv2d(x, "_conv_stem", "_bn0", 2)), {}
    out["stem"] = x
    for i, stride in enumerate(strides):
        at, y = f"_blocks.{i}.", x
        if i:
            y = relu6(conv2d(y, at + "_expand_conv", at + "_bn0"))
        y = relu6(conv2d(y, at + "_depthwise_conv", at + "_bn1", stride))
        y = conv2d(y, at + "_project_conv", at + "_bn2")
        x = y + x if x.shape == y.shape else y
        out[f"block{i}"] = x
    out["head"] = x = relu6(conv2d(x, "_conv_head", "_bn1"))
    out["mean"] = x = x.mean((1, 2))
    out["linear"] = x @ weights["_fc.weight"].T.astype(np.float64) + weights["_fc.bias"]
    return out


images, labels = photographs["images"], photographs["labels"]
truth = layers(images[:2])
logits = [truth["linear"]] + [layers(images[i : i + 2])["linear"] for i in range(2, len(images), 2)]
right = (np.concatenate(logits).argmax(1) == labels).sum()
print(f"numpy {np.__version__}, f64: {right} of {len(labels)} correct\n")

got = load_file(sys.argv[1])
columns = dict.fromkeys(tuple(name.split(".")[:3]) for name in got)
print("| layer |" + "".join(f" {' '.join(c)} |" for c in columns))
print("|---|" + "---|" * len(columns))
for layer, want in truth.items():
    cells = []
    for column in columns:
        off = got[".".join([*column, layer])].astype(np.float64) - want
        if column[1] == "f32":
            cells.append(f"{np.abs(off).max() / np.abs(want).max():.1e}")
        else:
            cells.append(f"{10 * np.log10((want**2).mean() / (off**2).mean()):.1f}")
    print(f"| {layer} |" + "".join(f" {c} |" for c in cells))
