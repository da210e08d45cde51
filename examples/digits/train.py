#!/usr/bin/env python3
"""Trains the small classifier of handwritten digits that examples/digits/main.rs runs in 8-bit floats.

Requirements, pinned:

    numpy==2.4.6
    safetensors==0.8.0
    scikit-learn==1.9.1

    python3 -m venv venv
    venv/bin/pip install numpy==2.4.6 safetensors==0.8.0 scikit-learn==1.9.1
    venv/bin/python examples/digits/train.py [--out DIRECTORY]

Writes digits.safetensors and test_images.safetensors next to this file, or into DIRECTORY.

The files come out the same to the byte whatever BLAS, SIMD width or thread count numpy uses. The training
runs in float64, where two such machines differ in the last bits; parameters and momentum are snapped to a
grid of 2^-20 and 2^-24 after every step, which drops those bits before they can grow. Every parameter is
then exact in float32.
"""

import argparse
import json
import pathlib
import struct

import numpy as np
from safetensors.numpy import load_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 20
WIDTHS = [64, 128, 64, 10]
TEST_IMAGES = 500
CALIBRATION_IMAGES = 128

EPOCHS = 60
BATCH = 32
RATE = 0.1
MOMENTUM = 0.9
DECAY = 1e-4

SOURCE = (
    "Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak), UCI Machine Learning Repository, "
    "as shipped with scikit-learn 1.9.1 (sklearn.datasets.load_digits)"
)
LICENCE = "BSD-3-Clause (scikit-learn, which ships the data); UCI original: CC-BY-4.0"


def snap(x, bits):
    return np.rint(x * 2.0**bits) * 2.0**-bits


def forward(weights, biases, x):
    """The activations of every layer; the last are the logits."""
    layers = [x]
    for i, (w, b) in enumerate(zip(weights, biases)):
        x = x @ w.T + b
        if i + 1 < len(weights):
            x = np.maximum(x, 0)
        layers.append(x)
    return layers


def train(x, y, rng):
    weights = []
    for fan_in, fan_out in zip(WIDTHS, WIDTHS[1:]):
        bound = np.sqrt(6.0 / fan_in)
        weights.append(snap(rng.uniform(-bound, bound, (fan_out, fan_in)), 20))
    params = weights + [np.zeros(n) for n in WIDTHS[1:]]
    velocity = [np.zeros_like(p) for p in params]
    count = len(weights)

    for epoch in range(EPOCHS):
        rate = RATE * 0.5 * (1.0 + np.cos(np.pi * epoch / EPOCHS))
        order = rng.permutation(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            layers = forward(params[:count], params[count:], x[rows])
            e = np.exp(layers[-1] - layers[-1].max(axis=1, keepdims=True))
            delta = e / e.sum(axis=1, keepdims=True)
            delta[np.arange(len(rows)), y[rows]] -= 1.0
            delta /= len(rows)
            grads = [None] * len(params)
            for i in reversed(range(count)):
                grads[i] = delta.T @ layers[i] + DECAY * params[i]
                grads[count + i] = delta.sum(axis=0)
                if i > 0:
                    delta = (delta @ params[i]) * (layers[i] > 0)
            for i, g in enumerate(grads):
                velocity[i] = snap(MOMENTUM * velocity[i] - rate * g, 24)
                params[i] = snap(params[i] + velocity[i], 20)
    return params[:count], params[count:]


def save(path, tensors, metadata):
    """Writes a safetensors file with everything in a fixed order.

    safetensors.numpy.save_file is not used because it promises no order for the metadata.
    """
    types = {"float32": "F32", "uint8": "U8"}
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name, array in sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):
        blob = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        header[name] = {
            "dtype": types[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))

    back = load_file(path)
    assert back.keys() == tensors.keys()
    for name, array in tensors.items():
        assert back[name].dtype == array.dtype and np.array_equal(back[name], array), name


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    digits = load_digits()
    pixels, labels = digits.data.astype(np.uint8), digits.target.astype(np.uint8)
    assert pixels.shape == (1797, 64) and np.array_equal(pixels, digits.data) and pixels.max() == 16
    train_pixels, test_pixels, train_labels, test_labels = train_test_split(
        pixels, labels, test_size=TEST_IMAGES, stratify=labels, random_state=SEED
    )

    weights, biases = train(train_pixels / 16.0, train_labels, np.random.default_rng(SEED))

    tensors = {}
    for i, (w, b) in enumerate(zip(weights, biases), 1):
        tensors[f"fc{i}.weight"] = w.astype(np.float32)
        tensors[f"fc{i}.bias"] = b.astype(np.float32)
        assert np.array_equal(tensors[f"fc{i}.weight"], w) and np.array_equal(tensors[f"fc{i}.bias"], b)

    def correct(some_pixels, some_labels):
        numbers = range(1, len(WIDTHS))
        x = some_pixels.astype(np.float32) / np.float32(16)
        logits = forward(
            [tensors[f"fc{i}.weight"] for i in numbers], [tensors[f"fc{i}.bias"] for i in numbers], x
        )[-1]
        assert logits.dtype == np.float32
        return int((logits.argmax(axis=1) == some_labels).sum())

    right, right_train = correct(test_pixels, test_labels), correct(train_pixels, train_labels)
    accuracy = f"{right / len(test_labels):.4f}"
    print(f"train: {right_train}/{len(train_labels)}  test: {right}/{len(test_labels)} = {accuracy}")

    save(
        out / "digits.safetensors",
        tensors,
        {
            "model": "MLP 64-128-64-10, ReLU after fc1 and fc2; input: pixel / 16",
            "source": SOURCE,
            "license": LICENCE,
            "split": f"{len(train_labels)} training images, {len(test_labels)} held-out test images, "
            f"stratified, seed {SEED}",
            "test_correct_f32": f"{right}/{len(test_labels)}",
            "test_accuracy_f32": accuracy,
            "made_by": "examples/digits/train.py",
        },
    )
    save(
        out / "test_images.safetensors",
        {
            "images": test_pixels,
            "labels": test_labels,
            "calibration": train_pixels[:CALIBRATION_IMAGES],
        },
        {
            "content": "images, labels: the held-out test split; calibration: images of the training split; "
            "rows of 8x8 pixels, 0 to 16",
            "source": SOURCE,
            "license": LICENCE,
            "made_by": "examples/digits/train.py",
        },
    )


if __name__ == "__main__":
    main()
