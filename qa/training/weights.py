"""A trained reader to the files that are part of the package: small enough to lie in the repository.

Products that widen run in 8 bits, as in passages' own graph (`quantisation`). The table of word pieces is kept in 8
bits a number with a scale a row, and what is left of the large matrices in 16-bit floats that are made 32-bit when the
graph is loaded: a quarter and half of the bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qa import models, quantisation, readers
from qa.errors import ModelUnusable
from qa.records import ReaderModel

if TYPE_CHECKING:
    from onnx import ModelProto

LARGE = 10_000
"""Numbers of a matrix from which on its size matters."""


def write(folder: Path, out: Path, name: str, probes: Sequence[Sequence[int]]) -> ReaderModel:
    """Write graph, tokenizer and manifest of the reader in `folder`, as transformers saved it, to `out`. `probes` are
    rows of token ids as it reads them, to measure how large its numbers get."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    mark = models.fingerprint(folder, readers.EXPORT)
    exact = readers.write(folder, out, name, mark)
    smaller = out / "smaller.onnx"
    if not quantisation.quantise(exact.graph, smaller, probes):
        raise ModelUnusable("In 8 bits the reader gives other numbers.", "Was it trained to the end?")
    shrink(smaller)
    smaller.replace(exact.graph)
    readers.describe(exact, out)
    return exact


def shrink(path: Path) -> None:
    """Keep the large matrices of the graph at `path` in fewer bytes, in place."""
    import onnx

    model = onnx.load(str(path))
    _rows_in_eight_bits(model)
    _halves(model)
    onnx.save(model, str(path))


def _rows_in_eight_bits(model: ModelProto) -> None:
    """Tables that rows are taken from: each number as a share of the largest of its row, in 127ths."""
    from onnx import TensorProto, helper, numpy_helper

    held = {item.name: item for item in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        table = held.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or table.data_type != TensorProto.FLOAT or int(np.prod(table.dims)) < LARGE:
            nodes.append(node)
            continue
        values = numpy_helper.to_array(table)
        scale = np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-8).astype(np.float32) / 127
        small = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
        name, taken = node.input[0], node.output[0]
        model.graph.initializer.extend(
            [numpy_helper.from_array(small, f"{name}_small"), numpy_helper.from_array(scale, f"{name}_scale")]
        )
        model.graph.initializer.remove(table)
        nodes += [
            helper.make_node("Gather", [f"{name}_small", node.input[1]], [f"{taken}_small"], name=f"{node.name}_small"),
            helper.make_node("Gather", [f"{name}_scale", node.input[1]], [f"{taken}_scale"], name=f"{node.name}_scale"),
            helper.make_node("Cast", [f"{taken}_small"], [f"{taken}_wide"], to=TensorProto.FLOAT, name=f"{taken}_cast"),
            helper.make_node("Mul", [f"{taken}_wide", f"{taken}_scale"], [taken], name=f"{taken}_scaled"),
        ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _halves(model: ModelProto) -> None:
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for item in list(model.graph.initializer):
        if item.data_type == TensorProto.FLOAT and int(np.prod(item.dims)) >= LARGE and len(item.dims) == 2:
            name, half = item.name, numpy_helper.to_array(item).astype(np.float16)
            model.graph.initializer.append(numpy_helper.from_array(half, f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT, name=f"{name}_cast"))
            model.graph.initializer.remove(item)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def size(out: Path) -> int:
    """Bytes of the reader's files."""
    return sum(path.stat().st_size for path in out.iterdir())
