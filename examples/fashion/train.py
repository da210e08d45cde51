#!/usr/bin/env python3
"""Trains the classifiers of clothes that examples/fashion/main.rs runs in 8-bit floats.

The data is Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, arXiv 1708.07747, MIT licence), as Debian packs it:

    ./fetch-models fashion
    python3 -m venv venv
    venv/bin/pip install jax==0.8.1 numpy==2.4.6 safetensors==0.8.0
    venv/bin/python examples/fashion/train.py [--network depthwise|plain] [--data DIRECTORY] [--out DIRECTORY]

Writes fashion.safetensors, or plain.safetensors (weights, BatchNorm unfolded), and test_images.safetensors (the first
500 images of the test set with their labels, 28 x 28 bytes each) next to this file, or into DIRECTORY. Prints the
accuracy on all 10 000. `--epochs N` trains for longer, or less.
"""

import argparse
import json
import pathlib
import struct
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

SEED, BATCH, RATE, DECAY = 20, 128, 2e-3, 1e-4
MEAN, DEVIATION = 0.2860, 0.3530
EPSILON, MOMENTUM = 1e-5, 0.1
TEST_IMAGES = 500


class Layer(NamedTuple):
    """A convolution, followed by BatchNorm and ReLU."""

    name: str
    kernel: int
    channels: int
    out: int
    stride: int = 1
    groups: int = 1
    # The layer that it reads, if it is not the one before.
    reads: str = ""
    # The layer that is added before ReLU.
    adds: str = ""
    relu: bool = True


DEPTHWISE = (
    Layer("stem", 3, 1, 32, stride=2),
    Layer("conv", 3, 32, 48),
    Layer("depthwise1", 3, 48, 48, groups=48),
    Layer("pointwise1", 1, 48, 64),
    Layer("depthwise2", 3, 64, 64, stride=2, groups=64),
    Layer("pointwise2", 1, 64, 128),
    Layer("depthwise3", 3, 128, 128, groups=128),
    Layer("pointwise3", 1, 128, 128),
)
# Two blocks of ResNet (K. He, X. Zhang, S. Ren, J. Sun, arXiv 1512.03385), the second with a projection.
PLAIN = (
    Layer("stem", 3, 1, 32, stride=2),
    Layer("conv1", 3, 32, 32),
    Layer("conv2", 3, 32, 32, adds="stem"),
    Layer("projection", 1, 32, 64, stride=2, relu=False),
    Layer("conv3", 3, 32, 64, stride=2, reads="conv2"),
    Layer("conv4", 3, 64, 64, adds="projection"),
)
# Layers, and the file that their weights go to.
NETWORKS = {"depthwise": (DEPTHWISE, "fashion.safetensors"), "plain": (PLAIN, "plain.safetensors")}
CLASSES = 10


def load(directory, name):
    images = np.fromfile(directory / f"{name}-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 28, 28, 1)
    return images, np.fromfile(directory / f"{name}-labels-idx1-ubyte", np.uint8, offset=8)


def initial(layers, key):
    parameters, statistics = {}, {}
    for name, kernel, channels, out, _, groups, *_ in layers:
        key, mine = jax.random.split(key)
        fan_in = kernel * kernel * channels // groups
        shape = (kernel, kernel, channels // groups, out)
        parameters[name] = {
            "weight": jax.random.normal(mine, shape) * (2 / fan_in) ** 0.5,
            "gamma": jnp.ones(out),
            "beta": jnp.zeros(out),
        }
        statistics[name] = {"mean": jnp.zeros(out), "variance": jnp.ones(out)}
    last = layers[-1].out
    weight = jax.random.normal(key, (last, CLASSES)) * last**-0.5
    parameters["linear"] = {"weight": weight, "bias": jnp.zeros(CLASSES)}
    return parameters, statistics


def depthwise(x, weight, stride, pad):
    """Tap by tap: XLA's own grouped convolution is slow on CPUs."""
    x = jnp.pad(x, ((0, 0), *pad, (0, 0)))
    kernel, height, width = weight.shape[0], x.shape[1] - weight.shape[0] + 1, x.shape[2] - weight.shape[1] + 1
    taps = [(r, s) for r in range(kernel) for s in range(kernel)]
    return sum(x[:, r : r + height : stride, s : s + width : stride] * weight[r, s, 0] for r, s in taps)


def forward(layers, parameters, statistics, images, training):
    x, made, updated = images, {}, {}
    for name, kernel, _, _, stride, groups, reads, adds, relu in layers:
        p, s = parameters[name], statistics[name]
        x = made[reads] if reads else x
        pad = [(kernel // 2, kernel // 2)] * 2
        if groups > 1:
            x = depthwise(x, p["weight"], stride, pad)
        else:
            order = ("NHWC", "HWIO", "NHWC")
            x = jax.lax.conv_general_dilated(x, p["weight"], (stride, stride), pad, dimension_numbers=order)
        if training:
            mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
            n = x.size / x.shape[-1]
            updated[name] = {
                "mean": (1 - MOMENTUM) * s["mean"] + MOMENTUM * mean,
                "variance": (1 - MOMENTUM) * s["variance"] + MOMENTUM * variance * n / (n - 1),
            }
        else:
            mean, variance = s["mean"], s["variance"]
        x = (x - mean) * jax.lax.rsqrt(variance + EPSILON) * p["gamma"] + p["beta"]
        x = x + made[adds] if adds else x
        made[name] = x = jax.nn.relu(x) if relu else x
    p = parameters["linear"]
    return x.mean((1, 2)) @ p["weight"] + p["bias"], updated


def loss(parameters, statistics, layers, images, labels):
    logits, updated = forward(layers, parameters, statistics, images, True)
    target = jax.nn.one_hot(labels, CLASSES) * 0.95 + 0.05 / CLASSES
    return -(target * jax.nn.log_softmax(logits)).sum(1).mean(), updated


@partial(jax.jit, static_argnums=0)
def step(layers, parameters, statistics, moments, images, labels, rate, t):
    slope = jax.value_and_grad(loss, has_aux=True)
    (_, statistics), gradient = slope(parameters, statistics, layers, images, labels)
    # AdamW.
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, moments[1], gradient)

    def update(p, m, v):
        m, v = m / (1 - 0.9**t), v / (1 - 0.999**t)
        return p - rate * (m / (jnp.sqrt(v) + 1e-8) + DECAY * p)

    return jax.tree.map(update, parameters, first, second), statistics, (first, second)


@partial(jax.jit, static_argnums=0)
def predict(layers, parameters, statistics, images):
    return forward(layers, parameters, statistics, images, False)[0].argmax(1)


def normalised(images):
    return (images.astype(np.float32) / 255 - MEAN) / DEVIATION


def augmented(images, rng):
    """Half of them mirrored."""
    mirror = rng.random(len(images)) < 0.5
    images[mirror] = images[mirror, :, ::-1]
    return images


def accuracy(layers, parameters, statistics, images, labels):
    answers = [
        np.asarray(predict(layers, parameters, statistics, normalised(images[i : i + 500])))
        for i in range(0, len(images), 500)
    ]
    return (np.concatenate(answers) == labels).mean()


def save(path, tensors):
    """Safetensors, entries in a fixed order: the file comes out the same whoever writes it."""
    header, at, data = {}, 0, b""
    for name, tensor in sorted(tensors.items()):
        raw = np.ascontiguousarray(tensor).tobytes()
        kind = {"float32": "F32", "uint8": "U8"}[str(tensor.dtype)]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    here = pathlib.Path(__file__).resolve().parent
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--network", choices=NETWORKS, default="depthwise")
    args.add_argument("--data", type=pathlib.Path, default=here.parents[1] / "models" / "fashion")
    args.add_argument("--out", type=pathlib.Path, default=here)
    args.add_argument("--epochs", type=int, default=8)
    args = args.parse_args()
    layers, file = NETWORKS[args.network]
    images, labels = load(args.data, "train")
    test_images, test_labels = load(args.data, "t10k")
    rng = np.random.default_rng(SEED)
    parameters, statistics = initial(layers, jax.random.key(SEED))
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    moments, t, steps = (zeros, zeros), 0, args.epochs * (len(images) // BATCH)
    for epoch in range(args.epochs):
        order = rng.permutation(len(images))
        for i in range(0, len(images) - BATCH + 1, BATCH):
            mine = order[i : i + BATCH]
            t += 1
            rate = RATE * min(1, t / 300) * 0.5 * (1 + np.cos(np.pi * t / steps))
            batch = augmented(normalised(images[mine]), rng)
            parameters, statistics, moments = step(
                layers, parameters, statistics, moments, batch, labels[mine], rate, t
            )
        right = accuracy(layers, parameters, statistics, test_images, test_labels)
        print(f"epoch {epoch + 1}: {right:.4f}", flush=True)
    tensors = {}
    for name, _, channels, _, _, groups, *_ in layers:
        weight = np.asarray(parameters[name]["weight"], np.float32)
        # As the library has them: output channels first, or innermost where a kernel sees one channel.
        one = channels == groups
        tensors[f"{name}.weight"] = weight[:, :, 0, :] if one else weight.transpose(3, 0, 1, 2)
        for part in ["gamma", "beta"]:
            tensors[f"{name}.{part}"] = np.asarray(parameters[name][part], np.float32)
        for part in ["mean", "variance"]:
            tensors[f"{name}.{part}"] = np.asarray(statistics[name][part], np.float32)
    tensors["linear.weight"] = np.asarray(parameters["linear"]["weight"], np.float32).T
    tensors["linear.bias"] = np.asarray(parameters["linear"]["bias"], np.float32)
    save(args.out / file, tensors)
    first = test_images[:TEST_IMAGES, :, :, 0], test_labels[:TEST_IMAGES]
    save(args.out / "test_images.safetensors", {"images": first[0], "labels": first[1]})
    right = accuracy(layers, parameters, statistics, test_images, test_labels)
    few = accuracy(layers, parameters, statistics, test_images[:TEST_IMAGES], test_labels[:TEST_IMAGES])
    print(f"{right:.4f} of 10 000; {few:.3f} of the 500")


if __name__ == "__main__":
    main()
