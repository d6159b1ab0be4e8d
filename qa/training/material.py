"""Rows of questions and texts to what the reader learns from: each question with the passages that ranking finds.

A row is a JSON object: {"id", "question", "title", "text", "sentences": [[start, end]], "answer_sentences": [index],
"answer_spans": [[start, end]]}, offsets into "text". Without spans the sentences answer as a whole; without either the
text does not answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from qa import candidates, indexing, passages, ranking
from qa.engine import Engine
from qa.settings import Settings

NEGATIVES = 6
"""Best passages without an answer that are kept of each question."""

HELD_OUT = 12
"""One title in so many is kept out of training, to measure on."""

Span2 = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Text:
    """A passage as the reader is shown it: `context` are title and headings, `sentences` and `gold` spans of `text`."""

    context: str
    text: str
    sentences: tuple[Span2, ...]
    gold: tuple[Span2, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with passages in the order of the ranking. `exact` is whether gold spans are the words that answer,
    rather than whole sentences; `origin` is the place of the text that it was asked of, answer or not."""

    question: str
    title: str
    exact: bool
    answerable: bool
    origin: int
    texts: tuple[Text, ...]

    @property
    def held_out(self) -> bool:
        """Whether its title is kept out of training: a title goes by its hash, the same in every set."""
        return int(hashlib.sha256(self.title.encode()).hexdigest(), 16) % HELD_OUT == 0


@dataclass(frozen=True, slots=True)
class _Row:
    question: str
    title: str
    document: str
    start: int
    end: int
    gold: tuple[Span2, ...]
    exact: bool


def mine(rows: Path, folder: Path, settings: Settings, progress: Callable[[int, int], None]) -> Iterator[Asked]:
    """What is to learn from a file of rows. Its texts become documents and an index below `folder`."""
    asked = list(_documents(rows, folder / "docs"))
    kept = Settings(index=folder / "index", cache=settings.cache, reader="")
    indexing.index([folder / "docs"], kept)
    engine = Engine.open(kept)
    try:
        for done, row in enumerate(asked, 1):
            found = _asked(engine, row)
            if found is not None:
                yield found
            progress(done, len(asked))
    finally:
        engine.close()


def _documents(rows: Path, folder: Path) -> Iterator[_Row]:
    """Write the texts, one document a title, each text a paragraph, and tell where in them each question's text is."""
    folder.mkdir(parents=True, exist_ok=True)
    texts: dict[str, str] = {}
    found: list[_Row] = []
    for line in rows.read_text("utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        name = re.sub(r"\W+", "_", row["title"])[:80] or "untitled"
        whole = texts.setdefault(name, f"{row['title']}\n\n")
        if row["text"] not in whole:
            texts[name] += f"{row['text']}\n\n"
        at = texts[name].index(row["text"])
        spans = row["answer_spans"] or [row["sentences"][i] for i in row["answer_sentences"]]
        gold = tuple((at + start, at + end) for start, end in spans)
        exact = bool(row["answer_spans"])
        found.append(_Row(row["question"], row["title"], name, at, at + len(row["text"]), gold, exact))
    for name, text in texts.items():
        path = folder / f"{name}.txt"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
    yield from found


def _asked(engine: Engine, row: _Row) -> Asked | None:
    """None where ranking does not find the text that the question was asked of."""
    held, wanted, encoded = engine.read(row.question, as_typed=True)
    found = candidates.find(held, wanted, encoded)
    ranked = ranking.rank(found.facts)
    counts = found.facts.first[1:] - found.facts.first[:-1]
    texts: list[Text] = []
    origin, others = -1, 0
    for candidate in ranked.order.tolist():
        start = int(found.starts[candidate])
        spans = held.spans[start : start + int(counts[candidate])].tolist()
        source = held.sources[held.document_of(start)]
        own = PurePosixPath(source.path).stem == row.document
        first, last = spans[0][0], spans[-1][1]
        gold = [(s, e) for s, e in row.gold if own and s < last and first < e]
        from_here = own and row.start < last and first < row.end
        if not gold and not from_here:
            if others == NEGATIVES:
                continue
            others += 1
        if origin < 0 and (gold or (from_here and not row.gold)):
            origin = len(texts)
        text, context = _shown(engine, source, first, last)
        texts.append(
            Text(
                context,
                text,
                tuple((s - first, e - first) for s, e in spans),
                tuple((max(s, first) - first, min(e, last) - first) for s, e in gold),
            )
        )
    if origin < 0:
        return None
    return Asked(row.question, row.title, row.exact, bool(row.gold), origin, tuple(texts))


def _shown(engine: Engine, source: Any, first: int, last: int) -> tuple[str, str]:
    _, document = engine.document(source.id)
    position = max(bisect_right(document.blocks, first, key=lambda block: block.start) - 1, 0)
    return document.text[first:last], passages.context(document, document.blocks[position])


def save(asked: Iterable[Asked], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        for one in asked:
            row = {
                **{name: getattr(one, name) for name in ("question", "title", "exact", "answerable", "origin")},
                "texts": [[t.context, t.text, t.sentences, t.gold] for t in one.texts],
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    part.replace(path)


def load(path: Path) -> list[Asked]:
    found = []
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        texts = tuple(
            Text(context, text, tuple(map(tuple, sentences)), tuple(map(tuple, gold)))
            for context, text, sentences, gold in row.pop("texts")
        )
        found.append(Asked(**row, texts=texts))
    return found
