#!/usr/bin/env python3
"""Judges what examples/peers wrote: every problem computed again with PyTorch in f64.

    apt-get install python3-torch python3-numpy        # or: pip install torch numpy
    cargo run --release --example peers -- target/peers
    python3 tools/peers.py target/peers

A number passes if it lies within our own bound of PyTorch's. Prints how near the reference that tests use is to PyTorch, and
how much of the bound is spent. Exits with 1 if any number fails.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

at = pathlib.Path(sys.argv[1])
numbers = np.fromfile(at / "data.f64", "<f8")


def tensor(place):
    first, shape = place
    return torch.from_numpy(numbers[first : first + int(np.prod(shape))].reshape(shape).copy())


def first(x):
    """Channels first."""
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def conv2d(a, x, w, bias=None):
    x = x if a["nchw"] else first(x)
    top, left, bottom, right = a["padding"]
    # [h, w, out] where a kernel sees one channel, else [out, h, w, in].
    w = w.permute(2, 0, 1).unsqueeze(1) if w.dim() == 3 else w.permute(0, 3, 1, 2)
    x = F.pad(x, (left, right, top, bottom))
    return last(F.conv2d(x, w, bias, a["stride"], 0, a["dilation"], a["groups"]))


def conv1d(a, x, w, bias=None, residual=None):
    x = x if a["from_ncl"] else first(x)
    # [taps, out] where a kernel sees one channel, else [out, taps, in].
    w = w.t().unsqueeze(1) if w.dim() == 2 else w.transpose(1, 2)
    y = F.conv1d(F.pad(x, a["padding"]), w, bias, a["stride"], 0, a["dilation"], a["groups"])
    y = y if a["to_ncl"] else last(y)
    return y if residual is None else y + residual


def conv_transpose2d(a, x, w, bias=None, residual=None):
    x = x if a["from_nchw"] else first(x)
    groups = a["groups"]
    # [h, w, out] where a kernel sees one channel, else [out, h, w, in]; theirs is [in, out of a group, h, w].
    w = w.permute(2, 0, 1).unsqueeze(1) if w.dim() == 3 else w.permute(0, 3, 1, 2)
    w = torch.cat([of_group.transpose(0, 1) for of_group in w.chunk(groups)])
    # Theirs cuts off alike on both sides: whole, and the rest cut here.
    y = F.conv_transpose2d(x, w, bias, a["stride"], 0, a["output_padding"], groups, a["dilation"])
    top, left, bottom, right = a["padding"]
    y = y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]
    y = y if a["to_nchw"] else last(y)
    return y if residual is None else y + residual


def dressed(y, gamma, beta):
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta


def layer_norm(a, x, residual=None, gamma=None, beta=None):
    x = x if residual is None else x + residual
    gamma = gamma + 1 if a["zero_centred"] else gamma
    return F.layer_norm(x, x.shape[-1:], gamma, beta, a["epsilon"])


def rms_norm(a, x, residual=None, gamma=None, beta=None):
    x = x if residual is None else x + residual
    return dressed(x * torch.rsqrt((x * x).mean(-1, keepdim=True) + a["epsilon"]), gamma, beta)


def batch_norm(a, x, running_mean, running_var, residual=None, gamma=None, beta=None):
    x = x if residual is None else x + residual
    args = running_mean, running_var, gamma, beta, a["training"], 0.25, a["epsilon"]
    return last(F.batch_norm(first(x), *args))


def group_norm(a, x, residual=None, gamma=None, beta=None):
    x = x if residual is None else x + residual
    return last(F.group_norm(first(x), a["groups"], gamma, beta, a["epsilon"]))


def softmax(a, x, mask=None):
    x = x * a["scale"]
    x = x if mask is None else x + mask
    if a["causal"]:
        rows, cols = x.shape[-2:]
        seen = torch.ones(rows, cols, dtype=torch.bool).tril(cols - rows)
        x = x.masked_fill(~seen, -torch.inf)
    # A row that sees nothing is 0 here, NaN there: docs/numerics.md says so.
    return F.softmax(x, -1).masked_fill((x == -torch.inf).all(-1, keepdim=True), 0)


def rope(a, x, frequencies=None, cos=None, sin=None, offset=None, positions=None):
    tokens = x.shape[a["axis"]]
    p = torch.arange(tokens, dtype=torch.float64) if positions is None else positions
    p = p if offset is None else p + offset
    if frequencies is not None:
        angle = p.unsqueeze(-1) * frequencies
        cos, sin = angle.cos(), angle.sin()
    else:
        cos, sin = cos[p.long()], sin[p.long()]
    # [batch or 1, tokens, heads or 1, pairs], or tokens behind heads.
    cos, sin = (t if t.dim() == 3 else t.unsqueeze(0) for t in (cos * a["scale"], sin * a["scale"]))
    cos, sin = (t.unsqueeze(2 if a["axis"] == 1 else 1) for t in (cos, sin))
    turned, rest = x[..., : a["rotary"]], x[..., a["rotary"] :]
    if a["interleaved"]:
        pairs = torch.view_as_complex(turned.unflatten(-1, (-1, 2)).contiguous()) * torch.complex(cos, sin)
        return torch.cat([torch.view_as_real(pairs).flatten(-2), rest], -1)
    # As GPT-NeoX has it.
    a, b = turned.chunk(2, -1)
    cos, sin = torch.cat([cos, cos], -1), torch.cat([sin, sin], -1)
    return torch.cat([turned * cos + torch.cat([-b, a], -1) * sin, rest], -1)


def embedding(_, index, table, residual=None):
    y = F.embedding(index.long(), table)
    return y if residual is None else y + residual


def embedding_bag(a, index, table, offsets=None, weights=None):
    offsets = None if offsets is None else offsets.long()
    last = offsets is not None
    return F.embedding_bag(
        index.long(), table, offsets, mode=a["mode"], per_sample_weights=weights, include_last_offset=last,
        padding_idx=a["padding"],
    )


def pool2d(a, x):
    x = first(x)
    if a["max"]:
        return last(F.max_pool2d(x, a["kernel"], a["stride"], a["padding"], a["dilation"], a["ceil"]))
    return last(F.avg_pool2d(x, a["kernel"], a["stride"], a["padding"], a["ceil"], a["counted"]))


def upsample2d(a, x):
    if a["bilinear"]:
        return last(F.interpolate(first(x), a["size"], mode="bilinear", align_corners=a["aligned"]))
    return last(F.interpolate(first(x), a["size"], mode="nearest"))


judges = dict(
    conv2d=conv2d,
    conv1d=conv1d,
    conv_transpose2d=conv_transpose2d,
    layer_norm=layer_norm,
    rms_norm=rms_norm,
    batch_norm=batch_norm,
    group_norm=group_norm,
    instance_norm=group_norm,
    softmax=softmax,
    rope=rope,
    embedding=embedding,
    embedding_bag=embedding_bag,
    pool2d=pool2d,
    upsample2d=upsample2d,
)

table, failed = {}, 0
for line in (at / "cases.jsonl").open():
    case = json.loads(line)
    inputs = {role: tensor(place) for role, place in case["inputs"].items()}
    want = judges[case["op"]](case["attributes"], **inputs)
    got, reference, bound = (tensor(case[k]) for k in ["got", "reference", "bound"])
    row = table.setdefault(case["op"], dict(cases=0, numbers=0, reference=0.0, spent=0.0, wrong=0))
    if want.shape != got.shape:
        print("shape", tuple(want.shape), tuple(got.shape), line[:300])
        failed += 1
        continue
    # PyTorch itself rounds, in f64.
    slack = 1e-12 * want.abs().clamp(min=1e-30)
    if case["op"] == "upsample2d":
        # Its places too: below 2^4, rounded three times on each axis, so that a pixel weighs up to 6 * 2^4 * 2^-53 too much.
        slack = slack + 2.0**-45 * inputs["x"].abs().max()
    off = (got - want).abs()
    wrong = ~(off <= bound + slack)
    row["cases"] += 1
    row["numbers"] += want.numel()
    row["wrong"] += int(wrong.sum())
    row["reference"] = max(row["reference"], float(((reference - want).abs() / want.abs().clamp(min=1.0)).max()))
    row["spent"] = max(row["spent"], float((off / (bound + slack)).max()))
    if wrong.any():
        failed += 1
        i = int(wrong.flatten().nonzero()[0])
        values = [float(t.flatten()[i]) for t in (got, want, bound)]
        print("got %g, PyTorch %g, bound %g:" % tuple(values), line[:300])

print(f"PyTorch {torch.__version__}, f64")
print("| operation | problems | numbers | beyond the bound | reference and PyTorch differ by | largest share of the bound |")
print("|---|---|---|---|---|---|")
for op, r in table.items():
    print(f"| {op} | {r['cases']} | {r['numbers']} | {r['wrong']} | {r['reference']:.1e} | {r['spent']:.3f} |")
sys.exit(1 if failed else 0)
