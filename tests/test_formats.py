"""The entrance to the reading rooms, and the laws that hold for every text, however odd."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest
from formats_laws import HTML, MARKDOWN, PDF, TEXT, read, read_or_reason
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qa.errors import UnreadableFile
from qa.formats import FORMATS, READERS, Limits, has_type, load, media_type, parse, supported
from qa.records import Document

# --- which type a file is of --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", TEXT),
        ("A.TXT", TEXT),
        ("a.b.md", MARKDOWN),
        ("a.markdown", MARKDOWN),
        ("a.htm", HTML),
        ("a.HTML", HTML),
    ],
)
def test_the_ending_tells_the_type_in_any_case(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / name).write_bytes(b"hello")
    assert media_type(tmp_path / name) == expected


def test_an_unknown_ending_is_named_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile) as caught:
        media_type(tmp_path / "film.mp4")
    assert ".mp4" in caught.value.what
    assert all(ending in caught.value.remedy for ending in supported())


def test_an_ending_that_could_upset_a_terminal_is_not_repeated(tmp_path: Path) -> None:
    for name in ("a.\x1b[2Jx", "a.new\nline", "a." + "x" * 50, "a.\udcff"):
        with pytest.raises(UnreadableFile) as caught:
            media_type(tmp_path / name)
        assert caught.value.what == "is a strangely named file, which is not supported"


def test_a_file_without_an_ending_is_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="no file ending"):
        media_type(tmp_path / "ferries")


@pytest.mark.parametrize("name", ["README", "Readme", "LICENSE", "licence", "COPYING", "NEWS", "ChangeLog", "TODO"])
def test_what_is_called_so_by_old_custom_is_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"The ferry sails at nine.")
    assert media_type(tmp_path / name) == TEXT and has_type(name)
    assert parse(b"The ferry sails at nine.", TEXT, Limits()).text == "The ferry sails at nine."


def test_a_pdf_is_known_by_its_header_whatever_text_it_claims_to_be(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"%PDF-1.7\n...")
    assert media_type(tmp_path / "a.txt") == PDF


@pytest.mark.parametrize("name", ["a.pdf", "a.docx"])
def test_an_ending_that_the_content_belies_is_said_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"just some words")
    with pytest.raises(UnreadableFile, match=f"is named .{name[2:]}, but is not a"):
        media_type(tmp_path / name)


def test_a_word_file_in_the_old_container_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(100))
    with pytest.raises(UnreadableFile, match="password"):
        media_type(tmp_path / "a.docx")


def test_every_format_has_its_endings_and_its_reader_to_itself() -> None:
    endings = [ending for f in FORMATS for ending in f.endings]
    assert len(set(endings)) == len(endings) == len(supported())
    assert all(ending.startswith(".") and ending == ending.lower() for ending in endings)
    assert set(READERS) == {f.media_type for f in FORMATS}


def test_a_type_without_a_reader_is_refused_by_name() -> None:
    with pytest.raises(UnreadableFile, match="application/x-nothing"):
        parse(b"x", "application/x-nothing", Limits())


# --- what is opened at all ----------------------------------------------------------------------------------------


def test_loading_gives_the_very_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 100
    (tmp_path / "a.txt").write_bytes(data)
    assert load(tmp_path / "a.txt", Limits()) == data


def test_an_empty_file_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(UnreadableFile, match="is empty"):
        load(tmp_path / "a.txt", Limits())


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * 1001)
    with pytest.raises(UnreadableFile, match="larger than"):
        load(tmp_path / "a.txt", Limits(max_file_bytes=1000))
    assert len(load(tmp_path / "a.txt", Limits(max_file_bytes=1001))) == 1001


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    for reach in (lambda: load(tmp_path / "a.txt", Limits()), lambda: media_type(tmp_path / "a.txt")):
        with pytest.raises(UnreadableFile, match="is a pipe"):
            reach()


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.txt")
        with pytest.raises(UnreadableFile, match="is a socket"):
            load(Path("a.txt"), Limits())


def test_a_device_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="is a device"):
        load(Path(os.devnull), Limits())


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(UnreadableFile, match="is a folder"):
        load(tmp_path / "a.txt", Limits())


def test_a_link_that_leads_to_itself_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "a.txt")
    with pytest.raises(UnreadableFile, match="leads back to itself"):
        load(tmp_path / "a.txt", Limits())


def test_a_link_to_nothing_is_told_from_a_file_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UnreadableFile, match="link to a file that is not there"):
        load(tmp_path / "a.txt", Limits())
    with pytest.raises(UnreadableFile, match="no longer there"):
        load(tmp_path / "b.txt", Limits())


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.EACCES, "permission denied"), (errno.EIO, os.strerror(errno.EIO)), (errno.ELOOP, "itself")],
)
def test_what_the_system_says_when_opening_becomes_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    (tmp_path / "a.txt").write_text("x")

    def refuse(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UnreadableFile, match=reason):
        load(tmp_path / "a.txt", Limits())


@pytest.mark.parametrize(
    "name", ["with space.txt", "new\nline.txt", "emoji \U0001f341.txt", "-n.txt", "x" * 250 + ".txt"]
)
def test_any_name_that_a_file_can_have_can_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("A sentence.")
    assert media_type(tmp_path / name) == TEXT
    assert load(tmp_path / name, Limits()) == b"A sentence."


@pytest.mark.parametrize("name", ["nul\0.txt", "x" * 300 + ".txt"])
def test_a_name_that_no_file_can_have_is_a_reason_not_a_crash(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableFile):
        load(tmp_path / name, Limits())


def test_reading_changes_nothing_on_disk(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("A sentence.")
    file.chmod(stat.S_IRUSR)
    before = file.stat()
    load(file, Limits())
    after = file.stat()
    assert (before.st_mtime_ns, before.st_size, before.st_mode) == (after.st_mtime_ns, after.st_size, after.st_mode)


# --- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TEXT, MARKDOWN, HTML])
def test_a_text_beyond_the_limits_is_refused_whole(kind: str) -> None:
    with pytest.raises(UnreadableFile, match="characters"):
        read("word " * 100, kind, Limits(max_chars=100))
    with pytest.raises(UnreadableFile, match="paragraphs"):
        read("<p>one\n\n<p>two\n\n<p>three\n\n<p>four", kind, Limits(max_blocks=3))


def test_markup_beyond_its_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(UnreadableFile, match="HTML of more than"):
        read("<p>x" * 100, HTML, Limits(max_markup_bytes=100))
    with pytest.raises(UnreadableFile, match="more than 99 tags"):
        read("<p>x" * 100, HTML, Limits(max_tags=99))


@pytest.mark.parametrize("kind", [TEXT, MARKDOWN, HTML])
@pytest.mark.parametrize(
    "data", [b" ", b"\n\n\r\n\t ", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n", "\u2028\u00a0\u3000".encode()]
)
def test_white_space_alone_is_no_text(kind: str, data: bytes) -> None:
    with pytest.raises(UnreadableFile, match="holds no text"):
        parse(data, kind, Limits())


# --- laws over random texts ---------------------------------------------------------------------------------------

_NEWLINES = st.sampled_from(
    ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\n\n", "\r\n\r\n", "\r\r", "\n \n", "\x0c\n"]
)
_PARTS = st.sampled_from([
    "# ", "## ", "> ", "- ", "* ", "1. ", "(a) ", "\t", "    ", "```", "~~~\n", "---", "===", "| ", "|---|", "a | b",
    "a\tb", "a   b", "[a](b)", "![", "]: x", "\\", "<b>", "</p>", "<!--", "-->", "<td>", "<tr>", "<li>", "<pre>",
    "<br>", "<h2>", "&amp;", "&#0;", "\ufeff", "\u00a0", "\u00ad", "\u0001", "Title", "a b c", "INTRODUCTION",
    "2. Funding", "e.g.", "title: x", "{x: y};",
])  # fmt: skip
_STORABLE = st.characters(exclude_categories=["Cs"])
_TEXTS = st.one_of(
    st.text(_STORABLE, max_size=200),
    st.lists(st.one_of(_NEWLINES, _PARTS, st.text(_STORABLE, max_size=8)), max_size=40).map("".join),
)


@settings(max_examples=80)
@given(text=_TEXTS)
@example(text="\ufeffTitle\n\nText. More.")
@example(text="---\ntitle: x\n---\r\n\r\n# a\r\rb")
@example(text="a\u2029b\x85\x85c\x1d")
@pytest.mark.parametrize("kind", [TEXT, MARKDOWN])
def test_text_and_markdown_are_the_decoded_file_code_point_for_code_point(kind: str, text: str) -> None:
    found = read_or_reason(text.encode("utf-8"), kind)
    if isinstance(found, Document):
        assert found.text == text
    else:
        assert found.what in ("holds no text", "holds binary data, not text")


@settings(max_examples=80)
@given(text=_TEXTS)
@pytest.mark.parametrize("shell", ["{}", "<html><body><p>x{}", "<table><tr><td>{}</table>y", "<ul><li>{}"])
def test_html_of_any_kind_reads_lawfully_or_holds_nothing(shell: str, text: str) -> None:
    read_or_reason(shell.format(text).encode("utf-8"), HTML)


@given(data=st.binary(max_size=300))
@pytest.mark.parametrize("kind", sorted(READERS))
def test_any_bytes_read_lawfully_or_give_a_reason(kind: str, data: bytes) -> None:
    read_or_reason(data, kind)


@given(words=st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12), min_size=1, max_size=30))
@pytest.mark.parametrize("kind", [TEXT, MARKDOWN, HTML])
def test_no_word_of_a_paragraph_is_lost(kind: str, words: list[str]) -> None:
    paragraph = " ".join(["Words:", *words, "."])
    document = read(f"<p>{paragraph}</p>" if kind == HTML else paragraph, kind)
    assert "".join(document.text[b.start : b.end] for b in document.blocks).split() == paragraph.split()


@given(text=_TEXTS)
def test_every_line_number_is_that_of_the_line_the_block_begins_on(text: str) -> None:
    found = read_or_reason(text.encode("utf-8"), MARKDOWN)
    if isinstance(found, Document):
        for block in found.blocks:
            before = found.text[: block.start].replace("\r\n", "\n").replace("\r", "\n")
            assert block.locator.line == 1 + before.count("\n")


@pytest.mark.parametrize("kind", [TEXT, MARKDOWN, HTML])
def test_one_giant_line_is_read_whole(kind: str) -> None:
    sentence = "The quick brown fox jumps over the lazy dog. "
    document = read(sentence * 50_000, kind)
    assert [block.end - block.start for block in document.blocks] == [len(sentence) * 50_000 - 1]


def test_reading_twice_gives_the_same() -> None:
    data = "# A\n\n- b\n- c\n\n| d | e |\n|---|---|\n| f | g |\n"
    for kind in (TEXT, MARKDOWN, HTML):
        assert read(data, kind) == read(data, kind)
