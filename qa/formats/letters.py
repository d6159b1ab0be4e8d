"""Letters put into a document: each with sender, date and subject, its text, and the attachments that can be read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parseaddr

from qa.errors import UnreadableFile
from qa.formats import html, text
from qa.formats.composing import Composition, marker_in, one_line
from qa.formats.limits import Limits
from qa.records import Block, Document, Locator

_QUOTED = re.compile(r"(?:>[ ]?)+")
_MONTHS = (  # whatever the locale
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_MAX_ATTACHMENTS = 1_000
_UNNAMED = "without a name"
_UNREAD = "Attachment {name} was not read: it {reason}."


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as any format of mail holds it. `fields` are shown as they are, in order; `sender` and `date` make its
    place; `markup` is used where there is no `plain` text. `enclosed` are messages that were sent along."""

    sender: str
    date: str
    subject: str
    fields: tuple[tuple[str, str], ...]
    plain: str
    markup: str
    attachments: tuple[Attachment, ...] = ()
    enclosed: tuple[Letter, ...] = ()
    problems: tuple[str, ...] = ()


def document_of(letters: Iterable[Letter], media_type: str, limits: Limits, *, is_single: bool = True) -> Document:
    """The letters one after another, attachments behind the letter they came with, through the readers of their
    formats. A single one's subject is the title."""
    writing = _Writing(limits)
    subject = ""
    for letter in letters:
        subject = letter.subject
        writing.letter(letter, titled=is_single)
    if not writing.has_text:
        reason = f"holds no text: {writing.problems[0]}" if writing.problems else "holds no text"
        raise UnreadableFile(reason, "Save what is attached to it as files of their own.")
    return writing.composition.document(media_type, subject if is_single else "", writing.problems)


def place_of(sender: str, date: datetime | None) -> tuple[str, str]:
    """Sender and date in people's words: "Ada Lovelace", "3 March 2024"."""
    name, address = parseaddr(sender)
    words = f"{date.day} {_MONTHS[date.month - 1]} {date.year}" if date else ""
    return one_line(name or address or sender)[:80], words


class _Writing:
    """A document of mail being put together."""

    def __init__(self, limits: Limits) -> None:
        self.composition = Composition(limits)
        self.problems: list[str] = []
        self.has_text = False
        self._limits = limits
        self._attachments = 0

    def letter(self, letter: Letter, titled: bool, above: tuple[str, ...] = ()) -> None:
        """`titled`: the subject is the document's title and stands above everything anyway."""
        place = one_line(", ".join(filter(None, (letter.sender, letter.date)))) or "message"
        subject = one_line(letter.subject)
        headings = (*above, subject) if subject and not titled else above
        base = Locator(headings, place=place, kind="message")
        self.composition.add("title" if titled else "heading", letter.subject, replace(base, heading=above))
        self.composition.add("row", " | ".join(f"{name}: {value}" for name, value in letter.fields), base)
        for kind, words in _text_blocks(letter.plain, self._limits):
            self.has_text = True
            self.composition.add(kind, words, base)
        if letter.markup and not letter.plain.strip():
            self._adopt(html.read_markup(letter.markup, html.MEDIA_TYPE, self._limits), base)
        self.problems += letter.problems
        names = Counter[str]()
        for attachment in letter.attachments:
            name = one_line(attachment.name) or _UNNAMED
            names[name] += 1
            self._attachment(attachment, name if names[name] == 1 else f"{name} ({names[name]})", base)
        for enclosed in letter.enclosed:
            self.letter(enclosed, titled=False, above=headings)

    def _attachment(self, attachment: Attachment, name: str, base: Locator) -> None:
        """`name` is what it is called in places, another one for each of a letter's attachments."""
        from qa.formats import parse, type_of

        self._attachments += 1
        try:
            if self._attachments > _MAX_ATTACHMENTS:
                raise UnreadableFile(f"is one of more than {_MAX_ATTACHMENTS:,}", "Save it as a file of its own.")
            if not attachment.data:
                raise UnreadableFile("is empty", "Ask for it again.")
            kind = type_of(one_line(attachment.name), attachment.data, self._limits)
            found = parse(attachment.data, kind, self._limits)
        except UnreadableFile as error:
            self.problems.append(_UNREAD.format(name=name, reason=error.what))
            return
        self.problems += (f"{name}: {problem}" for problem in found.problems)
        heading = (*base.heading, name, *([found.title] if found.title and found.title != name else []))
        self._adopt(found, Locator(heading, place=f"{base.place}, {name}", kind="message"))

    def _adopt(self, found: Document, base: Locator) -> None:
        """Takes over the blocks of a document that was read by itself."""
        before: Block | None = None
        for block in found.blocks:
            self.has_text = True
            at = block.locator
            inner = at.place or (f"p. {at.label or at.page}" if at.page is not None else "")
            locator = Locator(
                (*base.heading, *at.heading),
                place=", ".join(filter(None, (base.place, inner))),
                kind=at.kind or base.kind,
            )
            near = before is not None and "\n\n" not in found.text[before.end : block.start]
            kind = "heading" if block.kind == "title" else block.kind
            words, between = found.text[block.start : block.end], found.text[before.end if before else 0 : block.start]
            marker = marker_in(between) if kind == "item" else ""
            self.composition.add(kind, words, locator, "\n" if near else "\n\n", marker)
            before = block


def _text_blocks(plain: str, limits: Limits) -> Iterator[tuple[str, str]]:
    """The blocks of a message's text. What it quotes, line by line behind ">", is a quote, without those signs."""
    run: list[str] = []
    quoted = False
    for line in [*plain.splitlines(), None]:
        sign = _QUOTED.match(line) if line is not None else None
        if run and (line is None or bool(sign) != quoted):
            document = text.read("\n".join(run).encode("utf-8", "replace"), limits)
            for block in document.blocks:
                kind = "quote" if quoted else "paragraph" if block.kind in ("title", "heading") else block.kind
                yield kind, document.text[block.start : block.end]
            run = []
        quoted = bool(sign)
        if line is not None:
            run.append(line[sign.end() :] if sign else line)
