#!/usr/bin/env python3
"""Times the CPU backend's inference beside ONNX Runtime's in f32, turn by turn in one run, with as many threads.

    ./fetch-models
    pip install numpy==2.4.6 safetensors==0.8.0 onnx==1.23.2 onnxruntime==1.32.0
    cargo build --release --example fashion --example encoder
    python3 tools/inference.py [--rounds N] [--programs FOLDER] [fashion|encoder]...

With `--features faer` built into a folder of its own, `--target-dir target/faer`, the programs are in target/faer/release/examples.

Every round runs each precision of the example and ONNX Runtime over the same inputs, one after another; printed are the medians
of the rounds, in milliseconds per image or text, and of the ratios. ONNX Runtime's answers are held against labels and ours first.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

root = pathlib.Path(__file__).parent.parent
threads = os.cpu_count()
FORMATS = ["f32", "E4M3FN", "E3M4FN", "E5M2"]


class Graph:
    """An ONNX graph under construction."""

    def __init__(self):
        self.nodes, self.constants, self.inputs = [], {}, []

    def input(self, name, kind, shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, value, dtype=np.float32):
        value = np.ascontiguousarray(value, dtype)
        name = f"c{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def __call__(self, op, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def session(self, output, rank):
        out = helper.make_tensor_value_info(output, TensorProto.FLOAT, [None] * rank)
        graph = helper.make_graph(self.nodes, "g", self.inputs, [out], list(self.constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.checker.check_model(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )


def fashion(batch, _):
    """The network of examples/fashion with its BatchNorms folded, and its inputs in batches."""
    at = root / "examples/fashion"
    weights, images = load_file(at / "fashion.safetensors"), load_file(at / "test_images.safetensors")
    x = ((images["images"].astype(np.float32) / 255 - 0.2860) / 0.3530)[:, None]
    g = Graph()
    y = g.input("x", TensorProto.FLOAT, ["n", 1, 28, 28])
    layers = ["stem", "conv"] + [f"{kind}{i}" for i in [1, 2, 3] for kind in ["depthwise", "pointwise"]]
    for name in layers:
        w = weights[f"{name}.weight"]
        # To [out, in, height, width].
        w = w.transpose(2, 0, 1)[:, None] if w.ndim == 3 else w.transpose(0, 3, 1, 2)
        scale = weights[f"{name}.gamma"] / np.sqrt(weights[f"{name}.variance"] + 1e-5)
        bias = weights[f"{name}.beta"] - weights[f"{name}.mean"] * scale
        w, bias = g.constant(w * scale[:, None, None, None]), g.constant(bias)
        groups = len(scale) if name.startswith("depthwise") else 1
        step, pad = (2 if name in ["stem", "depthwise2"] else 1), (0 if name.startswith("point") else 1)
        y = g("Relu", g("Conv", y, w, bias, strides=[step] * 2, pads=[pad] * 4, group=groups))
    y = g("Flatten", g("GlobalAveragePool", y))
    y = g("Gemm", y, g.constant(weights["linear.weight"]), g.constant(weights["linear.bias"]), transB=1)
    session = g.session(y, 2)
    labels = images["labels"]
    right = (session.run(None, {"x": x})[0].argmax(1) == labels).sum()
    print(f"ONNX Runtime {onnxruntime.__version__}, f32: {right}/{len(labels)} correct, {threads} threads")
    rounds = 500 // batch

    def run():
        for _ in range(rounds):
            session.run(None, {"x": x[:batch]})
        return rounds * batch

    return run


def encoder(batch, programs):
    """MiniLM-L6, and the texts in the batches of examples/encoder."""
    w = load_file(root / "models/minilm/model.safetensors")
    g = Graph()
    tokens = g.input("tokens", TensorProto.INT64, ["n", "l"])
    mask = g.input("mask", TensorProto.FLOAT, ["n", 1, 1, "l"])
    share = g.input("share", TensorProto.FLOAT, ["n", 1, "l"])
    places = g.input("places", TensorProto.FLOAT, ["l", 384])

    def linear(x, name):
        x = g("MatMul", x, g.constant(w[f"{name}.weight"].T))
        return g("Add", x, g.constant(w[f"{name}.bias"]))

    def norm(x, name):
        parts = [g.constant(w[f"{name}.{part}"]) for part in ["weight", "bias"]]
        return g("LayerNormalization", x, *parts, axis=-1, epsilon=1e-12)

    x = g("Add", g("Gather", g.constant(w["embeddings.word_embeddings.weight"]), tokens), places)
    x = norm(x, "embeddings.LayerNorm")
    heads = g.constant([0, 0, 12, 32], np.int64)
    whole = g.constant([0, 0, 384], np.int64)
    for i in range(6):
        at = f"encoder.layer.{i}."
        split = lambda part, order: g(
            "Transpose", g("Reshape", linear(x, f"{at}attention.self.{part}"), heads), perm=order
        )
        q, k, v = split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1]), split("value", [0, 2, 1, 3])
        scores = g("Mul", g("MatMul", q, k), g.constant(np.float32(32**-0.5)))
        y = g("MatMul", g("Softmax", g("Add", scores, mask), axis=-1), v)
        y = g("Reshape", g("Transpose", y, perm=[0, 2, 1, 3]), whole)
        x = norm(g("Add", x, linear(y, at + "attention.output.dense")), at + "attention.output.LayerNorm")
        y = g("Gelu", linear(x, at + "intermediate.dense"))
        x = norm(g("Add", x, linear(y, at + "output.dense")), at + "output.LayerNorm")
    session = g.session(g("MatMul", share, x), 3)
    table = w["embeddings.position_embeddings.weight"] + w["embeddings.token_type_embeddings.weight"][0]
    program = [str(programs / "encoder")]
    lines = subprocess.run(program + ["--tokens"], check=True, capture_output=True, text=True).stdout
    texts = [[int(t) for t in line.split()] for line in lines.splitlines()[:TEXTS]]
    vectors = subprocess.run(program + ["--vectors", "64"], check=True, capture_output=True, text=True).stdout
    ours = np.array([[float(v) for v in line.split()] for line in vectors.splitlines()])
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    batches = []
    for first in range(0, len(order), batch):
        mine = order[first : first + batch]
        length = -(-max(len(texts[i]) for i in mine) // 8) * 8
        ids, off = np.zeros((len(mine), length), np.int64), np.full((len(mine), 1, 1, length), -np.inf, np.float32)
        mean = np.zeros((len(mine), 1, length), np.float32)
        for row, i in enumerate(mine):
            n = len(texts[i])
            ids[row, :n], off[row, 0, 0, :n], mean[row, 0, :n] = texts[i], 0, 1 / n
        batches.append((mine, {"tokens": ids, "mask": off, "share": mean, "places": table[:length]}))
    theirs = np.zeros((len(texts), 384))
    for mine, inputs in batches:
        theirs[mine] = session.run(None, inputs)[0][:, 0]
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    off = np.abs(theirs[: len(ours)] - ours).max()
    print(f"ONNX Runtime {onnxruntime.__version__}, f32: {len(ours)} vectors, largest difference {off:.1e}, {threads} threads")

    def run():
        for _, inputs in batches:
            session.run(None, inputs)
        return len(texts)

    return run


TEXTS = 320
NETWORKS = {"fashion": (fashion, [1, 16, 500]), "encoder": (encoder, [1, 16])}


def compare(name, batch, rounds, programs):
    build, _ = NETWORKS[name]
    run = build(batch, programs)
    program = [str(programs / name), "--paced", str(batch)]
    program += ["--texts", str(TEXTS)] if name == "encoder" else []
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as ours:
        times = []
        for _ in range(rounds + 1):
            time.sleep(0.2)  # ONNX Runtime's threads look out for work for a while.
            print(file=ours.stdin, flush=True)
            mine = [float(v) for v in ours.stdout.readline().split()]
            start = time.perf_counter()
            n = run()
            times.append(mine + [1e3 * (time.perf_counter() - start) / n])
        ours.stdin.close()
    times = times[1:]  # The first warms up.
    print(f"\n{name}, batches of {batch}; median of {rounds} rounds\n\n| | ms | of ONNX Runtime's |\n|---|---|---|")
    for i, row in enumerate([*FORMATS, "ONNX Runtime f32"]):
        ratio = statistics.median(t[i] / t[-1] for t in times)
        print(f"| {row} | {statistics.median(t[i] for t in times):.3f} | {ratio:.2f} |")
    print()


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--rounds", type=int, default=7)
    args.add_argument("--programs", type=pathlib.Path, default=root / "target/release/examples")
    args.add_argument("networks", nargs="*", default=[])
    args = args.parse_args()
    for name in args.networks or NETWORKS:
        for batch in NETWORKS[name][1]:
            compare(name, batch, args.rounds, args.programs)


if __name__ == "__main__":
    main()
