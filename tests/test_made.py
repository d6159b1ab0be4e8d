"""Laws of questions that are made from documents: they ask for what stands in their places, and a folder is always
asked the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa import evaluation, foreign, query
from qa.engine import check_question
from qa.errors import UsageError
from qa.evaluation import Made, Place, Prediction, Question, made
from qa.formats import Limits, parse
from qa.records import Block, Document, Locator
from qa.wording import form, words

WORDS = (
    *("ferry", "harbour", "lighthouse", "keeper", "anchor", "granite", "lichen", "plover", "barnacle", "cormorant"),
    *("sextant", "bowline", "capstan", "halyard", "driftwood", "estuary", "shingle", "pontoon", "trawler", "mackerel"),
)


def read(name: str, text: str) -> Document:
    return parse(text.encode(), "text/markdown" if name.endswith(".md") else "text/plain", Limits())


@st.composite
def shelves(draw: st.DrawFn) -> dict[str, Document]:
    """Some documents of sentences of few words, so that many are alike, with headings and titles."""
    said = st.lists(st.sampled_from(WORDS), min_size=1, max_size=14)
    line = st.one_of(
        said.map(lambda words: f"{' '.join(words).capitalize()}."),
        said.map(lambda words: f"The {words[0]} {words[-1]} is a thing of the {' and the '.join(words)}."),
        said.map(lambda words: f"## {' '.join(words[:4])}"),
    )
    lines = st.lists(line, max_size=8)
    names = draw(st.lists(st.sampled_from(["a.md", "b.md", "c/a.md", "d.md"]), min_size=1, unique=True))
    return {
        name: read(name, "\n\n".join([f"# {' '.join(draw(said)[:3])}", *draw(lines), f"It has {' '.join(WORDS[:9])}."]))
        for name in names
    }


def of_kind(found: Made, kind: str) -> list[Question]:
    return [question for question in found.questions if found.kinds[question.id] == kind]


def texts(documents: dict[str, Document], question: Question) -> list[str]:
    return [documents[place.doc].text[place.start : place.end] for place in question.gold]


@settings(max_examples=40)
@given(shelves(), st.randoms(use_true_random=False))
def test_the_order_of_the_documents_does_not_matter(shelf: dict[str, Document], chance: random.Random) -> None:
    names = list(shelf)
    chance.shuffle(names)
    assert evaluation.make({name: shelf[name] for name in names}) == evaluation.make(shelf)


@settings(max_examples=40)
@given(shelves())
def test_a_question_is_made_of_words_of_its_place_and_is_not_what_stands_there(shelf: dict[str, Document]) -> None:
    found = evaluation.make(shelf)
    assert len({question.id for question in found.questions}) == len(found.questions) == len(found.kinds)
    for question in of_kind(found, "sentences"):
        held = texts(shelf, question)
        titles = {word for place in question.gold for word in words(shelf[place.doc].title)}
        assert len({form(text) for text in held}) == 1
        own = [word for word in question.text.split() if word not in titles]
        assert set(own) <= set(words(held[0]))
        assert sorted(own, key=words(held[0]).index) == own
        assert 2 * len(own) <= len(words(held[0])) + 1
        assert titles & set(question.text.split())
        assert form(question.text) != form(held[0])
    for question in of_kind(found, "definitions"):
        asked = question.text.removeprefix("what is ").removesuffix("?")
        assert all(form(text).removeprefix("the ").startswith(f"{asked} is a ") for text in texts(shelf, question))
    for question in of_kind(found, "headings"):
        for place in question.gold:
            above = [block.locator.heading for block in shelf[place.doc].blocks if block.start == place.start]
            assert question.text in {" ".join(words(heading)) for heading in above[0]}
    for question in found.questions:
        assert question.answerable == bool(question.gold)
        assert [doc for doc, _ in question.relevant] == sorted({place.doc for place in question.gold})


@settings(max_examples=20)
@given(shelves())
def test_more_documents_leave_the_questions_of_the_others(shelf: dict[str, Document]) -> None:
    before = evaluation.make(shelf)
    more = shelf | {"new.md": read("new.md", "# Birds\n\nSeven hungry puffins watched every passing sailing boat.\n")}
    assert set(before.kinds) < set(evaluation.make(more).kinds)


def test_of_a_large_folder_as_many_documents_as_possible_are_asked_about() -> None:
    chance = random.Random(5)
    vocabulary = [f"{a}{b}" for a in WORDS for b in ("like", "less", "wards", "ness")]
    shelf = {
        f"{n}.txt": read(f"{n}.txt", " ".join(f"So {' '.join(chance.sample(vocabulary, 9))}." for _ in range(n)))
        for n in range(1, 60)
    }
    found = evaluation.make(shelf)
    made_ = [question for question in found.questions if question.answerable]
    assert len(made_) == made.COUNT
    asked = [question.gold[0].doc for question in made_]
    assert set(asked) == set(shelf)
    counts = {int(Path(doc).stem): asked.count(doc) for doc in shelf}
    assert max(counts.values()) <= 4 and counts[1] == 1 and counts[59] >= 3


def test_a_heading_that_stands_twice_is_not_asked_and_one_with_nothing_under_it_neither() -> None:
    shelf = {
        "a.md": read(
            "a.md", "# One\n\n## Opening times\n\nNine.\n\n## Lost property\n\nAsk.\n\n### By post\n\nWrite.\n"
        ),
        "b.md": read(
            "b.md", "# Two\n\n## Opening  Times\n\nTen.\n\n## Empty shelves\n\n## Who pays\n\n- We do.\n- You do.\n"
        ),
    }
    found = {question.text: texts(shelf, question) for question in of_kind(evaluation.make(shelf), "headings")}
    assert found == {"lost property": ["Ask.", "Write."], "by post": ["Write."], "who pays": ["We do.", "You do."]}


def test_what_says_of_nothing_what_it_is_makes_no_definition() -> None:
    text = (
        "It is a boat. There was a storm. One of them is the oldest. The sextant is an instrument. "
        "Iron halyards were the rule. This capstan is a wreck and that is the truth. Yes it is the one."
    )
    found = of_kind(evaluation.make({"a.txt": read("a.txt", text)}), "definitions")
    assert {question.text for question in found} == {"what is sextant?", "what is iron halyards?"}


def test_a_sentence_in_two_files_is_right_in_both() -> None:
    shelf = {
        name: read(name, f"# {title}\n\nThe keeper polished seven brass lamps before every autumn storm.\n")
        for name, title in (("old/log.md", "Log"), ("new/log.md", "Copy"))
    }
    (question,) = of_kind(evaluation.make(shelf), "sentences")
    assert [place.doc for place in question.gold] == ["new/log.md", "old/log.md"]


def test_documents_that_nothing_could_be_made_of_are_named() -> None:
    shelf = {"a.txt": read("a.txt", f"{' '.join(WORDS)}."), "scan.txt": read("scan.txt", "t h e f e r r y")}
    assert evaluation.make(shelf).silent == ("scan.txt",)
    with pytest.raises(UsageError, match="No question can be made"):
        evaluation.make({"scan.txt": shelf["scan.txt"]})


def test_foreign_questions_are_asked_as_they_are() -> None:
    found = of_kind(evaluation.make({"a.txt": read("a.txt", f"{' '.join(WORDS)}.")}), "foreign")
    assert [question.text for question in found] == list(foreign.QUESTIONS)
    assert not any(question.answerable for question in found)


@given(
    st.lists(st.tuples(st.sampled_from(["heading", "paragraph", "item"]), st.text(min_size=1, max_size=99)), max_size=9)
)
def test_whatever_documents_hold_the_questions_can_be_asked_and_are_mere_words(parts: list[tuple[str, str]]) -> None:
    told = [*parts, ("heading", 'Who "crossed" it -railway'), ("paragraph", f'"{" -".join(WORDS)}" -x.')]
    told += [("heading", f"Sextants {'x' * 9999} ferries"), ("item", f"The {'sextant' * 999} is a thing.")]
    text, blocks = "", []
    for kind, words_ in told:
        words_ = words_.strip() or "-"
        blocks.append(Block(kind, len(text), len(text) + len(words_), Locator()))
        text += f"{words_}\n\n"
    found = evaluation.make({"\udcff": Document(text, "\udcfe", "text/plain", tuple(blocks))})
    for question in found.questions:
        read_ = query.read(check_question(question.text))
        assert not read_.phrases and not read_.excluded
        assert Question.from_json(question.to_json()) == question


def test_misses_are_counted_by_document_and_measures_by_kind() -> None:
    shelf = {
        "a.txt": read("a.txt", f"The {' '.join(WORDS[:9])}. Some {' '.join(WORDS[9:])}."),
        "b.txt": read("b.txt", f"Their {' '.join(WORDS[::2])}."),
    }
    found = evaluation.make(shelf)
    first, second, third = sorted(of_kind(found, "sentences"), key=lambda question: (question.gold[0].doc, question.id))
    elsewhere = Place("c.txt", 0, 9)
    predictions = [
        Prediction(first.id, (elsewhere, *first.gold), (), True, 0.5),
        Prediction(second.id, (elsewhere,), (), True, 0.5),
        Prediction(third.id, third.gold, (), False, 0.5),
    ]
    scores = evaluation.score(found.questions, predictions, {})
    assert evaluation.misses(found, scores) == (
        evaluation.Misses("a.txt", 2, 2, 1),
        evaluation.Misses("b.txt", 1, 0, 0),
    )
    by_kind = {
        kind: {mean.measure: (mean.value, mean.n) for mean in means}
        for kind, means in evaluation.means_by_kind(found, scores).items()
    }
    assert list(by_kind) == ["sentences", "made", "foreign"]
    assert by_kind["sentences"] == by_kind["made"]
    assert by_kind["made"]["passage hit@1"] == (1 / 3, 3)
    assert by_kind["made"]["passage hit@5"] == (2 / 3, 3)
    assert "passage hit@1" not in by_kind["foreign"]
