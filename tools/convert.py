#!/usr/bin/env python3
"""Converts what `./fetch-models` fetched to files that examples read; it calls this.

    python3 tools/convert.py weights MODEL.pth           # PyTorch's weights: MODEL.safetensors beside it
    python3 tools/convert.py names NAMES.json            # an array of names: NAMES.txt, a line each
    pip install pillow==13.0.0
    python3 tools/convert.py images FOLDER               # FOLDER/*_LABEL.jpg: FOLDER/images.safetensors

Weights need nothing but Python. A .pth is a pickle, which could run anything: only tensors of f32 and of integers, and dictionaries
of them, are unpickled; integers (how many batches a BatchNorm has seen) are left out.

Images: the square in the middle, its side 224/256 of the shorter one, resized to 224 x 224 by Pillow's bicubic filter; RGB, a byte
per channel, [images, 224, 224, 3]. The labels are the numbers before ".jpg".
"""

import array
import collections
import json
import math
import pathlib
import pickle
import struct
import sys
import zipfile

WIDTHS = {"FloatStorage": 4, "LongStorage": 8}


class Unpickler(pickle.Unpickler):
    """Leaves storages as (kind, key), tensors as (storage, first, shape, strides)."""

    def find_class(self, module, name):
        allowed = {("collections", "OrderedDict"): collections.OrderedDict, ("torch._utils", "_rebuild_tensor_v2"): tensor}
        if module == "torch" and name in WIDTHS:
            return name
        if (module, name) in allowed:
            return allowed[module, name]
        raise pickle.UnpicklingError(f"{module}.{name} is not taken")

    def persistent_load(self, saved):
        _, kind, key, *_ = saved
        return kind, key


def tensor(storage, first, shape, strides, *_):
    return storage, first, shape, strides


def gather(words, first, shape, strides):
    """The numbers of a tensor, row by row, from its storage, an array of 4-byte words."""
    if not shape:
        return words[first : first + 1]
    out = array.array("I")
    if len(shape) == 1:
        out = words[first : first + shape[0] * strides[0] : strides[0]]
    else:
        for i in range(shape[0]):
            out += gather(words, first + i * strides[0], shape[1:], strides[1:])
    if len(out) != math.prod(shape):
        raise pickle.UnpicklingError(f"a tensor of shape {shape} ends beyond its storage")
    return out


def load(path):
    """Tensors of f32 by name: shape and bytes."""
    if zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        (index,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        tensors = Unpickler(archive.open(index)).load()
        storage = lambda key: archive.read(index[: -len("data.pkl")] + f"data/{key}")
    else:
        # Before PyTorch 1.6: a magic number, a version, facts of the machine, the index, the keys; then each storage.
        file = open(path, "rb")
        magic, version, _, tensors, keys = (Unpickler(file).load() for _ in range(5))
        if (magic, version) != (0x1950A86A20F9469CFC6C, 1001):
            raise pickle.UnpicklingError(f"{path}: not PyTorch's")
        kinds = {key: kind for (kind, key), *_ in tensors.values()}
        storages = {}
        for key in keys:
            (length,) = struct.unpack("<q", file.read(8))
            storages[key] = file.read(length * WIDTHS[kinds[key]])
        storage = lambda key: storages[key]
    out = {}
    for name, ((kind, key), first, shape, strides) in tensors.items():
        if kind == "FloatStorage":
            words = array.array("I", storage(key))
            out[name] = ("F32", shape, gather(words, first, shape, strides).tobytes())
    return out


def save(path, tensors):
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
    header = json.dumps(header).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"".join(t[2] for t in tensors.values()))


def images(folder, size=224, padding=32):
    from PIL import Image

    pixels, labels = [], []
    for path in sorted(folder.glob("*.jpg")):
        image = Image.open(path).convert("RGB")
        width, height = image.size
        side = size * min(width, height) // (size + padding)
        left, top = (width - side + 1) // 2, (height - side + 1) // 2
        box = (left, top, left + side, top + side)
        pixels.append(image.resize((size, size), Image.Resampling.BICUBIC, box).tobytes())
        labels.append(int(path.stem.split("_")[-1]))
    n = len(labels)
    labels = struct.pack(f"<{n}I", *labels)
    save(folder / "images.safetensors", {"labels": ("U32", [n], labels), "images": ("U8", [n, size, size, 3], b"".join(pixels))})


def main():
    what, path = sys.argv[1], pathlib.Path(sys.argv[2])
    if what == "weights":
        save(path.with_suffix(".safetensors"), load(path))
    elif what == "names":
        path.with_suffix(".txt").write_text("".join(f"{name}\n" for name in json.loads(path.read_text())))
    elif what == "images":
        images(path)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
