"""A model made ready to run: a folder in the cache with a manifest of hashes, whole or not there at all.

torch traces a model into a graph here, once; afterwards onnxruntime runs it and torch is not imported.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa import disk
from qa.errors import ModelUnusable

if TYPE_CHECKING:
    import torch

MANIFEST = "manifest.json"

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""What a graph may take, each of shape (texts, tokens), int64."""


def read(folder: Path, checked: Mapping[str, bool]) -> dict[str, Any] | None:
    """The facts of the export in `folder`, and the path of its file of each kind in `checked`; None when it is not
    there or not whole. The content of a file is compared with its hash where `checked` says so.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        listed = {kind: manifest["files"][kind] for kind in checked}
        files = {kind: folder / listed[kind]["name"] for kind in checked}
        for kind, path in files.items():
            if not path.is_file() or (checked[kind] and not _is_whole(path, listed[kind])):
                return None
        return {**manifest["model"], **files}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_whole(path: Path, said: Mapping[str, str]) -> bool:
    """Whether a file has the hash that a manifest says it has. Earlier manifests have none but SHA-256, which
    takes .05 s of 90 MB where BLAKE3 takes .02."""
    way = disk.BLAKE3 if disk.BLAKE3 in said else disk.SHA256
    return disk.digest(path, way) == said[way]


@contextmanager
def writing(cache: Path, mark: str) -> Iterator[Path]:
    """A folder beside that of the export `mark`, to write it in; what is left of it is deleted at the end.

    Raises ModelUnusable when it cannot be made, or written in.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{mark}-", dir=cache))
    except OSError as error:
        raise ModelUnusable(
            f"The exported model cannot be kept in {cache} ({error.strerror}).",
            "Name a folder that can be written in the environment variable QA_CACHE.",
        ) from error
    try:
        yield work
    except OSError as error:
        raise ModelUnusable(f"The exported model cannot be written to {cache} ({error.strerror}).") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def describe(work: Path, facts: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Write the manifest: what `read` gives back, and the hash of the file of each kind."""
    listed = {
        kind: {"name": name, **{way: disk.digest(work / name, way) for way in (disk.SHA256, disk.BLAKE3)}}
        for kind, name in files.items()
    }
    (work / MANIFEST).write_text(json.dumps({"model": dict(facts), "files": listed}, indent=1), "utf-8")


def place(work: Path, target: Path) -> None:
    """Put a whole export where it belongs, in place of what is there."""
    shutil.rmtree(target, ignore_errors=True)
    work.replace(target)


def write_graph(
    model: torch.nn.Module,
    forward: Callable[[dict[str, torch.Tensor]], torch.Tensor],
    features: Mapping[str, Any],
    path: Path,
    axes: Mapping[int, str],
) -> None:
    """Trace `forward`, which runs `model`, on `features` into a graph for any number of texts and tokens.

    Of `features` those in INPUTS become inputs of the graph. `axes` names the axes of the output that vary.
    """
    import torch

    names = [name for name in INPUTS if name in features]

    class Graph(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return forward(dict(zip(names, inputs, strict=True)))

    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the tracer warns of every shape that it reads; results are compared
        torch.onnx.export(
            Graph().eval(),
            tuple(features[name] for name in names),
            str(path),
            input_names=names,
            output_names=["output"],
            dynamic_axes={**{name: {0: "texts", 1: "tokens"} for name in names}, "output": dict(axes)},
            opset_version=17,
            dynamo=False,
        )
