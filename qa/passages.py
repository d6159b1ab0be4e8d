"""Whole sentences packed into passages that fit the encoder's window, never across a heading or a page.

A passage is what is encoded in one go, so its sentences are read in each other's light, and what is shown as the
surroundings of a cited sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from qa.records import Block, Document, Passage, Span

NAME = "paragraphs/2"
"""Which way of packing this is. An index stores it; the number rises whenever the passages of any text change."""

CONTEXT_CHARS = 200
"""Title and headings in front of a passage are cut to this many code points in all: about 40 tokens of the window."""

CONTEXT_JOINT = " · "

LEAST_TOKENS = 64
"""Blocks shorter than this are joined with the next: list items, table rows and single lines say little alone."""

MARKER_CHARS = 8
"""Letters and digits between two blocks that are still read as a list's numbering; more is a comment or the like, and
no passage goes across it."""

_HEADINGS = ("title", "heading")
_APART = ("slide", "message", "chapter")  # one of these has nothing to do with the next


def context(document: Document, block: Block) -> str:
    """What is put in front of a block's passage: the document's title and the headings above, outermost first.

    A heading that repeats the title is said once. Empty when the document has neither.
    """
    names: list[str] = []
    for name in (document.title, *block.locator.heading):
        name = " ".join(name.split())
        if name and name not in names:
            names.append(name)
    # The innermost heading says most about the passage and the title most about the document: cut what is between.
    while len(names) > 2 and len(CONTEXT_JOINT.join(names)) > CONTEXT_CHARS:
        del names[1]
    return CONTEXT_JOINT.join(names)[:CONTEXT_CHARS]


def pack(
    document: Document,
    sentences: Sequence[Sequence[Span]],
    count_tokens: Callable[[Sequence[str]], Sequence[int]],
    window: int,
) -> tuple[Passage, ...]:
    """The passages of a document in order.

    `sentences[i]` are the spans of `document.blocks[i]`; `count_tokens` gives the length of each text in the
    encoder's tokens; `window` is how many tokens one pass reads, special tokens not counted. A passage is a paragraph,
    or what of it fits the window; short blocks that stand together under the same headings on the same page are joined
    until they have LEAST_TOKENS. A single sentence longer than the window is a passage of its own, which the encoder
    reads in pieces. A title or heading is read in front of what stands below it and is a passage only where nothing
    does; every other sentence is in exactly one passage.
    """
    read = _read(document, sentences)
    lengths = iter(count_tokens([document.text[s.start : s.end] for index in read for s in sentences[index]]))
    passages: list[Passage] = []
    for run in _runs(document, read):
        head = context(document, document.blocks[run[0]])
        room = max(window - count_tokens([head])[0] - 1, window // 2)
        parts = [[(span, next(lengths)) for span in sentences[index]] for index in run]
        gaps = [0, *count_tokens([_between(document, index, after) for index, after in pairwise(run)])]
        for index, spans in _fill(run, parts, gaps, room):
            place = document.blocks[index].locator
            passages.append(Passage(spans[0].start, spans[-1].end, tuple(spans), head, place))
    return tuple(passages)


def _read(document: Document, sentences: Sequence[Sequence[Span]]) -> list[int]:
    """Indices of the blocks whose sentences go into passages."""
    held = [index for index, spans in enumerate(sentences) if spans]
    body = any(document.blocks[index].kind not in _HEADINGS for index in held)
    in_front = {index for index, after in pairwise(held) if _is_context(document, index, after, body)}
    return [index for index in held if index not in in_front]


def _is_context(document: Document, index: int, after: int, body: bool) -> bool:
    """Whether a block is a title or heading that is read in front of something below it. `after` is the block that
    follows, `body` whether there are other blocks than titles and headings."""
    block = document.blocks[index]
    if block.kind not in _HEADINGS or block.end - block.start > CONTEXT_CHARS:
        return False
    if block.kind == "title":
        # The document may call itself something else, by its properties; then nothing else says what stands here.
        return body and _letters(document.text[block.start : block.end]) == _letters(document.title)
    below = document.blocks[after]
    return len(below.locator.heading) > len(block.locator.heading) and _apart(below) == _apart(block)


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _between(document: Document, index: int, after: int) -> str:
    """What stands between two blocks."""
    return document.text[document.blocks[index].end : document.blocks[after].start]


def _runs(document: Document, read: Sequence[int]) -> Iterator[list[int]]:
    """Runs of the blocks `read` that stand under the same headings on the same page."""
    run: list[int] = []
    for index in read:
        if run and (
            _place(document.blocks[index]) != _place(document.blocks[run[-1]])
            or len(_letters(_between(document, run[-1], index))) > MARKER_CHARS
        ):
            yield run
            run = []
        run.append(index)
    if run:
        yield run


def _place(block: Block) -> tuple[tuple[str, ...], int | None, str, bool]:
    return block.locator.heading, block.locator.page, _apart(block), block.kind == "heading"


def _apart(block: Block) -> str:
    """The slide, message or chapter that the block stands in."""
    return block.locator.place if block.locator.kind in _APART else ""


def _fill(
    run: Sequence[int], parts: Sequence[Sequence[tuple[Span, int]]], gaps: Sequence[int], room: int
) -> Iterator[tuple[int, list[Span]]]:
    """Passages of one run: (index of the first block, sentence spans). `gaps` are the tokens before each block."""
    held: list[Span] = []
    used, first = 0, run[0]
    for index, part, gap in zip(run, parts, gaps, strict=True):
        whole = sum(length for _, length in part)
        # A paragraph that needs several passages is cut into even ones.
        share = room if whole <= room else whole / -(-whole // room)
        for position, (span, length) in enumerate(part):
            full = used >= share if position else used >= LEAST_TOKENS or used + gap + whole > room
            if held and (full or used + length > room):
                yield first, held
                held, used = [], 0
            if not held:
                first = index
            elif position == 0:
                used += gap
            held.append(span)
            used += length
    if held:
        yield first, held
