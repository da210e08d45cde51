#!/usr/bin/env python3
"""Holds examples/encoder against others: its tokens against the tokenizers package, its vectors against numpy in f64.

    ./fetch-models
    pip install numpy==2.4.6 safetensors==0.8.0 tokenizers==0.22.1
    cargo run --release --example encoder -- --tokens >target/tokens
    cargo run --release --example encoder -- --vectors 100 >target/vectors
    python3 tools/minilm.py target/tokens target/vectors
"""

import math
import pathlib
import sys

import numpy as np
from safetensors.numpy import load_file
from tokenizers import BertWordPieceTokenizer

models = pathlib.Path(__file__).parent.parent / "models"


def snippets():
    """In the order of examples/encoder."""
    sources = []
    for name in ["tweets", "movieReviewSnippets", "amazonReviewSnippets", "nytEditorialSnippets"]:
        data = (models / f"sentiment/hutto_ICWSM_2014/{name}_GroundTruth.txt").read_bytes()
        lines = [line.rstrip("\r") for line in data.decode("utf-8", "replace").split("\n")]
        sources.append([cells[2] for cells in (line.split("\t", 2) for line in lines) if len(cells) == 3])
    return [source[i] for i in range(max(map(len, sources))) for source in sources if i < len(source)]


weights = {k: v.astype(np.float64) for k, v in load_file(models / "minilm/model.safetensors").items()}
erf = np.vectorize(math.erf)


def linear(x, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def norm(x, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
    return x * weights[name + ".weight"] + weights[name + ".bias"]


def encode(tokens):
    n, heads = len(tokens), 12
    x = weights["embeddings.word_embeddings.weight"][tokens] + weights["embeddings.position_embeddings.weight"][:n]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for i in range(6):
        at = f"encoder.layer.{i}."
        split = lambda v: v.reshape(n, heads, -1).transpose(1, 0, 2)
        q, k, v = (split(linear(x, at + "attention.self." + part)) for part in ["query", "key", "value"])
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        y = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(n, -1)
        x = norm(x + linear(y, at + "attention.output.dense"), at + "attention.output.LayerNorm")
        y = linear(x, at + "intermediate.dense")
        y = y * 0.5 * (1 + erf(y / math.sqrt(2)))
        x = norm(x + linear(y, at + "output.dense"), at + "output.LayerNorm")
    x = x.mean(0)
    return x / np.linalg.norm(x)


texts = snippets()
tokens = [[int(t) for t in line.split()] for line in open(sys.argv[1])]
assert len(tokens) == len(texts), (len(tokens), len(texts))
theirs = BertWordPieceTokenizer(str(models / "minilm/vocab.txt"), lowercase=True)
theirs.enable_truncation(128)
differ = [i for i, mine in enumerate(tokens) if theirs.encode(texts[i]).ids != mine]
for i in differ[:5]:
    print(repr(texts[i]), tokens[i], theirs.encode(texts[i]).ids)
print(f"tokens: {len(texts)} texts, {len(differ)} differ")

if len(sys.argv) > 2:
    off, cosine = [], []
    for line, mine in zip(open(sys.argv[2]), tokens):
        got, want = np.array([float(v) for v in line.split()]), encode(mine)
        off.append(np.abs(got - want).max())
        cosine.append(got @ want)
    print(f"vectors: {len(off)} texts, largest difference {max(off):.2e}, least cosine {min(cosine):.9f}")
