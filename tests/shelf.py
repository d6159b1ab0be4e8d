"""A folder of documents with its index: what tests change, index and ask. Everything in it is real."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qa import indexing
from qa.engine import Engine
from qa.records import Answer, Coverage, Filter, IndexReport, Part
from qa.settings import Settings

QUESTIONS = (
    "Which ferry leaves the harbour at noon?",
    "Who repaired the lighthouse after the storm?",
    "How many crowns did the bridge cost?",
)

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
"""Of linux/prctl.h and linux/capability.h."""

MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
"""Where files are kept in memory, so that hundreds of small commits need not wait for a disk; None where unknown."""

SUBJECTS = ("harbour", "lighthouse", "bridge", "museum", "orchard", "railway", "library", "brewery")


@dataclass(frozen=True)
class Shelf:
    """Documents in `docs`, their index where `settings` say."""

    docs: Path
    settings: Settings

    def write(self, name: str, content: str | bytes) -> Path:
        """A file below `docs`, whose folders are made; text is written as it is, in UTF-8."""
        path = self.docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return path

    def index(self, *paths: Path, **options: Any) -> IndexReport:
        """Index `paths`, or else `docs`."""
        return indexing.index(paths or [self.docs], self.settings, **options)

    @contextmanager
    def engine(self, said: list[str] | None = None, **settings: Any) -> Iterator[Engine]:
        """The engine over the index, without a reader unless one is named; what it announces goes to `said`."""
        given = {"reader": "", **settings}
        engine = Engine.open(replace(self.settings, **given), (said if said is not None else []).append)
        try:
            yield engine
        finally:
            engine.close()

    def ask(self, question: str, *, limit: int = 50, filter: Filter = Filter()) -> Answer:
        with self.engine() as engine:
            return engine.ask(question, limit=limit, filter=filter)

    def clean(self, name: str) -> Shelf:
        """The same documents with an index of their own, built from nothing."""
        shelf = Shelf(self.docs, replace(self.settings, index=self.settings.index.with_name(name)))
        shelf.index()
        return shelf

    def without_derived(self, name: str) -> Shelf:
        """The same documents with a copy of the library, whose derived indexes whoever opens it makes for itself."""
        folder = self.settings.index.with_name(name)
        shutil.copytree(self.settings.index, folder, ignore=shutil.ignore_patterns("derived", "*-shm"))
        return Shelf(self.docs, replace(self.settings, index=folder))

    @property
    def library_file(self) -> Path:
        return self.settings.index / "library.sqlite"

    @property
    def derived(self) -> list[Path]:
        """Everything in the folder of derived indexes, hidden or not."""
        return sorted((self.settings.index / "derived").iterdir())


def story(subject: str, edition: int = 1, paragraphs: int = 3, title: bool = True) -> str:
    """Markdown about `subject`; an edition changes its last paragraph only."""
    head = f"# About the {subject}\n\n" if title else ""
    body = [
        f"The {subject} stands at number {place} of the old town, as page {place} of its chronicle says. "
        f"It was built in {1500 + 7 * place} and cost {100 + place} crowns. Nobody remembers who repaired it."
        for place in range(1, paragraphs)
    ]
    body.append(
        f"In edition {edition} of the guide the {subject} is praised by traveller number {edition}. "
        f"The ferry to the {subject} leaves at noon and takes {edition + 11} minutes to get there."
    )
    return head + "\n\n".join(_padded(paragraph) for paragraph in body) + "\n"


def _padded(paragraph: str) -> str:
    """Long enough to be a passage by itself, as short paragraphs are joined."""
    return (
        f"{paragraph} Everything else about it has been told by the people of the town, who tell it to whoever asks, "
        "in the evening, by the fire, with a glass of something warm in hand and the dog asleep beneath the table, and "
        "who would not let the truth stand in the way of a tale that has served them for many winters."
    )


def assert_same(found: Answer, expected: Answer) -> None:
    """Equal in everything but the time taken and the number of the commit; scores within 1e-6."""
    assert _facts(found) == _facts(expected)
    scores = zip(_scores(found), _scores(expected), strict=True)
    assert all(abs(one - other) <= 1e-6 for one, other in scores)


def quotes(answer: Answer) -> list[str]:
    return [citation.text for citation in answer.citations]


def assert_exact(engine: Engine, answer: Answer) -> None:
    """Every citation and every passage is cut out of the document's text as the engine serves it."""
    for citation in answer.citations:
        text = engine.document(citation.source.id)[1].text
        assert citation.text == text[citation.start : citation.end] != ""
        assert citation.prefix == text[max(0, citation.start - 32) : citation.start]
        assert citation.suffix == text[citation.end : citation.end + 32]
    cited = {citation.number: citation.text for citation in answer.citations}
    for passage in answer.passages:
        text = engine.document(passage.source.id)[1].text
        assert "".join(segment.text for segment in passage.segments) == text[passage.start : passage.end]
        assert all(cited[s.citation] == s.text for s in passage.segments if s.citation is not None)


def without_privileges() -> None:
    """For `preexec_fn`: the process started may read and write only what modes allow, even when it is root's."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "the privileges of root cannot be dropped")


def _facts(answer: Answer) -> Answer:
    """The answer without what may differ in the last digits, differs always, or depends on how busy the machine is."""
    return replace(
        answer,
        confidence=0.0,
        took_ms=0.0,
        evidence=_names(answer.evidence),
        citations=tuple(replace(c, score=0.0, parts=_names(c.parts)) for c in answer.citations),
        passages=tuple(replace(p, score=0.0, parts=_names(p.parts)) for p in answer.passages),
        index=replace(answer.index, commit=0, coverage=Coverage()),
    )


def _names(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return tuple(Part(part.name, 0.0) for part in parts)


def _scores(answer: Answer) -> list[float]:
    scores = [answer.confidence, *(part.value for part in answer.evidence)]
    for shown in (*answer.citations, *answer.passages):
        scores += [shown.score, *(part.value for part in shown.parts)]
    return scores
