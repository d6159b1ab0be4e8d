"""Laws of exact things: what is quoted is there, what is excluded is not, a code finds its sentence, a pasted sentence
finds itself, and a slip of the keyboard is mended and said."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from shelf import QUESTIONS, Shelf, assert_same

from qa.engine import Engine
from qa.errors import UsageError
from qa.records import Answer, Filter
from qa.settings import Settings
from qa.wording import form, words

CODES = (
    *(f"0x8007{number:04x}" for number in range(5, 900, 7)),
    *(f"E-{number}" for number in range(4700, 4800)),
    *(f"§ {section}({letter})" for section in range(1, 21) for letter in "abcde"),
    *(f"ISO {number}:{year}" for number in (9000, 9001, 9002, 14001, 27001) for year in range(2000, 2020)),
    *(f"{letter}-{number}" for letter in "BFTX" for number in range(1, 26)),
    *(f"{whole}.{part:02d}" for whole in range(1, 11) for part in (3, 14, 31, 41, 13, 51, 5, 4, 10, 40)),
    *(f"v{one}.{two}.{three}" for one in range(1, 5) for two in range(5) for three in range(5)),
    *(f"net_{one}_{two}.{three}" for one in ("min", "max") for two in ("size", "load") for three in range(25)),
    *(f"{hour}:{minute:02d}" for hour in range(4, 24) for minute in (5, 15, 25, 45, 55)),
    *(f"{letter}.{other}." for letter in "UVWXY" for other in "SKNRAB"),
    *(f"{letter}.{other}.S.R." for letter in "UVWXY" for other in "SKNRAB"),
    *(
        "C++",
        "C#",
        "F#",
        "J#",
        "Q#",
        "X++",
        "Zürich",
        "Zurzach",
        "naïve",
        "native",
        "Kraków",
        "Krakau",
        "Łódź",
        "Tromsø",
    ),
)
"""Codes and names, as many neighbours of each kind as there are sentences."""

TOLD = "The note about {} was filed by the clerk in the cabinet beside the door."

PROSE = """# The harbour

“Nobody pays,” the keeper said – twice – and went home. He'd said "it can't be so" before, -x or not.
The ferry leaves at noon. Does the ferry leave at noon? The ferry leaves at noon, as a rule.

The state-of-the-art crane (model 7-B) lifts 3.5 tonnes; it's the cooperative's pride.
A ﬁne oﬃce stands beside it -- it is closed -- since May.

- Grain, salted fish and timber
- Golden apples for the gate

Golden. Gate keepers sleep here. The golden gate stands open.
"""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, small_model: str, model_cache: Path) -> Shelf:
    """A thousand sentences that are alike but for their code, and some prose; no test changes them."""
    folder = tmp_path_factory.mktemp("exact")
    shelf = Shelf(folder / "docs", Settings(folder / "index", small_model, model_cache))
    told = [TOLD.format(code) for code in CODES]
    random.Random(2).shuffle(told)
    for number in range(0, len(told), 200):
        paragraphs = [" ".join(told[at : at + 4]) for at in range(number, min(number + 200, len(told)), 4)]
        shelf.write(f"codes/{number}.txt", "\n\n".join(paragraphs))
    shelf.write("harbour.md", PROSE)
    shelf.write(
        "bridge.md", "# The iron bridge\n\nIt was built by the architect Zygmunt Nowak. Its toll is nine crowns.\n"
    )
    shelf.index()
    return shelf


@pytest.fixture(scope="module")
def engine(shelf: Shelf) -> Iterator[Engine]:
    with shelf.engine() as engine:
        yield engine


def first(answer: Answer) -> str:
    return answer.citations[0].text


def texts(answer: Answer) -> list[str]:
    return ["".join(segment.text for segment in passage.segments) for passage in answer.passages]


def kinds(answer: Answer) -> list[str]:
    return [notice.kind for notice in answer.notices]


# ------------------------------------------------------------------------------------------------------------ codes


def test_the_sentence_with_the_code_comes_first_among_a_thousand_that_are_alike(engine: Engine) -> None:
    assert len(CODES) >= 1000
    wrong = {}
    for code in random.Random(1).sample(CODES[:-14], 60) + list(CODES[-14:]):
        found = first(engine.ask(f"the note about {code}", limit=3))
        if found != TOLD.format(code):
            wrong[code] = found
    assert not wrong


def test_accents_need_not_be_typed(engine: Engine) -> None:
    for typed, written in (("Zurich", "Zürich"), ("naive", "naïve"), ("Krakow", "Kraków"), ("Tromso", "Tromsø")):
        answer = engine.ask(f"the note about {typed}", limit=3)
        assert first(answer) == TOLD.format(written)
        assert not answer.notices


# ---------------------------------------------------------------------------------------------------------- phrases


@pytest.mark.parametrize(
    ("phrase", "held"),
    [
        ('"golden gate"', "The golden gate stands open."),
        ("“GOLDEN\u00a0 gate”", "The golden gate stands open."),
        (
            "«state‑of‑the‑art»",
            "The state-of-the-art crane (model 7-B) lifts 3.5 tonnes; it's the cooperative's pride.",
        ),
        ('"a fine office"', "A ﬁne oﬃce stands beside it -- it is closed -- since May."),
        (
            '"it’s the cooperative’s"',
            "The state-of-the-art crane (model 7-B) lifts 3.5 tonnes; it's the cooperative's pride.",
        ),
        ('"ISO 9001:2015"', TOLD.format("ISO 9001:2015")),
        ('"the note about v3.1.4 was"', TOLD.format("v3.1.4")),
    ],
)
def test_a_quoted_phrase_is_held_by_every_passage_and_by_the_sentence_cited_first(
    engine: Engine, phrase: str, held: str
) -> None:
    answer = engine.ask(f"when does the ferry leave the harbour {phrase}", limit=50)
    assert first(answer) == held
    sought = " ".join(words(phrase[1:-1]))
    passages = {(hit.source.id, hit.start) for hit in answer.passages}
    assert passages and all(sought in " ".join(words(engine.document(id)[1].text)) for id, _ in passages)
    assert sought in " ".join(words(texts(answer)[0]))
    assert not answer.notices


@pytest.mark.parametrize(
    "phrase", ["gates golden", "golden gates", "gate golden", "3,5 tonnes", "9001:20", "nobody"[:4]]
)
def test_words_in_another_order_or_form_are_not_the_phrase(engine: Engine, phrase: str) -> None:
    answer = engine.ask(f'the ferry "{phrase}"')
    assert not answer.answered
    assert kinds(answer) == ["phrase"]
    assert phrase in answer.notices[0].text
    assert answer.passages, "the nearest are still shown"


def test_a_phrase_that_occurs_nowhere_is_never_answered_however_low_the_threshold(shelf: Shelf) -> None:
    with shelf.engine(min_confidence=0.0) as engine:
        assert engine.ask("When does the ferry leave?").answered
        assert not engine.ask('When does the "night ferry" leave?').answered


def test_phrases_that_stand_only_in_different_passages_are_not_answered(engine: Engine) -> None:
    answer = engine.ask('"golden gate" "iron bridge"')
    assert (answer.answered, kinds(answer)) == (False, ["phrase"])
    assert "golden gate" in answer.notices[0].text and "iron bridge" in answer.notices[0].text


def test_a_phrase_is_looked_for_in_the_documents_that_the_filter_leaves(engine: Engine) -> None:
    answer = engine.ask('"golden gate"', filter=Filter(path="codes/*"))
    assert not answer.answered
    assert "documents chosen" in answer.notices[0].text
    assert all(passage.source.path.startswith("codes/") for passage in answer.passages)


# --------------------------------------------------------------------------------------------------------- excluded


def test_no_passage_holds_what_is_excluded(engine: Engine) -> None:
    for question, word in (
        ("the ferry -ferry", "ferry"),
        ("the ferry -Harbour", "harbour"),
        ("note -“the clerk”", "clerk"),
    ):
        answer = engine.ask(question, limit=50)
        assert kinds(answer) == ["excluded"]
        assert not any(word in words(text) for text in texts(answer))
    assert "ferry" in words(" ".join(texts(engine.ask("the ferry -ferr", limit=50)))), "only the word as it is written"


def test_where_everything_is_excluded_the_documents_do_not_say(engine: Engine) -> None:
    answer = engine.ask("ferry -the -it -golden -grain", limit=50)
    assert (answer.answered, answer.passages) == (False, ())


def test_a_question_that_only_excludes_is_refused(engine: Engine) -> None:
    with pytest.raises(UsageError, match="only says what to leave out"):
        engine.ask("-ferry")
    assert engine.ask("-ferry", as_typed=True).passages


@hypothesis_settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(['"', "“", "”", "«", "-", "--", "'", "ferry", "(", ")", " ", "\n", "\\", "-x", "*"])))
def test_no_sign_makes_a_question_fail(engine: Engine, signs: list[str]) -> None:
    question = f"When leaves {''.join(signs)} noon"
    answer = engine.ask(question)
    assert answer.query == question
    assert answer.passages or "excluded" in kinds(answer)


# --------------------------------------------------------------------------------------------------------- verbatim


def sentences(engine: Engine) -> list[str]:
    held = engine._serving.snapshot()
    owner = held.owner
    documents = {source.id: document.text for source, document in engine.documents()}
    return [
        documents[held.sources[held.document[owner[row]]].id][start:end] for row, (start, end) in enumerate(held.spans)
    ]


def assert_finds_itself(engine: Engine, pasted: str, sentence: str) -> None:
    answer = engine.ask(pasted, limit=3)
    assert form(first(answer)) == form(sentence), pasted
    assert answer.citations[0].number in {segment.citation for segment in answer.passages[0].segments}
    assert answer.answered and answer.confidence > 0.9
    assert not answer.notices


def test_every_sentence_finds_itself_however_it_was_copied(engine: Engine) -> None:
    every = sentences(engine)
    chance = random.Random(4)
    straight = str.maketrans({"“": '"', "”": '"', "–": "-", "’": "'"})
    for sentence in [*(each for each in every if "note" not in each), *chance.sample(every, 40)]:
        assert_finds_itself(engine, sentence, sentence)
        assert_finds_itself(engine, f" \n{'  '.join(sentence.split())}\r\n", sentence)
        assert_finds_itself(engine, "\r\n".join(sentence.rstrip(".").translate(straight).split()), sentence)


SENTENCE = st.lists(
    st.sampled_from(
        [
            "The",
            "ferry",
            "leaves",
            '"at once"',
            "-x",
            "-noon",
            "“soon”",
            "it’s",
            "3.5",
            "(7-B)",
            "–",
            "a\u0301",
            "ﬁ",
            "東京",
        ]
    ),
    min_size=1,
    max_size=6,
).map(lambda parts: f"We say {' '.join(parts)} here.")


def test_any_sentence_finds_itself_among_its_neighbours(small_model: str, model_cache: Path, tmp_path: Path) -> None:
    runs = iter(range(1000))

    @hypothesis_settings(max_examples=6, suppress_health_check=list(HealthCheck))
    @given(st.lists(SENTENCE, min_size=1, max_size=12))
    @example(
        ["We say -x here.", 'We say "at once" -noon here.', "We say here.", "We say 3.5 here.", "We say 3.5 –x here."]
    )
    def check(told: list[str]) -> None:
        folder = tmp_path / str(next(runs))
        shelf = Shelf(folder / "docs", Settings(folder / "index", small_model, model_cache))
        shelf.write("told.txt", "\n\n".join(told))
        shelf.index()
        with shelf.engine() as engine:
            for sentence in sentences(engine):
                assert_finds_itself(engine, sentence, sentence)

    check()


def test_a_sentence_outside_the_filter_is_not_found_by_it(engine: Engine) -> None:
    answer = engine.ask("The golden gate stands open.", filter=Filter(path="codes/*"))
    assert all(citation.source.path.startswith("codes/") for citation in answer.citations)
    assert "verbatim" not in {part.name for part in answer.evidence}


# --------------------------------------------------------------------------------------------------------- spelling


def test_a_misspelt_word_is_searched_as_the_word_of_the_documents_and_said(engine: Engine) -> None:
    answer = engine.ask("Who was the archtect of the bridge?")
    (notice,) = answer.notices
    assert (notice.kind, notice.typed, notice.searched) == ("spelling", "archtect", "architect")
    assert notice.text == 'Searched for "architect"; "archtect" does not occur in the documents.'
    assert answer.query == "Who was the archtect of the bridge?"
    told = engine.ask("Who was the architect of the bridge?")
    assert [(hit.score, hit.start) for hit in told.passages] == [(hit.score, hit.start) for hit in answer.passages]
    assert not engine.ask("Who was the archtect of the bridge?", as_typed=True).notices


@pytest.mark.parametrize(
    "question", ["Who was the architects' friend?", "Who was the archivist?", "Was Nowakowski here?", 'the "archtect"']
)
def test_what_occurs_in_another_form_or_is_another_word_or_quoted_is_left(engine: Engine, question: str) -> None:
    assert "spelling" not in kinds(engine.ask(question))


def test_a_text_in_another_language_is_not_taken_for_misspelt(engine: Engine) -> None:
    foreign = "wrodz harbuor gatte notte archtect lifftz opensz kepper craane timbre goldene leavess standz "
    foreign += "ferrry kaabinet clerrk dooor filedd besidde sleeeps toldd crowwns"
    assert kinds(engine.ask(foreign)) == []
    assert "spelling" in kinds(engine.ask("harbuor archtect"))


# ------------------------------------------------------------------------------------------------------------- laws


ASKED = (
    *QUESTIONS,
    'the "golden gate" -iron',
    "the note about E-4711",
    "The golden gate stands open.",
    "Who was the archtect?",
    'the "night ferry"',
)


def test_the_parts_of_every_score_add_up_to_it(engine: Engine) -> None:
    names = set()
    for question in ASKED:
        answer = engine.ask(question, limit=50)
        for shown in (*answer.citations, *answer.passages):
            assert shown.score == pytest.approx(sum(part.value for part in shown.parts), abs=1e-9)
            names |= {part.name for part in shown.parts}
    assert names >= {"verbatim", "quoted", "codes"}


def test_a_history_of_changes_leaves_exact_things_as_a_clean_build_has_them(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    shelf = Shelf(tmp_path / "docs", settings())
    shelf.write("harbour.md", "# The harbour\n\nThe golden gate stands shut. The archbishop sleeps.\n")
    shelf.write("codes.txt", " ".join(TOLD.format(code) for code in CODES[:8]))
    shelf.index()
    shelf.write("harbour.md", PROSE)
    shelf.write("bridge.md", "# The iron bridge\n\nIt was built by the architect Zygmunt Nowak.\n")
    (shelf.docs / "codes.txt").rename(shelf.docs / "notes.txt")
    shelf.index()
    clean = shelf.clean("clean")
    for question in (*ASKED, f"the note about {CODES[3]}", "The golden gate stands shut."):
        assert_same(shelf.ask(question), clean.ask(question))
