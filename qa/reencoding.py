"""An index changes over to another model, from the text that is stored: no file is read, and the old vectors serve
until all new ones are there.

New encodings are kept beside the old in batches, so that an interruption repeats one batch at most; then everything
changes over in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from qa import imprint, lock, models, noise, passages, sentences, snapshot
from qa.encoder import Encoder
from qa.errors import IndexBusy
from qa.library import Library, Maker, Read, Root
from qa.records import Document, Encoding, Passage, Source
from qa.rows import passage_key
from qa.run import BATCH_PASSAGES
from qa.settings import Settings

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Reencoding:
    """From which model to which, and how many passages were encoded; none where the index was of that model."""

    old: Maker
    new: Maker
    encoded: int


def reencode(
    settings: Settings,
    *,
    announce: Callable[[str], None] = lambda _: None,
    progress: Progress = lambda done, total: None,
    wait_s: float = 0.0,
) -> Reencoding:
    """Change the index in `settings.index` over to `settings.model`. `progress` is told documents done, and of how
    many. Raises IndexBusy when another process writes to the index, IndexUnusable when it is damaged, ModelUnusable
    when there is no such model."""
    Library.open(settings.index).close()
    with lock.writer(settings.index, "qa index --reencode", wait_s):
        model = models.exported(settings.model, settings.model_cache, fetch=settings.fetch_model, announce=announce)
        encoder = Encoder(model, settings.threads)
        new = Maker(model.name, model.fingerprint, model.way, model.dimensions, f"{sentences.NAME} {passages.NAME}")
        library = Library.open(settings.index, write=True)
        try:
            old = library.maker
            if replace(old, model=new.model) == new:
                return Reencoding(old, new, 0)
            imprint.drop(settings.index)
            encoded = _stage(library, encoder, new, progress)
            with library.writing():
                library.set_maker(new)
                for root, source, document in _documents(library):
                    packed = _packed(document, encoder)
                    keys = [passage_key(passage, document.text) for passage in packed]
                    held = library.staged(keys, new.dimensions)
                    library.put(Read(root, source, document, packed, [held[key] for key in keys]))
                library.unstage()
            with suppress(IndexBusy):  # a reader needs the old for a moment more; the room is used again later
                library.wipe()
            snapshot.write(library, lambda found: noise.level(found, encoder))
            imprint.renew(library)
            return Reencoding(old, new, encoded)
        finally:
            library.close()


def _stage(library: Library, encoder: Encoder, new: Maker, progress: Progress) -> int:
    """Encode what is not staged yet; how many passages that were."""
    with library.writing(counted=False):
        library.prepare_stage(new)
    total = len(library.sources())
    todo: dict[bytes, tuple[Passage, str]] = {}
    encoded = 0

    def store() -> None:
        made: dict[bytes, Encoding] = dict(zip(todo, encoder.encode_passages(todo.values()), strict=True))
        with library.writing(counted=False):
            library.stage(made)
        todo.clear()

    for done, (_, _, document) in enumerate(_documents(library)):
        progress(done, total)
        for passage in _packed(document, encoder):
            key = passage_key(passage, document.text)
            if key not in todo and not library.staged([key], new.dimensions):
                todo[key] = (passage, document.text)
                encoded += 1
        if len(todo) >= BATCH_PASSAGES:
            store()
    if todo:
        store()
    progress(total, total)
    return encoded


def _documents(library: Library) -> Iterator[tuple[Root, Source, Document]]:
    """Every document, its source by its path below its root."""
    for root in library.roots():
        for path, source in library.known(root).items():
            yield root, replace(source, path=path), library.document(source.id)


def _packed(document: Document, encoder: Encoder) -> tuple[Passage, ...]:
    return passages.pack(document, sentences.split(document), encoder.count_tokens, encoder.window)
