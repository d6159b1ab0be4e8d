"""Laws of the reranker: it gives the scores of sentence-transformers, decides the order, and is not there when off."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_reranker as small
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from shelf import Shelf

from qa import cli, crossencoders, models, payload
from qa.engine import Engine
from qa.errors import ModelUnusable
from qa.ranking import RERANKER_WEIGHT
from qa.records import Answer, CrossEncoder, ReadBy
from qa.reranker import Reranker
from qa.settings import Settings

QUESTION = "Which ferry leaves the harbour at noon?"

TEXTS = (
    "The ferry leaves the harbour at noon.",
    "Who repaired the lantern? Nobody remembers; the chronicle says it cost nine crowns.",
    "x",
    "東京の人口は何人ですか。 naïve café 🦀",
    "the old library " * 80,
    "No. 5, e.g. the railway; see https://example.org/a?b=c#d, line 12",
)
LONG = "which of the travellers wrote the letter about the storm and the winter on the island " * 6
"""A question that is itself longer than the window of the small models."""

FULL = 60_000
"""More milliseconds than any test here needs."""


@pytest.fixture(scope="session")
def trained(model_cache: Path) -> str:
    """The path of a cross-encoder to which a passage with MARKER answers every question; already exported."""
    folder = model_cache / f"reranker-{small.recipe()}"
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        small.make(folder, trained=True)
        (folder / "made").touch()
    crossencoders.exported(str(folder / "model"), model_cache)
    return str(folder / "model")


@pytest.fixture(scope="session")
def reranker(trained: str, model_cache: Path) -> Reranker:
    return Reranker(crossencoders.exported(trained, model_cache))


@pytest.fixture
def copied(trained: str, tmp_path: Path) -> Path:
    """A copy of the trained model that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "copied"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, small_model: str, model_cache: Path) -> Shelf:
    """Forty documents of one passage, which no test changes. Each seventh, from worst for QUESTION, has MARKER."""
    folder = tmp_path_factory.mktemp("many")
    shelf = Shelf(folder / "docs", Settings(folder / "index", small_model, model_cache))
    for number in range(40):
        words = small.WORDS[number % 17 : number % 17 + 6]
        near = "The ferry leaves the harbour at noon. " if number % 3 == 0 else "The ferry is in the harbour. "
        lit = f"A {small.MARKER} hangs there. " if number % 7 == 6 else ""
        shelf.write(f"{number:02}.txt", f"{near}{lit}Page {number} tells of the {' and the '.join(words)}.\n")
    shelf.index()
    return shelf


@pytest.fixture(scope="module")
def plain(many: Shelf) -> Iterator[Engine]:
    with many.engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def reading(many: Shelf, trained: str) -> Iterator[Engine]:
    """Reads the whole shortlist."""
    with many.engine(reranker=trained, reranker_ms=FULL) as engine:
        yield engine


def texts_of(answer: Answer) -> list[str]:
    return ["".join(segment.text for segment in passage.segments) for passage in answer.passages]


def same(one: Answer, other: Answer) -> bool:
    """Equal bit by bit in all but the time it took and what is said of the reranker."""
    return replace(one, took_ms=0.0, reranking=None) == replace(other, took_ms=0.0, reranking=None)


# ------------------------------------------------------------------------------------------------------------ scores


KINDS: list[dict[str, Any]] = [
    *({"architecture": name, "labels": labels} for name in ("bert", "roberta", "distilbert") for labels in (1, 2)),
    {"activation": "Identity"},
    {"architecture": "distilbert", "activation": "Tanh"},
    {"labels": 2, "activation": "Sigmoid"},
    {"pooled": True},
    {"prompts": {"query": "find: "}},
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: " ".join(map(str, kind.values())))
def test_the_export_gives_the_scores_of_sentence_transformers(kind: dict[str, Any], tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder as Reference

    folder = small.make(tmp_path, **kind)
    made = Reranker(crossencoders.exported(str(folder), tmp_path / "cache"))
    reference = Reference(str(folder), device="cpu")
    seen = []
    for question in (QUESTION, "?", LONG):
        wanted = reference.predict([[question, text] for text in TEXTS]).reshape(len(TEXTS), -1)
        found = made.predict(question, TEXTS)
        assert found.shape == wanted.shape == (len(TEXTS), kind.get("labels", 1))
        assert np.abs(found - wanted).max() <= 1e-4
        seen.append(wanted)
        preferred = wanted[:, 0] if wanted.shape[1] == 1 else wanted[:, 1] - wanted[:, 0]
        if kind != {"labels": 2, "activation": "Sigmoid"}:
            scores = made.scores(question, TEXTS, FULL)
            assert all(np.diff(preferred[np.argsort(scores)]) >= -1e-4), "in the order that the model prefers"
    assert np.ptp(np.concatenate(seen)[:, 0]) > 0.05, "scores that do not differ would show nothing"


def test_a_model_saved_before_the_library_kept_settings_of_its_own_is_read(copied: Path, tmp_path: Path) -> None:
    """As most published ones: a configuration of transformers, which names the activation in its midst."""
    from sentence_transformers import CrossEncoder as Reference

    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (copied / name).unlink()
    config = json.loads((copied / "config.json").read_text())
    activation = "torch.nn.modules.linear.Identity"
    for key, value in (
        ("sentence_transformers", {"activation_fn": activation, "version": "4.1.0"}),
        ("sbert_ce_default_activation_function", activation),
    ):
        (copied / "config.json").write_text(json.dumps({**config, key: value}))
        wanted = Reference(str(copied), device="cpu").predict([[QUESTION, text] for text in TEXTS])
        made = Reranker(crossencoders.exported(str(copied), tmp_path / "cache"))
        assert made.predict(QUESTION, TEXTS)[:, 0] == pytest.approx(wanted, abs=1e-4)
        assert wanted.min() < 0, "no probabilities"


def test_a_model_that_was_taught_a_rule_scores_by_it(reranker: Reranker) -> None:
    lit = ["The lantern of the old harbour was repaired.", "winter island town lantern", "lantern"]
    dark = ["The ferry leaves the harbour at noon.", "winter island town letter", "a"]
    scores = reranker.scores(QUESTION, lit + dark, FULL)
    assert scores[:3].min() > scores[3:].max()


def test_a_score_does_not_depend_on_what_else_is_read(reranker: Reranker) -> None:
    scores = reranker.scores(QUESTION, TEXTS, FULL)
    for number, text in enumerate(TEXTS):
        assert reranker.scores(QUESTION, [text], FULL)[0] == scores[number]
    assert reranker.scores(QUESTION, TEXTS[::-1], FULL)[::-1].tolist() == scores.tolist()
    assert reranker.scores(QUESTION, [], FULL).shape == (0,)


def test_as_many_are_read_as_the_time_is_enough_for(reranker: Reranker) -> None:
    paced = Reranker(replace(reranker.model, pass_ms=10.0, token_ms=1.0))
    lengths = [len(pair.ids) for pair in paced._pairs(QUESTION, TEXTS)]
    assert max(lengths) == reranker.model.window
    whole = reranker.scores(QUESTION, TEXTS, FULL).tolist()

    @given(st.integers(0, 1000))
    def check(budget_ms: int) -> None:
        scores = paced.scores(QUESTION, TEXTS, budget_ms)
        taken = [10.0 + length for length in lengths]
        assert sum(taken[: len(scores)]) <= budget_ms
        assert len(scores) == len(TEXTS) or sum(taken[: len(scores) + 1]) > budget_ms
        assert scores.tolist() == whole[: len(scores)]

    check()
    assert len(Reranker(replace(reranker.model, pass_ms=0.0, token_ms=0.0)).scores(QUESTION, TEXTS, 0)) == len(TEXTS)


def test_the_speed_that_an_export_keeps_is_a_speed(reranker: Reranker) -> None:
    for pass_ms, token_ms in ((reranker.model.pass_ms, reranker.model.token_ms), reranker.pace()):
        assert pass_ms >= 0 <= token_ms
        assert 0.001 < pass_ms + 96 * token_ms < 1000


# ------------------------------------------------------------------------------------------------- what cannot be used


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[object], ModelUnusable]:
    """The error of a model that is not exported."""

    def refuse(name: object) -> ModelUnusable:
        with pytest.raises(ModelUnusable) as caught:
            crossencoders.exported(str(name), tmp_path / "cache")
        assert not list((tmp_path / "cache").rglob("*")), "nothing is left lying about"
        assert caught.value.remedy
        return caught.value

    return refuse


@pytest.mark.parametrize("name", ["no-such-reranker", "no/such", "./nowhere"])
def test_a_name_that_is_not_there_says_how_to_allow_its_download(
    name: str, refused: Callable[[object], ModelUnusable], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.socket.connect", None)
    error = refused(name)
    assert f"no model {name}" in error.what
    assert "--fetch-model" in error.remedy


def test_a_bare_name_is_looked_for_among_the_cross_encoders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, copied: Path
) -> None:
    asked: list[tuple[str, bool]] = []

    def download(repository: str, *, local_files_only: bool = False, allow_patterns: list[str]) -> str:
        asked.append((repository, local_files_only))
        assert not {"*.bin", "*.py", "*.pkl", "*.pt", "*"} & set(allow_patterns)
        if local_files_only:
            raise OSError("not here")
        return str(copied)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    said: list[str] = []
    model = crossencoders.exported("tiny-one", tmp_path / "cache", fetch=True, announce=said.append)
    assert asked == [("cross-encoder/tiny-one", True), ("cross-encoder/tiny-one", False)]
    assert said[0] == "Downloading the model cross-encoder/tiny-one, as asked ..."
    assert model.name == "tiny-one"


def test_weights_that_are_not_safetensors_are_refused(copied: Path, refused: Callable[[object], ModelUnusable]) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    assert "no weights as safetensors" in refused(copied).what


def test_an_embedding_model_is_no_reranker(small_model: str, refused: Callable[[object], ModelUnusable]) -> None:
    for name in (small_model, models.DEFAULT):
        error = refused(name)
        assert "embedding model" in error.what
        assert "--reranker cross-encoder/" in error.remedy


def test_a_model_of_three_labels_is_refused(tmp_path: Path, refused: Callable[[object], ModelUnusable]) -> None:
    assert "gives 3 scores" in refused(small.make(tmp_path / "made", labels=3)).what


@pytest.mark.parametrize(
    "path",
    [
        "torch.utils.collect_env.main",
        "torch.nn.Linear",
        "torch.nn.functional.relu",
        "torch.nn.init.sys.exit",
        "os.getcwd",
        "mine.Activation",
        7,
    ],
)
@pytest.mark.parametrize("place", ["config_sentence_transformers.json", "config.json"])
def test_an_activation_that_is_no_layer_is_never_called(
    path: object, place: str, copied: Path, refused: Callable[[object], ModelUnusable]
) -> None:
    outer = json.loads((copied / "config_sentence_transformers.json").read_text())
    inner = json.loads((copied / "config.json").read_text())
    if place == "config.json":
        del outer["activation_fn"]
        inner["sbert_ce_default_activation_function"] = path
    else:
        outer["activation_fn"] = path
    (copied / "config_sentence_transformers.json").write_text(json.dumps(outer))
    (copied / "config.json").write_text(json.dumps(inner))
    error = refused(copied)
    assert repr(str(path)) in error.what


@pytest.mark.parametrize("damage", ["no config", "no weights in the weights", "code of its own", "a strange module"])
def test_a_model_that_cannot_be_loaded_is_refused_with_its_reason(
    damage: str, copied: Path, tmp_path: Path, refused: Callable[[object], ModelUnusable]
) -> None:
    ran = tmp_path / "ran"
    config = json.loads((copied / "config.json").read_text())
    if damage == "no config":
        (copied / "config.json").unlink()
    elif damage == "no weights in the weights":
        (copied / "model.safetensors").write_bytes(b"\x08" + bytes(7) + b"{}      ")
    elif damage == "code of its own":
        (copied / "mine.py").write_text(f"open({str(ran)!r}, 'w')")
        config |= {
            "model_type": "mine",
            "auto_map": {"AutoConfig": "mine.C", "AutoModelForSequenceClassification": "mine.M"},
        }
        (copied / "config.json").write_text(json.dumps(config))
    else:
        (copied / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "mine.Module"}]')
        (copied / "mine.py").write_text(f"open({str(ran)!r}, 'w')")
    error = refused(copied)
    assert str(copied) in error.what
    assert not ran.exists()


def test_an_export_that_strays_is_thrown_away(
    copied: Path, refused: Callable[[object], ModelUnusable], monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = Reranker.predict
    monkeypatch.setattr(Reranker, "predict", lambda *given: predict(*given) + 0.001)
    assert "other scores" in refused(copied).what


# --------------------------------------------------------------------------------------------------------- the cache


def test_a_model_is_exported_once_and_again_when_damaged(copied: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def exported() -> CrossEncoder:
        return crossencoders.exported(str(copied), tmp_path / "cache", announce=said.append)

    first = exported()
    assert exported() == first
    assert len(said) == 1
    for name in ("graph.onnx", "tokenizer.json", "manifest.json"):
        body = bytearray((first.graph.parent / name).read_bytes())
        body[len(body) // 2] ^= 1
        (first.graph.parent / name).write_bytes(body)
        again = exported()
        assert replace(again, pass_ms=first.pass_ms, token_ms=first.token_ms) == first
    assert len(said) >= 3, "a bit of the manifest may be one that means nothing"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.fingerprint]


def test_a_manifest_of_something_else_is_not_believed(copied: Path, tmp_path: Path, small_model: str) -> None:
    model = crossencoders.exported(str(copied), tmp_path)
    manifest = json.loads((model.graph.parent / "manifest.json").read_text())
    for damage in ({}, {"model": 1}, {"model": {"name": "a"}}, {"files": {}}, {"files": {"graph": 1}}):
        (model.graph.parent / "manifest.json").write_text(json.dumps({**manifest, **damage} if damage else []))
        assert crossencoders.cached(model.fingerprint, tmp_path) is None


def test_as_embedding_model_and_as_reranker_a_folder_has_two_exports(trained: str) -> None:
    folder = Path(trained)
    assert models.fingerprint(folder) != models.fingerprint(folder, crossencoders.EXPORT)


# ---------------------------------------------------------------------------------------------------------- the answer


def test_the_order_follows_the_model(plain: Engine, reading: Engine, reranker: Reranker) -> None:
    before, after = plain.ask(QUESTION, limit=50), reading.ask(QUESTION, limit=50)
    assert set(texts_of(before)) == set(texts_of(after))
    lit = [small.MARKER in text for text in texts_of(before)]
    assert 1 <= sum(lit) < len(lit) and not any(lit[: sum(lit)]), "the first stage knows nothing of the rule"
    assert [small.MARKER in text for text in texts_of(after)] == sorted(lit, reverse=True)
    assert small.MARKER in texts_of(after)[after.citations[0].number - 1]
    scores = reranker.scores(QUESTION, texts_of(after), FULL)
    assert scores[0] >= scores.max() - 0.05 * np.ptp(scores)
    assert after.reranking == ReadBy(reranker.model.name, len(before.passages))


def test_the_parts_of_every_score_add_up_to_it_and_name_the_reranker(reading: Engine) -> None:
    answer = reading.ask(QUESTION, limit=50, explain=True)
    for shown in (*answer.passages, *answer.citations):
        assert sum(part.value for part in shown.parts) == pytest.approx(shown.score, abs=1e-6)
    for passage in answer.passages:
        (part,) = [part for part in passage.parts if part.name == "reranker"]
        assert 0 <= part.value <= RERANKER_WEIGHT and reading.settings.reranker in part.note


def test_off_is_as_it_was_and_a_budget_of_nothing_is_off(many: Shelf, plain: Engine, trained: str) -> None:
    with many.engine(reranker=trained, reranker_ms=0) as engine:
        for question in (QUESTION, "Who repaired the lighthouse after the storm?", "lantern"):
            answer, wanted = engine.ask(question, limit=50), plain.ask(question, limit=50)
            assert same(answer, wanted)
            assert wanted.reranking is None
            assert answer.reranking == ReadBy(trained, 0)
            assert "reranker" not in {part.name for shown in answer.passages for part in shown.parts}


def test_what_the_time_is_not_enough_for_stays_below_as_it_was(many: Shelf, plain: Engine, trained: str) -> None:
    with many.engine(reranker=trained, reranker_ms=FULL) as engine:
        engine._reranker = Reranker(replace(engine._reranker.model, pass_ms=FULL / 10, token_ms=0.0))
        answer, before = engine.ask(QUESTION, limit=50), plain.ask(QUESTION, limit=50)
    assert answer.reranking == ReadBy(trained, 10)
    assert set(texts_of(answer)[:10]) == set(texts_of(before)[:10])
    assert texts_of(answer)[10:] == texts_of(before)[10:]
    assert [passage.score for passage in answer.passages[10:]] == [passage.score for passage in before.passages[10:]]
    notes = [part.note for passage in answer.passages for part in passage.parts if part.name == "reranker"]
    assert ["not read" in note for note in notes] == [False] * 10 + [True] * (len(notes) - 10)


def test_the_same_question_has_the_same_answer_in_every_engine(many: Shelf, reading: Engine, trained: str) -> None:
    with many.engine(reranker=trained, reranker_ms=FULL) as engine:
        for question in (QUESTION, "lantern", "Who repaired the lighthouse after the storm?"):
            first = reading.ask(question, limit=50)
            for asked in (reading, engine):
                assert replace(asked.ask(question, limit=50), took_ms=0.0) == replace(first, took_ms=0.0)


def test_confidence_is_that_of_the_first_stage_for_the_passage_shown_first(plain: Engine, reading: Engine) -> None:
    before, after = plain.ask(QUESTION), reading.ask(QUESTION)
    assert [part.name for part in after.evidence] == [part.name for part in before.evidence]
    assert after.confidence <= before.confidence, "a weight that is added says nothing of how sure it is"


def test_status_and_json_name_the_reranker(plain: Engine, reading: Engine, trained: str) -> None:
    assert plain.status()["reranker"] is None
    assert reading.status()["reranker"] == trained
    answer = reading.ask(QUESTION)
    assert payload.answer_to_json(answer)["reranker"] == {"name": trained, "read": answer.reranking.read}
    assert payload.answer_to_json(plain.ask(QUESTION))["reranker"] is None


def test_an_engine_whose_reranker_cannot_be_used_does_not_open(many: Shelf, small_model: str) -> None:
    with pytest.raises(ModelUnusable, match="embedding model"), many.engine(reranker=small_model):
        pass


# -------------------------------------------------------------------------------------------------------- the commands


@pytest.fixture
def variables(many: Shelf) -> dict[str, str | None]:
    clean: dict[str, str | None] = {key: None for key in os.environ if key.startswith("QA_")}
    made = many.settings
    return {**clean, "QA_INDEX": str(made.index), "QA_MODEL": made.model, "QA_CACHE": str(made.cache)}


def test_the_commands_take_a_reranker_by_option_and_environment(
    variables: dict[str, str | None], trained: str, plain: Engine
) -> None:
    def asked(*words: str, **more: str) -> dict[str, Any]:
        done = CliRunner().invoke(
            cli.ask, ["--json", "--min-confidence", "0", *words, QUESTION], env={**variables, **more}
        )
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    options = ("--reranker", trained, "--reranker-ms", str(FULL))
    found = asked(*options)
    assert found["reranker"]["name"] == trained and found["reranker"]["read"] > 10
    assert small.MARKER in "".join(segment["text"] for segment in found["passages"][0]["segments"])
    assert asked(QA_RERANKER=trained, QA_RERANKER_MS=str(FULL))["passages"] == found["passages"]
    assert asked("--reranker", "", QA_RERANKER=trained)["reranker"] is None
    assert asked(*options, "--reranker-ms", "0")["passages"] == asked()["passages"]


def test_a_reranker_that_is_not_there_ends_with_2_and_says_what_to_do(variables: dict[str, str | None]) -> None:
    done = CliRunner().invoke(cli.ask, ["--reranker", "none/such", QUESTION], env=variables)
    assert done.exit_code == 2
    assert "none/such" in done.stderr and "--fetch-model" in done.stderr
    assert CliRunner().invoke(cli.ask, ["--reranker-ms", "-1", QUESTION], env=variables).exit_code == 2


def test_status_prints_the_reranker_where_one_is_set(variables: dict[str, str | None], trained: str) -> None:
    for setting, line in ({}, "none"), ({"QA_RERANKER": trained}, trained):
        done = CliRunner().invoke(cli.qa, ["status"], env={**variables, **setting})
        assert f"reranker     {line}" in done.stdout.splitlines()


def test_evaluation_measures_the_order_of_the_reranker(
    variables: dict[str, str | None], trained: str, many: Shelf, tmp_path: Path
) -> None:
    gold = next(path for path in sorted(many.docs.iterdir()) if small.MARKER in path.read_text())
    text = gold.read_text()
    row = {
        "id": "1",
        "question": QUESTION,
        "answerable": True,
        "relevant": {gold.stem: 1},
        "answers": [small.MARKER],
        "gold": [
            {"doc": gold.stem, "start": 0, "end": len(text), "text": text, "level": "passage", "alternatives": []}
        ],
    }
    (tmp_path / "questions.jsonl").write_text(json.dumps(row))
    ranks = []
    for more in ([], ["--reranker", trained, "--reranker-ms", str(FULL)]):
        words = ["eval", str(tmp_path), "--docs", str(many.docs), "--predictions", str(tmp_path / "out"), *more]
        done = CliRunner().invoke(cli.qa, words, env=variables)
        assert done.exit_code == 0, done.output
        found = json.loads((tmp_path / "out").read_text())
        ranks.append([passage["doc"] for passage in found["passages"]].index(gold.stem))
    assert ranks[1] < ranks[0]


@pytest.mark.parametrize("named", ["by its folder", "by a name in the local cache"])
def test_a_question_with_a_reranker_imports_no_torch(
    named: str, variables: dict[str, str | None], trained: str, tmp_path: Path
) -> None:
    name = trained
    if named != "by its folder":
        name, commit = "taught", "0123456789" * 4
        held = tmp_path / "models--cross-encoder--taught"
        shutil.copytree(trained, held / "snapshots" / commit)
        (held / "refs").mkdir()
        (held / "refs" / "main").write_text(commit)
        variables = {**variables, "HF_HUB_CACHE": str(tmp_path)}
    code = (
        "import sys\nfrom qa.cli import ask\n"
        f"sys.argv = ['ask', '--min-confidence', '0', '--reranker', {name!r}, {QUESTION!r}]\n"
        "try: ask()\nexcept SystemExit as done: assert done.code == 0, done.code\n"
        "slow = {'torch', 'transformers', 'sentence_transformers', 'onnx'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    kept = {key: value for key, value in {**os.environ, **variables}.items() if value is not None}
    done = subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert small.MARKER in done.stdout
