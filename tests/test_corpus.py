"""The sample documents and the questions about them keep the promises that the measurements on them rest on."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from qa.formats import Limits, load, media_type, parse
from qa.records import Document

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(p for p in (ROOT / "corpus").rglob("*") if p.is_file())
QUESTIONS: list[dict[str, Any]] = [
    json.loads(line) for line in (ROOT / "tests" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
GOLD = [(question["id"], gold) for question in QUESTIONS for gold in question["gold"]]


@cache
def read(path: Path) -> Document:
    limits = Limits()
    return parse(load(path, limits), media_type(path), limits)


@cache
def by_stem() -> dict[str, Document]:
    return {path.stem: read(path) for path in FILES}


def test_there_are_at_least_twelve_documents_in_five_formats() -> None:
    assert len(FILES) >= 12
    endings = Counter(path.suffix for path in FILES)
    assert set(endings) == {".txt", ".md", ".html", ".pdf", ".docx"}
    assert endings[".pdf"] >= 2 and endings[".docx"] >= 2


def test_no_two_documents_share_a_stem() -> None:
    assert len({path.stem for path in FILES}) == len(FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_document_is_read_whole_and_has_300_to_1500_words(path: Path) -> None:
    document = read(path)
    assert document.problems == ()
    assert 300 <= sum(len(document.text[block.start : block.end].split()) for block in document.blocks) <= 1500


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix in {".pdf", ".docx"}], ids=lambda path: path.name)
def test_a_binary_document_is_small(path: Path) -> None:
    assert path.stat().st_size < 60_000


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".pdf"], ids=lambda path: path.name)
def test_a_pdf_has_at_least_three_pages_and_its_running_foot_is_not_read_as_text(path: Path) -> None:
    document = read(path)
    assert len({block.locator.page for block in document.blocks}) >= 3
    assert not [b for b in document.blocks if re.search(r"\bpage [ivx\d]+$", document.text[b.start : b.end])]


def test_there_are_sixty_questions_and_fifteen_have_no_answer() -> None:
    assert len(QUESTIONS) == 60
    assert sum(not question["answerable"] for question in QUESTIONS) == 15


def test_ids_and_questions_are_unique() -> None:
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question["question"].casefold() for question in QUESTIONS}) == len(QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["id"])
def test_a_question_has_gold_and_answers_exactly_when_it_is_answerable(question: dict[str, Any]) -> None:
    assert bool(question["gold"]) is bool(question["answers"]) is question["answerable"]
    assert question["relevant"] == {gold["doc"]: 1 for gold in question["gold"]}


@pytest.mark.parametrize("gold", [gold for _, gold in GOLD], ids=[name for name, _ in GOLD])
def test_gold_text_is_a_cut_of_its_document_and_lies_in_one_block(gold: dict[str, Any]) -> None:
    document = by_stem()[gold["doc"]]
    assert document.text[gold["start"] : gold["end"]] == gold["text"]
    assert document.text.count(gold["text"]) == 1
    assert any(block.start <= gold["start"] and gold["end"] <= block.end for block in document.blocks)


@pytest.mark.parametrize("question", [q for q in QUESTIONS if q["answerable"]], ids=lambda question: question["id"])
def test_each_short_answer_stands_in_a_gold_sentence(question: dict[str, Any]) -> None:
    said = [" ".join(gold["text"].split()) for gold in question["gold"]]
    assert all(any(answer in text for text in said) for answer in question["answers"])


def test_every_document_answers_at_least_two_questions() -> None:
    asked = Counter(doc for question in QUESTIONS for doc in question["relevant"])
    assert {path.stem for path in FILES} == set(asked)
    assert min(asked.values()) >= 2
