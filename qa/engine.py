"""A question to an Answer: the one way that the command line, the web and Python share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa import (
    answers,
    candidates,
    confidence,
    coverage,
    crossencoders,
    exact,
    explaining,
    filtering,
    locating,
    ranking,
    readers,
    serving,
)
from qa.drift import Look
from qa.encoder import Encoder
from qa.errors import QAError, UsageError
from qa.exact import Exact
from qa.lexical import Lexicon
from qa.library import Library, Maker, Root
from qa.passages import context
from qa.reader import Reader
from qa.records import (
    Answer,
    Document,
    Excerpt,
    Filter,
    IndexState,
    Locator,
    Part,
    Place,
    QuestionEncoding,
    ReadBy,
    Source,
    Span,
)
from qa.reranker import Reranker
from qa.serving import Announce, Serving
from qa.settings import Settings
from qa.snapshot import Snapshot

MAX_QUESTION_CHARS = 2000

PLACES_LOOKED_UP = 20
"""Other places of a sentence that are named by page or heading, for which their documents are read. Further ones are
named by their files."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class Engine:
    """An open index. Safe to share between threads; follows new commits of the index by itself, and with them its model
    when it was changed over to another one.

    A question is answered from one snapshot by the model of that, whatever becomes of the library meanwhile: where that
    holds another text of a document by now, the snapshot's own copy is quoted."""

    def __init__(
        self,
        settings: Settings,
        serving: Serving,
        reader: Reader | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        """See `open`."""
        self.settings = settings
        self._serving = serving
        self._reader = reader
        self._reranker = reranker
        self._watchman = coverage.Watchman(settings.index, serving.snapshot().commit)
        self.following: Callable[[], dict[str, Any]] | None = None
        """What follows the folders in this process, if anything does, for `status`."""

    @classmethod
    def open(cls, settings: Settings, announce: Announce = lambda _: None) -> Engine:
        """The engine over the index in `settings.index`.

        Raises IndexMissing, IndexUnusable or ModelUnusable, each with the command that mends it. `announce` is told
        what takes long.
        """
        from threadpoolctl import threadpool_limits

        library = Library.open(settings.index)
        # The model is hashed and loaded while the index is: each takes about a third of the time of a cold question.
        # One thread for what may have to be exported first, as torch traces only one model at a time; the bundled
        # reader never has.
        with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as other:
            maker = library.maker
            encoder = pool.submit(serving.prepared, maker, settings, announce)
            is_bundled = settings.reader == readers.BUNDLED
            reader = (other if is_bundled else pool).submit(_reader, settings, announce)
            reranker = pool.submit(_reranker, settings, announce)

            def prepared(wanted: Maker) -> Encoder:
                # They differ while the index is changed over to another model.
                return encoder.result() if wanted == maker else serving.prepared(wanted, settings, announce)

            opened = Serving.open(settings, library, prepared, announce)
            # Two threads on products as small as a question's wait for each other: 28 ms of processor time a question
            # against 12, and with other work on the machine 32 ms on the clock against 13.
            threadpool_limits(limits=1, user_api="blas")
            return cls(settings, opened, reader.result(), reranker.result())

    def close(self) -> None:
        """Let go of the index."""
        self._serving.close()

    def ready(self) -> bool:
        """Whether a question would be answered now."""
        try:
            self._serving.newest()
        except QAError:
            return False
        return True

    def ask(
        self,
        question: str,
        *,
        limit: int = 10,
        offset: int = 0,
        filter: Filter = Filter(),
        explain: bool = False,
        as_typed: bool = False,
    ) -> Answer:
        """The answer to a question of 1 to 2000 characters: `limit` passages from the `offset`-th on. Raises UsageError
        for what cannot be asked.

        Quotes and minus signs in it mean what `query` says, and misspelt words are searched as the likelier word;
        `as_typed` takes them as mere words, and every word as it stands.

        Scores always carry their parts; `explain` tells the lexical ones word by word, which takes a while.
        """
        began = time.perf_counter()
        question = check_question(question)
        if limit < 1 or offset < 0:
            raise UsageError(f"There are no passages {offset} to {offset + limit}.", "Ask for 1 or more, from 0 on.")
        held, wanted, encoded = self.read(question, filter, as_typed=as_typed)
        self._watchman.look(held.commit)
        allowed = filtering.allowed(held.sources, filter)
        found = candidates.find(held, wanted, encoded)
        ranked, words, reader = self._read(held, wanted.query.text, found.starts, ranking.rank(found.facts))
        ranked, reranking = self._reranked(held, wanted.query.text, found.starts, ranked)
        starts = found.starts.tolist()
        hits = [
            (self._hit(held, starts[i], i, ranked, words.get(i), found.folded, allowed), starts[i])
            for i in ranked.order.tolist()
        ]
        searched = len(held.sources) if allowed is None else int(allowed.sum())
        covered = coverage.told(self._serving.problems, self._watchman.found(held.commit))
        index = IndexState(held.commit, len(held.sources), len(held.spans), held.maker.model, searched, covered)
        answer = answers.compose(
            question,
            [hit for hit, _ in hits],
            evidence=_evidence(ranked, held.noise),
            least=self.settings.min_confidence,
            limit=limit,
            offset=offset,
            took_ms=lambda: (time.perf_counter() - began) * 1000,
            stale=self._serving.stale,
            index=index,
            notices=wanted.notices,
            possible=wanted.possible,
        )
        answer = replace(answer, reader=reader, reranking=reranking)
        if not explain:
            return answer
        rows = {(h.source.id, span.start): row + at for h, row in hits for at, span in enumerate(h.sentences)}
        return _explained(answer, wanted.query.text, held, rows)

    def read(
        self, question: str, filter: Filter = Filter(), *, as_typed: bool = False
    ) -> tuple[Snapshot, Exact, QuestionEncoding]:
        """What a question is asked of, what of it is wanted word for word of the documents that the filter lets
        through, and the question as the encoder reads it. Raises UsageError when it only says what to leave out."""
        served = self._serving.newest()
        held = served.snapshot
        allowed = filtering.allowed(held.sources, filter)
        passages = None if allowed is None else allowed[held.document]
        wanted = exact.find(held, question, passages, served.encoder.knows, as_typed=as_typed)
        return held, wanted, served.encoder.encode_question(wanted.query.text)

    def document(self, document_id: str) -> tuple[Source, Document]:
        """A document as it was indexed. Raises UsageError when there is none of that id."""
        held = self._serving.snapshot()
        source = next((s for s in held.sources if s.id == document_id), None)
        if source is None:
            raise UsageError(f"There is no document {document_id} in this index.", "Was it removed? Search again.")
        return source, self._serving.document(held, source)

    def sentences(self, document_id: str) -> tuple[Span, ...]:
        """The sentences of a document that may answer, in order; none when there is no document of that id."""
        held = self._serving.snapshot()
        number = next((n for n, source in enumerate(held.sources) if source.id == document_id), -1)
        rows = held.spans[(held.document == number)[held.owner]]
        return tuple(Span(start, end) for start, end in rows.tolist())

    def same_file(self, version: str) -> str | None:
        """The id of a document whose file's hash begins with `version`, the first by path; None when there is none."""
        sources = self._serving.snapshot().sources
        return next((source.id for source in sources if source.sha256.startswith(version)), None)

    def documents(self) -> Iterator[tuple[Source, Document]]:
        """Every document as it was indexed, by path."""
        held = self._serving.snapshot()
        return ((source, self._serving.document(held, source)) for source in held.sources)

    def original(self, document_id: str) -> Path | None:
        """The file that a document was read from; None when it is gone."""
        with self._serving.lock:
            path = self._serving.library.file(document_id)
        return path if path is not None and path.is_file() else None

    def stale(self, document_id: str) -> str:
        """ "" while the file is the one that was indexed, else "changed" or "missing". Raises UsageError when there
        is no document of that id."""
        return self._serving.stale(self.document(document_id)[0])

    def status(self) -> dict[str, Any]:
        """What is searched and what is wrong with it, JSON-ready. "behind" counts the documents that were indexed,
        changed or removed since."""
        held = self._serving.snapshot()
        found = self._watchman.found(held.commit, coverage.PATIENT_S)
        looks = {} if found is None else {root.id: look for root, look in found.looks}
        with self._serving.lock, self._serving.library.reading():
            problems = self._serving.library.problems()
            searched = held.seals.items()
            behind = {name for name, _ in searched ^ self._serving.library.seals().items()}
            return {
                "index": str(self.settings.index),
                "commit": held.commit,
                "documents": len(held.sources),
                "passages": len(held.document),
                "sentences": len(held.spans),
                "behind": len(behind),
                "model": held.maker.model,
                "fingerprint": held.maker.fingerprint,
                "encoding": WAYS[held.maker.way],
                "splitter": held.maker.splitter,
                "noise": round(held.noise, 4),
                "reader": None if self._reader is None else self._reader.model.name,
                "reranker": None if self._reranker is None else self._reranker.model.name,
                "roots": [str(root.path) for root in self._serving.library.roots()],
                "folders": [
                    self._folder(root, looks.get(root.id), is_known=found is not None)
                    for root in self._serving.library.roots()
                ],
                "coverage": asdict(coverage.told(problems, found)),
                "following": None if self.following is None else self.following(),
                "problems": [asdict(problem) for problem in problems],
            }

    def _folder(self, root: Root, look: Look | None, *, is_known: bool) -> dict[str, Any]:
        """What is indexed of a root, and what is left out there now, if that is known, JSON-ready."""
        return {
            "path": str(root.path),
            "there": look is not None if is_known else None,
            **asdict(self._serving.library.notes.rules(root.id)),
            "left_out": [asdict(each) for each in (look.listing.left_out if look else ())],
        }

    def _read(
        self, held: Snapshot, question: str, starts: NDArray[np.int64], ranked: ranking.Ranked
    ) -> tuple[ranking.Ranked, dict[int, tuple[Span | None, ...]], ReadBy | None]:
        """The passages as the reader has them, where there is one; the words that it takes for the answer in each
        sentence of those candidates that it read; and what it read."""
        if self._reader is None:
            return ranked, {}, None
        wanted = ranked.to_read.tolist()
        counts = np.diff(ranked.candidates.first)
        excerpts = [self._excerpt(held, int(starts[i]), int(counts[i])) for i in wanted]
        found = self._reader.read(question, excerpts, self.settings.budget_ms)
        words = {
            candidate: tuple(
                None if part is None else Span(part.start - sentence.start, part.end - sentence.start)
                for part, sentence in zip(reading.words, excerpt.sentences, strict=True)
            )
            for candidate, reading, excerpt in zip(wanted, found, excerpts, strict=False)
        }
        name = self._reader.model.name
        return ranking.read(ranked, [reading.odds for reading in found], name), words, ReadBy(name, len(found))

    def _excerpt(self, held: Snapshot, start: int, count: int) -> Excerpt:
        """What the reader is shown of `count` sentences of the index from `start` on, which stand together."""
        document = self._serving.document(held, held.sources[held.document_of(start)])
        spans = held.spans[start : start + count].tolist()
        first, last = spans[0][0], spans[-1][1]
        blocks = [locating.block(document, begin) or document.blocks[0] for begin, _ in spans]
        sentences = tuple(Span(begin - first, end - first) for begin, end in spans)
        rows = tuple(position for position, block in enumerate(blocks) if block.kind == "row")
        return Excerpt(context(document, blocks[0]), document.text[first:last], sentences, rows)

    def _reranked(
        self, held: Snapshot, question: str, starts: NDArray[np.int64], ranked: ranking.Ranked
    ) -> tuple[ranking.Ranked, ReadBy | None]:
        """The passages in the order of the reranker, where there is one, and what it read."""
        if self._reranker is None:
            return ranked, None
        name = self._reranker.model.name
        counts = np.diff(ranked.candidates.first)
        texts = [self._text(held, int(starts[i]), int(counts[i])) for i in ranked.order]
        scores = self._reranker.scores(question, texts, self.settings.reranker_ms)
        return ranking.rerank(ranked, scores, name), ReadBy(name, len(scores))

    def _text(self, held: Snapshot, start: int, count: int) -> str:
        """The text of `count` sentences of the index from `start` on, which stand together."""
        text = self._serving.document(held, held.sources[held.document_of(start)]).text
        return text[int(held.spans[start, 0]) : int(held.spans[start + count - 1, 1])]

    def _hit(
        self,
        held: Snapshot,
        start: int,
        candidate: int,
        ranked: ranking.Ranked,
        words: tuple[Span | None, ...] | None,
        folded: frozenset[int],
        allowed: NDArray[np.bool_] | None,
    ) -> answers.Hit:
        at, end = int(ranked.candidates.first[candidate]), int(ranked.candidates.first[candidate + 1])
        source = held.sources[held.document_of(start)]
        rows = held.spans[start : start + end - at]
        return answers.Hit(
            source=source,
            document=self._serving.document(held, source),
            sentences=tuple(Span(int(start), int(stop)) for start, stop in rows),
            scores=tuple(ranked.sentence[at:end].tolist()),
            parts=lambda position: ranked.sentence_parts(candidate, at + position),
            run_parts=lambda first, last: ranked.passage_parts(candidate, slice(at + first, at + last + 1)),
            places=lambda position: self._places(held, start + position, allowed),
            standing_for=frozenset(
                position
                for position, group in enumerate(held.sentence_group[start : start + end - at].tolist())
                if group in folded
            ),
            words=words,
        )

    def _places(self, held: Snapshot, row: int, allowed: NDArray[np.bool_] | None) -> tuple[Place, ...]:
        """Where else a sentence stands, in documents that the filter lets through, by path and position."""
        equal = np.flatnonzero(held.sentence_group == held.sentence_group[row])
        found: list[Place] = []
        for other in equal[equal != row].tolist():
            number = held.document_of(other)
            if allowed is not None and not allowed[number]:
                continue
            source, (start, end) = held.sources[number], held.spans[other].tolist()
            stale = self._serving.stale(source)
            if len(found) < PLACES_LOOKED_UP:
                found.append(
                    answers.place_of(source, self._serving.document(held, source), Span(start, end), stale=stale)
                )
            else:
                found.append(Place(source, start, end, answers.label(source, Locator()), stale=stale))
        return tuple(found)


WAYS = {
    "tokens": "each sentence as the mean of its token vectors, read inside its passage",
    "sentences": "each sentence by itself after its title and headings, pooled as the model does",
}


def _reader(settings: Settings, announce: Announce) -> Reader | None:
    """The reader that is in use, ready to read; none where it has no time to."""
    if not settings.reader or not settings.budget_ms:
        return None
    model = readers.exported(settings.reader, settings.model_cache, fetch=settings.fetch_model, announce=announce)
    return Reader(model)


def _reranker(settings: Settings, announce: Announce) -> Reranker | None:
    """The reranker that was asked for, ready to read."""
    if not settings.reranker:
        return None
    model = crossencoders.exported(
        settings.reranker, settings.model_cache, fetch=settings.fetch_model, announce=announce
    )
    return Reranker(model)


def check_question(question: str) -> str:
    """The question without white space around it. Raises UsageError when it cannot be asked."""
    text = question.strip()
    if not text:
        raise UsageError("The question is empty.", "Type a question in plain words.")
    if len(text) > MAX_QUESTION_CHARS:
        raise UsageError(
            f"The question has {len(text):,} characters; at most {MAX_QUESTION_CHARS:,} can be asked.", "Shorten it."
        )
    if "\0" in text or _SURROGATE.search(text):
        raise UsageError("The question holds characters that are no text (NUL or half a pair).", "Type it anew.")
    if not any(character.isalnum() for character in text):
        raise UsageError("The question holds no words.", "Type a question in plain words.")
    return text


def _evidence(ranked: ranking.Ranked, level: float) -> tuple[Part, ...]:
    """What confidence is drawn from; empty without candidates."""
    if not len(ranked.order):
        return ()
    return confidence.evidence(ranked.matched, ranked.lead, level, odds=ranked.odds, verbatim=ranked.verbatim)


def _explained(answer: Answer, text: str, held: Snapshot, rows: dict[tuple[str, int], int]) -> Answer:
    """The answer with the lexical parts of its passages' scores told word by word. `text` is what was searched; `rows`
    are the sentences of the index by their document and start."""
    around = [rows[passage.source.id, passage.start] for passage in answer.passages]
    passages = np.searchsorted(held.first, around, side="right") - 1
    words = _words(held.passage_words, text, passages.astype(np.int64))
    return replace(
        answer,
        passages=tuple(
            replace(p, parts=words.split(p.parts, at, ranking.LEXICAL_WEIGHT, "passages"))
            for at, p in enumerate(answer.passages)
        ),
    )


def _words(words: Lexicon, question: str, numbers: NDArray[np.int64]) -> explaining.Words:
    """What each word of the question adds to the BM25 of the texts numbered."""
    terms, typed = words.terms(question), words.typed(question)
    shares = words.alone(terms, numbers) / (words.full(terms) or 1.0)
    return explaining.Words(
        tuple((typed.get(term.text, term.text), term.frequency) for term in terms), shares, len(words)
    )
