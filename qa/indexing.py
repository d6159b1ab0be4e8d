"""A folder to a library and its snapshot, as often as it changes, by whoever has the right to write."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from qa import folders, formats, imprint, lock, models, noise, passages, scarcity, sentences, snapshot
from qa.encoder import Encoder
from qa.errors import IndexMissing, IndexUnusable, ModelUnusable, QAError, UsageError
from qa.library import Library, Maker
from qa.reading import Readers
from qa.records import IndexReport, Model, Rules
from qa.run import Choice, Progress, Run
from qa.settings import Settings
from qa.snapshot import Snapshot

Announce = Callable[[str], None]


def index(
    paths: Sequence[Path],
    settings: Settings,
    *,
    choice: Choice = Choice(),
    announce: Announce = lambda _: None,
    progress: Callable[[Progress], None] = lambda _: None,
    limits: formats.Limits = formats.Limits(),
    wait_s: float = 0.0,
) -> IndexReport:
    """Bring the index in `settings.index` to the state of the folders (or files) `paths`, and of all that it holds
    already when `paths` is empty; `choice` says which of their files. Makes the index if there is none. See
    `Indexer.bring`."""
    indexer = Indexer(settings, announce=announce, limits=limits)
    return indexer.bring(paths, choice=choice, progress=progress, wait_s=wait_s)


class Indexer:
    """Brings one index up to date, as often as it is asked to, with the model loaded once."""

    def __init__(
        self,
        settings: Settings,
        *,
        command: str = "qa index",
        announce: Announce = lambda _: None,
        limits: formats.Limits = formats.Limits(),
    ) -> None:
        """`command` is what another process is told that this one does. Raises UsageError when text recognition is
        asked for and not installed."""
        self._settings = settings
        self._command = command
        self._announce = announce
        self._limits = formats.with_ocr(limits) if settings.ocr else limits
        self._encoder: Encoder | None = None
        self._maker: Maker | None = None
        with suppress(QAError):  # what is wrong is told when it is brought up to date
            library = Library.open(settings.index)
            self._maker = library.maker
            library.close()
        self._held: Snapshot | None = None

    def prepare(self) -> None:
        """Load what reading a file needs, which the first that changes does otherwise; at once when it is loaded.
        Raises what `bring` does for a model that cannot be used."""
        encoder = self._prepared()
        noise.prepare(encoder)
        encoder.rest()
        encoder.prepare(passages=True)
        sentences.prepare()

    def bring(
        self,
        paths: Sequence[Path] = (),
        *,
        choice: Choice = Choice(),
        progress: Callable[[Progress], None] = lambda _: None,
        leave: Collection[Path] = (),
        patient: bool = False,
        wait_s: float = 0.0,
    ) -> IndexReport:
        """See `index`. Folders of the index that are not there are in the report as absent. Files in `leave` that could
        not be read are not tried again; `patient`, those that changed a moment ago are left for the next run when they
        cannot be read, as they may be half written.

        Files that cannot be read, and those read now but not wholly, are in the report's problems, by path below their
        folder; the rest go on. Raises UsageError when a path is not there or the index lies in it, IndexBusy when
        another process writes to the index for more than `wait_s` seconds, IndexUnusable when the index is damaged or
        was made with another model.
        """
        roots = [folders.checked(path, self._settings.index) for path in paths]
        choice.over(Rules())
        try:
            Library.open(self._settings.index).close()
        except IndexMissing:
            if not roots:
                raise
        pages = _Pages(progress)
        with (
            lock.writer(self._settings.index, self._command, wait_s),
            Readers(self._limits, pages.recognised) as readers,
        ):
            if self._encoder is None:  # a reader takes as long to be there
                readers.prepare()
            encoder = self._prepared()
            with self._library(encoder) as library:
                run = Run(
                    library,
                    encoder,
                    readers,
                    pages.progress,
                    leave,
                    self._held,
                    with_ocr=self._settings.ocr,
                    patient=patient,
                )
                self._held = None  # the run lets go of it where the disk is full
                report = run.bring(roots, choice)
                self._held = run.published
                imprint.renew(library)
                return report

    def drop(self, path: Path, *, wait_s: float = 0.0) -> int:
        """Take a folder out of the index, with all documents of it; how many those were. It is named by its path,
        whether it is still there or not, or by what its documents' paths begin with. Raises UsageError when it is not
        in the index."""
        Library.open(self._settings.index).close()
        with lock.writer(self._settings.index, self._command, wait_s):
            encoder = self._prepared()
            with self._library(encoder) as library:
                roots = library.roots()
                wanted = [root for root in roots if root.path == path.absolute() or root.path == path.resolve()]
                wanted = wanted or [root for root in roots if root.name == str(path)]
                if not wanted:
                    held = ", ".join(str(root.path) for root in roots) or "none"
                    raise UsageError(f"The index holds no folder {path}.", f"Its folders: {held}.")
                count = len(library.known(wanted[0]))
                is_tight = scarcity.make_room(self._settings.index)
                if is_tight:
                    self._held = None  # what is mapped into memory keeps its room on the disk
                    scarcity.remove_singly(library, library.known(wanted[0]).values())
                with library.writing():
                    library.drop_root(wanted[0])
                if is_tight:
                    scarcity.settle(library)
                last = snapshot.newest(library, self._held)
                self._held = snapshot.write(library, lambda fresh: noise.level(fresh, encoder), last)
                imprint.renew(library)
                return count

    def _prepared(self) -> Encoder:
        """The model of the settings; of an index that was changed over to another since this was made, its own."""
        settings = self._settings
        if self._maker is not None:
            with suppress(IndexMissing):
                library = Library.open(settings.index)
                maker = library.maker
                library.close()
                if maker != self._maker:
                    self._encoder = Encoder(_model_of(maker, settings, self._announce), settings.threads)
        if self._encoder is None:
            model = models.exported(
                settings.model, settings.model_cache, fetch=settings.fetch_model, announce=self._announce
            )
            self._encoder = Encoder(model, settings.threads)
        return self._encoder

    @contextmanager
    def _library(self, encoder: Encoder) -> Iterator[Library]:
        """The library, made if there is none, to be written."""
        model, splitter = encoder.model, f"{sentences.NAME} {passages.NAME}"
        folder = self._settings.index
        library = _opened(folder, Maker(model.name, model.fingerprint, model.way, model.dimensions, splitter))
        try:
            self._maker = library.maker
            yield library
        finally:
            library.close()


class _Pages:
    """Tells of pages that are recognised in between what else there is to tell."""

    def __init__(self, progress: Callable[[Progress], None]) -> None:
        self._progress = progress
        self._last: Progress | None = None

    def progress(self, now: Progress) -> None:
        self._last = now
        self._progress(now)

    def recognised(self, name: str, page: int, count: int) -> None:
        if self._last is not None:
            self._progress(replace(self._last, file=f"{name}, page {page:,} of {count:,}"))


def _opened(folder: Path, maker: Maker) -> Library:
    try:
        library = scarcity.to_write(folder)
    except IndexMissing:
        return Library.create(folder, maker)
    held = library.maker
    if replace(held, model=maker.model) != maker:  # a model may be called by another name, or lie elsewhere by now
        library.close()
        raise IndexUnusable(
            f"The index in {folder} was made with {_described(held)}; now it would be {_described(maker)}.",
            "Name the old model with --model, change over to this one with --reencode, or build the index anew: delete "
            f"the folder {folder}, then qa index "
            f"FOLDER --index {shlex.quote(str(folder))}",
        )
    return library


def _described(maker: Maker) -> str:
    return f"the model {maker.model} ({maker.fingerprint}, by {maker.way}) and the splitter {maker.splitter}"


def _model_of(maker: Maker, settings: Settings, announce: Announce) -> Model:
    """The model that made the vectors of an index. Raises ModelUnusable when it is not there."""
    model = models.cached(maker.fingerprint, settings.model_cache, to_index=True) or models.exported(
        maker.model, settings.model_cache, fetch=settings.fetch_model, announce=announce
    )
    if model.fingerprint != maker.fingerprint:
        raise ModelUnusable(f"The model {maker.model} is another one than that of the index.", "Bring it back.")
    return model


def derive(library: Library, settings: Settings, announce: Announce) -> None:
    """Make the snapshot of a library as it stands, for whoever has the right to write. Without the model that made its
    vectors that is left to a later run, and said."""
    maker = library.maker
    try:
        encoder = Encoder(_model_of(maker, settings, announce), settings.threads)
    except ModelUnusable as error:
        announce(f"{error} Until then the search index is made in memory at each start; `qa index` mends it.")
        return
    snapshot.write(library, lambda held: noise.level(held, encoder))
