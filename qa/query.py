"""A question to a Query: which of it are words, which must occur as they stand, which must not.

    "golden gate"  or  “golden gate”  or  «golden gate»     must occur, in this order, side by side; so must 「金门」
    -bridge  or  -"golden gate"                             must not occur

Whatever is not clearly one of these is a word like any other: a lone quote, an apostrophe, a quote or a minus within a
word ("state-of-the-art", 7"), a minus before a digit (-5 °C), before a single letter (grep -r), before another minus
(--all), or before anything that is not plainly a word (-O2, -I/usr/include).
"""

from __future__ import annotations

import re
from dataclasses import replace

from qa.errors import UsageError
from qa.records import Query, Span
from qa.wording import UNSPACED, words

_QUOTED = re.compile(
    rf"""
    (?: (?<!\S) -? | (?<=[{UNSPACED}]) ) " (?=\S) [^"]* [^"\s] " (?![^\W{UNSPACED}])
    | (?: (?<!\S)- )? (?: “[^“”]+” | „[^„“”]+[“”] | «[^«»]+» | 「[^「」]+」 | 『[^『』]+』 )
    """,
    re.VERBOSE,
)
"""Straight quotes must stand at the ends of words, as nothing else tells the first from the second; any place is one in
scripts that put no spaces between words."""

_EXCLUDED = re.compile(r"(?<!\S)-([^\W\d_]{2,}(?:['’.&-]\w+)*)(?=[.,;:!?)\]]*(?:\s|$))")

_NUMBER = re.compile(r"\W*\d{1,4}\W*", re.ASCII)
_DATE = re.compile(r"\W*(?:1\d\d\d|20\d\d)s?\W*|\W*\d+(?:st|nd|rd|th)\W*", re.ASCII)
"""A year, or a number in a row: a question names them for what happened then, and the sentence that answers need not
say them again. With the weight of other numbers, 4 of 57 questions with digits of the squad2 sample lose it."""

_CODE = re.compile(r"[\d_§@&$€£°]|\w%|\w[+#]|\w[.:]\w|^[(\"'“‘]*[B-HJ-Z][)\"'”’,;:?!]*$")
"""What makes a word a code: a digit, a sign, a dot or colon inside it, or that it is a single capital letter."""


def read(question: str) -> Query:
    """What is asked. Raises UsageError when the question only says what to leave out."""
    phrases, excluded, cut = [], [], []
    inside = quoted(question)
    for span in inside:
        found = question[span.start : span.end]
        if found.startswith("-"):
            excluded.append(_within(found))
            cut.append(span)
        else:
            phrases.append(_within(found))
    for match in _EXCLUDED.finditer(question):
        if not any(span.start <= match.start() < span.end for span in inside):
            excluded.append(match[1])
            cut.append(Span(match.start(), match.end(1)))
    text = question
    for span in sorted(cut, reverse=True):
        text = f"{text[: span.start].rstrip()}{text[span.end :]}"
    if cut:
        text = text.strip()
    if not any(character.isalnum() for character in text):
        raise UsageError(
            "The question only says what to leave out.", "Say also what to look for, as in: bridges -railway."
        )
    return replace(plain(text), phrases=tuple(dict.fromkeys(phrases)), excluded=tuple(dict.fromkeys(excluded)))


def quoted(text: str) -> list[Span]:
    """Where quoted phrases stand, with their quotes and the minus before them."""
    spans = [Span(*found.span()) for found in _QUOTED.finditer(text)]
    return [span for span in spans if words(_within(text[span.start : span.end]))]


def _within(quotation: str) -> str:
    """What stands between the quotes. An empty line there is no word, which it is to `words` beside others."""
    return quotation.removeprefix("-")[1:-1].strip()


def plain(text: str) -> Query:
    """All of `text` as words."""
    codes: dict[str, None] = {}
    numbers: dict[str, None] = {}
    run: list[str] = []
    for word in (*text.split(), ""):
        code = _CODE.search(word) is not None
        if code and any(map(str.isalnum, word)) and not _DATE.fullmatch(word):
            (numbers if _NUMBER.fullmatch(word) else codes)[word] = None
        if code or (len(word) > 1 and word.isupper()):
            run.append(word)
            continue
        if len(run) > 1:
            codes[" ".join(run)] = None
        run = []
    return Query(text, codes=tuple(codes), numbers=tuple(numbers))
