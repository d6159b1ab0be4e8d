"""The address that opens a document at a sentence, and keeps doing so after the document was edited or moved.

It carries the sentence's place, the file's hash, and the sentence itself with what stands around it, as the W3C's
TextQuoteSelector does; https://www.w3.org/TR/annotation-model/#text-quote-selector.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from qa.records import Source

VERSION_CHARS = 12
"""Of the file's hash, hexadecimal: of folders of a million files, one in 500 holds two that share them."""

# Browsers, mail and chat programs take addresses of 2,000 characters. These count them as they stand in the address,
# where a letter beyond ASCII takes six to twelve.
_MAX_EXACT = 900
_MAX_TAIL = 300
_MAX_AROUND = 150
MAX_OTHERS = 8
"""How many further citations a link carries."""

FIELDS = frozenset({"cite", "v", "exact", "tail", "sum", "prefix", "suffix", "n", "also"})

_SPAN = re.compile("([0-9]{1,12})-([0-9]{1,12})")
_OTHER = re.compile(r"([0-9]{1,4})\.([0-9]{1,12})-([0-9]{1,12})\.([0-9a-f]{8})")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence by its wording, with every run of white space as one space.

    `exact` is all of it; of a long one it is the beginning, `tail` the end, and `digest` tells the whole. `prefix` and
    `suffix` are what stood before and after it, as far as they are known.
    """

    exact: str
    prefix: str = ""
    suffix: str = ""
    tail: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Other:
    """A further citation of the same document: its number, its place, and the digest of its wording."""

    number: int
    start: int
    end: int
    digest: str


@dataclass(frozen=True, slots=True)
class Permalink:
    """Where a sentence stood: code points `[start, end)` of the text of the file whose hash begins with `version`,
    which is "" where the link does not say. `quote` is None in a link that names the place alone. `number` is that of
    the citation in its answer, 0 for none."""

    start: int
    end: int
    version: str = ""
    quote: Quote | None = None
    number: int = 0
    others: tuple[Other, ...] = ()


def permalink(
    source: Source,
    start: int,
    end: int,
    text: str = "",
    prefix: str = "",
    suffix: str = "",
    number: int = 0,
    others: Iterable[Other] = (),
) -> Permalink:
    """The link to `[start, end)` of a document, whose wording there is `text`."""
    found = quoted(text, prefix, suffix) if text.strip() else None
    return Permalink(start, end, source.sha256[:VERSION_CHARS], found, number, tuple(others)[:MAX_OTHERS])


def quoted(text: str, prefix: str = "", suffix: str = "") -> Quote:
    """The quote of a sentence, short enough for an address."""
    words = even(text)
    before, after = _last(even(prefix), _MAX_AROUND), _first(even(suffix), _MAX_AROUND)
    if _cost(words) <= _MAX_EXACT:
        return Quote(words, before, after)
    return Quote(_first(words, _MAX_EXACT - _MAX_TAIL), before, after, _last(words, _MAX_TAIL), digest(words))


def digest(text: str) -> str:
    """Tells a wording from others, whatever its white space; 8 hexadecimal digits."""
    return hashlib.sha256(even(text).encode("utf-8", "replace")).hexdigest()[:8]


def even(text: str) -> str:
    """`text` with every run of white space as one space, without any at its ends, and without halves of pairs."""
    return " ".join(_SURROGATE.sub("\ufffd", text).split())


def address(document_id: str, link: Permalink, query: str = "") -> str:
    """The link as a relative URL. `query` lets the page link back to the search."""
    fields = {"cite": f"{link.start}-{link.end}", "v": link.version}
    if link.quote is not None:
        of = link.quote
        fields |= {"exact": of.exact, "tail": of.tail, "sum": of.digest, "prefix": of.prefix, "suffix": of.suffix}
    if link.number:
        fields["n"] = str(link.number)
    fields["also"] = "_".join(f"{other.number}.{other.start}-{other.end}.{other.digest}" for other in link.others)
    fields["q"] = _SURROGATE.sub("\ufffd", query)
    given = {name: value for name, value in fields.items() if value}
    return f"/doc/{quote(document_id, safe='')}?{urlencode(given, quote_via=quote)}#cite"


def read(fields: Mapping[str, str]) -> Permalink | None:
    """The link that an address's parameters make; None when it names no place that a text could have."""
    place = _SPAN.fullmatch(fields.get("cite", ""))
    if place is None or int(place[1]) >= int(place[2]):
        return None
    words = fields.get("exact", "")
    number = fields.get("n", "")
    return Permalink(
        start=int(place[1]),
        end=int(place[2]),
        version=fields.get("v", ""),
        quote=(
            Quote(
                *(words, fields.get("prefix", ""), fields.get("suffix", "")),
                *(fields.get("tail", ""), fields.get("sum", "")),
            )
            if words.strip()
            else None
        ),
        number=int(number) if re.fullmatch("[0-9]{1,4}", number) else 0,
        others=tuple(
            Other(int(each[1]), int(each[2]), int(each[3]), each[4])
            for part in fields.get("also", "").split("_")[:MAX_OTHERS]
            if (each := _OTHER.fullmatch(part)) and int(each[2]) < int(each[3])
        ),
    )


def _cost(text: str) -> int:
    """How many characters it takes in an address."""
    return len(quote(text, safe=""))


def _first(text: str, most: int) -> str:
    """As much of the beginning of `text` as `most` characters of an address hold."""
    spent = 0
    for place, character in enumerate(text):
        spent += _cost(character)
        if spent > most:
            return text[:place]
    return text


def _last(text: str, most: int) -> str:
    return _first(text[::-1], most)[::-1]
