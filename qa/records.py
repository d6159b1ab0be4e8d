"""The nouns that pass between rooms: frozen, without behaviour beyond their own consistency.

Every `start` and `end` in this package counts Unicode code points of one text, `start` inclusive and `end`
exclusive, so that `text[start:end]` is the thing itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A run of code points `[start, end)` of one text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Locator:
    """Where a block stands, in the words a person would use.

    `page` counts from 1; `label` is the page's printed label ("iii") where the file has one; `heading` is the path
    of headings above the block, outermost first; `line` is the 1-based line of the source file where it begins.
    Where people name a place otherwise, `place` holds their words for it ("slide 3", "Costs!B7:D7") and `kind`, one of
    PLACE_KINDS, says what that is. A slide also has its number as `page`.
    """

    heading: tuple[str, ...] = ()
    page: int | None = None
    label: str | None = None
    line: int | None = None
    place: str = ""
    kind: str = ""


PLACE_KINDS = ("slide", "cells", "row", "record", "time", "message", "chapter", "cell", "lines", "scan")


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a block goes on at another place: from code point `start` of the document's text on it stands at
    `locator`."""

    start: int
    locator: Locator


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a document's text that no sentence crosses: a paragraph, a heading, a list item, a table row.

    `kind` is one of BLOCK_KINDS. Blocks of one document are in reading order and do not overlap; text between two
    blocks is white space or markup and is never answered from. `locator` is where it begins, `turns` are, in order,
    where it goes over to a further page.
    """

    kind: str
    start: int
    end: int
    locator: Locator = Locator()
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page as it is shown, upright and cropped: `left` and `right` as parts of its width, from its
    left edge, `top` and `bottom` of its height, from its upper edge."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class MarkedPage:
    """The boxes of a span on one page, in reading order, one for each run of a line; `number` counts from 1."""

    number: int
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a span of a document's text stands on its pages, in order; if that is not sure, no page, and in `doubt` the
    reason."""

    pages: tuple[MarkedPage, ...]
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A page as it looks: a PNG of `width` times `height` pixels; one of the file's `pages`."""

    width: int
    height: int
    pages: int
    png: bytes


BLOCK_KINDS = ("title", "heading", "paragraph", "item", "row", "code", "quote", "caption")


@dataclass(frozen=True, slots=True)
class Document:
    """A file as it was read: one canonical text, and the blocks that cut it up.

    `title` is what the document calls itself, empty when it does not say. `problems` are sentences for people about
    what could not be read ("2 of 5 pages are scans or pictures; not searched: pages 2, 4."), `left_out` about what was
    left out because nobody would cite it ("Running heads and page numbers: 24 lines."); a library keeps only the
    former. `encoding` says how bytes became text ("windows-1252 (declared)"), of a file that is nothing but text; a
    library does not keep it.
    """

    text: str
    title: str
    media_type: str
    blocks: tuple[Block, ...]
    problems: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of whole sentences that are read together.

    `context` is what is put in front when the passage is encoded (title and heading path); `locator` is that of the
    passage's first block. Sentences are in order and lie within [start, end).
    """

    start: int
    end: int
    sentences: tuple[Span, ...]
    context: str
    locator: Locator


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """A passage as the encoder read it.

    `vectors`: a unit row for each sentence, float32, shape (sentences, dimensions). `tokens`: how many tokens each
    sentence has, int64, shape (sentences,). `codes`: the signs of the token vectors in order, eight to a byte, shape
    (sum of tokens, dimensions / 8); empty for models whose token vectors mean nothing by themselves.
    """

    vectors: NDArray[np.float32]
    tokens: NDArray[np.int64]
    codes: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class QuestionEncoding:
    """A question as the encoder read it.

    `vector`: unit, float32, shape (dimensions,). `tokens`: unit rows of its token vectors, shape (tokens, dimensions),
    and `words` the word that each token is a piece of; both empty for models without token vectors.
    """

    vector: NDArray[np.float32]
    tokens: NDArray[np.float32]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it is searched.

    `text` are its words, for the encoder and BM25; `phrases` must occur in a passage, `excluded` must not, both as they
    were typed, without their quotes; `codes` and plain `numbers` are found among the words.
    """

    text: str
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """What whoever asked should know of how the question was searched, as a sentence.

    `kind` is "spelling" (the word `searched` was searched for `typed`), "phrase" (the quoted phrase `typed` occurs
    nowhere) or "excluded" (passages that hold `typed` were left out).
    """

    kind: str
    text: str
    typed: str
    searched: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A document as the library knows it.

    `id` is "d_" and 16 hexadecimal digits and depends on nothing but the document's place; `path` is relative to the
    folder that was indexed, with "/" between its parts; `sha256` is that of the file's bytes when it was read;
    `modified_ns` is the file's modification time then, in nanoseconds since 1970.
    """

    id: str
    path: str
    title: str
    media_type: str
    sha256: str
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that was not read, or not wholly: what, why, and what would mend it.

    `kind` is "unreadable" (of a supported type, but could not be read), "unsupported" (of another type), "partial"
    (read, but not all of it), or "forgotten" (not read, because it is not to come back).
    """

    path: str
    reason: str
    remedy: str = ""
    kind: str = "unreadable"


@dataclass(frozen=True, slots=True)
class Rules:
    """Which files below a folder are for indexing. `include` and `exclude` are patterns as in a .gitignore; without
    any of the former every file is. `hidden` is whether names that begin with a dot are."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many files and folders below a root one rule left out; what lies in such a folder is not counted. `rule` is
    in people's words: "hidden", ".gitignore: *.log", "--exclude drafts/**", "not in --include"."""

    rule: str
    files: int
    folders: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells without reading it that a file is what it was: its size, the times, in nanoseconds since 1970, when
    its content and when anything about it last changed, and its number in the file system. `settled` is whether it was
    read so long after those that a later change cannot have left them as they are."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int
    settled: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a passage; `citation` is the number of the citation that it is, or None for what stands around."""

    text: str
    citation: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One summand of a score: what it is called, what it contributes, and a note for people."""

    name: str
    value: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Another place where what is shown stands too: `[start, end)` of a document's text.

    `same` is whether the text there is equal but for white space and case, or else nearly so. `label` and `stale` are
    as in Citation, as are `text`, `prefix` and `suffix`, which are "" where the document was not looked up.
    """

    source: Source
    start: int
    end: int
    label: str
    same: bool = True
    stale: str = ""
    text: str = ""
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A sentence of a document, verbatim, with its place.

    `text == document.text[start:end]`. `prefix` and `suffix` are up to 32 code points before and after, for finding
    the sentence again after the file was edited. `stale` is "" while the file on disk is the one that was indexed,
    else "changed" or "missing". `also` are the other places where the sentence stands, by path and position.
    `answering` are the words of the text that answer, as a span of it; None where that cannot be told.
    """

    number: int
    text: str
    start: int
    end: int
    score: float
    source: Source
    locator: Locator
    label: str
    prefix: str
    suffix: str
    stale: str = ""
    parts: tuple[Part, ...] = ()
    also: tuple[Place, ...] = ()
    answering: Span | None = None

    @property
    def marked(self) -> tuple[str, str, str]:
        """The text in three: what stands before the words that answer, those, and what stands after; without such
        words, the text and twice nothing."""
        if self.answering is None:
            return (self.text, "", "")
        start, end = self.answering.start, self.answering.end
        return (self.text[:start], self.text[start:end], self.text[end:])


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """A passage of an answer: its text cut into segments, those that are cited numbered.

    `also` are the places that it stands for: those of its best sentence, then those of passages nearly the same.
    """

    rank: int
    score: float
    source: Source
    locator: Locator
    label: str
    start: int
    end: int
    segments: tuple[Segment, ...]
    parts: tuple[Part, ...] = ()
    also: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of the indexed folders an answer cannot come from, or only as it was.

    `failed`: files of a supported type that could not be read; `partly`: documents that were read in part, and
    `scanned_pages` how many pages of them are pictures without text. As it was at most some seconds ago, and None where
    that could not be told in time: `pending`, files that are not indexed yet; `changed`, documents whose file has
    another size or time than when it was read; `missing`, documents whose file is gone; `absent`, folders that are.
    """

    failed: int = 0
    partly: int = 0
    scanned_pages: int = 0
    pending: int | None = None
    changed: int | None = None
    missing: int | None = None
    absent: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class IndexState:
    """Which state of which index an answer comes from, how many of its documents the filter lets through, and what of
    the folders was not searched."""

    commit: int
    documents: int
    sentences: int
    model: str
    searched: int
    coverage: Coverage = Coverage()


@dataclass(frozen=True, slots=True)
class ReadBy:
    """By which model, a reader or a cross-encoder, passages were read together with the question, and how many of them,
    the best of those before it, it read within its time."""

    name: str
    read: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the documents say to a question, or that they do not.

    `citations` are best first, numbered from 1 in the order shown; `passages` are best first. `confidence` is in
    [0, 1] and follows from `evidence`. When `answered` is false the passages are merely the nearest. `total` counts
    the passages that could be paged through with `offset` and `limit`. `notices` say how the question was searched
    where that is not as it was typed. `reader` and `reranking` are None where no such model is in use. `together` are
    the numbers of the citations that make the answer, in the order of their document; empty where there is none, and
    on later pages.
    """

    query: str
    answered: bool
    confidence: float
    citations: tuple[Citation, ...]
    passages: tuple[ShownPassage, ...]
    total: int
    limit: int
    offset: int
    took_ms: float
    index: IndexState
    evidence: tuple[Part, ...] = ()
    reader: ReadBy | None = None
    reranking: ReadBy | None = None
    notices: tuple[Notice, ...] = ()
    together: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which documents may answer. An empty filter lets all through.

    `type` is a media type ("application/pdf") or a file ending ("pdf"); `path` a glob over `Source.path`, where `*`
    also matches "/"; `title` words that stand somewhere in the title, whatever their case, where `*` and `?` are as
    in a glob. `after_ns` and `before_ns` are times in nanoseconds since 1970: only files modified at or after the one
    and before the other, so that a month is from its first day to the first of the next.
    """

    type: str = ""
    path: str = ""
    after_ns: int | None = None
    before_ns: int | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """An embedding model exported to graphs that onnxruntime runs. Made and checked by `models`, run by `encoder`.

    `fingerprint` stands for weights, tokenizer and way of encoding: vectors compare only where it is equal. `way` is
    "tokens" (a sentence's vector is the mean of its token vectors from the pass over its passage) or "sentences" (each
    sentence is encoded after its context, and the graph itself pools). `window` is the number of tokens in one pass,
    special tokens included. `question` and `passage` are the files of the two graphs.
    """

    name: str
    fingerprint: str
    way: str
    window: int
    dimensions: int
    question: Path
    passage: Path
    tokenizer: Path
    question_prompt: str = ""
    passage_prompt: str = ""


@dataclass(frozen=True, slots=True)
class CrossEncoder:
    """A model that reads a question and a passage together, exported to a graph that onnxruntime runs. Made and
    checked by `crossencoders`, run by `reranker`.

    `window` is the number of tokens in one pass, question, passage and special tokens; `labels`, 1 or 2, how many
    values a pair gets; `probabilities` whether they are to go through a
    sigmoid. `prompt` is put before every question. A
    pass of n tokens takes about `pass_ms + n * token_ms` on this machine with all its cores at work.
    """

    name: str
    fingerprint: str
    window: int
    labels: int
    probabilities: bool
    prompt: str
    pass_ms: float
    token_ms: float
    graph: Path
    tokenizer: Path


@dataclass(frozen=True, slots=True)
class ReaderModel:
    """A model that tells where in a passage an answer begins and ends, as a graph that onnxruntime runs. Found and
    checked by `readers`, run by `reader`.

    `window` is the number of tokens in one pass; `context` whether it is shown title and headings before the passage.
    """

    name: str
    fingerprint: str
    window: int
    context: bool
    graph: Path
    tokenizer: Path


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What a reader is shown of a passage: title and headings above it, its text, and the sentences as spans of that
    text, in order; `rows` are the positions of those that are rows of tables."""

    context: str
    text: str
    sentences: tuple[Span, ...]
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader made of an excerpt: for each sentence the log-odds that it answers against that nothing there
    does, and the words in it that answer best, as a span of the excerpt's text, None where nothing is likelier."""

    odds: tuple[float, ...]
    words: tuple[Span | None, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """How one file was read, from bytes to passages.

    `source.path` is the path as it was given, `source.id` empty. `labels[i]` says where `document.blocks[i]` stands and
    goes over to, `sentences[i]` are its spans. `tokens[i]` counts those of the context and of the text of
    `passages[i]`, of which `model` reads `window` at once. `left_out` says what is in no passage, and why.
    """

    source: Source
    document: Document
    labels: tuple[str, ...]
    sentences: tuple[tuple[Span, ...], ...]
    passages: tuple[Passage, ...]
    tokens: tuple[tuple[int, int], ...]
    model: str
    window: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What one run of indexing did. Counts of documents, but for `encoded` and `kept`, which count passages.
    `problems`: all files that cannot be read, and of those that this run read the ones that it read in part.
    `absent`: folders that are not there now, whose documents were left as they were. `pending`: files that were being
    written while they were read, for the next run. `left_out`: by which rules files were left out, all folders of the
    run together."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    encoded: int = 0
    kept: int = 0
    problems: tuple[Problem, ...] = field(default=())
    absent: tuple[Path, ...] = ()
    pending: int = 0
    left_out: tuple[LeftOut, ...] = ()
