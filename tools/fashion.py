#!/usr/bin/env python3
"""Holds every layer of examples/fashion against numpy in f64.

    pip install numpy==2.4.6 safetensors==0.8.0
    cargo run --release --example fashion -- --software --layers target/layers
    python3 tools/fashion.py target/layers

    cargo run --release --example fashion -- --network plain --software --layers target/layers
    python3 tools/fashion.py target/layers plain

Prints, layer by layer, the largest error as a share of the layer's largest number (f32), and the signal to quantisation noise
ratio in decibels (8-bit formats): what the layer's error has grown to, its input's included.
"""

import pathlib
import sys

import numpy as np
from safetensors.numpy import load_file

from layers import table

files = pathlib.Path(__file__).parent.parent / "examples/fashion"
plain = sys.argv[2:] == ["plain"]
file = "plain.safetensors" if plain else "fashion.safetensors"
weights = {k: v.astype(np.float64) for k, v in load_file(files / file).items()}
images = load_file(files / "test_images.safetensors")["images"][:16, :, :, None]
strides = {"stem": 2, "depthwise2": 2, "projection": 2, "conv3": 2}
# What a layer reads if not the one before, and what is added before ReLU.
reads, adds = {"conv3": "conv2"}, {"conv2": "stem", "conv4": "projection"}
layers = ["stem", "conv"] + [f"{kind}{i}" for i in [1, 2, 3] for kind in ["depthwise", "pointwise"]]
if plain:
    layers = ["stem", "conv1", "conv2", "projection", "conv3", "conv4"]


def conv2d(x, w, stride, depthwise):
    """Tap by tap; weights [out, r, s, in], or [r, s, out] where a kernel sees one channel."""
    kernel = w.shape[0] if w.ndim == 3 else w.shape[1]
    pad = kernel // 2
    height, width = ((d + 2 * pad - kernel) // stride + 1 for d in x.shape[1:3])
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    out = 0
    for r in range(kernel):
        for s in range(kernel):
            part = x[:, r : r + stride * height : stride, s : s + stride * width : stride][:, :height, :width]
            if w.ndim == 4:
                out = out + part @ w[:, r, s].T
            elif depthwise:
                out = out + part * w[r, s]
            else:
                out = out + part @ w[r, s][None]
    return out


truth = {}
x = (images / 255 - 0.2860) / 0.3530
for name in layers:
    part = lambda p: weights[f"{name}.{p}"]
    x = truth[reads[name]] if name in reads else x
    x = conv2d(x, part("weight"), strides.get(name, 1), name.startswith("depthwise"))
    x = (x - part("mean")) / np.sqrt(part("variance") + 1e-5) * part("gamma") + part("beta")
    x = x + truth[adds[name]] if name in adds else x
    truth[name] = x = x if name == "projection" else np.maximum(x, 0)
truth["mean"] = x = x.mean((1, 2))
truth["linear"] = x @ weights["linear.weight"].T + weights["linear.bias"]

got = load_file(sys.argv[1])
columns = dict.fromkeys(tuple(name.split(".")[:3]) for name in got)
table(truth, got, columns)
