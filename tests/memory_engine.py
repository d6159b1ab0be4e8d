"""A small engine that holds its documents in memory and ranks by shared words: what `qa.web.SupportsAsk` asks for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qa.engine import check_question
from qa.errors import UsageError
from qa.filtering import refusals
from qa.records import (
    Answer,
    Block,
    Citation,
    Document,
    Filter,
    IndexState,
    Locator,
    Part,
    Segment,
    ShownPassage,
    Source,
    Span,
)

EVERYTHING = Filter()
MARKUP = """<script>alert("x")</script> {{7*7}} {% raw %} 'quoted' &amp; \u202etxt.exe 🦀"""


def composed(parts: list[tuple[str, str, Locator]], title: str, media_type: str) -> Document:
    """A document of (kind, text, locator), a blank line between any two."""
    text = ""
    blocks = []
    for kind, words, locator in parts:
        text += "\n\n" if text else ""
        blocks.append(Block(kind, len(text), len(text) + len(words), locator))
        text += words
    return Document(text, title, media_type, tuple(blocks))


def hostile_engine(root: Path) -> MemoryEngine:
    """Three documents whose text, titles, headings and file names try to be markup. One claim of each can be asked:
    what the harbour cost, who keeps the lighthouse, when the bridge opened."""
    upper = Locator((MARKUP,), page=2, label="<b>ii</b>")
    lower = Locator((MARKUP, "Second </h2>"), page=3, label="iii")
    documents = {
        "plans/harbour & <i>'quay'</i>.pdf": composed(
            [
                ("title", MARKUP, Locator(page=2, label="<b>ii</b>")),
                ("heading", "Second </h2>", upper),
                ("paragraph", f"Before it. The harbour cost nine million {MARKUP} crowns. After it 😀.", lower),
                ("code", "\n<pre>harbour</pre>\n", lower),
            ],
            MARKUP,
            "application/pdf",
        ),
        "a <b>&'\" {{7*7}} 🦀\nline.html": composed(
            [
                ("paragraph", "A keeper\0 named O'Hara & Sons keeps the <b>lighthouse</b>.", Locator(line=4)),
                ("item", "مفتاح البرج lighthouse عند الحارس.", Locator(line=5)),
                ("row", "lighthouse | </td><script>1</script>", Locator(line=6)),
                ("row", "keeper | javascript:alert(1)", Locator(line=7)),
            ],
            "",
            "text/html",
        ),
        "bridge.docx": composed(
            [("paragraph", f"The bridge number {n} opened in {1900 + n}.", Locator()) for n in range(40)],
            "Bridges",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
    }
    for path in documents:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"%PDF-1.7 <script>harbour</script>" + path.encode())
    return MemoryEngine(root, documents)


class MemoryEngine:
    """Over documents by their path below `root`; the files there are read once, for their hash."""

    def __init__(self, root: Path, documents: Mapping[str, Document]) -> None:
        self.root = root
        self.documents: dict[str, tuple[Source, Document]] = {}
        for path, document in documents.items():
            body = (root / path).read_bytes()
            name = "d_" + hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            modified_ns = (root / path).stat().st_mtime_ns
            self.documents[name] = (
                Source(name, path, document.title, document.media_type, _sha256(body), len(body), modified_ns),
                document,
            )

    def ask(
        self,
        question: str,
        *,
        limit: int = 10,
        offset: int = 0,
        filter: Filter = EVERYTHING,
        explain: bool = False,
        as_typed: bool = False,
    ) -> Answer:
        question = check_question(question)
        words = _words(question)
        scored, searched = [], 0
        for source, document in self.documents.values():
            if refusals(source, filter):
                continue
            searched += 1
            for block in document.blocks:
                sentences = _sentences(document.text, block.start, block.end)
                scores = [len(words & _words(document.text[s.start : s.end])) / max(1, len(words)) for s in sentences]
                if scores and max(scores) > 0:
                    best = scores.index(max(scores))
                    scored.append((-scores[best], source.id, block, sentences[best]))
        scored.sort(key=lambda each: (each[0], each[1], each[2].start))
        citations, passages = [], []
        for place, (negative, source_id, block, sentence) in enumerate(scored[offset : offset + limit], 1):
            source, document = self.documents[source_id]
            text, score = document.text, -negative
            label = f"{source.path}, p. {block.locator.page}" if block.locator.page else source.path
            parts = (Part("words shared", score, f"of {len(words)}"),) if explain else ()
            stale, prefix, suffix = self.stale(source_id), text[: sentence.start][-32:], text[sentence.end :][:32]
            citations.append(
                Citation(
                    place,
                    text[sentence.start : sentence.end],
                    sentence.start,
                    sentence.end,
                    score,
                    source,
                    block.locator,
                    label,
                    prefix,
                    suffix,
                    stale,
                    parts,
                )
            )
            cut = (
                Segment(text[block.start : sentence.start]),
                Segment(text[sentence.start : sentence.end], place),
                Segment(text[sentence.end : block.end]),
            )
            segments = tuple(segment for segment in cut if segment.text)
            passages.append(
                ShownPassage(
                    offset + place, score, source, block.locator, label, block.start, block.end, segments, parts
                )
            )
        best_score = -scored[0][0] if scored else 0.0
        state = IndexState(4, len(self.documents), self.status()["sentences"], "shared words", searched)
        return Answer(
            question,
            best_score >= 0.5,
            best_score,
            tuple(citations),
            tuple(passages),
            len(scored),
            limit,
            offset,
            0.25,
            state,
        )

    def document(self, document_id: str) -> tuple[Source, Document]:
        if document_id not in self.documents:
            raise UsageError(f"There is no document {document_id!r}.", "Search again.")
        return self.documents[document_id]

    def sentences(self, document_id: str) -> list[Span]:
        _, document = self.document(document_id)
        return [span for block in document.blocks for span in _sentences(document.text, block.start, block.end)]

    def same_file(self, version: str) -> str | None:
        return next((name for name, (source, _) in self.documents.items() if source.sha256.startswith(version)), None)

    def original(self, document_id: str) -> Path | None:
        path = self.root / self.document(document_id)[0].path
        return path if path.is_file() else None

    def stale(self, document_id: str) -> str:
        path = self.original(document_id)
        if path is None:
            return "missing"
        return "" if _sha256(path.read_bytes()) == self.document(document_id)[0].sha256 else "changed"

    def status(self) -> dict[str, Any]:
        sentences = sum(
            len(_sentences(document.text, block.start, block.end))
            for _, document in self.documents.values()
            for block in document.blocks
        )
        return {
            "index": "in memory",
            "commit": 4,
            "documents": len(self.documents),
            "passages": sum(len(document.blocks) for _, document in self.documents.values()),
            "sentences": sentences,
            "behind": 0,
            "model": "shared words",
            "splitter": "full stops",
            "noise": 0.2,
            "roots": [str(self.root)],
            "problems": [],
        }

    def ready(self) -> bool:
        return True


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _sentences(text: str, start: int, end: int) -> list[Span]:
    found = re.finditer(r"\S.*?(?:[.!?]+(?=\s)|\s*\Z)", text[start:end], re.S)
    return [Span(match.start() + start, match.end() + start) for match in found]
