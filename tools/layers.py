"""The table of layers that fashion.py, pitch.py and classify.py print."""

import numpy as np


def decibels(off, want):
    """Signal to noise."""
    return 10 * np.log10((want**2).mean() / (off**2).mean())


def table(truth, got, columns):
    """Of `got`, tensors named by column and layer, against `truth` by layer: in f32 the largest error as a share of the layer's
    largest number, else decibels. A column is where it ran, the format, and what else tells it from others."""
    print("| layer |" + "".join(f" {' '.join(c)} |" for c in columns))
    print("|---|" + "---|" * len(columns))
    for layer, want in truth.items():
        cells = []
        for column in columns:
            off = got[".".join([*column, layer])].astype(np.float64).reshape(want.shape) - want
            if column[1] == "f32":
                cells.append(f"{np.abs(off).max() / np.abs(want).max():.1e}")
            else:
                cells.append(f"{decibels(off, want):.1f}")
        print(f"| {layer} |" + "".join(f" {c} |" for c in cells))
