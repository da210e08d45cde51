#!/usr/bin/env python3
"""Rewrites the tables of docs/kernels.md that tests print: conformance, mutants, drivers side by side.

    cargo test --test conformance --test mutation -- --nocapture >target/tables.log 2>&1
    scripts/drivers --table >>target/tables.log
    python3 tools/tables.py target/tables.log

What the log does not hold stays as it is.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent
DOCS, README = ROOT / "docs" / "kernels.md", ROOT / "README.md"
CONFORMANCE = "| operation, kernel | cases | of them strict |"
DRIVERS = "| operation, kernel | lavapipe | Mesa 26 |"
MUTANTS = "| kernel | decode one off |"


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def row(all):
    return "| " + " | ".join(all) + " |"


def registry_order(names):
    """As the README lists operations, the kernels of each together, the CPU's first."""
    ops = re.findall(r"^\| `(\w+)` \|", README.read_text(), re.M)
    key = lambda name: (ops.index(name.split()[0]), name.split()[1] != "cpu")
    return sorted(names, key=key)


def replace(text, head, rows):
    """Puts these rows below the first table whose first line begins so."""
    lines = text.split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith(head)) + 2
    end = next(i for i in range(first, len(lines)) if not lines[i].startswith("|"))
    return "\n".join(lines[:first] + rows + lines[end:])


def main():
    log = [line for path in sys.argv[1:] for line in pathlib.Path(path).read_text().split("\n")]
    text = DOCS.read_text()
    conformance, mutants, drivers, edits = {}, {}, {}, {}
    columns = []
    for line in log:
        all = cells(line)
        if re.fullmatch(r"\| \w+ \w+( \| [\d.]+){7} \|", line):
            conformance[all[0]] = all
        elif re.fullmatch(r"\| \w+ \w+ \| [a-z ]+ \| \d+ \| \d+ \|", line):
            mutants.setdefault(all[0], {})[all[1]] = f"{all[2]}/{all[3]}"
        elif line.startswith("| operation, kernel | chromium"):
            columns = all[1:]
        elif re.fullmatch(r"\| \w+ \w+( \| \d+ / \d+ / \d+| \| –)+ \|", line):
            drivers[all[0]] = dict(zip(columns, all[1:]))
        elif match := re.match(r"\| (\w+\.\w+) \| `", line):
            edits[match[1]] = edits.get(match[1], 0) + 1
    if conformance:
        text = replace(text, CONFORMANCE, [row(conformance[n]) for n in registry_order(conformance)])
    if mutants:
        head = next(line for line in text.split("\n") if line.startswith(MUTANTS))
        of = lambda n: row([n] + [mutants[n].get(m, "–") for m in cells(head)[1:]])
        text = replace(text, MUTANTS, [of(n) for n in registry_order(mutants)])
    if drivers:
        of = lambda n: row([n] + [drivers[n].get(d, "–") for d in ("lavapipe", "mesa-26", "swiftshader", "chromium")])
        text = replace(text, DRIVERS, [of(n) for n in drivers])
    if edits:
        listed = ", ".join(f"{count} of `{kernel}`" for kernel, count in edits.items())
        text = re.sub(r"each caught: [^.]*(?:\.\w[^.]*)*\. The test", f"each caught: {listed}. The test", text)
        text = re.sub(r"\d+ edits of shader text", f"{sum(edits.values())} edits of shader text", text)
    DOCS.write_text(text)


main()
