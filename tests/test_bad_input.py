"""Laws of hostile folders: what can be read is indexed, all else is named with its reason, and nothing hangs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from docx import Document as DocxDocument
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas
from shelf import QUESTIONS, Shelf, assert_exact, story, without_privileges

from qa import terminal
from qa.errors import UsageError
from qa.formats import Limits
from qa.records import Problem
from qa.settings import Settings

pytestmark = pytest.mark.filterwarnings("error")

NOT_UTF8 = os.fsdecode(b"caf\xe9 men\xfc.txt")


@pytest.fixture
def shelf(tmp_path: Path, settings: Callable[..., Settings]) -> Shelf:
    shelf = Shelf(tmp_path / "docs", settings())
    shelf.docs.mkdir()
    shelf.write("good.md", story("harbour"))
    return shelf


def pdf(password: str = "") -> bytes:
    buffer = BytesIO()
    canvas = Canvas(buffer, encrypt=StandardEncryption(password) if password else None)
    for page in range(3):
        canvas.drawString(72, 700, f"The lighthouse on page {page} was repaired after the storm by its keeper.")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def docx() -> bytes:
    buffer = BytesIO()
    document = DocxDocument()
    document.add_paragraph("The bridge cost nine hundred crowns.")
    document.save(buffer)
    return buffer.getvalue()


def found(shelf: Shelf) -> set[str]:
    with shelf.engine() as engine:
        return {source.path for source, _ in engine.documents()}


def reasons(problems: tuple[Problem, ...]) -> dict[str, str]:
    assert len({problem.path for problem in problems}) == len(problems)
    return {problem.path: problem.reason for problem in problems}


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "sheet.xlsx": (docx(), "is not a spreadsheet"),
    "empty.txt": (b"", "is empty"),
    "blank.md": (b" \n\r\n\t", "holds no text"),
    "binary.txt": (bytes(range(256)) * 40, "binary"),
    "nul.md": (b"Words and\0 a NUL in them.", "binary"),
    "image.txt": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "binary"),
    "cut.pdf": (pdf()[:700], "damaged"),
    "locked.pdf": (pdf("secret"), "password"),
    "text.pdf": (b"This is a text and no PDF at all.", "not a PDF file"),
    "cut.docx": (docx()[:900], ""),
    "text.docx": (b"This is a text.", "not a Word file"),
    "old.docx": (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "before 2007"),
    "tags.html": (b"<p></p><script>only = 'code'</script>", "holds no text"),
}
UNSUPPORTED = {"archive.zip": b"PK\x03\x04...", "picture.PNG": b"\x89PNG", "no ending": b"text", "drawing.vsdx": docx()}


def test_each_file_that_cannot_be_read_is_named_with_its_reason_and_the_rest_is_indexed(shelf: Shelf) -> None:
    for name, (content, _) in UNREADABLE.items():
        shelf.write(name, content)
    for name, content in UNSUPPORTED.items():
        shelf.write(f"more/{name}", content)
    shelf.write("fine.pdf", pdf())
    shelf.write("fine.docx", docx())
    shelf.write("secretly.txt", pdf())  # a PDF whatever it is called
    report = shelf.index()
    said = reasons(report.problems)
    assert set(said) == {*UNREADABLE, *(f"more/{name}" for name in UNSUPPORTED)}
    for name, (_, reason) in UNREADABLE.items():
        assert reason in said[name], (name, said[name])
    for problem in report.problems:
        assert problem.kind == ("unsupported" if problem.path.startswith("more/") else "unreadable")
        assert problem.reason
        assert problem.remedy, problem
        assert "\n" not in problem.reason + problem.remedy
    assert (report.added, found(shelf)) == (4, {"good.md", "fine.pdf", "fine.docx", "secretly.txt"})
    again = shelf.index()
    assert (again.unchanged, again.encoded, again.problems) == (4, 0, report.problems)
    with shelf.engine() as engine:
        problems = engine.status()["problems"]
    assert [problem["path"] for problem in problems] == [problem.path for problem in report.problems]


def test_what_was_read_in_part_is_told_when_it_is_read_and_by_the_status_ever_after(shelf: Shelf) -> None:
    shelf.write("old.txt", "Der Zug fährt über die Brücke, und Jürgen grüßt die Gäste.".encode("latin-1"))
    buffer = BytesIO()
    canvas = Canvas(buffer)
    for page in range(4):
        if page in (1, 2):
            canvas.rect(0, 0, 500, 500, fill=1)
        else:
            canvas.drawString(72, 700, f"The lighthouse on page {page} was repaired after the storm by its keeper.")
        canvas.showPage()
    canvas.save()
    shelf.write("scan.pdf", buffer.getvalue())
    report = shelf.index()
    said = reasons(report.problems)
    assert {problem.kind for problem in report.problems} == {"partial"}
    assert "guess" in said["old.txt"]
    assert "2 of 4 pages are scans or pictures; not searched: pages 2-3." in said["scan.pdf"]
    line = next(line for line in terminal.problems(report.problems) if line.startswith("scan.pdf"))
    assert ".." not in line
    assert "2 read in part" in terminal.summary(report, "index")
    assert shelf.index().problems == ()
    with shelf.engine() as engine:
        assert [problem["path"] for problem in engine.status()["problems"]] == ["old.txt", "scan.pdf"]


def test_files_beyond_the_limits_are_named_and_never_cut_short(shelf: Shelf) -> None:
    shelf.write("large.txt", "A line of a large file.\n" * 5000)
    shelf.write("long.md", "Word. " * 15_000)
    limits = Limits(max_file_bytes=100_000, max_chars=80_000)
    report = shelf.index(limits=limits)
    said = reasons(report.problems)
    assert set(said) == {"large.txt", "long.md"}
    assert "larger than" in said["large.txt"]
    assert "80,000 characters" in said["long.md"]
    assert all(problem.remedy for problem in report.problems)
    assert found(shelf) == {"good.md"}


def test_a_text_of_fifty_megabytes_is_named_as_too_long_and_the_rest_is_indexed(shelf: Shelf) -> None:
    shelf.write("huge.txt", "The ferry leaves the harbour at noon, as it always did. " * (50 * 2**20 // 56))
    report = shelf.index()
    assert "characters" in reasons(report.problems)["huge.txt"]
    assert found(shelf) == {"good.md"}


NAMES = (
    *("with space.txt", " leading.txt", "new\nline.txt", "tab\there.md", "🦀 crab 東京.txt", "quote'\"`$(x);&|.txt"),
    *("<script>alert(1)<.html", "%s%d{0}.txt", "-rf.txt", "--index.md", "a\x1b[31mred\x07.txt", "\u202etxt.exe.md"),
    *("UPPER.TXT", "two.pdf.txt", "dots...md", "a" * 250 + ".txt", "e\u0301.txt", "é.txt", "~.txt", "*.md", "a\\b.txt"),
)


def test_a_file_of_any_name_is_indexed_and_cited_by_it(shelf: Shelf) -> None:
    for number, name in enumerate(NAMES):
        shelf.write(f"deep/{name}", f"The lighthouse keeper{number} repaired the lamp after the storm.\n")
    report = shelf.index()
    assert report.problems == ()
    with shelf.engine() as engine:
        for number, name in enumerate(NAMES):
            answer = engine.ask(f"keeper{number} of the lighthouse")
            assert answer.citations[0].source.path == f"deep/{name}"
            assert answer.citations[0].stale == ""
            assert engine.original(answer.citations[0].source.id) == shelf.docs / "deep" / name
    assert shelf.index().unchanged == 1 + len(NAMES)


def test_names_that_are_not_utf8_are_named_in_escapes_and_nothing_is_lost(shelf: Shelf) -> None:
    shelf.write(NOT_UTF8, "Words.")
    folder = os.fsdecode(b"d\xff")
    shelf.write(f"{folder}/inner.txt", "Words.")
    shelf.write(f"{folder}/film.mp4", "x")
    report = shelf.index()
    assert {problem.path: problem.kind for problem in report.problems} == {
        "caf\\xe9 men\\xfc.txt": "unreadable",
        "d\\xff/inner.txt": "unreadable",
        "d\\xff/film.mp4": "unsupported",
    }
    assert all("UTF-8" in problem.reason for problem in report.problems)
    assert found(shelf) == {"good.md"}
    assert shelf.index().unchanged == 1


def test_links_pipes_and_sockets_are_named_and_never_waited_for(shelf: Shelf, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "unseen.txt").write_text("Words outside.")
    docs = shelf.docs
    (docs / "sub").mkdir()
    (docs / "loop.txt").symlink_to(docs / "loop.txt")
    (docs / "gone.md").symlink_to(docs / "nothing.md")
    (docs / "sub" / "up").symlink_to(docs)
    (docs / "aside").symlink_to(outside)
    (docs / "folder.txt").mkdir()
    (docs / "folder.txt" / "inner.txt").write_text("The bridge is closed on Sundays.")
    os.mkfifo(docs / "pipe.txt")
    os.mkfifo(docs / "pipe")
    (docs / "device.txt").symlink_to("/dev/zero")
    (docs / "secret.txt").symlink_to(outside / "unseen.txt")
    (docs / "same.md").symlink_to(docs / "good.md")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(docs / "socket.txt"))
        report = shelf.index()
    said = reasons(report.problems)
    assert set(said) == {
        "loop.txt",
        "gone.md",
        "sub/up",
        "aside",
        "pipe.txt",
        "pipe",
        "device.txt",
        "socket.txt",
        "secret.txt",
    }
    assert "leads back to itself" in said["loop.txt"]
    assert "not there" in said["gone.md"]
    assert "link to a folder" in said["sub/up"]
    assert "link to a folder" in said["aside"]
    assert "a pipe" in said["pipe.txt"]
    for name in ("device.txt", "secret.txt"):
        assert "link out of the folder" in said[name]
    assert "a socket" in said["socket.txt"]
    assert found(shelf) == {"good.md", "same.md", "folder.txt/inner.txt"}
    kinds = {problem.path: problem.kind for problem in report.problems}
    assert {path for path, kind in kinds.items() if kind == "unsupported"} == {
        *("sub/up", "aside", "pipe", "device.txt", "secret.txt")
    }


def test_hidden_files_and_folders_are_left_out_without_a_word(shelf: Shelf) -> None:
    for name in (".hidden.txt", ".git/config.txt", "sub/.DS_Store", ".env"):
        shelf.write(name, "Words that nobody should find.")
    report = shelf.index()
    assert (report.added, report.problems) == (1, ())


def test_a_file_that_vanishes_while_it_is_indexed_is_no_failure(shelf: Shelf) -> None:
    doomed = shelf.write("zz.md", story("bridge"))
    report = shelf.index(progress=lambda progress: doomed.unlink(missing_ok=True))
    assert "zz.md" not in reasons(report.problems)
    assert found(shelf) == {"good.md"}


def test_a_file_that_changes_while_it_is_indexed_is_read_again_by_the_next_run(shelf: Shelf) -> None:
    changing = shelf.write("zz.md", story("bridge"))
    once = [story("bridge", edition=2)]
    shelf.index(progress=lambda progress: changing.write_text(once.pop()) if once else None)
    report = shelf.index()
    assert report.changed + report.unchanged == 2
    with shelf.engine() as engine:
        texts = {source.path: document.text for source, document in engine.documents()}
        assert texts["zz.md"] == story("bridge", edition=2)
        assert_exact(engine, engine.ask(QUESTIONS[0], limit=50))


BOUND = """
import sys
from pathlib import Path
from qa import indexing
from qa.settings import Settings
index, model, cache, docs = sys.argv[1:]
report = indexing.index([Path(docs)], Settings(Path(index), model, Path(cache)))
for problem in report.problems:
    print(problem.path, problem.reason, problem.remedy)
print(report.added)
"""


def test_files_and_folders_that_may_not_be_read_are_named_and_the_rest_is_indexed(shelf: Shelf) -> None:
    shelf.write("secret.txt", "Words.")
    shelf.write("closed/inner.txt", "Words.")
    shelf.write("listed/inner.txt", "Words.")
    shelf.write("listed/below/inner.txt", "Words.")
    modes = {"secret.txt": 0o000, "closed": 0o000, "listed": 0o400}
    for name, mode in modes.items():
        (shelf.docs / name).chmod(mode)
    settings = shelf.settings
    command = [sys.executable, "-c", BOUND, str(settings.index), settings.model, str(settings.cache), str(shelf.docs)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=without_privileges, check=False)
    finally:
        for name in modes:
            (shelf.docs / name).chmod(0o700)
    assert done.stderr == ""
    *said, added = done.stdout.splitlines()
    assert added == "1"
    assert [line.split()[0] for line in said] == ["closed", "listed/below", "listed/inner.txt", "secret.txt"]
    assert all("ermission" in line for line in said)
    report = shelf.index()
    assert (report.added, report.unchanged, report.problems) == (4, 1, ())


def test_a_folder_with_nothing_to_read_makes_an_index_that_answers_nothing(shelf: Shelf) -> None:
    (shelf.docs / "good.md").unlink()
    shelf.write("empty.txt", "")
    report = shelf.index()
    assert (report.added, [problem.path for problem in report.problems]) == (0, ["empty.txt"])
    answer = shelf.ask(QUESTIONS[0])
    assert (answer.answered, answer.passages, answer.index.documents) == (False, (), 0)


def test_a_single_file_that_cannot_be_read_is_named(shelf: Shelf) -> None:
    for name, reason in (("empty.txt", "is empty"), ("film.mp4", "not supported"), (".hidden", "not supported")):
        path = shelf.write(name, UNSUPPORTED["picture.PNG"] if reason == "not supported" else b"")
        assert reason in reasons(shelf.index(path).problems)[name]


def test_which_types_are_supported_is_said_once_whatever_is_of_another(shelf: Shelf) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mov", "ferries", "f.mov"):
        shelf.write(name, "x")
    shelf.write("empty.txt", "")
    found = shelf.index().problems
    lines = list(terminal.problems(found))
    assert lines[0] == "empty.txt: is empty. Was it saved, or copied whole?"
    assert [line.partition(":")[0] for line in lines[1:-1]] == ["a.mp4 and 3 more", "e.mov", "f.mov", "ferries"]
    assert lines[-1].startswith("Supported are ") and not any("Supported" in line for line in lines[:-1])
    only = list(terminal.problems([problem for problem in found if problem.path == "ferries"]))
    assert len(only) == 1 and "Supported are " in only[0]


def test_many_files_of_no_use_are_each_named(shelf: Shelf) -> None:
    for number in range(1500):
        shelf.write(f"pictures/{number}.png", b"x")
    report = shelf.index()
    assert (report.added, len(report.problems)) == (1, 1500)


def test_words_of_any_script_are_found_by_themselves(shelf: Shelf) -> None:
    words = {
        "zh.txt": "渡轮中午离开港口。",
        "ar.txt": "تغادر العبارة الميناء ظهرا.",
        "ru.txt": "Паром отходит в полдень.",
        "hi.txt": "नौका दोपहर को बंदरगाह छोड़ती है।",
        "el.txt": "Το πλοίο φεύγει το μεσημέρι.",
    }
    for name, text in words.items():
        shelf.write(name, text)
    shelf.index()
    with shelf.engine() as engine:
        for name, text in words.items():
            answer = engine.ask(text)
            assert answer.citations[0].source.path == name
            assert_exact(engine, answer)


def test_no_question_of_a_hostile_index_leaves_the_tree_of_errors(shelf: Shelf) -> None:
    shelf.write("a.txt", "x" * 40_000 + " " + "y" * 40_000)
    shelf.write("b.txt", "word\u0000less".replace("\0", "\u200b") * 400)
    shelf.write("c.html", "<p>" * 3000 + "The ferry." + "</p>" * 3000)
    shelf.write("d.md", "\u202e".join(["ferry", "harbour", "noon"]) * 50)
    shelf.index()
    with shelf.engine() as engine:
        for question in (*QUESTIONS, "x" * 2000, "ferry" * 400, "\u202eferry"):
            assert_exact(engine, engine.ask(question, limit=50))
        for question in ("", "x" * 100_000, "\ud800", "\0"):
            with pytest.raises(UsageError):
                engine.ask(question)
