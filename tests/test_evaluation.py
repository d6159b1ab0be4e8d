from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged import TEXTS, Asked, runs

from qa.errors import UsageError
from qa.evaluation import (
    Place,
    Prediction,
    Question,
    Quote,
    Scores,
    load,
    predict,
    score,
    table,
    texts_of,
)
from qa.records import Answer, Citation, IndexState, Locator, Segment, ShownPassage, Source

FERRY = "The ferry sails at nine. It takes two hours. Dogs travel free."
MILL = "\ufeffThe mill was built in 1790.\r\nIt ground rye \U0001f33e until 1931."
ROW = {"id": "q1", "question": "When does the ferry sail?", "answerable": True, "relevant": {"ferry": 1}}


class Shelf:
    """An engine over texts by path: every sentence that shares a word of four letters or more with the question."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.asked: list[str] = []

    def ask(self, question: str, *, limit: int = 10, offset: int = 0) -> Answer:
        self.asked.append(question)
        if len(question) > 100:
            raise UsageError("A question has at most 100 characters.", "Shorten it.")
        words = {word.strip("?").lower() for word in question.split() if len(word) > 3}
        found = []
        for path, text in self.texts.items():
            start = 0
            for sentence in text.split(". "):
                if shared := len(words & set(sentence.lower().split())):
                    found.append((-shared / len(words), path, start, start + len(sentence)))
                start += len(sentence) + 2
        found.sort()
        shown = found[offset : offset + limit]
        citations = tuple(
            Citation(n, self.texts[path][start:end], start, end, -less, _source(path), Locator(), path, "", "")
            for n, (less, path, start, end) in enumerate(shown, 1)
        )
        passages = tuple(
            ShownPassage(n, -less, _source(path), Locator(), path, 0, end, (Segment(self.texts[path][:end]),))
            for n, (less, path, start, end) in enumerate(shown, 1)
        )
        confidence = -found[0][0] if found else 0.0
        state = IndexState(1, len(self.texts), len(found), "shared words", len(self.texts))
        return Answer(question, bool(found), confidence, citations, passages, len(found), limit, offset, 0.1, state)


def _source(path: str) -> Source:
    return Source("d_" + "0" * 16, path, "", "text/plain", "0" * 64, 1, 0)


def _set(folder: Path, rows: Sequence[object], documents: Mapping[str, str] | None = None) -> Path:
    (folder / "docs").mkdir(parents=True)
    for path, text in (documents or {}).items():
        (folder / "docs" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "docs" / path).write_bytes(text.encode())
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "questions.jsonl").write_text(lines, encoding="utf-8")
    return folder


def _predicted(name: str, **fields: Any) -> Prediction:
    return replace(Prediction(name, (), (), False, 0.0), **fields)


def _figures(scores: Scores) -> dict[str, tuple[float, int]]:
    return {measure: (value, n) for measure, value, n in table(scores)}


# Reading a set


def test_a_row_is_read_with_its_grades_its_gold_spans_and_their_alternatives(tmp_path: Path) -> None:
    gold = [{"doc": "ferry", "start": 4, "end": 9, "text": "ferry", "level": "answer", "alternatives": [[25, 27]]}]
    unanswerable = {"id": 2, "question": "Who owns it?\u2028", "answerable": False, "relevant": {}, "label": "none"}
    folder = _set(tmp_path / "set", [ROW | {"gold": gold, "relevant": {"ferry": 2, "mill": 0}}, unanswerable])
    assert load(folder) == (
        Question(
            "q1",
            "When does the ferry sail?",
            True,
            (("ferry", 2), ("mill", 0)),
            (Place("ferry", 4, 9), Place("ferry", 25, 27)),
        ),
        Question("2", "Who owns it?\u2028", False),
    )


def test_the_questions_may_lie_in_another_file_of_the_set_or_anywhere(tmp_path: Path) -> None:
    folder = _set(tmp_path / "set", [ROW])
    for path in (folder / "few.jsonl", tmp_path / "own.jsonl"):
        path.write_text(json.dumps(ROW | {"id": path.name}) + "\r\n\r\n", encoding="utf-8")
    assert [question.id for question in load(folder, "few.jsonl")] == ["few.jsonl"]
    assert [question.id for question in load(folder, tmp_path / "own.jsonl")] == ["own.jsonl"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "column 2"),
        ("[]", "object"),
        ("[" * 100_000, "recursion"),
        ("\udcff", "byte 0xff"),
        ("1" * 5_000, "integer"),
        (json.dumps({key: value for key, value in ROW.items() if key != "id"}), '"id" is missing'),
        (json.dumps({key: value for key, value in ROW.items() if key != "answerable"}), '"answerable" is missing'),
        (json.dumps({key: value for key, value in ROW.items() if key != "relevant"}), '"relevant" is missing'),
        (json.dumps(ROW | {"id": 1.5}), '"id" should be a whole number or a string'),
        (json.dumps(ROW | {"id": True}), '"id" should be a whole number or a string'),
        (json.dumps(ROW | {"id": "first"}), "taken by an earlier line"),
        (json.dumps(ROW | {"question": " \n"}), '"question" is empty'),
        (json.dumps(ROW | {"answerable": 1}), '"answerable" should be true or false'),
        (json.dumps(ROW | {"relevant": ["ferry"]}), '"relevant" should be an object'),
        (json.dumps(ROW | {"relevant": {"ferry": -1}}), "whole numbers from 0 to 100"),
        (json.dumps(ROW | {"relevant": {"ferry": 0.5}}), "whole numbers from 0 to 100"),
        (json.dumps(ROW | {"relevant": {"ferry": 10**12}}), "whole numbers from 0 to 100"),
        (json.dumps(ROW | {"gold": {}}), '"gold" should be a list'),
        (json.dumps(ROW | {"gold": ["ferry"]}), "'ferry'"),
        (json.dumps(ROW | {"gold": [{"doc": "ferry", "start": 0}]}), '"end" is missing'),
        (json.dumps(ROW | {"gold": [{"doc": "ferry", "start": "0", "end": 3}]}), '"start" should be a whole number'),
        (json.dumps(ROW | {"gold": [{"doc": "ferry", "start": 3, "end": 3}]}), "[3, 3] is no span"),
        (json.dumps(ROW | {"gold": [{"doc": "ferry", "start": -1, "end": 3}]}), "[-1, 3] is no span"),
        (json.dumps(ROW | {"gold": [{"doc": "f", "start": 1, "end": 3, "alternatives": [[4]]}]}), "[4] is no span"),
        (json.dumps(ROW | {"gold": [{"doc": "f", "start": 1, "end": 3, "alternatives": 4}]}), '"alternatives" should'),
    ],
)
def test_a_malformed_row_is_refused_with_its_file_line_and_reason(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "questions.jsonl"
    first = json.dumps(ROW | {"id": "first"})
    path.write_bytes(f"{first}\n\n{line}\n".encode(errors="surrogateescape"))
    with pytest.raises(UsageError) as refused:
        load(tmp_path)
    assert refused.value.what.startswith(f"{path}, line 3: ")
    assert reason in refused.value.what
    assert len(refused.value.what) < len(str(path)) + 300
    assert '"answerable"' in refused.value.remedy


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_SPANS = st.lists(
    st.fixed_dictionaries({"doc": _JSON, "start": _JSON, "end": _JSON}, optional={"alternatives": _JSON}) | _JSON
)


@settings(deadline=None)
@given(
    st.binary(max_size=50)
    | st.fixed_dictionaries(
        {"id": _JSON, "question": st.text() | _JSON, "answerable": st.booleans() | _JSON, "relevant": _JSON},
        optional={"gold": _SPANS | _JSON},
    ).map(lambda row: json.dumps(row).encode())
)
def test_whatever_the_file_holds_it_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, line: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(line)
    try:
        questions = load(path.parent, path.name)
    except UsageError as refused:
        assert str(path) in refused.what
    else:
        assert score(questions, [], {}).rows


@pytest.mark.parametrize("name", ["none.jsonl", "docs", "x" * 5_000, "nul\0", "blank.jsonl"])
def test_a_question_file_that_is_missing_or_empty_is_refused_by_name(tmp_path: Path, name: str) -> None:
    folder = _set(tmp_path / "set", [ROW])
    (folder / "blank.jsonl").write_bytes(b"\n \n")
    with pytest.raises(UsageError, match=r"no file|could not be read|holds no question") as refused:
        load(folder, name)
    assert name in refused.value.what and refused.value.remedy


def test_a_text_is_the_decoded_bytes_of_its_file_whatever_its_newlines(tmp_path: Path) -> None:
    folder = _set(
        tmp_path / "set", [ROW], {"deep/a.b.txt": MILL, "note.MD": "# Ferry\r", "page.html": "<p>", "f.pdf": "%PDF-"}
    )
    (folder / "docs" / "latin.txt").write_bytes("Fähre".encode("latin-1"))
    assert texts_of(folder) == {"a.b": MILL, "note": "# Ferry\r"}


def test_documents_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    folder = _set(tmp_path / "set", [ROW], {"old/ferry.txt": FERRY, "new/ferry.md": FERRY})
    with pytest.raises(UsageError, match=r"one name: .*ferry"):
        texts_of(folder)


def test_a_set_without_documents_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"docs could not be read: No such file"):
        texts_of(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    with pytest.raises(UsageError, match=r"no file .*gone\.txt"):
        texts_of(tmp_path)


# Asking


def test_a_prediction_names_documents_by_stem_and_keeps_the_order_of_the_answer() -> None:
    engine = Shelf({"notes/ferry.old.txt": FERRY, "mill.md": MILL})
    (prediction,) = predict(engine, [Question("q1", "Which ferry sails until when?", True)])
    # What an outside scorer reads, key by key.
    assert json.loads(json.dumps(prediction.to_json())) == {
        "id": "q1",
        "passages": [{"doc": "ferry.old", "start": 0, "end": 23}, {"doc": "mill", "start": 0, "end": len(MILL)}],
        "citations": [
            {"doc": "ferry.old", "start": 0, "end": 23, "text": "The ferry sails at nine"},
            {"doc": "mill", "start": 0, "end": len(MILL), "text": MILL},
        ],
        "answered": True,
        "confidence": 0.4,
    }


def test_questions_are_asked_one_at_a_time_and_progress_is_told_after_each() -> None:
    engine, told = Shelf({"ferry.txt": FERRY}), []
    questions = [Question(str(n), f"Which ferry is number {n}?", False) for n in range(3)]
    predictions = predict(engine, questions, lambda done, total: told.append((done, total)))
    assert engine.asked == []
    assert next(predictions).id == "0"
    assert engine.asked == ["Which ferry is number 0?"]
    assert [prediction.id for prediction in predictions] == ["1", "2"]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_enough_passages_are_asked_for_to_rank_ten_documents() -> None:
    repeating = ". ".join(["ferry"] * 4)
    engine = Shelf({f"{n:02}.txt": repeating for n in range(12)})
    (prediction,) = predict(engine, [Question("q", "ferry", True)])
    assert len({passage.doc for passage in prediction.passages}) >= 10
    (first,) = predict(engine, [Question("q", "ferry", True)], limit=3)
    assert first.passages == prediction.passages[:3]


def test_a_question_that_the_engine_refuses_is_named() -> None:
    questions = [Question("short", "The ferry?", True), Question("long-one", "ferry " * 30, True)]
    predictions = predict(Shelf({"ferry.txt": FERRY}), questions)
    next(predictions)
    with pytest.raises(UsageError, match="'long-one' cannot be asked: A question has at most 100") as refused:
        next(predictions)
    assert refused.value.remedy == "Shorten it."


def test_from_a_folder_to_figures_every_citation_of_an_honest_engine_is_exact(tmp_path: Path) -> None:
    gold = [{"doc": "ferry", "start": 0, "end": 24}]
    folder = _set(
        tmp_path / "set",
        [ROW | {"gold": gold}, {"id": "q2", "question": "Who bakes bread?", "answerable": False, "relevant": {}}],
        {"ferry.txt": FERRY, "mill.txt": MILL},
    )
    questions = load(folder)
    texts = texts_of(folder)
    scores = score(questions, predict(Shelf({f"{name}.txt": text for name, text in texts.items()}), questions), texts)
    assert _figures(scores) == {
        "questions with a prediction": (1.0, 2),
        "passage hit@1": (1.0, 1),
        "passage hit@5": (1.0, 1),
        "passage MRR@10": (1.0, 1),
        "sentence hit@1": (1.0, 1),
        "sentence hit@5": (1.0, 1),
        "sentence MRR@10": (1.0, 1),
        "document nDCG@10": (1.0, 1),
        "citation exactness": (1.0, 1),
        "answered when answerable": (1.0, 1),
        "answered when not answerable": (0.0, 1),
        "words in first passage": (5.0, 1),
        "answerable AUROC": (1.0, 2),
        "confidence ECE": (0.375, 2),
        "confidence AURC": (0.25, 2),
    }


# Scoring: a case worked by hand, then the laws


def test_a_case_worked_by_hand() -> None:
    gold = (Place("ferry", 25, 44), Place("mill", 1, 5))
    questions = [
        Question("second", "?", True, (("ferry", 2), ("mill", 1)), gold),
        Question("sixth", "?", True, (("ferry", 1),), gold),
        Question("silent", "?", True, (("ferry", 1),), gold),
        Question("none", "?", False),
    ]
    elsewhere = Place("quay", 25, 44)
    predictions = [
        _predicted(
            "second",
            passages=(Place("ferry", 0, 24), Place("mill", 4, 9)),
            citations=(Quote("ferry", 25, 44, "It takes two hours."), Quote("mill", 1, 4, "the")),
            answered=True,
            confidence=0.75,
        ),
        _predicted("sixth", passages=(*[elsewhere] * 5, Place("ferry", 43, 60)), confidence=0.25),
        _predicted("none", passages=(Place("ferry", 0, 100),), answered=True, confidence=0.25),
    ]
    scores = score(questions, predictions, {"ferry": FERRY, "mill": MILL})
    ideal = 2 / math.log2(2) + 1 / math.log2(3)
    ndcg = ((2 / math.log2(2) + 1 / math.log2(3)) / ideal + 1 / math.log2(3) + 0) / 3
    assert _figures(scores) == {
        "questions with a prediction": (0.75, 4),
        "passage hit@1": (0.0, 3),
        "passage hit@5": (pytest.approx(1 / 3), 3),
        "passage MRR@10": (pytest.approx((1 / 2 + 1 / 6) / 3), 3),
        "sentence hit@1": (pytest.approx(1 / 3), 3),
        "sentence hit@5": (pytest.approx(1 / 3), 3),
        "sentence MRR@10": (pytest.approx(1 / 3), 3),
        "document nDCG@10": (pytest.approx(ndcg, abs=1e-12), 3),
        "citation exactness": (0.5, 2),
        "answered when answerable": (0.5, 2),
        "answered when not answerable": (1.0, 1),
        "words in first passage": (pytest.approx((5 + 0 + 12) / 3), 3),
        "answerable AUROC": (0.75, 3),
        "confidence ECE": (pytest.approx((0.75 + 2 * 0.25) / 3), 3),
        "confidence AURC": (1.0, 3),
    }
    assert [row.id for row in scores.rows] == ["second", "sixth", "silent", "none"]
    assert scores.rows[2].passage is not None and not scores.rows[2].passage.hit_at_5
    assert scores.rows[2].ndcg_at_10 == 0.0 and scores.rows[2].answered is None
    assert scores.rows[3].passage is None and scores.rows[3].ndcg_at_10 is None


@pytest.mark.parametrize(
    ("start", "end", "hit"), [(0, 10, False), (0, 11, True), (14, 15, True), (15, 20, False), (11, 12, True)]
)
def test_a_place_that_only_touches_a_gold_span_misses_it(start: int, end: int, hit: bool) -> None:
    question = Question("q", "?", True, (), (Place("ferry", 10, 15),))
    (row,) = score([question], [_predicted("q", passages=(Place("ferry", start, end),))], {}).rows
    assert row.passage is not None and row.passage.hit_at_1 is hit


@pytest.mark.parametrize(
    ("rank", "figures"),
    [
        (1, (True, True, 1)),
        (2, (False, True, 1 / 2)),
        (5, (False, True, 1 / 5)),
        (6, (False, False, 1 / 6)),
        (10, (False, False, 1 / 10)),
        (11, (False, False, 0)),
    ],
)
def test_what_is_found_counts_down_to_its_rank(rank: int, figures: tuple[bool, bool, float]) -> None:
    question = Question("q", "?", True, (), (Place("ferry", 10, 15),))
    places = (*[Place("mill", 10, 15)] * (rank - 1), Place("ferry", 10, 15), Place("ferry", 10, 15))
    (row,) = score([question], [_predicted("q", passages=places)], {}).rows
    assert row.passage is not None
    assert (row.passage.hit_at_1, row.passage.hit_at_5, row.passage.reciprocal_rank_at_10) == figures


# The first example waits for imports, which take longer than the usual deadline.
_LAW = settings(max_examples=50, deadline=None)


def _pairs(run: Asked) -> Iterator[tuple[Question, Prediction]]:
    """Each question with its prediction; an empty one where there is none."""
    given_for = {prediction.id: prediction for prediction in run[1]}
    for question in run[0]:
        yield question, given_for.get(question.id, _predicted(question.id))


def _shares_a_code_point(place: Place | Quote, gold: Sequence[Place]) -> bool:
    return any(g.doc == place.doc and set(range(g.start, g.end)) & set(range(place.start, place.end)) for g in gold)


@_LAW
@given(runs())
def test_a_place_is_a_hit_when_it_shares_a_code_point_with_a_gold_span(
    run: Asked,
) -> None:
    rows = score(*run, TEXTS).rows
    for row, (question, prediction) in zip(rows, _pairs(run), strict=True):
        for found, places in ((row.passage, prediction.passages), (row.sentence, prediction.citations)):
            if not (question.answerable and question.gold):
                assert found is None
                continue
            ranks = [n for n, place in enumerate(places, 1) if _shares_a_code_point(place, question.gold)]
            first = min(ranks, default=math.inf)
            assert found is not None
            assert (found.hit_at_1, found.hit_at_5) == (first <= 1, first <= 5)
            assert found.reciprocal_rank_at_10 == (1 / first if first <= 10 else 0)


@_LAW
@given(runs())
def test_ndcg_is_the_discounted_gain_of_the_documents_in_order_of_their_first_passages_over_the_best_possible(
    run: Asked,
) -> None:
    rows = score(*run, TEXTS).rows
    for row, (question, prediction) in zip(rows, _pairs(run), strict=True):
        grades = dict(question.relevant)
        ranked: list[str] = []
        for passage in prediction.passages:
            if passage.doc not in ranked:
                ranked.append(passage.doc)
        gain, ideal = (
            sum(grade / math.log2(rank + 1) for rank, grade in enumerate(each[:10], 1))
            for each in ([grades.get(doc, 0) for doc in ranked], sorted(grades.values(), reverse=True))
        )
        assert row.ndcg_at_10 == (pytest.approx(gain / ideal if ideal else 0.0, abs=1e-12) if grades else None)


@_LAW
@given(runs())
def test_a_citation_is_exact_when_it_is_the_slice_of_its_document(run: Asked) -> None:
    scores = score(*run, TEXTS)
    cited = [quote for _, prediction in _pairs(run) for quote in prediction.citations]
    exact = [quote for quote in cited if TEXTS.get(quote.doc, "")[quote.start : quote.end] == quote.text]
    assert sum(row.exact_citations for row in scores.rows) == len(exact)
    assert _figures(scores).get("citation exactness") == (
        (pytest.approx(len(exact) / len(cited)), len(cited)) if cited else None
    )


@_LAW
@given(runs())
def test_auroc_is_the_share_of_pairs_that_confidence_orders_rightly_ties_counting_half(
    run: Asked,
) -> None:
    kinds: dict[bool, list[float]] = {True: [], False: []}
    for question in run[0]:
        kinds[question.answerable] += [prediction.confidence for prediction in run[1] if prediction.id == question.id]
    pairs = [(p > n) + (p == n) / 2 for p in kinds[True] for n in kinds[False]]
    expected = (pytest.approx(sum(pairs) / len(pairs), abs=1e-12), len(run[1])) if pairs else None
    assert _figures(score(*run, TEXTS)).get("answerable AUROC") == expected


@_LAW
@given(runs(), st.data())
def test_silence_never_raises_a_mean_and_never_shrinks_what_it_is_taken_over(run: Asked, data: st.DataObject) -> None:
    questions, predictions = run
    kept = data.draw(st.lists(st.sampled_from(predictions), unique_by=lambda p: p.id) if predictions else st.just([]))
    whole, less = _figures(score(questions, predictions, TEXTS)), _figures(score(questions, kept, TEXTS))
    finding = [m for m in whole if m.startswith(("questions", "passage", "sentence", "document"))]
    for measure in finding:
        assert less[measure][0] <= whole[measure][0] + 1e-12
        assert less[measure][1] == whole[measure][1]


@_LAW
@given(runs())
def test_means_are_over_rows_in_the_order_of_the_questions_whatever_the_order_of_the_predictions(
    run: Asked,
) -> None:
    questions, predictions = run
    scores = score(questions, predictions, TEXTS)
    assert score(questions, reversed(predictions), TEXTS) == scores
    assert score(questions, [_predicted("stranger", confidence=1.0), *predictions], TEXTS) == scores
    assert [row.id for row in scores.rows] == [question.id for question in questions]
    ranks = [row.passage.reciprocal_rank_at_10 for row in scores.rows if row.passage]
    expected = (pytest.approx(sum(ranks) / len(ranks)), len(ranks)) if ranks else None
    assert _figures(scores).get("passage MRR@10") == expected


@_LAW
@given(runs())
def test_what_is_not_judged_is_left_out_and_all_else_lies_in_bounds(
    run: Asked,
) -> None:
    figures = _figures(score(*run, TEXTS))
    assert ("passage hit@1" in figures) == any(question.answerable and question.gold for question in run[0])
    assert ("document nDCG@10" in figures) == any(question.relevant for question in run[0])
    for measure, (value, n) in figures.items():
        assert n > 0 and value >= 0
        assert measure == "words in first passage" or value <= 1


def test_no_names_can_harm_the_scoring() -> None:
    doc, text = "\udcff\n\0 <b>", "It is here."
    question = Question("\ud800\t0 1", "?", True, ((doc, 1), ("", 1)), (Place(doc, 0, 5),))
    prediction = _predicted(question.id, passages=(Place(doc, 0, 5),), citations=(Quote(doc, 0, 5, "It is"),))
    (row,) = score([question], [prediction], {doc: text}).rows
    assert row.passage is not None and row.passage.hit_at_1 and row.exact_citations == 1
    assert row.ndcg_at_10 == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_no_question_gives_no_figure() -> None:
    assert table(score([], [_predicted("stranger")], TEXTS)) == []


def test_importing_the_room_loads_no_library() -> None:
    code = "import sys, qa.evaluation; print({'ir_measures', 'pytrec_eval', 'numpy', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
