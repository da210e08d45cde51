#!/usr/bin/env python3
"""Holds examples/pitch against numpy in f64: its answers to every tone, and every layer of 16 tones.

    ./fetch-models crepe
    pip install numpy==2.4.6 safetensors==0.8.0
    cargo run --release --example pitch -- --layers target/pitch
    python3 tools/pitch.py target/pitch

Prints how many tones numpy tells within 50 cents and what f32's answers are off by, at most; then, layer by layer, the largest error
as a share of the layer's largest number (f32), and the signal to quantisation noise ratio in decibels (8-bit formats): what the
layer's error has grown to, its input's included.
"""

import pathlib
import sys

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import load_file

from layers import table

models = pathlib.Path(__file__).parent.parent / "models"
weights = {k: v.astype(np.float64) for k, v in load_file(models / "crepe/tiny.safetensors").items()}
got = load_file(sys.argv[1])


def layers(frames):
    """Of [n, 1024]: the output of every layer, [n, length, channels]."""
    x, out = frames.astype(np.float64)[:, :, None], {}
    for i in range(1, 7):
        w, stride = weights[f"conv{i}.weight"][..., 0], 4 if i == 1 else 1
        taps = w.shape[2]
        before = (taps - stride) // 2
        x = np.pad(x, ((0, 0), (before, taps - stride - before), (0, 0)))
        windows = sliding_window_view(x, taps, 1)[:, ::stride]
        x = windows.reshape(*windows.shape[:2], -1) @ w.reshape(len(w), -1).T + weights[f"conv{i}.bias"]
        part = lambda p: weights[f"conv{i}_BN.{p}"]
        x = np.maximum(x, 0)
        x = (x - part("running_mean")) / np.sqrt(part("running_var") + 1e-3) * part("weight") + part("bias")
        out[f"conv{i}"] = x = x.reshape(len(x), -1, 2, x.shape[2]).max(2)
    x = x.reshape(len(x), -1) @ weights["classifier.weight"].T + weights["classifier.bias"]
    out["classifier"] = 1 / (1 + np.exp(-x))
    return out


def pitch(answers):
    """The mean of the nine answers around the largest, in cents above 10 Hz."""
    cents = 1997.3794084376191 + 20 * np.arange(answers.shape[1])
    near = np.abs(np.arange(answers.shape[1]) - answers.argmax(1)[:, None]) <= 4
    weight = np.where(near, answers, 0)
    return (weight * cents).sum(1) / weight.sum(1)


frames = got["frames"].reshape(-1, 1024)
truth = np.concatenate([layers(frames[i : i + 20])["classifier"] for i in range(0, len(frames), 20)])
close = lambda a, b: f"{(np.abs(a - b) <= 50).sum()} of {len(a)}"
print(f"numpy {np.__version__}, f64: {close(pitch(truth), got['cents'])} tones within 50 cents")
columns = dict.fromkeys(tuple(name.split(".")[:2]) for name in got if name.count(".") == 2)
for on in dict.fromkeys(c[0] for c in columns):
    mine = got[f"{on}.answers"].astype(np.float64)
    print(
        f"f32 on the {on}: {close(pitch(mine), got['cents'])} within 50 cents, {close(pitch(mine), pitch(truth))} of numpy's;"
        f" largest difference of an answer {np.abs(mine - truth).max():.1e}"
    )

print()
table(layers(frames[:16]), got, columns)
