"""Laws of snapshots that are made of pieces: whatever the history, they answer as one made whole from the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from shelf import MEMORY

from qa import candidates, exact, piece, ranking, snapshot
from qa.library import Library, Maker, Read, Root, identity
from qa.records import Block, Document, Encoding, Locator, Passage, QuestionEncoding, Source, Span
from qa.snapshot import PLACES, Snapshot

DIMENSIONS = 16
MAKER = Maker("a model", "0" * 16, "tokens", DIMENSIONS, "a splitter")
WORDS = ("harbour", "ferry", "noon", "crowns", "bridge", "the", "of", "leaves")
NAMES = tuple(f"{name}.txt" for name in "abcdefgh")


def noise(held: Snapshot) -> float:
    """Depends on the whole snapshot, and on the order of its documents."""
    return float(held.spans.sum() + (held.marks % 97).sum() + (held.document * np.arange(len(held.document))).sum())


def vector(text: str) -> NDArray[np.float32]:
    """The same for the same text, and for texts of the same words nearly so."""
    chance = [np.random.default_rng(sum(word.encode())).standard_normal(DIMENSIONS) for word in text.split()]
    whole = np.sum(chance, axis=0)
    return (whole / np.linalg.norm(whole)).astype(np.float32)


def stored(root: Root, name: str, sentences: tuple[str, ...], title: str) -> Read:
    """A document of these sentences, two to a passage."""
    text = " ".join(sentences)
    spans, at = [], 0
    for sentence in sentences:
        spans.append(Span(at, at + len(sentence)))
        at += len(sentence) + 1
    packed, encoded = [], []
    for run in (tuple(spans[start : start + 2]) for start in range(0, len(spans), 2)):
        packed.append(Passage(run[0].start, run[-1].end, run, title, Locator()))
        vectors = np.stack([vector(text[span.start : span.end]) for span in run])
        codes = np.packbits(np.repeat(vectors, 3, axis=0) > 0, axis=1)
        encoded.append(Encoding(vectors, np.full(len(run), 3, dtype=np.int64), codes))
    source = Source(identity(root, name), name, title, "text/plain", "0" * 64, len(text), 0)
    return Read(root, source, Document(text, title, "text/plain", (Block("paragraph", 0, len(text)),)), packed, encoded)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handful of sentences are a piece, and four pieces are many."""
    monkeypatch.setattr(piece, "LEAST_SENTENCES", 3)
    monkeypatch.setattr(piece, "MOST_PIECES", 4)


@pytest.fixture
def shelves(tmp_path: Path) -> Iterator[Callable[[], Library]]:
    """Makes new libraries, in memory where that can be."""
    import shutil
    import tempfile

    made: list[Library] = []

    def make() -> Library:
        made.append(Library.create(Path(tempfile.mkdtemp(prefix="qa-piece-", dir=MEMORY)), MAKER))
        return made[-1]

    yield make
    for library in made:
        library.close()
        shutil.rmtree(library.folder)


def found(held: Snapshot, question: str) -> tuple[list[float], list[float], list[int]]:
    """Scores of the passages and sentences that a question finds, best passage first, and where they begin."""
    encoded = QuestionEncoding(vector(question), np.stack([vector(word) for word in question.split()]), ())
    encoded = QuestionEncoding(encoded.vector, encoded.tokens, tuple(question.split()))
    wanted = exact.find(held, question, None, lambda word: True)
    facts = candidates.find(held, wanted, encoded)
    ranked = ranking.rank(facts.facts)
    starts = facts.starts[ranked.order].tolist()
    return ranked.passage[ranked.order].tolist(), ranked.sentence.tolist(), starts


def check_same(held: Snapshot, whole: Snapshot) -> None:
    assert (held.birth, held.commit, held.sources, held.noise) == (
        whole.birth,
        whole.commit,
        whole.sources,
        whole.noise,
    )
    for name in PLACES:
        if name != "heading":  # numbers of what may stand in several pieces
            assert np.array_equal(getattr(held, name), getattr(whole, name)), name
    for word in WORDS:
        named = [s.headings.naming(word)[s.heading].tolist() for s in (held, whole)]
        assert named[0] == named[1]
        holding = [s.sentence_words.holding(word).tolist() for s in (held, whole)]
        assert holding[0] == holding[1]
    assert held.passage_words.vocabulary("") == whole.passage_words.vocabulary("")
    rows = np.arange(len(held.spans))
    for question in ("the ferry leaves", "crowns of the bridge of", "noon"):
        unit = vector(question)
        assert held.vectors.scores(unit, rows).tobytes() == whole.vectors.scores(unit, rows).tobytes()
        assert held.vectors.nearest(unit, 3).tolist() == whole.vectors.nearest(unit, 3).tolist()
        assert held.tokens.matches(unit[None], rows).tobytes() == whole.tokens.matches(unit[None], rows).tobytes()
        if len(rows):
            one, other = found(held, question), found(whole, question)
            assert one[2] == other[2], "the same order"
            assert np.allclose(one[0], other[0], rtol=0, atol=1e-6)
            assert np.allclose(one[1], other[1], rtol=0, atol=1e-6)


def test_pieces_made_anew_in_between_are_taken_up_whole(
    shelves: Callable[[], Library], small_pieces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same documents they have the same arrays, but other segments of the lexicons."""
    library = shelves()
    with library.writing():
        root = library.add_root(library.folder)
        for name in NAMES[:4]:
            library.put(stored(root, name, (f"the ferry of {name} leaves",) * 7, "harbour"))
    held = snapshot.write(library, noise)
    with library.writing():
        library.put(stored(root, NAMES[4], ("noon",) * 7, "bridge"))
    snapshot.write(library, noise)  # by one who knows none of before
    with library.reading():
        found = snapshot.load(library, held=held)
    assert found is not None
    check_same(found, snapshot.build(library, noise))
    with library.writing():
        library.remove(identity(root, NAMES[4]))
    changed = snapshot.write(library, noise, found)
    check_same(changed, snapshot.build(library, noise))


sentence = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
change = st.tuples(
    st.sampled_from(NAMES), st.none() | st.tuples(st.lists(sentence, max_size=9).map(tuple), st.sampled_from(WORDS))
)


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(history=st.lists(st.lists(change, max_size=4), min_size=1, max_size=6))
def test_after_any_history_of_changes_a_snapshot_is_that_of_the_whole_library(
    shelves: Callable[[], Library],
    small_pieces: None,
    history: list[list[tuple[str, tuple[tuple[str, ...], str] | None]]],
) -> None:
    """Files come, are edited and go, several at once or none; also to one who holds the first snapshot and loads each
    later one."""
    library = shelves()
    written: Snapshot | None = None
    loaded: Snapshot | None = None
    for changes in history:
        with library.writing():
            root = library.add_root(library.folder)
            for name, content in changes:
                if content is None:
                    library.remove(identity(root, name))
                else:
                    library.put(stored(root, name, *content))
        written = snapshot.write(library, noise, written)
        whole = snapshot.build(library, noise)
        with library.reading():
            loaded = snapshot.load(library, held=loaded)
        assert loaded is not None
        assert len(written.pieces) <= 4
        for held in (written, loaded):
            check_same(held, whole)
            for source in held.sources:
                assert held.text_of(source.id) == library.document(source.id)
    assert len(list((library.folder / "derived").iterdir())) == 1
