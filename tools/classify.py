#!/usr/bin/env python3
"""Holds every layer of examples/classify against numpy in f64, and classifies all images with it.

    ./fetch-models efficientnet photographs
    pip install numpy==2.4.6 safetensors==0.8.0 ml_dtypes==0.6.0
    cargo run --release --example classify -- --layers target/classify
    python3 tools/classify.py target/classify

Prints how many images numpy classifies correctly, also with weights and activations rounded to 8 bits by ml_dtypes, BatchNorm kept,
and then the signal to noise ratio of the logits; then, layer by layer, the largest error as a share of the layer's largest number
(f32), and the signal to quantisation noise ratio in decibels (8-bit formats): what the layer's error has grown to, its input's
included.
"""

import pathlib
import sys

import ml_dtypes
import numpy as np
from safetensors.numpy import load_file

from layers import decibels, table

models = pathlib.Path(__file__).parent.parent / "models"
weights = load_file(models / "efficientnet/efficientnet-lite0-57934424.safetensors")
photographs = load_file(models / "photographs/images.safetensors")
strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]


def exact(x, axes=None):
    return x.astype(np.float64)


def e4m3fn(x, axes=None):
    """Rounded to E4M3FN, scaled by the maximum over these axes."""
    amax = np.abs(x).max(axes, keepdims=True)
    scale = np.where(amax > 0, amax / 448, 1)
    return (x / scale).astype(np.float32).astype(ml_dtypes.float8_e4m3fn).astype(np.float64) * scale


def e5m2(x, axes=None):
    """Cast."""
    return x.astype(np.float32).astype(ml_dtypes.float8_e5m2).astype(np.float64)


def conv2d(x, name, norm, stride, rounded):
    """Tap by tap, padded as TensorFlow's SAME; then BatchNorm."""
    x, w = rounded(x), rounded(weights[f"{name}.weight"], (1, 2, 3))
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


def layers(images, rounded=exact):
    """The output of every layer; what is multiplied is rounded first, weights per output channel."""
    x = (images.astype(np.float64) - 127) / 128
    x, out = relu6(conv2d(x, "_conv_stem", "_bn0", 2, rounded)), {}
    out["stem"] = x
    for i, stride in enumerate(strides):
        at, y = f"_blocks.{i}.", x
        if i:
            y = relu6(conv2d(y, at + "_expand_conv", at + "_bn0", 1, rounded))
        y = relu6(conv2d(y, at + "_depthwise_conv", at + "_bn1", stride, rounded))
        y = conv2d(y, at + "_project_conv", at + "_bn2", 1, rounded)
        x = y + x if x.shape == y.shape else y
        out[f"block{i}"] = x
    out["head"] = x = relu6(conv2d(x, "_conv_head", "_bn1", 1, rounded))
    out["mean"] = x = x.mean((1, 2))
    out["linear"] = rounded(x) @ rounded(weights["_fc.weight"], 1).T + weights["_fc.bias"]
    return out


images, labels = photographs["images"], photographs["labels"]
print(f"numpy {np.__version__}, f64:")
want = None
for rounded in [exact, e4m3fn, e5m2]:
    # In the batches of the example, as they share the scales of activations.
    logits = np.concatenate([layers(images[i : i + 4], rounded)["linear"] for i in range(0, len(images), 4)])
    want = logits if want is None else want
    answers = logits.argmax(1)
    print(f"{rounded.__name__}: {(answers == labels).sum()} of {len(labels)} correct", end="")
    if rounded is not exact:
        print(f", {(answers == want.argmax(1)).sum()} as exact, {decibels(logits - want, want):.1f} dB", end="")
    print()
print()

truth = layers(images[:2])
got = load_file(sys.argv[1])
columns = dict.fromkeys(tuple(name.split(".")[:3]) for name in got)
table(truth, got, columns)
