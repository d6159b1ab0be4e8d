"""Ranked candidates to an Answer: passages of a readable length, the cited sentences in them, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from qa import confidence, folding, marking
from qa.locating import locator
from qa.records import (
    Answer,
    Citation,
    Document,
    IndexState,
    Locator,
    Notice,
    Part,
    Place,
    Segment,
    ShownPassage,
    Source,
    Span,
)

SHOWN_WORDS = 114
"""Words of a passage as shown, at most; a single longer sentence is shown whole. On the evaluation sets the first
passage then has 93 to 98 words on average."""

SHOWN_CHARS = 1200
"""The same bound for text that has no spaces between words."""

CITED = 5
"""Best sentences of a page that are cited beyond the best of each passage. Taking only those with 0.9, 0.85 or 0.8 of
the best one's score cites 0.5, 1.0 or 1.5 of them for 2.3, and loses 2.7, 1.3 or 0.2 points of sentence hit@5 on the
squad2 sample, 5.5, 2.4 or 1.2 on clapnq."""

TOGETHER = 0.1
"""How far below the best sentence's score others of its passage may be that are part of the answer with it. Where the
first passage is right, F1 of the answer's sentences against those that people chose is .64 on clapnq (.56 for the best
sentence alone, .66 with 0.2), .78 on scifact (.74, .77), .86 on squad2 (.86, .84) and .90 on selqa (.90, .87)."""

MOST_TOGETHER = 3
"""Sentences of an answer, at most."""

SURROUNDINGS = 32
"""Code points before and after a citation that are kept to find it again in an edited file."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A candidate passage with all that is needed to show it.

    `sentences` are spans of `document.text` in order, `scores` belong to them one by one, and so do `words`: what a
    reader takes for the answer in each, as spans of the sentence, None where it takes none; None where it did not
    read. `parts` tells the summands of the score at a position, `run_parts` those of a run of sentences, from one
    position to another inclusive; `places` where else the sentence at a position stands. Positions in `standing_for`
    hold what was left out elsewhere.
    """

    source: Source
    document: Document
    sentences: tuple[Span, ...]
    scores: tuple[float, ...]
    parts: Callable[[int], tuple[Part, ...]]
    run_parts: Callable[[int, int], tuple[Part, ...]]
    places: Callable[[int], tuple[Place, ...]] = lambda position: ()
    standing_for: frozenset[int] = frozenset()
    words: tuple[Span | None, ...] | None = None

    def text(self, position: int) -> str:
        """The sentence at a position."""
        return self.document.text[self.sentences[position].start : self.sentences[position].end]


@dataclass(frozen=True, slots=True)
class _Window:
    """Sentences `[first, last]` of a hit, shown as one passage."""

    hit: Hit
    first: int
    last: int

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.hit.run_parts(self.first, self.last)

    @property
    def score(self) -> float:
        return sum(part.value for part in self.parts)

    @property
    def best(self) -> int:
        """The position of its best sentence, the first of equals."""
        return max(range(self.first, self.last + 1), key=lambda position: (self.hit.scores[position], -position))

    @property
    def text(self) -> str:
        sentences = self.hit.sentences
        return self.hit.document.text[sentences[self.first].start : sentences[self.last].end]

    @property
    def place(self) -> tuple[str, str, int]:
        return (self.hit.source.path, self.hit.source.id, self.hit.sentences[self.first].start)


def compose(
    query: str,
    hits: Sequence[Hit],
    *,
    evidence: tuple[Part, ...],
    least: float,
    limit: int,
    offset: int,
    took_ms: Callable[[], float],
    stale: Callable[[Source], str],
    index: IndexState,
    notices: tuple[Notice, ...] = (),
    possible: bool = True,
) -> Answer:
    """The answer from hits in any order. It is answered where confidence in `evidence` is at least `least`, and where
    it is `possible` at all.

    Passages are runs of sentences of at most SHOWN_WORDS, grown around the best sentence; what is left of a hit is a
    passage of its own. What is said in several places is shown once, with the others listed. Cited are the CITED best
    sentences of the page, the best sentence of each passage, and what is part of the answer: sentences of the best
    one's passage that score within TOGETHER of it, or what follows a question. Ties are ordered by document, then
    position.
    """
    sure = confidence.probability(evidence)
    windows, nearly, folded = _folded([window for hit in hits for window in _windows(hit)])
    page = windows[offset : offset + limit]
    held = [(window, position) for window in page for position in range(window.first, window.last + 1)]
    held.sort(key=lambda item: (-item[0].hit.scores[item[1]], item[0].place, item[1]))
    leading = {(id(window), window.best) for window in page}
    cited = [item for rank, item in enumerate(held) if rank < CITED or (id(item[0]), item[1]) in leading]
    chosen = {(id(window), position) for window, position in cited}
    chosen |= {(id(window), position) for window, position in held if _stands_for(window, position, folded)}
    answered = bool(windows) and possible and sure >= least
    together = {(id(window), position) for window, position in _together(held)} if answered and not offset else set()
    chosen |= together
    cited = _once([item for item in held if (id(item[0]), item[1]) in chosen], leading)
    state = {source.id: stale(source) for source in {w.hit.source.id: w.hit.source for w in page}.values()}
    citations = tuple(
        _citation(
            number,
            window.hit,
            position,
            state[window.hit.source.id],
            _answering(query, window.hit, position) if (id(window), position) in together else None,
        )
        for number, (window, position) in enumerate(cited, 1)
    )
    numbers = {(id(window), position): number for number, (window, position) in enumerate(cited, 1)}
    passages = []
    for rank, window in enumerate(page, 1):
        cites = [numbers[id(window), p] for p in range(window.first, window.last + 1) if (id(window), p) in numbers]
        places = [citations[number - 1].also for number in sorted(cites)]
        places += [part for other in nearly.get(id(window), ()) for part in _nearly(other, folded, stale)]
        passages.append(_shown(offset + rank, window, numbers, _apart(places)))
    return Answer(
        query=query,
        answered=answered,
        confidence=sure,
        together=tuple(numbers[key] for key in sorted(together & numbers.keys(), key=lambda key: key[1])),
        citations=citations,
        passages=tuple(passages),
        total=len(windows),
        limit=limit,
        offset=offset,
        took_ms=took_ms(),
        index=index,
        evidence=evidence,
        notices=notices,
    )


def _together(held: Sequence[tuple[_Window, int]]) -> list[tuple[_Window, int]]:
    """The best of the sentences `held`, which are in order, and those that are part of the answer with it. Where the
    best is itself a question, as in a list of questions and answers, the sentence after it comes before all others."""
    if not held:
        return []
    best, place = held[0]
    near = [
        (window, position)
        for window, position in held
        if window is best and window.hit.scores[position] >= best.hit.scores[place] - TOGETHER
    ]
    if best.hit.text(place).endswith(("?", "？")) and place < best.last:
        near = [near[0], (best, place + 1), *(other for other in near[1:] if other[1] != place + 1)]
    return near[:MOST_TOGETHER]


def label(source: Source, place: Locator) -> str:
    """The place in the words a person would use: "mars.pdf, p. iii", "talk.pptx, slide 3", "guide.md, Funding",
    "notes.txt, line 12"."""
    name = PurePosixPath(source.path).name
    if place.place:
        return f"{name}, {place.place}"
    if place.page is not None:
        return f"{name}, p. {place.label or place.page}"
    if place.heading:
        return f"{name}, {place.heading[-1]}"
    return f"{name}, line {place.line}" if place.line is not None else name


def _windows(hit: Hit) -> list[_Window]:
    """The hit's sentences in runs of readable length, the one around the best sentence first."""
    text = hit.document.text
    words = [len(text[s.start : s.end].split()) for s in hit.sentences]
    chars = [s.end - s.start for s in hit.sentences]
    free = set(range(len(words)))
    windows = []
    while free:
        first = last = max(free, key=lambda p: (hit.scores[p], -p))
        used, length = words[first], chars[first]
        while True:
            # Grow towards the neighbour that scores higher, as long as it fits.
            beside = [
                p
                for p in (first - 1, last + 1)
                if p in free and used + words[p] <= SHOWN_WORDS and length + chars[p] <= SHOWN_CHARS
            ]
            if not beside:
                break
            grown = max(beside, key=lambda p: (hit.scores[p], -p))
            used, length = used + words[grown], length + chars[grown]
            first, last = min(first, grown), max(last, grown)
        free -= set(range(first, last + 1))
        windows.append(_Window(hit, first, last))
    return windows


def _folded(windows: Sequence[_Window]) -> tuple[list[_Window], dict[int, list[_Window]], set[str]]:
    """What of the windows is shown, best first, ties by document and position; and for each of them, by its `id`, those
    that nearly repeat it. Also the texts of sentences left out elsewhere. See `folding` for what is not shown."""
    windows = sorted(windows, key=lambda window: window.place)
    held = [(window, position) for window in windows for position in range(window.first, window.last + 1)]
    first = np.cumsum([0, *(window.last + 1 - window.first for window in windows)])
    numbers: dict[str, int] = {}
    texts = (folding.normalised(window.hit.text(position)) for window, position in held)
    group = np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)
    whole = np.array([window.score for window in windows], dtype=np.float64)
    runs, folded = folding.runs(
        first,
        [window.hit.source.id for window in windows],
        group,
        np.array([window.hit.scores[position] for window, position in held], dtype=np.float64),
        whole,
        lambda _, start, stop: _run(held, start, stop).score,
        len(held),
    )
    scored = []
    for number, start, stop in runs:
        window = windows[number] if stop - start == first[number + 1] - first[number] else _run(held, start, stop)
        scored.append((float(whole[number]) if window is windows[number] else window.score, window))
    shown, seen = [], folding.Shown()
    nearly: dict[int, list[_Window]] = {}
    for _, window in sorted(scored, key=lambda item: (-item[0], item[1].place)):
        place = seen.place(window.text, window.hit.source.id)
        if place is None:
            shown.append(window)
        else:
            nearly.setdefault(id(shown[place]), []).append(window)
    left_out = {text for text, number in numbers.items() if number in folded}
    return shown, nearly, left_out


def _stands_for(window: _Window, position: int, folded: set[str]) -> bool:
    """Whether the sentence stands for others, and is cited for that."""
    if position in window.hit.standing_for:
        return True
    return bool(folded) and folding.normalised(window.hit.text(position)) in folded


def _run(held: Sequence[tuple[_Window, int]], start: int, stop: int) -> _Window:
    return _Window(held[start][0].hit, held[start][1], held[stop - 1][1])


def _once(cited: Sequence[tuple[_Window, int]], leading: set[tuple[int, int]]) -> list[tuple[_Window, int]]:
    """The cited sentences but those that others say, the best of each passage before all others."""
    holding: dict[str, list[str]] = {}
    kept = set()
    for window, position in sorted(cited, key=lambda item: (id(item[0]), item[1]) not in leading):
        documents = holding.setdefault(folding.normalised(window.hit.text(position)), [])
        if (id(window), position) in leading or not folding.said(documents, window.hit.source.id):
            documents.append(window.hit.source.id)
            kept.add((id(window), position))
    return [item for item in cited if (id(item[0]), item[1]) in kept]


def _nearly(window: _Window, folded: set[str], stale: Callable[[Source], str]) -> Iterator[tuple[Place, ...]]:
    """The place of a passage that is nearly the same as one shown, and the places that it would have stood for."""
    hit = window.hit
    span = Span(hit.sentences[window.first].start, hit.sentences[window.last].end)
    yield (place_of(hit.source, hit.document, span, same=False, stale=stale(hit.source)),)
    for position in range(window.first, window.last + 1):
        if position == window.best or _stands_for(window, position, folded):
            yield tuple(replace(place, same=False) for place in hit.places(position))


def place_of(source: Source, document: Document, span: Span, *, same: bool = True, stale: str = "") -> Place:
    """Another place where something stands, with its wording."""
    where = label(source, locator(document, span.start))
    return Place(source, span.start, span.end, where, same, stale, *_wording(document.text, span))


def _wording(text: str, span: Span) -> tuple[str, str, str]:
    """What stands there, before it and after it."""
    return (
        text[span.start : span.end],
        text[max(0, span.start - SURROUNDINGS) : span.start],
        text[span.end : span.end + SURROUNDINGS],
    )


def _apart(places: Sequence[Sequence[Place]]) -> tuple[Place, ...]:
    """The places of several texts, each document for the first text that stands in it."""
    found: list[Place] = []
    for part in places:
        known = {place.source.id for place in found}
        found += [place for place in part if place.source.id not in known]
    return tuple(found)


def _citation(number: int, hit: Hit, position: int, stale: str, words: Span | None) -> Citation:
    """`words` are those that answer, as a span of the sentence."""
    span = hit.sentences[position]
    place = locator(hit.document, span.start)
    text, prefix, suffix = _wording(hit.document.text, span)
    return Citation(
        number=number,
        text=text,
        start=span.start,
        end=span.end,
        score=hit.scores[position],
        source=hit.source,
        locator=place,
        label=label(hit.source, place),
        prefix=prefix,
        suffix=suffix,
        stale=stale,
        parts=hit.parts(position),
        also=hit.places(position),
        answering=words,
    )


def _answering(query: str, hit: Hit, position: int) -> Span | None:
    """The words of a sentence that answer, as a span of it."""
    return marking.answering(query, hit.text(position), None if hit.words is None else hit.words[position])


def _shown(rank: int, window: _Window, numbers: dict[tuple[int, int], int], also: tuple[Place, ...]) -> ShownPassage:
    hit = window.hit
    start, end = hit.sentences[window.first].start, hit.sentences[window.last].end
    place = locator(hit.document, start)
    return ShownPassage(
        rank=rank,
        score=window.score,
        source=hit.source,
        locator=place,
        label=label(hit.source, place),
        start=start,
        end=end,
        segments=tuple(_segments(window, numbers)),
        parts=window.parts,
        also=also,
    )


def _segments(window: _Window, numbers: dict[tuple[int, int], int]) -> list[Segment]:
    """The window's text cut at its cited sentences; together the segments are that text."""
    hit, text = window.hit, window.hit.document.text
    at = hit.sentences[window.first].start
    segments = []
    for position in range(window.first, window.last + 1):
        number = numbers.get((id(window), position))
        if number is not None:
            span = hit.sentences[position]
            if at < span.start:
                segments.append(Segment(text[at : span.start]))
            segments.append(Segment(text[span.start : span.end], number))
            at = span.end
    end = hit.sentences[window.last].end
    if at < end:
        segments.append(Segment(text[at:end]))
    return segments
