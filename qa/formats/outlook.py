"""Messages as Outlook saves them: read like any other mail."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from qa.errors import UnreadableFile
from qa.formats.composing import one_line
from qa.formats.letters import Attachment, Letter, document_of, place_of
from qa.formats.limits import Limits
from qa.records import Document

if TYPE_CHECKING:
    from oxmsg import Message
    from oxmsg.attachment import Attachment as Enclosure

MEDIA_TYPE = "application/vnd.ms-outlook"

_RICH_BODY, _SHORT_NAME, _SHOWN_TO, _SHOWN_CC = 0x1009, 0x3704, 0x0E04, 0x0E03
_IN_RICH_TEXT = "The text of the message is kept as Rich Text only; it was not read."


def read(data: bytes, limits: Limits) -> Document:
    """A single message, whose subject is the title; attachments through the readers of their formats."""
    from oxmsg import Message

    message = Message.load(data)
    properties = message.properties
    subject = message.subject
    sender = message.sender or ""
    sent = message.sent_date
    name, date = place_of(sender, sent)
    fields = (
        ("From", re.sub(r'"', "", sender)),
        ("To", properties.str_prop_value(_SHOWN_TO) or ""),
        ("Cc", properties.str_prop_value(_SHOWN_CC) or ""),
        ("Date", sent.strftime("%Y-%m-%d %H:%M UTC") if sent else ""),
        ("Subject", subject),
    )
    if not (sender or subject or sent or message.body):
        raise UnreadableFile("is not a message: it names neither sender nor date nor subject", "Is it misnamed?")
    plain, markup = message.body or "", _markup(message)
    problems = []
    if not plain.strip() and not markup.strip() and properties.binary_prop_value(_RICH_BODY):
        problems.append(_IN_RICH_TEXT)
    attachments = []
    for number, enclosure in enumerate(message.attachments, 1):
        name_of_file, content = _enclosed(enclosure)
        if content is None:
            problems.append(f"Attachment {name_of_file or number} was not read: it is a message or object of its own.")
        else:
            attachments.append(Attachment(name_of_file, content))
    letter = Letter(
        sender=name,
        date=date,
        subject=subject,
        fields=tuple((field, one_line(value)) for field, value in fields if value.strip()),
        plain=plain.rstrip("\0"),
        markup=markup,
        attachments=tuple(attachments),
        problems=tuple(problems),
    )
    return document_of([letter], MEDIA_TYPE, limits)


def _markup(message: Message) -> str:
    try:
        return message.html_body or ""
    except (LookupError, UnicodeDecodeError, struct.error):
        return ""  # in a character set that it names wrongly; the plain form is there in most messages


def _enclosed(enclosure: Enclosure) -> tuple[str, bytes | None]:
    """The name and content of an attachment; None for what is no file."""
    name = enclosure.file_name or enclosure.properties.str_prop_value(_SHORT_NAME) or ""
    return name.rstrip("\0"), enclosure.file_bytes
