"""The words of a cited sentence that answer, where a question asks for a number, a date, a place or a person.

What a question asks for is read off its question word. Which words answer is told by the reader where it holds them
likelier than that nothing does, else by their form: then only if the sentence offers exactly one thing of the kind that
the question does not hold itself. Places have no form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qa.records import Span

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_YEAR = r"(?:1[0-9]{3}|20[0-9]{2})(?:s\b)?"
_ERA = r"(?:\s?(?:BCE?|CE|AD)\b)?"
_DATE = re.compile(
    rf"\b(?:[0-3]?\d(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?"
    rf"|{_MONTH}\s+[0-3]?\d(?:st|nd|rd|th)?(?:\s?,\s?{_YEAR})?\b"
    rf"|{_MONTH}\s+{_YEAR}|[12]\d{{3}}-[01]\d-[0-3]\d|{_YEAR}{_ERA}"
    r"|(?:the\s+)?(?:\d{1,2}(?:st|nd|rd|th)|[a-z]+(?:th|first|second|third))\s+century"
    r"|\d+\s+(?:BCE?|AD|CE))\b"
)
_COUNT_WORD = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|"
    r"eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|half|a dozen)"
)
_SCALE = r"(?:\s?(?:hundred|thousand|million|billion|trillion|%|percent|per cent|percentage points))*"
_NUMBER = re.compile(
    rf"(?:[$€£¥]\s?|\b(?:US|C|A)\$\s?)?(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w]){_SCALE}(?!\w)"
    rf"|\b{_COUNT_WORD}(?:[ -]{_COUNT_WORD})*\b{_SCALE}(?!\w)",
    re.IGNORECASE,
)
_BETWEEN = r"(?:of|the|de|la|von|van|der|den|del|di|da|bin|al)"
_NAME = re.compile(rf"\b[A-Z][\w'’.-]*\w(?:\s+(?:{_BETWEEN}\s+)*[A-Z][\w'’.-]*\w|\s+[A-Z]\.)*")

_ASKED = (
    (
        "number",
        re.compile(
            r"\bhow (?:many|much|long|old|far|tall|high|deep|large|big|wide|heavy|fast|often|few)\b"
            r"|\bwhat (?:percentage|percent|proportion|number|share|amount|age|population|temperature|distance|price)"
            r"\b",
            re.I,
        ),
    ),
    (
        "date",
        re.compile(r"^\W*when\b|\b(?:what|which|in what|in which) (?:year|date|day|month|century|decade)\b", re.I),
    ),
    (
        "place",
        re.compile(
            r"^\W*where\b|\b(?:what|which) (?:city|country|state|town|county|place|continent|region|island|river|"
            r"province|nation|village)\b",
            re.I,
        ),
    ),
    (
        "name",
        re.compile(
            r"^\W*(?:who|whom|whose)\b|\bby whom\b|\b(?:which|what) (?:person|people|man|woman|king|queen|president|"
            r"author|actor|actress|singer|scientist|leader|general|emperor|pope|artist|player|company|organi[sz]ation|"
            r"team|band)\b|\bwhat (?:is|was|are|were) the names?\b",
            re.I,
        ),
    ),
)


_FORMS = {"number": _NUMBER, "name": _NAME}


def asked(question: str) -> str:
    """What kind of thing is asked for: "number", "date", "place", "name", or "" where it is something else."""
    return next((kind for kind, form in _ASKED if form.search(question)), "")


def answering(question: str, sentence: str, read: Span | None = None) -> Span | None:
    """The words of `sentence` that answer, as a span of it; None where that cannot be told.

    `read` are those that a reader takes for them, where it holds them likelier than that nothing answers; they go
    before what their form tells. Words that the question holds itself do not answer it.
    """
    kind = asked(question)
    if not kind:
        return None
    known = set(_words(question))
    if read is not None and not set(_words(sentence[read.start : read.end])) <= known:
        return read
    found = [span for span in _offered(kind, sentence) if not set(_words(sentence[span.start : span.end])) <= known]
    return found[0] if len(found) == 1 else None


def _offered(kind: str, sentence: str) -> Iterator[Span]:
    dates = [Span(*found.span()) for found in _DATE.finditer(sentence)]
    if kind == "date":
        yield from dates
    for found in _FORMS[kind].finditer(sentence) if kind in _FORMS else ():
        in_date = any(date.start <= found.start() < date.end for date in dates)
        # The first word of a sentence is written large whatever it is.
        if not in_date and (kind == "number" or found.start() or " " in found[0]):
            yield Span(*found.span())


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
