#!/usr/bin/env python3
"""Trains the recommender that examples/ncf/main.rs runs in 8-bit floats: NeuMF on MovieLens-100k.

    ./fetch-models movielens
    python3 -m venv venv
    venv/bin/pip install numpy==2.4.6 safetensors==0.8.0
    OMP_NUM_THREADS=1 venv/bin/python examples/ncf/train.py [--data FILE] [--out DIRECTORY] [--epochs N]

NeuMF (X. He, L. Liao, H. Zhang, L. Nie, X. Hu, T.-S. Chua, *Neural Collaborative Filtering*, WWW 2017): rows of four
tables; the product of two of them (GMF) beside three layers on the other two (MLP); a linear layer; a sigmoid. All
films that a user rated are positive, four negatives are drawn for each in every epoch, and the film that a user rated
last is kept for the test: it is ranked among 99 films that the user never rated.

Writes into models/ncf, or into DIRECTORY: ncf.safetensors (weights in f32), test.safetensors (`users`; `items`, 100 of
each user, the positive one first) and calibration.safetensors (`users`, `items`: pairs as training has them). Data and
what is made of it stay out of the repository: GroupLens lets nobody pass them on without permission.
"""

import argparse
import pathlib

import numpy as np
from safetensors.numpy import save_file

SEED, TEST_SEED, CALIBRATION_SEED = 20, 21, 22
# Columns of the tables of GMF and of MLP, and outputs of the layers of MLP.
FACTORS, WIDTH, LAYERS = 16, 32, [64, 32, 16]
EPOCHS, BATCH, RATE, NEGATIVES = 12, 512, 1e-3, 4
CANDIDATES, TOP, CALIBRATION = 100, 10, 3000


def load(file):
    """Users and items from 0, in order of time within a user; pairs of equal time in the order of the file."""
    columns = np.loadtxt(file, skiprows=1, usecols=(0, 1, 3), dtype=np.int64)
    users, items = columns[:, 0] - 1, columns[:, 1] - 1
    order = np.lexsort((columns[:, 2], users))
    return users[order], items[order]


def split(users, items, rng):
    """Pairs to train with; per user 100 items, first the one rated last."""
    last = np.append(users[1:] != users[:-1], True)
    rated = np.zeros((users.max() + 1, items.max() + 1), bool)
    rated[users, items] = True
    others = [rng.choice(np.flatnonzero(~row), CANDIDATES - 1, replace=False) for row in rated]
    tested = np.column_stack([items[last], others])
    rated[users[last], items[last]] = False
    return users[~last], items[~last], rated, tested


def drawn(users, items, rated, rng):
    """Every positive and its negatives: users, items, labels."""
    at = np.repeat(users, NEGATIVES)
    negatives = rng.integers(rated.shape[1], size=len(at))
    while (again := rated[at, negatives]).any():
        negatives[again] = rng.integers(rated.shape[1], size=again.sum())
    labels = np.repeat(np.float32([1, 0]), [len(items), len(at)])
    return np.append(users, at), np.append(items, negatives), labels


def initial(users, items, rng):
    tables = {"gmf.user": (users, FACTORS), "gmf.item": (items, FACTORS), "mlp.user": (users, WIDTH)}
    tables["mlp.item"] = (items, WIDTH)
    parameters = {name: rng.normal(0, 0.01, shape) for name, shape in tables.items()}
    widths = [2 * WIDTH, *LAYERS]
    for i, (before, after) in enumerate(zip(widths, LAYERS), 1):
        parameters[f"mlp.{i}.weight"] = rng.normal(0, (2 / before) ** 0.5, (after, before))
        parameters[f"mlp.{i}.bias"] = np.zeros(after)
    width = FACTORS + LAYERS[-1]
    parameters["out.weight"] = rng.normal(0, width**-0.5, (1, width))
    parameters["out.bias"] = np.zeros(1)
    return {name: p.astype(np.float32) for name, p in parameters.items()}


def forward(p, users, items):
    """Logits, and what the layers read."""
    product = p["gmf.user"][users] * p["gmf.item"][items]
    read = [np.concatenate([p["mlp.user"][users], p["mlp.item"][items]], 1)]
    for i in range(1, len(LAYERS) + 1):
        read.append(np.maximum(read[-1] @ p[f"mlp.{i}.weight"].T + p[f"mlp.{i}.bias"], 0))
    both = np.concatenate([product, read[-1]], 1)
    return (both @ p["out.weight"].T + p["out.bias"])[:, 0], read, both


def gradient(p, users, items, labels):
    """Of the mean log loss."""
    logits, read, both = forward(p, users, items)
    slope = ((1 / (1 + np.exp(-logits)) - labels) / len(labels))[:, None]
    g = {"out.weight": slope.T @ both, "out.bias": slope.sum(0)}
    slope = slope @ p["out.weight"]
    product, slope = slope[:, :FACTORS], slope[:, FACTORS:]
    for i in range(len(LAYERS), 0, -1):
        slope = slope * (read[i] > 0)
        g[f"mlp.{i}.weight"], g[f"mlp.{i}.bias"] = slope.T @ read[i - 1], slope.sum(0)
        slope = slope @ p[f"mlp.{i}.weight"]
    rows = {
        "gmf.user": (users, product * p["gmf.item"][items]),
        "gmf.item": (items, product * p["gmf.user"][users]),
        "mlp.user": (users, slope[:, :WIDTH]),
        "mlp.item": (items, slope[:, WIDTH:]),
    }
    for name, (index, row) in rows.items():
        g[name] = np.zeros_like(p[name])
        np.add.at(g[name], index, row)
    return g


def train(users, items, rated, epochs, rng, report):
    p = initial(*rated.shape, rng)
    first, second = ({name: np.zeros_like(v) for name, v in p.items()} for _ in range(2))
    t, steps = 0, epochs * -(-len(users) * (1 + NEGATIVES) // BATCH)
    for epoch in range(epochs):
        u, i, labels = drawn(users, items, rated, rng)
        order = rng.permutation(len(u))
        for start in range(0, len(order), BATCH):
            mine = order[start : start + BATCH]
            t += 1
            rate = RATE * (1 - t / steps)
            for name, g in gradient(p, u[mine], i[mine], labels[mine]).items():  # Adam.
                first[name] += np.float32(0.1) * (g - first[name])
                second[name] += np.float32(0.001) * (g * g - second[name])
                mean, square = first[name] / (1 - 0.9**t), second[name] / (1 - 0.999**t)
                p[name] -= (rate * mean / (np.sqrt(square) + 1e-8)).astype(np.float32)
        report(epoch, p)
    return p


def score(p, tested):
    """HR@10 and NDCG@10; what scores as high as the positive item counts as ranked above it."""
    users = np.repeat(np.arange(len(tested)), CANDIDATES)
    logits = forward(p, users, tested.ravel())[0].reshape(tested.shape)
    above = (logits[:, 1:] >= logits[:, :1]).sum(1)
    hits = above < TOP
    return int(hits.sum()), float((hits / np.log2(above + 2)).mean())


def main():
    models = pathlib.Path(__file__).resolve().parents[2] / "models"
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--data", type=pathlib.Path, default=models / "movielens" / "ml-100k.inter")
    args.add_argument("--out", type=pathlib.Path, default=models / "ncf")
    args.add_argument("--epochs", type=int, default=EPOCHS)
    args = args.parse_args()
    users, items = load(args.data)
    users, items, rated, tested = split(users, items, np.random.default_rng(TEST_SEED))

    def report(epoch, p):
        hits, gain = score(p, tested)
        print(f"epoch {epoch + 1}: HR@10 {hits / len(tested):.4f}, NDCG@10 {gain:.4f}", flush=True)

    p = train(users, items, rated, args.epochs, np.random.default_rng(SEED), report)
    hits, gain = score(p, tested)
    rng = np.random.default_rng(CALIBRATION_SEED)
    u, i, _ = drawn(users, items, rated, rng)
    some = rng.choice(len(u), CALIBRATION, replace=False)
    args.out.mkdir(parents=True, exist_ok=True)
    result = {"hits_at_10": f"{hits}/{len(tested)}", "ndcg_at_10": f"{gain:.4f}"}
    save_file(p, args.out / "ncf.safetensors", result)
    everyone = np.arange(len(tested))
    pairs = {"test": (everyone, tested), "calibration": (u[some], i[some])}
    for name, (u, i) in pairs.items():
        tensors = {"users": u.astype(np.uint32), "items": np.ascontiguousarray(i, np.uint32)}
        save_file(tensors, args.out / f"{name}.safetensors")
    print(f"{args.out}: HR@10 {hits}/{len(tested)}, NDCG@10 {gain:.4f}")


if __name__ == "__main__":
    main()
