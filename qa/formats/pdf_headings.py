"""Which paragraphs of a PDF are headings, of which level, and which one is the title."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from qa.formats.pdf_lines import Line
from qa.formats.pdf_paragraphs import Paragraph

# A paragraph of the file with its text; and where it stands: index of the page, place on the page.
Told = tuple[Paragraph, str]
Place = tuple[int, int]

# A heading is larger than the text (where it is bold, too, a little is enough), short, and no sentence.
_LARGER, _LARGER_AND_BOLD = 1.25, 1.1
_ALIKE = 0.03
_MAX_HEADING, _MAX_BOLD_HEADING = 150, 100
_TITLE_WITHIN = 8  # paragraphs
_NUMBER = re.compile(r"(?:[A-Z]\w*\s)?[\dA-Z]{1,4}(?:\.\d{1,3}){0,5}[.:)]?")
_NO_HEADING_END = re.compile(r"[.,;。，；][\"'”’»)\]]*$")
_NOT_ALNUM = re.compile(r"[\W_]+")


def plain(text: str) -> str:
    """Only the letters and digits, in lower case, for comparing."""
    return _NOT_ALNUM.sub("", text.casefold())


def heading_levels(pages: Sequence[Sequence[Told]], bookmarks: Mapping[tuple[int, str], int]) -> dict[Place, int]:
    """The headings and their levels, from 1: those that bookmarks name (by page number and plain name) keep the
    bookmark's level, below them come those in larger type by size, then bold ones."""
    sizes: Counter[float] = Counter()
    bold_chars = 0
    for told in pages:
        for paragraph, text in told:
            sizes[round(paragraph.height, 1)] += len(text)
            bold_chars += len(text) * paragraph.bold
    if not sizes:
        return {}
    body = max(sizes, key=lambda size: (sizes[size], -size))
    bold_stands_out = bold_chars < 0.4 * sizes.total()
    named: dict[Place, int] = {}
    larger: dict[Place, float] = {}
    bolder: list[Place] = []
    for index, told in enumerate(pages):
        for place, (paragraph, text) in enumerate(told):
            names = (plain(text), plain(paragraph.marker + text)) if bookmarks else ()
            if level := next((bookmarks[index + 1, name] for name in names if (index + 1, name) in bookmarks), 0):
                named[index, place] = level
            elif not _may_head(told, place):
                continue
            elif paragraph.height >= (_LARGER_AND_BOLD if paragraph.bold else _LARGER) * body:
                larger[index, place] = round(paragraph.height * 2) / 2
            elif bold_stands_out and paragraph.bold and len(text) <= _MAX_BOLD_HEADING:
                bolder.append((index, place))
    below = max(named.values(), default=0)
    ranks = {size: below + rank for rank, size in enumerate(sorted(set(larger.values()), reverse=True), 1)}
    levels = named | {key: ranks[size] for key, size in larger.items()}
    return levels | dict.fromkeys(bolder, below + len(ranks) + 1)


def title_place(pages: Sequence[Sequence[Told]], levels: Mapping[Place, int], title: str) -> Place | None:
    """Where the title stands on the first page that has text: the paragraph that says `title`, or, if that is empty,
    the one in the largest type, if nothing else in the file is a heading of its level. A title that is set like the
    headings stands right above the first of them."""
    index = next((i for i, told in enumerate(pages) if told), 0)
    told = pages[index]
    heights = [paragraph.height for paragraph, _ in told] or [0.0]
    largest = max(heights)
    if title:
        for place, (paragraph, text) in enumerate(told):
            # The page often shows the title without its subtitle.
            is_part = (index, place) in levels and paragraph.height >= (1 - _ALIKE) * largest
            if plain(text) == plain(title) or (is_part and plain(text) in plain(title)):
                return index, place
        return None
    if largest < _LARGER_AND_BOLD * min(heights):
        return None  # all in one size
    counts = Counter(levels.values())
    for place, (paragraph, _) in enumerate(told[:_TITLE_WITHIN]):
        level = levels.get((index, place), 0)
        is_only = level and counts[level] == 1
        is_above = not level and levels.get((index, place + 1)) == 1 and _alike(paragraph, told[place + 1][0])
        if paragraph.height >= (1 - _ALIKE) * largest and (is_only or is_above):
            return index, place
    return None


def _may_head(told: Sequence[Told], place: int) -> bool:
    """Whether the paragraph could be a heading above the one that follows it on the page, going by all but its size
    and weight."""
    (paragraph, text), following = told[place], told[place + 1][0] if place + 1 < len(told) else None
    before = told[place - 1][0] if place else None
    if following is None or paragraph.kind not in ("paragraph", "item") or paragraph.lines[0].marker:
        return False
    if before and before.kind == paragraph.kind == "item" and _alike(before, paragraph):
        return False  # an item of a list
    return (
        len(text) <= _MAX_HEADING
        and len(paragraph.lines) <= 3
        and sum(map(str.isalpha, text)) >= 3
        and text[0].isalnum()
        and not text[0].islower()
        and not _NO_HEADING_END.search(text)
        and not any(_is_row(line) for line in paragraph.lines)
        and following.kind != "code"
        and paragraph.lines[-1].base - following.lines[0].base > 0.5 * paragraph.height
        and not _alike(paragraph, following)
        and (not following.lines[0].bold or paragraph.height > following.height)
    )


def _is_row(line: Line) -> bool:
    """Whether wide gaps part the line otherwise than a heading from its number."""
    return len(line.cells) > 2 or (len(line.cells) == 2 and not _NUMBER.fullmatch(line.cells[0].text))


def _alike(one: Paragraph, other: Paragraph) -> bool:
    """Whether two paragraphs are set in the same type: then neither heads the other."""
    return one.bold == other.bold and abs(one.height - other.height) <= _ALIKE * one.height
