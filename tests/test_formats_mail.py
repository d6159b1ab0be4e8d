"""Mail: each sentence with the sender and date of its message, attachments through their own readers."""

from __future__ import annotations

import io
import mailbox
from email.message import EmailMessage
from pathlib import Path

import openpyxl
import pytest
from formats_laws import assert_outlives_mutants, block_of, blocks, place_of, quotes, read, read_or_reason
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.errors import UnreadableFile
from qa.formats import Limits, parse
from qa.formats.mail import MAILBOX, MEDIA_TYPE
from qa.passages import pack
from qa.sentences import split

_FIELDS = "From: Ada Byron <ada@example.org> | To: Bob <bob@example.org>"


def _message(subject: str = "Crane", text: str = "The crane arrives on Monday.\n\nSincerely, Ada") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ada Byron <ada@example.org>"
    message["To"] = "Bob <bob@example.org>"
    message["Date"] = "Mon, 04 Mar 2024 09:05:00 +0100"
    message["Subject"] = subject
    message.set_content(text)
    return message


def test_a_message_is_cited_by_sender_and_date() -> None:
    document = read(_message().as_bytes(), MEDIA_TYPE)
    assert document.title == "Crane"
    assert blocks(document) == [
        ("title", "Crane"),
        ("row", f"{_FIELDS} | Date: Mon, 04 Mar 2024 09:05:00 +0100 | Subject: Crane"),
        ("paragraph", "The crane arrives on Monday."),
        ("paragraph", "Sincerely, Ada"),
    ]
    assert place_of(document, "arrives", "a.eml") == "a.eml, Ada Byron, 4 March 2024"


def test_the_plain_form_is_preferred_and_markup_read_where_there_is_none() -> None:
    both = _message(text="Plain words.")
    both.add_alternative("<p>Marked <b>words</b>.</p>", subtype="html")
    assert quotes(read(both.as_bytes(), MEDIA_TYPE), "paragraph") == ["Plain words."]
    marked = _message()
    marked.set_content("<div style='display:none'>Preview</div><p>Marked <b>words</b>.</p>", subtype="html")
    assert quotes(read(marked.as_bytes(), MEDIA_TYPE), "paragraph") == ["Marked words."]
    empty = _message(text="\n")
    empty.add_alternative("<p>Marked <b>words</b>.</p>", subtype="html")
    assert quotes(read(empty.as_bytes(), MEDIA_TYPE), "paragraph") == ["Marked words."]


def test_what_is_quoted_is_a_quote_without_its_signs() -> None:
    text = "Yes, it does.\n\n> Does it arrive\n> on Monday?\n> > And when?\n\nRegards"
    document = read(_message(text=text).as_bytes(), MEDIA_TYPE)
    assert blocks(document)[2:] == [
        ("paragraph", "Yes, it does."),
        ("quote", "Does it arrive\non Monday?\nAnd when?"),
        ("paragraph", "Regards"),
    ]


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "koi8-r", "iso-2022-jp"])
def test_headers_and_text_are_decoded(charset: str) -> None:
    words = {"koi8-r": "Привет, порт", "iso-2022-jp": "港の予定です"}.get(charset, "Grüße aus Köln")
    message = EmailMessage()
    message["From"] = "=?utf-8?q?J=C3=B6rg?= <j@example.org>"
    message["Subject"] = "x"
    message.set_content(words, charset=charset)
    message.replace_header("Subject", words)
    document = read(message.as_bytes(), MEDIA_TYPE)
    assert document.title == words
    assert quotes(document, "paragraph") == [words]
    assert block_of(document, "Subject: ").locator.place == "Jörg"


def _sheet() -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "Costs"
    for row in (["Item", "Spent", "Year"], ["Dredging", 412, "x"]):
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_attachments_are_read_with_their_own_places_and_the_others_named() -> None:
    message = _message()
    message.add_attachment(_sheet(), maintype="application", subtype="octet-stream", filename="Büdget.xlsx")
    message.add_attachment("# Plan\n\nWe pave in May.\n", subtype="markdown", filename="plan.md")
    message.add_attachment(b"\x00\x01", maintype="audio", subtype="wav", filename="call.wav")
    message.add_attachment(b"%PDF-1.4 broken", maintype="application", subtype="pdf", filename="a.pdf")
    document = read(message.as_bytes(), MEDIA_TYPE)
    place = "a.eml, Ada Byron, 4 March 2024"
    assert place_of(document, "Dredging", "a.eml") == f"{place}, Büdget.xlsx, Costs!A2:C2"
    assert place_of(document, "We pave", "a.eml") == f"{place}, plan.md"
    assert block_of(document, "We pave").locator.heading == ("plan.md", "Plan")
    assert [problem.partition(":")[0] for problem in document.problems] == [
        "Attachment call.wav was not read",
        "Attachment a.pdf was not read",
    ]


def test_two_attachments_of_one_name_have_places_of_their_own() -> None:
    message = _message()
    for number in (1, 2):
        message.add_attachment(f"Berth {number} is dredged.", filename="berth.txt")
    document = read(message.as_bytes(), MEDIA_TYPE)
    assert place_of(document, "Berth 1", "a.eml") == "a.eml, Ada Byron, 4 March 2024, berth.txt"
    assert place_of(document, "Berth 2", "a.eml") == "a.eml, Ada Byron, 4 March 2024, berth.txt (2)"


def test_no_passage_holds_sentences_of_a_message_and_of_what_is_attached_to_it() -> None:
    message = _message()
    message.set_content("<p>The crane arrives.</p><h2>Sincerely</h2>", subtype="html")
    message.add_attachment("The berth is dredged.", filename="berth.txt")
    message.add_attachment("The quay is paved.", filename="berth.txt")
    message.add_attachment(_sheet(), maintype="application", subtype="octet-stream", filename="Costs.xlsx")
    document = read(message.as_bytes(), MEDIA_TYPE)
    packed = pack(document, split(document), lambda texts: [len(text.split()) for text in texts], 200)
    held = [document.text[passage.start : passage.end] for passage in packed]
    assert [text.split(" | ")[0] for text in held] == [
        *("From: Ada Byron <ada@example.org>", "Sincerely", "The berth is dredged.", "The quay is paved."),
        "Item: Dredging",
    ]


def test_a_message_within_a_message_has_its_own_sender() -> None:
    outer = _message("Fwd: Crane", "See below.")
    inner = _message("Crane", "It weighs 90 tonnes.")
    inner.replace_header("From", "Carl <carl@example.org>")
    outer.add_attachment(inner)
    document = read(outer.as_bytes(), MEDIA_TYPE)
    assert place_of(document, "90 tonnes", "a.eml") == "a.eml, Carl, 4 March 2024"
    assert place_of(document, "See below", "a.eml") == "a.eml, Ada Byron, 4 March 2024"


def test_every_message_of_a_mailbox_has_its_own_place(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "a.mbox")
    for number in range(3):
        message = _message(f"Subject {number}", f"Sentence {number}.\n\nFrom here on we wait.\nFrom: nobody")
        message.replace_header("From", f"Person {number} <p@example.org>")
        box.add(message)
    box.flush()
    document = read((tmp_path / "a.mbox").read_bytes(), MAILBOX)
    for number in range(3):
        assert place_of(document, f"Sentence {number}.", "a.mbox") == f"a.mbox, Person {number}, 4 March 2024"
        assert block_of(document, f"Sentence {number}.").locator.heading == (f"Subject {number}",)
    assert len([text for text in quotes(document, "paragraph") if text.startswith("From here on")]) == 3


def test_a_text_that_is_no_mail_is_refused_as_such() -> None:
    for kind in (MEDIA_TYPE, MAILBOX):
        with pytest.raises(UnreadableFile, match="is not a mail"):
            parse(b"Just some words.\nAnd more.", kind, Limits())


def test_a_message_of_nothing_but_an_unread_attachment_says_so() -> None:
    message = _message(text="")
    message.add_attachment(b"\x00\x01", maintype="audio", subtype="wav", filename="call.wav")
    with pytest.raises(UnreadableFile, match=r"call\.wav was not read"):
        parse(message.as_bytes(), MEDIA_TYPE, Limits())


def test_hostile_messages_are_read_or_refused() -> None:
    nested = b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n" * 3_000
    for data in (
        nested,
        b"From: " + b"<" * 200_000 + b"\n\nwords",
        b"Subject: " + b"=?utf-8?q?" * 20_000 + b"\n\nwords",
    ):
        read_or_reason(data, MEDIA_TYPE)
    message = _message()
    message.add_attachment(_message("inner", "Inner words."))
    message.add_attachment("name,age,city\nAda,36,London\n", subtype="csv", filename="a.csv")
    assert_outlives_mutants(message.as_bytes(), MEDIA_TYPE)
    assert_outlives_mutants(b"From a@b Mon Mar 4 09:05:00 2024\n" + message.as_bytes() + b"\n\n", MAILBOX)


_WORDS = st.text(st.characters(categories=["L", "N"], exclude_characters="\x85"), min_size=1, max_size=10)


@settings(max_examples=50)
@given(words=st.lists(_WORDS, min_size=1, max_size=20), subject=_WORDS)
def test_no_word_of_a_message_is_lost(words: list[str], subject: str) -> None:
    document = read(_message(subject, " ".join(words)).as_bytes(), MEDIA_TYPE)
    assert document.title == subject
    assert [word for kind, text in blocks(document)[2:] for word in text.split()] == words
