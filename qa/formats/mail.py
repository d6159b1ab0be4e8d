"""Mail as the internet carries it: single messages and mailboxes."""

from __future__ import annotations

import re
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime

from qa.errors import UnreadableFile
from qa.formats.composing import one_line
from qa.formats.decoding import decode
from qa.formats.letters import Attachment, Letter, document_of, place_of
from qa.formats.limits import Limits
from qa.records import Document

MEDIA_TYPE = "message/rfc822"
MAILBOX = "application/mbox"

# A line that begins a message in a mailbox, and the field that must follow, so that no sentence is taken for one.
_BETWEEN = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\n(?=[!-9;-~]{1,76}:)")
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_MAX_HEADER = 10_000
_MAX_NAMED = 12
_MAX_DEPTH = 10
_SEALED = ("application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted")


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
    return document_of(letters, MAILBOX, limits, is_single=False)


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
        words, problems, _ = decode(
            payload if isinstance(payload, bytes) else b"", str(part.get_param("charset") or "")
        )
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
