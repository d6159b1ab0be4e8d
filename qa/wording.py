"""When two wordings are the same: neither case nor white space counts, nor which of several signs is a quote or hyphen.

Texts and questions are brought into one form before they are compared, so that a sentence copied from a page, a word
processor or a terminal is still that sentence, while every letter, accent, digit and sign in it counts.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2039\u203a\u02bc\u0060\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff"),
    }
)
"""Quotes, apostrophes and hyphens to the ones on a keyboard; soft hyphens and marks without width to nothing."""

_SIGN = re.compile(f"[{''.join(map(chr, _SIGNS))}]")

# Scripts that put no spaces between words: ideographs and kana; Thai, Lao, Burmese and Khmer.
_SIGNS_UNSPACED = "\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_LETTERS_UNSPACED = "\u0e01-\u0eff\u1000-\u109f\u1780-\u17d3"
UNSPACED = _SIGNS_UNSPACED + _LETTERS_UNSPACED
"""Their ranges, for a class of characters in a regular expression."""

_UNSPACED = re.compile(f"(?P<signs>[{_SIGNS_UNSPACED}]+)|[{_LETTERS_UNSPACED}]+")

_WORD = re.compile(
    rf"""
    [{UNSPACED}]                    # a letter where words are not set apart
    | [^\W{UNSPACED}]+ (?: \+\+ | \#(?!\w) )?      # a word, a number, C++, C#
    | (?<=\w) [^\w\s'"-] (?=\w)     # what joins two without a space, as in 3.14, 9001:2015, 7(b, U.S
    | (?<!\w) - (?=\d)              # a minus
    | [§¶%‰°&@\#+$€£¥·]             # signs that are read aloud, and the one that keeps headings apart
    """,
    re.VERBOSE,
)

_BREAK = re.compile(r"\n\s*\n")

# Nothing is given back: a word of a million letters, in a file of encoded data, is looked through once.
_JOINED = re.compile(r"(?<!\w)\w++(?:[^\w\s]++\w++)++(?:\+\+|\#)?")

_END = " .!?\u3002"

_BROKEN = re.compile(r"([^\W\d_]{2,40}+)[-\u2010\u00ad][ \t]{0,8}\r?\n[ \t]{0,80}([^\W\d_]{2,40})")

_TONES = dict.fromkeys([*range(0x0E47, 0x0E4F), *range(0x0EC8, 0x0ECE)])


def form(text: str) -> str:
    """A sentence as it is compared with another: case, white space, kinds of quotes and hyphens, ligatures and the
    full stop at its end do not count. Empty for nothing but full stops."""
    return " ".join(plain(text).split()).rstrip(_END)


def mark(text: str) -> int:
    """A signed number of 64 bits that stands for `form(text)`: its blake2b hash. 0 where that form is empty."""
    shape = form(text)
    if not shape:
        return 0
    digest = hashlib.blake2b(shape.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def words(text: str) -> list[str]:
    """The words of a text in order, unstemmed, and the signs that tell one code from another. Of scripts that put no
    spaces between words each letter is one, so that a phrase is found within a run of them.

    Hyphens, apostrophes and quotes part words and are dropped, as is punctuation beside white space. An empty line is a
    dot, which keeps the words before it from those behind.
    """
    return _WORD.findall(_BREAK.sub(" · ", plain(text)))


def joined(text: str) -> list[str]:
    """What of a text is several of its `words` without white space between them, each once: "7(b", "f-16", "u.s"."""
    return list(dict.fromkeys(_JOINED.findall(plain(text))))


def plain(text: str) -> str:
    """`text` in lower case and compatibility form (NFKC: ligatures apart, accents joined), its signs those on a
    keyboard."""
    if text.isascii():
        return text.replace("`", "'").lower()
    return _keyed(unicodedata.normalize("NFKC", _keyed(text))).casefold()


def rejoined(text: str) -> list[str]:
    """The words of a text that a hyphen at the end of a line breaks, whole, each once."""
    whole = (match[1] + match[2] for match in _BROKEN.finditer(text) if match[2][0].islower())
    return list(dict.fromkeys(whole))


def grams(text: str) -> str:
    """`text` with the runs of scripts that put no spaces between words taken apart, so that a part of a run is found:
    ideographs and kana into overlapping pairs (as Lucene's CJKBigramFilter does), letters of Thai, Lao, Burmese and
    Khmer, without marks of tone, into overlapping threes. Text of other scripts is as it was."""
    return text if text.isascii() else _UNSPACED.sub(_taken_apart, text)


def _taken_apart(run: re.Match[str]) -> str:
    size = 2 if run["signs"] else 3
    letters = run[0].translate(_TONES)
    return f" {' '.join(letters[at : at + size] for at in range(max(1, len(letters) - size + 1)))} "


def _keyed(text: str) -> str:
    """With the signs on a keyboard. Most texts hold no others, and looking for them is twenty times as fast."""
    return text.translate(_SIGNS) if _SIGN.search(text) else text
