"""A sentence that a link names, found again in the text as it is now: where it was, moved, changed, or gone.

Only the very wording is ever taken for the sentence itself. Where that is not there, a sentence much like it may stand
in its place; it is then called changed, never the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Literal

from qa.permalinks import Permalink, Quote, digest, even
from qa.records import Span

LEAST_LIKE = 75.0
"""How much alike, in percent, a sentence must be to be the changed one if its surroundings are known on one side only,
or on none and no other is nearly as much alike. Of 405 deleted sentences 4.2% are then called changed, of those with
a third cut off that lost a neighbour too 79% found; at 80 it is 4.0% and 52%, at 70 5.4% and 83%."""

LEAST_LIKE_IN_PLACE = 30.0
"""The same, between the very sentences that stood before and after: 85% of those with a clause added are found, 77% at
40; deleted ones fare the same. `tests/bench_permalinks.py` measures both."""

_CLEARER = 8.0
_TELLING_CHARS = 20
"""So many characters beside a sentence, or all that are known, must be equal to say that its surroundings are."""

_TELLING_QUOTE = 25
"""A quote of fewer characters may stand within other sentences, or be much like them, by chance."""

_ENDED = re.compile(r"(?:.*[.!?…。！？؟।][\"'”’»)\]]*)?\s*", re.DOTALL)

_LEAST_BESIDE = 10
_MAX_OCCURRENCES = 50
_MAX_LOOKED_AT = 2_000
_MAX_ALIKE = 20
_MAX_TAILS = 20
_MAX_LEFT_OUT = 20_000  # of the middle of a sentence, by a link


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a sentence.

    `kind` is "same" (it stands where it stood), "moved" (word for word elsewhere in the text), "changed" (what stands
    in its place is much like it), "gone", or "unknown" (the link does not say what it was). `span` is where it is, or
    what it was changed into; None when gone or unknown. `amid_others` is true when it moved and neither what stood
    before it nor what stood after it is there; `within` when it is now part of a longer sentence. `near`, of one that
    is gone, is the place where what stood beside it is now.
    """

    kind: Literal["same", "moved", "changed", "gone", "unknown"]
    span: Span | None = None
    amid_others: bool = False
    within: bool = False
    near: Span | None = None


def find(text: str, sentences: Callable[[], Sequence[Span]], link: Permalink, *, is_same_file: bool) -> Found:
    """What became of the sentence of a link in `text`, whose sentences are asked for only if need be.

    `is_same_file` is whether the text was read from the very file that the link was made for; it may have been read by
    an older version of this program, so the wording is compared all the same.
    """
    place, wanted = Span(link.start, link.end), link.quote
    if wanted is None:
        known = (is_same_file or not link.version) and place.end <= len(text)
        return Found("same", place) if known else Found("unknown")
    if is_same_file and place.end <= len(text) and _says(wanted, text[place.start : place.end]):
        return Found("same", place)
    spans = sentences()
    where = verbatim(text, spans, wanted, place)
    if where is not None:
        span, within = where
        kind: Literal["same", "moved"] = "same" if span.start == place.start else "moved"
        return Found(kind, span, amid_others=not any(_sides(text, span, wanted)), within=within)
    changed = _changed(text, spans, wanted)
    if changed is not None:
        return Found("changed", changed)
    return Found("gone", near=_near(text, spans, wanted, place))


def at_digest(text: str, sentences: Sequence[Span], wanted: str, place: Span) -> Span | None:
    """The sentence whose wording has the digest `wanted`, nearest to `place`."""
    equal = [span for span in sentences if digest(text[span.start : span.end]) == wanted]
    return min(equal, key=lambda span: abs(span.start - place.start), default=None)


def verbatim(text: str, sentences: Sequence[Span], wanted: Quote, place: Span) -> tuple[Span, bool] | None:
    """Where the wording stands, and whether within a longer sentence: where it stands amid what stood beside it, then
    nearest to `place`. White space may differ."""
    first = wanted.exact.split(" ", 1)[0]
    whole = [
        (span, False)
        for span in sentences
        if text.startswith(first, span.start) and _says(wanted, text[span.start : span.end])
    ]
    if not any(any(_sides(text, span, wanted)) for span, _ in whole):
        taken = {span.start for span, _ in whole}
        whole += [
            (span, True)
            for span in _occurrences(text, wanted)
            if span.start not in taken and _is_sentence(text, sentences, span, wanted)
        ]
    return max(
        whole,
        key=lambda each: (sum(_equal(text, each[0], wanted)), not each[1], -abs(each[0].start - place.start)),
        default=None,
    )


def _is_sentence(text: str, sentences: Sequence[Span], span: Span, wanted: Quote) -> bool:
    """Whether words that are only a part of what is a sentence now are the one wanted, run together with a neighbour,
    rather than the same words in another one."""
    sides = _sides(text, span, wanted)
    if all(sides):
        return True
    if len(wanted.exact) < _TELLING_QUOTE or not _ENDED.fullmatch(wanted.tail or wanted.exact):
        return False
    held = next((each for each in sentences if each.start <= span.start < each.end), span)
    return any(sides) or _ENDED.fullmatch(text, held.start, span.start) is not None


def _says(wanted: Quote, text: str) -> bool:
    words = even(text)
    if not wanted.tail:
        return words == wanted.exact
    return words.startswith(wanted.exact) and words.endswith(wanted.tail) and digest(words) == wanted.digest


def _occurrences(text: str, wanted: Quote) -> Iterator[Span]:
    """Where the wording stands, apart from white space and not amid a word; the first few."""
    words = text.split()
    evened = " ".join(words)
    found: list[tuple[int, int]] = []
    start = evened.find(wanted.exact)
    for _ in range(_MAX_LOOKED_AT):
        if start < 0 or len(found) >= _MAX_OCCURRENCES:
            break
        for end in _ends(evened, start + len(wanted.exact), wanted.tail):
            bounded = not evened[max(start - 1, 0) : start].isalnum() and not evened[end : end + 1].isalnum()
            if bounded and _says(wanted, evened[start:end]):
                found.append((start, end))
        start = evened.find(wanted.exact, start + 1)
    if not found:
        return
    places = sorted({place for start, end in found for place in (start, end - 1)})
    # The words are those of the text in the same order: a place in the one is a place in the other.
    numbers = [evened.count(" ", 0, place) for place in places]
    starts: dict[int, int] = {}
    matches, passed = re.finditer(r"\S+", text), 0
    for number in numbers:
        if number not in starts:
            starts[number] = next(islice(matches, number - passed, None)).start()
            passed = number + 1
    original = {
        place: starts[number] + place - (evened.rfind(" ", 0, place) + 1)
        for place, number in zip(places, numbers, strict=True)
    }
    for start, end in found:
        yield Span(original[start], original[end - 1] + 1)


def _ends(evened: str, end: int, tail: str) -> Iterator[int]:
    """Where a quote may end whose beginning ends at `end`."""
    if not tail:
        yield end
        return
    place = end - len(tail)
    for _ in range(_MAX_TAILS):
        place = evened.find(tail, place + 1, end + _MAX_LEFT_OUT)
        if place < 0:
            return
        yield place + len(tail)


def _equal(text: str, span: Span, wanted: Quote) -> tuple[int, int]:
    """How many characters before and after a span are as the quote has them, whatever the white space."""
    before, after = even(wanted.prefix), even(wanted.suffix)
    reach = 4 * max(len(before), len(after)) + 16
    here = even(text[max(0, span.start - reach) : span.start]), even(text[span.end : span.end + reach])
    return _common(before[::-1], here[0][::-1]), _common(after, here[1])


def _sides(text: str, span: Span, wanted: Quote) -> tuple[bool, bool]:
    """Whether what stands before a span, and what stands after it, is what the quote says."""
    known = len(even(wanted.prefix)), len(even(wanted.suffix))
    equal = _equal(text, span, wanted)
    before, after = (of > 0 and same >= min(of, _TELLING_CHARS) for same, of in zip(equal, known, strict=True))
    return before, after


def _common(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _changed(text: str, sentences: Sequence[Span], wanted: Quote) -> Span | None:
    """The sentence that stands for the one wanted, much like it; None where that cannot be told."""
    from rapidfuzz import fuzz, process

    head, tail = len(wanted.exact), len(wanted.tail)
    sought = wanted.exact + wanted.tail
    texts = [even(text[span.start : span.end]) for span in sentences]
    if tail:
        texts = [words[:head] + words[-tail:] for words in texts]
    alike = process.extract(sought, texts, scorer=fuzz.ratio, limit=_MAX_ALIKE, score_cutoff=LEAST_LIKE_IN_PLACE)
    ranked = [(score, sentences[number], words) for words, score, number in alike]
    for _, span, _ in ranked:
        if all(_sides(text, span, wanted)):
            return span
    if len(sought) < _TELLING_QUOTE:
        return None
    # Of a sentence that was deleted, the neighbours may be the most alike, as rows of a table are.
    left = [(score, span) for score, span, words in ranked if score >= LEAST_LIKE and not _stood_beside(words, wanted)]
    for _, span in left:
        if any(_sides(text, span, wanted)):
            return span
    if left and (len(left) == 1 or left[0][0] - left[1][0] >= _CLEARER):
        return left[0][1]
    return None


def _stood_beside(words: str, wanted: Quote) -> bool:
    before, after = even(wanted.prefix), even(wanted.suffix)
    return _ends_as(words, before) or _ends_as(words[::-1], after[::-1])


def _ends_as(one: str, other: str) -> bool:
    least = min(len(one), len(other))
    return least >= min(_TELLING_CHARS, len(one)) and least > 0 and one[-least:] == other[-least:]


def _near(text: str, sentences: Sequence[Span], wanted: Quote, place: Span) -> Span | None:
    """The sentence that stood beside the one wanted, nearest to where that was."""
    # The word at the outer edge may be cut.
    after, before = even(wanted.suffix).rpartition(" ")[0], even(wanted.prefix).partition(" ")[2]
    for around, at_end in ((after, False), (before, True)):
        if len(around) < _LEAST_BESIDE:
            continue
        beside = list(_occurrences(text, Quote(around)))
        found = min(beside, key=lambda span: abs(span.start - place.start), default=None)
        if found is not None:
            point = found.end - 1 if at_end else found.start
            return next((span for span in sentences if span.start <= point < span.end), found)
    return None
