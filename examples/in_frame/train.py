"""Trains the denoiser of this example and writes denoiser.safetensors.

    cargo run --release --example in_frame -- --training-data target/in_frame/data
    pip install numpy==2.3.5 safetensors==0.8.0
    python examples/in_frame/train.py target/in_frame/data

Kernel prediction (S. Bako et al., 2017, doi 10.1145/3072959.3073708): a network of three layers gives 49 weights by
softmax, with which the 7 x 7 neighbours of a pixel are averaged.
"""

import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file

WIDTH, HEIGHT, INPUTS, HIDDEN, TAPS, REACH = 256, 192, 148, 32, 49, 3
here = pathlib.Path(__file__).parent
data = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(1)

features, taps, truth = [], [], []
for path in sorted(data.glob("*.features")):
    features.append(np.fromfile(path, np.float32).reshape(-1, INPUTS))
    noisy = np.fromfile(path.with_suffix(".light"), np.float32).reshape(HEIGHT, WIDTH, 4)[..., :3]
    clean = np.fromfile(path.with_suffix(".clean"), np.float32).reshape(HEIGHT, WIDTH, 4)[..., :3]
    padded = np.pad(noisy, ((REACH, REACH), (REACH, REACH), (0, 0)), mode="edge")
    shifts = [padded[y : y + HEIGHT, x : x + WIDTH] for y in range(7) for x in range(7)]
    taps.append(np.stack(shifts, 2).reshape(-1, TAPS, 3))
    truth.append(clean.reshape(-1, 3))
features, taps, truth = (np.concatenate(x) for x in (features, taps, truth))
print(f"{len(features)} pixels")

sizes = [INPUTS, HIDDEN, HIDDEN, TAPS]
weights = [rng.normal(0, np.sqrt(2 / a), (b, a)).astype(np.float32) for a, b in zip(sizes, sizes[1:])]
weights[-1] *= 0.1
biases = [np.zeros(b, np.float32) for b in sizes[1:]]
parameters = weights + biases
first = [np.zeros_like(p) for p in parameters]
second = [np.zeros_like(p) for p in parameters]


def hidden(x):
    a = np.maximum(x @ weights[0].T + biases[0], 0)
    return a, np.maximum(a @ weights[1].T + biases[1], 0)


steps, batch = 4000, 2048
for step in range(1, steps + 1):
    pick = rng.integers(0, len(features), batch)
    x, t, y = features[pick], taps[pick], truth[pick]
    a, b = hidden(x)
    logits = b @ weights[2].T + biases[2]
    w = np.exp(logits - logits.max(1, keepdims=True))
    w /= w.sum(1, keepdims=True)
    out = np.einsum("nt,ntc->nc", w, t)
    # Relative squares: the eye sees ratios.
    norm = 1 / (y.mean(1, keepdims=True) ** 2 + 0.02)
    error = out - y
    loss = float((error**2 * norm).mean())
    gradient = 2 * error * norm / error.size
    by_weight = np.einsum("nc,ntc->nt", gradient, t)
    g2 = w * (by_weight - (w * by_weight).sum(1, keepdims=True))
    g1 = (g2 @ weights[2]) * (b > 0)
    g0 = (g1 @ weights[1]) * (a > 0)
    gradients = [g0.T @ x, g1.T @ a, g2.T @ b, g0.sum(0), g1.sum(0), g2.sum(0)]
    rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
    for p, g, m, v in zip(parameters, gradients, first, second):
        m += 0.1 * (g - m)
        v += 0.001 * (g * g - v)
        p -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    if step % 500 == 0:
        print(f"step {step}: loss {loss:.5f}")

# How large the activations get: static scales of their 8-bit tensors.
a, b = hidden(features[:: 7])
tensors = {f"weight{i}": w for i, w in enumerate(weights)} | {f"bias{i}": b for i, b in enumerate(biases)}
tensors["amax"] = np.array([a.max(), b.max()], np.float32)
save_file(tensors, here / "denoiser.safetensors")
print("activations up to", tensors["amax"])
