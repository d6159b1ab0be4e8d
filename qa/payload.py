"""Answers and documents as JSON-ready dicts: one shape, printed by the command line and sent by the web server.

Offsets stay here: the dicts carry text in marked segments, so that no client has to slice by code points.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from qa.errors import UsageError
from qa.permalinks import Other, address, digest, permalink
from qa.records import (
    Answer,
    Citation,
    Document,
    Filter,
    Inspection,
    Locator,
    Notice,
    Part,
    Place,
    Segment,
    ShownPassage,
    Source,
)

MAX_QUESTION_CHARS = 2000
MAX_LIMIT = 50
DEFAULT_LIMIT = 10
MAX_OFFSET = 10_000
MAX_FILTER_CHARS = 200

NO_FILTER = Filter()

_MARK_CHARS = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The library keeps times as signed 64-bit nanoseconds, which end in April 2262.
_LAST_YEAR = 2261
_SURROGATE = re.compile("[\ud800-\udfff]")


def answer_to_json(
    answer: Answer, *, explain: bool = False, filter: Filter = NO_FILTER, as_typed: bool = False
) -> dict[str, Any]:
    """The answer as the JSON endpoint and `ask --json` give it.

    `explain` adds the parts of every score and what confidence is drawn from; `filter` and `as_typed` are what the
    question was asked with and serve to build `next`. `answer` is null when the documents do not say, and on later
    pages (`offset` > 0), whose first citation is merely the best of that page. All strings are free of lone
    surrogates: each becomes U+FFFD, one for one.
    """
    after = answer.offset + answer.limit
    more = after < answer.total and after <= MAX_OFFSET
    body = {
        "query": answer.query,
        "answered": answer.answered,
        "confidence": answer.confidence,
        "answer": (
            {
                "text": answer.citations[0].text,
                "citation": answer.citations[0].number,
                "citations": list(answer.together),
            }
            if has_answer(answer)
            else None
        ),
        "notices": [_notice(notice) for notice in answer.notices],
        "citations": [_citation(citation, answer, explain) for citation in answer.citations],
        "passages": [_passage(passage, answer, explain) for passage in answer.passages],
        "total": answer.total,
        "limit": answer.limit,
        "offset": answer.offset,
        "next": (
            query_link("/api/v1/query", answer.query, answer.limit, after, filter, explain=explain, as_typed=as_typed)
            if more
            else None
        ),
        "took_ms": round(answer.took_ms, 1),
        "index": {
            "commit": answer.index.commit,
            "documents": answer.index.documents,
            "sentences": answer.index.sentences,
            "searched": answer.index.searched,
            "coverage": asdict(answer.index.coverage),
        },
        "model": answer.index.model,
        "reader": None if answer.reader is None else asdict(answer.reader),
        "reranker": None if answer.reranking is None else asdict(answer.reranking),
    }
    if explain:
        body["evidence"] = [_part(part) for part in answer.evidence]
    whole: dict[str, Any] = well_formed(body)
    return whole


def document_to_json(source: Source, document: Document, stale: str) -> dict[str, Any]:
    """What is known of one document, without its text. `stale` is "", "changed" or "missing"."""
    body = {
        **_source(source),
        "size": source.size,
        "modified": _iso(source.modified_ns),
        "characters": len(document.text),
        "blocks": len(document.blocks),
        "problems": list(document.problems),
        "stale": stale or False,
        "links": {
            "view": f"/doc/{quote(source.id, safe='')}",
            "original": original_link(source),
            "text": f"/api/v1/documents/{quote(source.id, safe='')}/text",
        },
    }
    whole: dict[str, Any] = well_formed(body)
    return whole


def inspection_to_json(inspection: Inspection) -> dict[str, Any]:
    """How a file was read, as `qa inspect --json` prints it. Sentences are numbered from 1 through the document."""
    document, text = inspection.document, inspection.document.text
    numbers = {span: number for number, span in enumerate((s for spans in inspection.sentences for s in spans), 1)}
    body = {
        **{name: value for name, value in _source(inspection.source).items() if name != "id"},
        "size": inspection.source.size,
        "characters": len(text),
        "encoding": document.encoding or None,
        "problems": list(document.problems),
        "left_out": list(inspection.left_out),
        "model": inspection.model,
        "window": inspection.window,
        "blocks": [
            {
                "kind": block.kind,
                "start": block.start,
                "end": block.end,
                "locator": _locator(block.locator),
                "label": label,
                "mark": mark,
                "sentences": [
                    {"number": numbers[span], "start": span.start, "end": span.end, "text": text[span.start : span.end]}
                    for span in spans
                ],
            }
            for block, label, mark, spans in zip(
                document.blocks, inspection.labels, _marks(document), inspection.sentences, strict=True
            )
        ],
        "passages": [
            {
                "start": passage.start,
                "end": passage.end,
                "context": passage.context,
                "tokens": {"context": of_context, "text": of_text},
                "sentences": [numbers[span] for span in passage.sentences],
            }
            for passage, (of_context, of_text) in zip(inspection.passages, inspection.tokens, strict=True)
        ],
    }
    whole: dict[str, Any] = well_formed(body)
    return whole


def has_answer(answer: Answer) -> bool:
    """Whether the first citation is the answer to the question."""
    return answer.answered and answer.offset == 0 and bool(answer.citations)


def confidence_in_words(confidence: float) -> str:
    """A word for people beside the number."""
    for least, word in ((0.9, "very high"), (0.7, "high"), (0.5, "moderate")):
        if confidence >= least:
            return word
    return "low"


def view_link(answer: Answer, shown: Citation | Place | ShownPassage) -> str:
    """Where the document opens at what an answer shows, as a relative URL that lasts. With a citation, the others of
    the same document are marked, too."""
    source = shown.source
    if isinstance(shown, ShownPassage):
        text = "".join(segment.text for segment in shown.segments)
        return address(source.id, permalink(source, shown.start, shown.end, text), answer.query)
    wording = shown.text, shown.prefix, shown.suffix
    if isinstance(shown, Place):
        return address(source.id, permalink(source, shown.start, shown.end, *wording), answer.query)
    others = (
        Other(other.number, other.start, other.end, digest(other.text))
        for other in answer.citations
        if other.source.id == source.id and other.number != shown.number
    )
    link = permalink(source, shown.start, shown.end, *wording, shown.number, others)
    return address(source.id, link, answer.query)


def original_link(source: Source, page: int | None = None) -> str:
    """Where the file itself is, as a relative URL; for a PDF at its page, counted from 1."""
    place = f"#page={page}" if page is not None and source.media_type == "application/pdf" else ""
    return f"/doc/{quote(source.id, safe='')}/original{place}"


def query_link(
    path: str,
    query: str,
    limit: int,
    offset: int,
    filter: Filter = NO_FILTER,
    *,
    explain: bool = False,
    as_typed: bool = False,
) -> str:
    """The relative URL that asks `query` again at `path`, with whatever is not the default."""
    fields = {"q": well_formed(query)}
    if limit != DEFAULT_LIMIT:
        fields["limit"] = str(limit)
    if offset:
        fields["offset"] = str(offset)
    if filter.type:
        fields["type"] = well_formed(filter.type)
    if filter.path:
        fields["path"] = well_formed(filter.path)
    if filter.title:
        fields["title"] = well_formed(filter.title)
    if filter.after_ns is not None:
        fields["after"] = _iso(filter.after_ns) or ""
    if filter.before_ns is not None:
        fields["before"] = _iso(filter.before_ns) or ""
    if explain:
        fields["explain"] = "true"
    if as_typed:
        fields["as_typed"] = "true"
    return f"{path}?{urlencode(fields, quote_via=quote)}"


def parse_filter(type: str = "", path: str = "", after: str = "", before: str = "", title: str = "") -> Filter:
    """The filter that these words ask for; empty words ask for nothing.

    `after` and `before` are ISO 8601 dates or times; without an offset they are in UTC, and a date is the midnight that
    it begins with: a file of that day is after it, and not before it. Raises UsageError for a date that is none, and
    for words that are too long or hold what no file name holds.
    """
    words = {"type": type, "path": path, "after": after, "before": before, "title": title}
    for name, value in words.items():
        if len(value) > MAX_FILTER_CHARS:
            raise UsageError(f"The filter {name!r} has {len(value)} characters.", f"Use at most {MAX_FILTER_CHARS}.")
        if "\0" in value or _SURROGATE.search(value):
            raise UsageError(f"The filter {name!r} holds a character that is no text.", "Leave that character out.")
    return Filter(
        type=type,
        path=path,
        after_ns=_moment_ns(after) if after else None,
        before_ns=_moment_ns(before) if before else None,
        title=title,
    )


def well_formed(value: Any) -> Any:
    """`value`, a JSON-ready thing, with U+FFFD for every lone surrogate, which no encoding can carry.

    File names hold them where their bytes are not UTF-8. Lengths stay as they are.
    """
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {well_formed(key): well_formed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [well_formed(each) for each in value]
    return value


def _citation(citation: Citation, answer: Answer, explain: bool) -> dict[str, Any]:
    source = citation.source
    body: dict[str, Any] = {
        "number": citation.number,
        "text": citation.text,
        "segments": [
            {"text": text, **({"answers": True} if place == 1 else {})}
            for place, text in enumerate(citation.marked)
            if text
        ],
        "start": citation.start,
        "end": citation.end,
        "score": citation.score,
        "document": _source(source),
        "locator": _locator(citation.locator),
        "label": citation.label,
        "selectors": [
            {
                "type": "TextQuoteSelector",
                "exact": citation.text,
                "prefix": citation.prefix,
                "suffix": citation.suffix,
            },
            {"type": "TextPositionSelector", "start": citation.start, "end": citation.end},
        ],
        "stale": citation.stale or False,
        "links": {
            "view": view_link(answer, citation),
            "original": original_link(source, citation.locator.page),
        },
        "also": [_place(place, answer) for place in citation.also],
    }
    if explain:
        body["parts"] = [_part(part) for part in citation.parts]
    return body


def _passage(passage: ShownPassage, answer: Answer, explain: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "rank": passage.rank,
        "score": passage.score,
        "document": passage.source.id,
        "start": passage.start,
        "end": passage.end,
        "segments": [_segment(segment) for segment in passage.segments],
        "label": passage.label,
        "also": [_place(place, answer) for place in passage.also],
    }
    if explain:
        body["parts"] = [_part(part) for part in passage.parts]
    return body


def _place(place: Place, answer: Answer) -> dict[str, Any]:
    return {
        "document": place.source.id,
        "path": place.source.path,
        "start": place.start,
        "end": place.end,
        "label": place.label,
        "same": place.same,
        "stale": place.stale or False,
        "links": {"view": view_link(answer, place)},
    }


def _segment(segment: Segment) -> dict[str, Any]:
    if segment.citation is None:
        return {"text": segment.text}
    return {"text": segment.text, "citation": segment.citation}


def _notice(notice: Notice) -> dict[str, Any]:
    return {
        "kind": notice.kind,
        "text": notice.text,
        "typed": notice.typed,
        "searched": notice.searched or None,
    }


def _part(part: Part) -> dict[str, Any]:
    return {"name": part.name, "value": part.value, "note": part.note}


def _source(source: Source) -> dict[str, Any]:
    return {
        "id": source.id,
        "path": source.path,
        "title": source.title,
        "media_type": source.media_type,
        "sha256": source.sha256,
    }


def _marks(document: Document) -> list[str]:
    """What stands before each block in its line, of those that are items of a list: bullet or number, and how deep."""
    edges = [0, *(block.end for block in document.blocks)]
    between = (document.text[end : block.start] for end, block in zip(edges, document.blocks, strict=False))
    return [
        text.rpartition("\n")[2][-_MARK_CHARS:] if block.kind == "item" else ""
        for text, block in zip(between, document.blocks, strict=True)
    ]


def _locator(locator: Locator) -> dict[str, Any]:
    if locator.place:
        kind = locator.kind
    elif locator.page is not None:
        kind = "page"
    elif locator.heading:
        kind = "heading"
    else:
        kind = "document" if locator.line is None else "line"
    return {
        "type": kind,
        "page": locator.page,
        "label": locator.label,
        "heading": list(locator.heading),
        "line": locator.line,
        "place": locator.place or None,
    }


def _moment_ns(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _EPOCH.replace(year=1)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if not _EPOCH.year <= moment.year <= _LAST_YEAR or moment < _EPOCH:
        raise UsageError(
            f"{text!r} is not a date from {_EPOCH.year} to {_LAST_YEAR}.", "Write the date as in 2017-03-31."
        )
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _iso(ns: int) -> str | None:
    """The time as ISO 8601 in UTC; None when no calendar date can say it (a broken modification time)."""
    try:
        moment = _EPOCH + timedelta(microseconds=ns // 1000)
    except OverflowError:
        return None
    return moment.isoformat().replace("+00:00", "Z")
