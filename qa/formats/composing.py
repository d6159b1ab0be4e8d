"""Putting a document together: the path of headings, and a canonical text made of blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from qa.errors import UnreadableFile
from qa.formats.limits import Limits
from qa.records import Block, Document, Locator, Turn

_MAX_HEADING_CHARS = 200

# What no reader sees and no index should: control characters, marks of byte order and of possible line breaks,
# and the non-characters that PDFium uses as its own signs.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufff9-\ufffb\ufffe\uffff"
    r"\U000e0000-\U000e007f]"  # letters as tags, which have no shape
)
_MARKER = re.compile(r"(?<![^\n])[ \t]*(?:(?:[-*+•‣◦]|\(?\d{1,6}[.)])[ \t]+)?\Z")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def one_line(text: str) -> str:
    """`text` as a heading in a path: without what no reader sees, every run of white space one space, at most 200
    characters."""
    line = " ".join(_UNSEEN.sub("", text).split())
    return line if len(line) <= _MAX_HEADING_CHARS else line[: _MAX_HEADING_CHARS - 1].rstrip() + "…"


class HeadingPath:
    """The headings above the place that a reader has come to, outermost first."""

    def __init__(self) -> None:
        self._levels: list[int] = []
        self.path: tuple[str, ...] = ()

    def leave(self, level: int) -> None:
        """Comes to a heading: those of its own level and below no longer hold. Level 1 is the outermost."""
        keep = len(self._levels)
        while keep and self._levels[keep - 1] >= level:
            keep -= 1
        del self._levels[keep:]
        self.path = self.path[:keep]

    def enter(self, level: int, heading: str) -> None:
        """Passes a heading: it holds for what follows. One without words, a picture, only ends what went before."""
        self.leave(level)
        if name := one_line(heading):
            self._levels.append(level)
            self.path = (*self.path, name)

    def clear(self) -> None:
        """Passes a heading that stands above all: the document's title."""
        self._levels = []
        self.path = ()


class Composition:
    """A canonical text that is put together from blocks, in reading order, for formats whose source nobody reads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pieces: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0

    def add(
        self,
        kind: str,
        text: str,
        locator: Locator,
        gap: str = "\n\n",
        marker: str = "",
        turns: Iterable[tuple[int, Locator]] = (),
    ) -> bool:
        """Adds a block, with `gap` before it unless it is the first, and `marker`, which is no part of it; whether it
        did: what no reader sees is taken out, and a text that is white space only adds nothing. `turns` are offsets in
        `text`, from which on it stands elsewhere. Raises UnreadableFile beyond the limits."""
        seen = [(len(_UNSEEN.sub("", text[:at]).lstrip()), place) for at, place in turns]
        text = _UNSEEN.sub("", text).strip()
        if not text:
            return False
        before = (gap if self._pieces else "") + marker
        self._pieces.append(before)
        self._length += len(before)
        self._pieces.append(text)
        over = tuple(Turn(self._length + at, place) for at, place in seen)
        self._blocks.append(Block(kind, self._length, self._length + len(text), locator, over))
        self._length += len(text)
        check_size(self._length, len(self._blocks), self._limits)
        return True

    @property
    def has_blocks(self) -> bool:
        """Whether any text was added yet."""
        return bool(self._blocks)

    def document(self, media_type: str, title: str, problems: Iterable[str] = (), encoding: str = "") -> Document:
        text = without_surrogates("".join(self._pieces))
        title = one_line(without_surrogates(title))
        return Document(text, title, media_type, tuple(self._blocks), tuple(problems), encoding=encoding)


def marker_in(between: str) -> str:
    """What of the text between two blocks is the bullet or number of a list item, and how far in it stands; else ""."""
    found = _MARKER.search(between)
    return found[0] if found else ""


def without_surrogates(text: str) -> str:
    """`text` with each lone surrogate, which no file can store, replaced by U+FFFD: the same length."""
    return _SURROGATE.sub("\ufffd", text)


def check_size(chars: int, blocks: int, limits: Limits) -> None:
    """Raises UnreadableFile when a document is larger than the limits allow."""
    remedy = "Split it into smaller files."
    if chars > limits.max_chars:
        raise UnreadableFile(f"holds more than {limits.max_chars:,} characters of text", remedy)
    if blocks > limits.max_blocks:
        raise UnreadableFile(f"holds more than {limits.max_blocks:,} separate paragraphs", remedy)


def out_of_memory(limits: Limits) -> UnreadableFile:
    """What to raise when memory runs out."""
    taken = f"{limits.max_memory_bytes // 2**20:,} MiB of memory"
    return UnreadableFile(f"takes more than {taken} to read", "Split it into smaller files.")


# Made by a program: its default names, names of files, and nothing but digits and signs.
_NO_TITLE = re.compile(
    r"\W*(?:untitled|unbenannt|sans titre|sin título|anonymous|unspecified|unknown|none|null|title|(?:word )?document|"
    r"(?:powerpoint )?presentation|slide|book|sheet|layout|print)[\s_-]*\d*\W*"
    r"|\S*\.[a-z]{1,5}\d?|.*\.(?:docx?|odt|rtf|pdf|tex|dvi|indd|qxd|pptx?|xlsx?|html?|txt|pages|wpd|fm|p65)|[\d\W_]*",
    re.IGNORECASE,
)
_MADE_BY = re.compile(r"^(?:microsoft (?:word|powerpoint|excel)|pdf|openoffice)\s*[-:]\s*", re.IGNORECASE)


def plausible_title(title: str) -> str:
    """A title from a file's properties when a person may have given it: not a file name, not what a program puts
    there by default. Else ""."""
    title = _MADE_BY.sub("", one_line(title))
    return "" if len(title) < 4 or _NO_TITLE.fullmatch(title) else title
