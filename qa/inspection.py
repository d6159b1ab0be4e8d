"""How one file is read, from its bytes to its passages, without an index."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from qa import answers, models, passages, sentences
from qa.encoder import Encoder
from qa.errors import UnreadableFile
from qa.formats import Limits, with_ocr
from qa.reading import Readers
from qa.records import Block, Document, Inspection, Locator, Passage, Source, Span
from qa.settings import Settings


def inspect(
    path: Path,
    settings: Settings,
    *,
    announce: Callable[[str], None] = lambda _: None,
    limits: Limits = Limits(),
) -> Inspection:
    """Read the file at `path` as indexing reads it. Raises UnreadableFile when indexing would not take it, and
    ModelUnusable."""
    with Readers(with_ocr(limits) if settings.ocr else limits) as readers:
        ((_, found),) = readers.read([("", path, "")])
    if isinstance(found, UnreadableFile):
        raise found
    document = found.document
    assert document is not None  # nothing was known of it
    encoder = Encoder(
        models.exported(settings.model, settings.model_cache, fetch=settings.fetch_model, announce=announce)
    )
    cut = tuple(map(tuple, sentences.split(document)))
    packed = passages.pack(document, cut, encoder.count_tokens, encoder.window)
    title = document.title or path.stem
    source = Source("", str(path), title, found.media_type, found.sha256, found.size, path.stat().st_mtime_ns)
    return Inspection(
        source=source,
        document=document,
        labels=tuple(_label(source, block) for block in document.blocks),
        sentences=cut,
        passages=packed,
        tokens=tuple(
            zip(
                encoder.count_tokens([passage.context for passage in packed]),
                encoder.count_tokens([document.text[passage.start : passage.end] for passage in packed]),
                strict=True,
            )
        ),
        model=encoder.model.name,
        window=encoder.window,
        left_out=(*document.left_out, *_left_out(document, cut, packed)),
    )


def _label(source: Source, block: Block) -> str:
    """Where a block stands; of one that goes over to further pages, these too."""
    file = f"{answers.label(source, Locator())}, "
    over = [answers.label(source, turn.locator).removeprefix(file) for turn in block.turns]
    return ", ".join([answers.label(source, block.locator), *over])


def _left_out(document: Document, cut: tuple[tuple[Span, ...], ...], packed: tuple[Passage, ...]) -> tuple[str, ...]:
    """What of the text is in no sentence, or in no passage."""
    said = []
    edges = [0, *(edge for block in document.blocks for edge in (block.start, block.end)), len(document.text)]
    between = sum(len("".join(document.text[a:b].split())) for a, b in list(pairwise(edges))[::2])
    if between:
        said.append(f"Between blocks: {between:,} characters of markup, list marks and the like.")
    empty = sum(not spans for spans in cut)
    if empty:
        said.append(f"Without a sentence: {empty:,} of {len(cut):,} blocks.")
    read = {span for passage in packed for span in passage.sentences}
    headings = sum(span not in read for spans in cut for span in spans)
    if headings:
        said.append(f"In no passage of their own: {headings:,} titles and headings, read in front of what they head.")
    return tuple(said)
