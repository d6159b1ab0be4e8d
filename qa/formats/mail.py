"""Mail: each message with its sender, date and subject, its text, and the attachments that can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parseaddr, parsedate_to_datetime

from qa.errors import UnreadableFile
from qa.formats import html, text
from qa.formats.composing import Composition, one_line
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.records import Block, Document, Locator

MEDIA_TYPE = "message/rfc822"
MAILBOX = "application/mbox"

# A line that begins a message in a mailbox, and the field that must follow, so that no sentence is taken for one.
_BETWEEN = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\n(?=[!-9;-~]{1,76}:)")
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_QUOTED = re.compile(r"(?:>[ ]?)+")
_MONTHS = (  # whatever the locale
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_MAX_HEADER = 10_000
_MAX_NAMED = 12
_MAX_DEPTH = 10
_MAX_ATTACHMENTS = 1_000
_UNNAMED = "without a name"
_UNREAD = "Attachment {name} was not read: it {reason}."
_SEALED = ("application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted")


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


def read(data: bytes, limits: Limits) -> Document:
    """A single message, whose subject is the title."""
    letter = _letter(message_from_bytes(data), 0)
    if not (letter.sender or letter.subject or letter.date):
        raise UnreadableFile("is not a mail: it names neither sender nor date nor subject", "Is it misnamed?")
    return document_of([letter], MEDIA_TYPE, limits)


def read_mailbox(data: bytes, limits: Limits) -> Document:
    """All messages of a mailbox, in its order."""
    starts = list(_BETWEEN.finditer(data))
    if not starts:
        raise UnreadableFile("is not a mailbox: no message begins in it", "Is it misnamed?")
    ends = [*(start.start() for start in starts[1:]), len(data)]
    messages = (data[start.end() : end] for start, end in zip(starts, ends, strict=True))
    letters = (_letter(message_from_bytes(_ESCAPED.sub(rb"\1", message)), 0) for message in messages)
    return document_of(letters, MAILBOX, limits)


def document_of(letters: Iterator[Letter] | list[Letter], media_type: str, limits: Limits) -> Document:
    """The messages one after another, attachments behind the message they came with, through the readers of their
    formats. A single one's subject is the title."""
    writing = _Writing(limits)
    subject = ""
    for letter in letters:
        subject = letter.subject
        writing.letter(letter, titled=media_type != MAILBOX)
    if not writing.has_text:
        reason = f"holds no text: {writing.problems[0]}" if writing.problems else "holds no text"
        raise UnreadableFile(reason, "Save what is attached to it as files of their own.")
    return writing.composition.document(media_type, subject if media_type != MAILBOX else "", writing.problems)


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
        for attachment in letter.attachments:
            self._attachment(attachment, base)
        for enclosed in letter.enclosed:
            self.letter(enclosed, titled=False, above=headings)

    def _attachment(self, attachment: Attachment, base: Locator) -> None:
        from qa.formats import parse, type_of

        name = one_line(attachment.name) or _UNNAMED
        self._attachments += 1
        try:
            if self._attachments > _MAX_ATTACHMENTS:
                raise UnreadableFile(f"is one of more than {_MAX_ATTACHMENTS:,}", "Save it as a file of its own.")
            if not attachment.data:
                raise UnreadableFile("is empty", "Ask for it again.")
            found = parse(attachment.data, type_of(name, attachment.data), self._limits)
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
            self.composition.add(kind, found.text[block.start : block.end], locator, "\n" if near else "\n\n")
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


# --- messages as the internet carries them --------------------------------------------------------------------------


def _letter(message: Message, depth: int) -> Letter:
    """One message. Of the forms of its text the plain one is taken."""
    parts = _Parts()
    parts.take(message, depth)
    sender = _header(message, "from")
    name, date = place_of(sender, _date(message))
    subject = _header(message, "subject")
    fields = [
        ("From", _people(message, "from") or sender),
        ("To", _people(message, "to")),
        ("Cc", _people(message, "cc")),
        ("Date", _header(message, "date")),
        ("Subject", subject),
    ]
    return Letter(
        sender=name,
        date=date,
        subject=subject,
        fields=tuple((field, one_line(value)) for field, value in fields if value.strip()),
        plain="\n\n".join(parts.plain),
        markup="\n".join(parts.markup),
        attachments=tuple(parts.attachments),
        enclosed=tuple(parts.enclosed),
        problems=tuple(parts.problems),
    )


class _Parts:
    """What a message is made of."""

    def __init__(self) -> None:
        self.plain: list[str] = []
        self.markup: list[str] = []
        self.attachments: list[Attachment] = []
        self.enclosed: list[Letter] = []
        self.problems: list[str] = []

    def take(self, part: Message, depth: int) -> None:
        """The part and all below it."""
        kind = part.get_content_type()
        name = _name(part)
        if kind in _SEALED:
            self.problems.append("A message is encrypted; its text was not read.")
        elif kind == "message/rfc822" and isinstance(inner := part.get_payload(), list) and inner:
            if depth < _MAX_DEPTH and isinstance(inner[0], Message):
                self.enclosed.append(_letter(inner[0], depth + 1))
            else:
                self.problems.append("Messages within messages were not read beyond the tenth.")
        elif isinstance(children := part.get_payload(), list):
            held = [child for child in children if isinstance(child, Message)]
            if kind == "multipart/alternative":
                plain = (child for child in held if child.get_content_type() == "text/plain")
                texts = [child for child in plain if _text(child)[0].strip()]
                held = texts[:1] or held
            for child in held:
                self.take(child, depth)
        elif part.get_content_disposition() == "attachment" or not kind.startswith("text/"):
            self._attach(part, kind, name)
        elif kind == "text/html":
            self._text(part, self.markup)
        elif kind == "text/plain":
            self._text(part, self.plain)
        else:
            self._attach(part, kind, name)

    def _attach(self, part: Message, kind: str, name: str) -> None:
        is_picture = kind.startswith("image/") and (part.get_content_disposition() == "inline" or part["content-id"])
        if is_picture or kind in ("application/pgp-signature", "application/pkcs7-signature"):
            return  # belongs to the look of the message, or proves it
        payload = part.get_payload(decode=True)
        self.attachments.append(Attachment(name, payload if isinstance(payload, bytes) else b""))

    def _text(self, part: Message, into: list[str]) -> None:
        words, problems = _text(part)
        into.append(words)
        self.problems += problems


def _text(part: Message) -> tuple[str, tuple[str, ...]]:
    payload = part.get_payload(decode=True)
    try:
        words, problems = decode(payload if isinstance(payload, bytes) else b"", str(part.get_param("charset") or ""))
    except UnreadableFile as error:
        return "", (f"A part of a message was not read: it {error.what}.",)
    return words.removeprefix("\ufeff"), problems


def _name(part: Message) -> str:
    try:
        return _decoded(part.get_filename() or "")
    except (LookupError, ValueError, TypeError):
        return ""


def _header(message: Message, name: str) -> str:
    return one_line(_decoded(str(message.get(name, ""))[:_MAX_HEADER]))


def _decoded(value: str) -> str:
    """A header's words, whatever they are encoded as."""
    try:
        pieces = decode_header(value)
    except (MessageError, ValueError):
        return value
    words = []
    for piece, charset in pieces:
        if isinstance(piece, str):
            words.append(piece)
            continue
        try:
            words.append(decode(piece, charset or "")[0])
        except UnreadableFile:
            words.append(piece.decode("latin-1"))
    return "".join(words)


def _people(message: Message, name: str) -> str:
    """The names and addresses of a header."""
    given = [str(value)[:_MAX_HEADER] for value in message.get_all(name, [])]
    found = [(one_line(_decoded(who)), address) for who, address in getaddresses(given) if who or address]
    shown = [f"{who} <{address}>" if who and address else who or address for who, address in found[:_MAX_NAMED]]
    more = len(found) - _MAX_NAMED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _date(message: Message) -> datetime | None:
    try:
        return parsedate_to_datetime(str(message.get("date", ""))[:200])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
