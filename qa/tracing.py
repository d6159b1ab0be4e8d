"""Why a document is, or is not, among the results of a question: what became of it at each step from file to answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa import candidates, filtering, ranking
from qa.engine import Engine, check_question
from qa.errors import UsageError
from qa.exact import Exact
from qa.records import Answer, Filter, QuestionEncoding, Source
from qa.snapshot import Snapshot

EVERYTHING = 100_000
"""Passages asked for to see all there are: more than a shortlist can be cut into."""

ROWS_AT_ONCE = 50_000
"""Sentences whose cosines are computed at a time: 150 MB with 384 dimensions."""

NAMED = 5
"""Documents that are named where several would do."""


@dataclass(frozen=True, slots=True)
class Step:
    """What became of a document at one step: `passed`, or dropped out there; None where a step drops nothing.

    `said` is for people. `rank`, from 1, and `of` how many, `score` on the step's own scale, where it has them."""

    name: str
    passed: bool | None
    said: str
    rank: int | None = None
    of: int | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """A document's way to the results of a question. `path` is as indexed, else as asked; `found` is whether the
    document has a result of its own, and `rank` that of the best."""

    path: str
    id: str | None
    question: str
    found: bool
    rank: int | None
    steps: tuple[Step, ...]


def trace(engine: Engine, name: str, question: str, filter: Filter = Filter()) -> Trace:
    """What became of the document `name` (a path as indexed or the end of one, a glob, or an id) when `question` was
    asked with `filter`. Raises UsageError when several documents fit the name, or the question cannot be asked."""
    question = check_question(question)
    held, wanted, encoded = engine.read(question, filter)
    source = _source(held.sources, name)
    if source is None:
        return Trace(name, None, question, False, None, (_absent(engine, held.sources, name),))
    number = held.sources.index(source)
    steps = [_indexed(engine, held, number)]
    passages = np.flatnonzero(held.document == number)
    reasons = filtering.refusals(source, filter)
    if filter != Filter():
        said = f"kept back: {'; '.join(reasons)}" if reasons else "let through"
        steps.append(Step("filter", not reasons, said))
    if reasons or not len(passages):
        return Trace(source.path, source.id, question, False, None, tuple(steps))
    allowed = filtering.allowed(held.sources, filter)
    steps += _exact(wanted, passages)
    if wanted.passages is not None and not wanted.passages[passages].any():
        return Trace(source.path, source.id, question, False, None, tuple(steps))
    steps.append(_words(held, wanted.query.text, passages, allowed))
    steps.append(_meaning(held, encoded, passages, allowed))
    found = candidates.find(held, wanted, encoded)
    answer = engine.ask(question, limit=EVERYTHING, filter=filter)
    own = [passage for passage in answer.passages if passage.source.id == source.id]
    folded = _folded(answer, source, bool(own))
    steps += _shortlist(held, found, passages, number, None if folded else False)
    steps += folded
    if own:
        best = own[0]
        said = f"rank {best.rank:,} of {answer.total:,}: {best.label}"
        steps.append(Step("result", True, said, best.rank, answer.total, best.score))
        steps.append(_threshold(answer, engine.settings.min_confidence, best.rank))
    return Trace(source.path, source.id, question, bool(own), own[0].rank if own else None, tuple(steps))


def _source(sources: Sequence[Source], name: str) -> Source | None:
    """The one document that a name means; None when there is none."""
    exact = [source for source in sources if name in (source.id, source.path)]
    asked = name.removeprefix("./").lstrip("/")
    ending = [source for source in sources if asked and f"/{source.path}".endswith(f"/{asked}")]
    whole = [source for source in sources if name.endswith(f"/{source.path}") and Path(name).is_absolute()]
    fitting = exact or ending or whole or [source for source in sources if fnmatchcase(source.path, name)]
    if len(fitting) > 1:
        named = ", ".join(source.path for source in fitting[:NAMED])
        more = f" and {len(fitting) - NAMED:,} more" if len(fitting) > NAMED else ""
        raise UsageError(f"{len(fitting):,} documents fit {name}: {named}{more}.", "Name one of them.")
    return fitting[0] if fitting else None


def _absent(engine: Engine, sources: Sequence[Source], name: str) -> Step:
    """Why a file is not in the index."""
    state = engine.status()
    roots = [Path(root) for root in state["roots"]]
    asked = Path(name)
    for problem in state["problems"]:
        if name == problem["path"] or f"/{problem['path']}".endswith(f"/{name.removeprefix('./')}"):
            return _not(f"{problem['path']} {problem['reason']}. {problem['remedy']}")
    bases = (Path(), *roots, *(root.parent for root in roots))
    places = [(base / asked).parent.resolve() / asked.name for base in bases]
    file = next((place for place in places if os.path.lexists(place)), None)
    if file is None:
        close = get_close_matches(name, [source.path for source in sources], n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else "`qa status` says which folders are."
        return _not(f"it is neither in the index nor on disk. {hint}")
    if file.is_dir():
        return _not("it is a folder. Name a file of it.")
    root = next((root for root in roots if file.is_relative_to(root)), None)
    if root is None:
        folders = ", ".join(map(str, roots)) or "none yet"
        return _not(f"it lies outside the folders that are indexed ({folders}). Index it: qa index {file.parent}")
    if any(part.startswith(".") for part in file.relative_to(root).parts):
        return _not("it is hidden, or in a hidden folder; those are left out. Rename it without the leading dot.")
    return _not("it has not been seen: it came after the last `qa index`. Run qa index again.")


def _not(reason: str) -> Step:
    return Step("indexed", False, f"not indexed: {reason.strip()}")


def _indexed(engine: Engine, held: Snapshot, number: int) -> Step:
    source, document = engine.document(held.sources[number].id)
    passages = np.flatnonzero(held.document == number)
    sentences = int(np.diff(held.first)[passages].sum())
    said = f"{len(passages):,} passages, {sentences:,} sentences"
    stale = engine.stale(source.id)
    if stale:
        said += f"; the file is {stale} since it was indexed"
    if not len(passages):
        said += "; nothing in it can be searched"
    return Step("indexed", bool(len(passages)), "; ".join((said, *document.problems)))


def _exact(wanted: Exact, passages: NDArray[np.int64]) -> Iterator[Step]:
    """Whether passages of the document are what the question demands word for word, where it does."""
    asked = wanted.query
    if not wanted.possible:
        yield Step("exact", None, f"{wanted.notices[-1].text} So every passage is taken for the nearest")
    elif wanted.passages is not None and (asked.phrases or asked.excluded):
        held = int(wanted.passages[passages].sum())
        demands = [f'hold "{phrase}"' for phrase in asked.phrases] + [f'do not hold "{w}"' for w in asked.excluded]
        yield Step("exact", held > 0, f"{held:,} of its {len(passages):,} passages {' and '.join(demands)}")


def _words(held: Snapshot, question: str, passages: NDArray[np.int64], allowed: NDArray[np.bool_] | None) -> Step:
    lexicon = held.passage_words
    every = np.ones(len(held.sources), dtype=np.bool_) if allowed is None else allowed
    scores = candidates.shares(lexicon, question, every[held.document])
    best = int(passages[np.argmax(scores[passages])])
    terms, typed = lexicon.terms(question), lexicon.typed(question)
    holds = lexicon.alone(terms, passages).max(axis=1) > 0
    names = [typed.get(term.text, term.text) for term in terms]
    has = ", ".join(name for name, held_ in zip(names, holds, strict=True) if held_) or "none"
    lacks = ", ".join(name for name, held_ in zip(names, holds, strict=True) if not held_) or "none"
    rank, score = _rank(scores, best), float(scores[best])
    of = int((scores > 0).sum())
    place = (
        f"its best passage is {rank:,} of {of:,} by words, BM25 {score:.2f} of one that holds each once"
        if score
        else "no word of it"
    )
    said = f"{place}; of the question it holds {has} and lacks {lacks}"
    return Step("words", None, said, rank if score else None, of, score)


def _meaning(
    held: Snapshot, encoded: QuestionEncoding, passages: NDArray[np.int64], allowed: NDArray[np.bool_] | None
) -> Step:
    every = np.arange(len(held.spans))
    parts = [every[start : start + ROWS_AT_ONCE] for start in range(0, len(every), ROWS_AT_ONCE)]
    cosine = np.concatenate([held.vectors.scores(encoded.vector, part) for part in parts])
    if allowed is not None:
        cosine = np.where(allowed[held.document[held.owner]], cosine, -np.inf)
    rows = np.concatenate([np.arange(held.first[p], held.first[p + 1]) for p in passages])
    best = int(rows[np.argmax(cosine[rows])])
    rank, of = _rank(cosine, best), int(np.isfinite(cosine).sum())
    said = f"its best sentence is {rank:,} of {of:,} by meaning, cosine {cosine[best]:.3f}"
    return Step("meaning", None, said, rank, of, float(cosine[best]))


def _shortlist(
    held: Snapshot, found: candidates.Found, passages: NDArray[np.int64], number: int, dropped: bool | None
) -> Iterator[Step]:
    """Whether the document's passages are candidates, and on the shortlist; `dropped` is what it counts as if not."""
    inside = np.isin(found.passages, passages)
    of = len(found.passages)
    if not inside.any():
        said = f"none of its passages is among the {candidates.NEAREST} best by words, nor by meaning"
        yield Step("candidate", dropped, said, None, of)
        return
    best = int(np.flatnonzero(inside)[np.argmax(found.scores[inside])])
    rank, score = _rank(found.scores, best), float(found.scores[best])
    listed = any(held.document_of(int(start)) == number for start in found.starts)
    yield Step("candidate", True, f"{int(inside.sum()):,} of its passages are among the {of:,} candidates", None, of)
    said = f"its best passage is {rank:,} of {of:,} candidates by words and meaning, score {score:.3f}"
    if not listed:
        said += f"; the best {ranking.SHORTLIST} are compared closely, without what better ones say"
    yield Step("shortlist", True if listed else dropped, said, rank, of, score)


def _folded(answer: Answer, source: Source, shown: bool) -> list[Step]:
    """Under which result of another document the document is listed first."""
    for passage in answer.passages:
        for place in passage.also:
            if place.source.id == source.id and passage.source.id != source.id:
                how = "says the same" if place.same else "says nearly the same"
                said = f"{place.label} is listed under rank {passage.rank:,}, {passage.label}, which {how}"
                return [Step("folded", shown, said, passage.rank, answer.total)]
    return []


def _threshold(answer: Answer, least: float, rank: int) -> Step:
    sure = f"confidence {answer.confidence:.2f}, threshold {least:.2f}"
    if answer.answered:
        said = f"{sure}: the question is answered" + ("" if rank == 1 else ", from a better passage")
    else:
        said = f"{sure}: the documents do not say; the results are merely the nearest"
    return Step("threshold", answer.answered, said, score=answer.confidence)


def _rank(scores: NDArray[np.float64], at: int) -> int:
    return 1 + int((scores > scores[at]).sum())
