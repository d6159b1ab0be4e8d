"""Laws of reading in processes of their own: whatever a file does, it costs itself alone, and reaches nothing."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_parser import LIES
from hypothesis import given
from hypothesis import strategies as st
from shelf import Shelf, story

from qa import reading
from qa.errors import UnreadableFile, UsageError
from qa.formats import Limits, wire
from qa.reading import Child, Outcome, Readers, Reading
from qa.records import BLOCK_KINDS, Block, Document, Locator, Turn
from qa.settings import Settings

TEXT = "text/plain"
SMALL = Limits(max_seconds=1.5, max_memory_bytes=160 * 2**20, max_chars=10_000)


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read by a parser that does what they say."""
    monkeypatch.setattr(reading, "PARSER", "hostile_parser")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


def written(folder: Path, *commands: str) -> list[tuple[str, Path, str]]:
    """A file for each command, as `Readers.read` takes them; each is named by its command."""
    files = []
    for number, command in enumerate(commands):
        path = folder / f"{number:03}.txt"
        path.write_text(command, "utf-8")
        files.append((command, path, ""))
    return files


def told(outcome: Outcome) -> str:
    if isinstance(outcome, UnreadableFile):
        return str(outcome)
    assert outcome.document is not None
    return outcome.document.text


def read(folder: Path, *commands: str, limits: Limits = SMALL) -> dict[str, str]:
    """What became of each command: the text, or the reason."""
    with Readers(limits) as readers:
        return {name: told(outcome) for name, outcome in readers.read(written(folder, *commands))}


COSTLY = {
    "loop": "took longer than 1.5 s to read",
    "sleep 60": "took longer than 1.5 s to read",
    "memory": "160 MiB of memory",
    "segfault": "SIGSEGV",
    "exit 3": "exit code 3",
    "killed": "SIGKILL",
    "raise": "exit code 3",
    "gigabytes": "no document",
    "nested": "no document",
    "nonsense": "no document",
    "lie beyond": "no document",
}


@pytest.mark.usefixtures("hostile")
def test_a_file_that_loops_crashes_lies_or_takes_all_memory_costs_itself_alone(folder: Path) -> None:
    commands = [each for command in COSTLY for each in (command, f"text after {command}")]
    began = time.monotonic()
    found = read(folder, *commands)
    assert time.monotonic() - began < 30
    assert list(found) != []
    for command, reason in COSTLY.items():
        assert reason in found[command], (command, found[command])
        assert found[f"text after {command}"] == f"text after {command}"


@pytest.mark.usefixtures("hostile")
def test_the_rest_of_a_folder_is_indexed_and_each_costly_file_is_named_with_a_remedy(
    folder: Path, settings: Callable[..., Settings]
) -> None:
    written(folder, "text the ferry sails at noon.", "loop", "segfault", "gigabytes", "memory", "text it is blue.")
    shelf = Shelf(folder, settings())
    report = shelf.index(limits=SMALL)
    assert report.added == 2
    assert [problem.path for problem in report.problems] == ["001.txt", "002.txt", "003.txt", "004.txt"]
    assert all(problem.kind == "unreadable" and problem.remedy for problem in report.problems)
    with shelf.engine() as engine:
        assert [problem["path"] for problem in engine.status()["problems"]] == [p.path for p in report.problems]


@pytest.mark.usefixtures("hostile")
def test_every_page_that_is_recognised_is_told_and_given_its_own_time(folder: Path) -> None:
    told_of: list[tuple[str, int, int]] = []
    limits = Limits(max_seconds=1, max_page_seconds=0.2, max_ocr_pages=4)
    commands = ("pages 4 0.5", "pages 2 30", "pages 9 0", "text after")
    with Readers(limits, lambda *page: told_of.append(page)) as readers:
        found = {name: told(outcome) for name, outcome in readers.read(written(folder, *commands))}
    assert found["pages 4 0.5"] == "pages done"  # two seconds in all, each page within its time
    assert "took longer than 1.2 s" in found["pages 2 30"]
    assert "no document" in found["pages 9 0"]
    assert found["text after"] == "text after"
    assert [page for page in told_of if page[0] == "pages 4 0.5"] == [("pages 4 0.5", n, 4) for n in range(1, 5)]


@pytest.mark.usefixtures("hostile")
def test_a_parser_that_recognises_pages_nobody_asked_for_is_not_believed(folder: Path) -> None:
    assert "no document" in read(folder, "pages 1 0")["pages 1 0"]


@pytest.mark.usefixtures("hostile")
def test_what_a_parser_prints_goes_nowhere(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert read(folder, "prints", "text after") == {"prints": "prints done", "text after": "text after"}
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("hostile")
def test_files_come_in_the_order_given_but_a_slow_one_is_overtaken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = [f"text {number}" for number in range(60)]
    monkeypatch.setattr(reading, "PATIENCE_SECONDS", 60.0)
    assert list(read(folder, *commands)) == commands
    monkeypatch.setattr(reading, "PATIENCE_SECONDS", 0.2)
    with Readers(Limits()) as readers:
        first, _ = next(readers.read(written(folder, "sleep 60", *commands)))
    assert first.startswith("text")


@pytest.mark.usefixtures("hostile")
def test_several_files_are_read_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core")
    at_work: set[Child] = set()
    most: list[int] = []
    wait = Child.read

    def noted(child: Child, *given: Any) -> Document:
        at_work.add(child)
        most.append(len(at_work))
        try:
            return wait(child, *given)
        finally:
            at_work.discard(child)

    monkeypatch.setattr(Child, "read", noted)
    found = read(folder, *(f"sleep {0.7 + number / 100}" for number in range(4)), limits=Limits())
    assert max(most) > 1
    assert all(text.endswith("None") for text in found.values())


@pytest.mark.usefixtures("hostile")
def test_files_are_read_ahead_of_the_one_who_takes_them(folder: Path) -> None:
    asked = []

    def files() -> Iterator[tuple[str, Path, str]]:
        for file in written(folder, *(f"text {number}" for number in range(50))):
            asked.append(file)
            yield file

    with Readers(SMALL) as readers:
        next(iter(readers.read(files())))
        assert len(asked) == reading.AHEAD


@pytest.mark.usefixtures("hostile")
def test_a_file_is_not_blamed_for_the_memory_that_others_took(folder: Path) -> None:
    found = read(folder, *(f"leak {50 + number / 100:.0f}" + " " * number for number in range(8)))
    assert all(text.startswith("leak") for text in found.values()), found
    assert "memory" in read(folder, "leak 400")["leak 400"]


@pytest.mark.usefixtures("hostile")
def test_many_files_are_read_in_few_processes_however_large_the_one_that_starts_them(folder: Path) -> None:
    held = bytearray(300 * 2**20)
    with Readers() as readers:
        held[::4096] = b"x" * len(held[::4096])
        list(readers.read(written(folder, *(f"text {number}" for number in range(20)))))
        first = {child._process.pid for child in readers._children}
        list(readers.read(written(folder, *(f"text {number}" for number in range(20)))))
        assert first
        assert first <= {child._process.pid for child in readers._children}
    assert len(held) == 300 * 2**20


@pytest.mark.usefixtures("hostile")
@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not hold processes to limits of memory")
def test_a_process_that_reads_takes_no_more_memory_than_it_may() -> None:
    code = (
        "import sys, resource, pathlib; from qa import reading; reading.PARSER = 'hostile_parser'\n"
        "path = pathlib.Path(sys.argv[1]); path.write_text('memory')\n"
        "with reading.Readers() as readers: print(*[str(found) for _, found in readers.read([('a', path, '')])])\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    path = f"{Path(reading.__file__).parent.parent}{os.pathsep}{Path(__file__).parent}"
    run = subprocess.run(
        [sys.executable, "-c", code, "/dev/shm/hog.txt"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )
    reason, peak = run.stdout.splitlines()
    assert "takes more than 512 MiB of memory" in reason
    assert 400 * 2**10 < int(peak) <= 512 * 2**10


def test_a_file_that_is_known_is_not_read_again(folder: Path) -> None:
    (_, path, _) = written(folder, "Some words.")[0]
    with Readers() as readers:
        ((_, first),) = readers.read([("a", path, "")])
        assert isinstance(first, Reading)
        ((_, again),) = readers.read([("a", path, first.sha256)])
    assert first.document is not None
    assert again == Reading(first.media_type, first.sha256, first.size, None)


@pytest.mark.usefixtures("hostile")
def test_no_process_outlives_the_reading_of_files_that_are_being_read(folder: Path) -> None:
    began = time.monotonic()
    with Readers(Limits()) as readers:
        taken = iter(readers.read(written(folder, "text a", "sleep 50", "loop", "loop ", "text b")))
        assert told(next(taken)[1]) == "text a"
        children = [child._process for child in readers._children]
        assert children
    assert time.monotonic() - began < 20
    assert all(process.returncode is not None for process in children)


@pytest.mark.parametrize("parser", ["no_such_module", "hostile_parser.nothing"])
def test_where_no_process_can_read_that_is_said_and_no_document_is_taken_out(
    folder: Path, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, parser: str
) -> None:
    shelf = Shelf(folder, settings())
    shelf.write("a.md", story("harbour"))
    shelf.index()
    shelf.write("a.md", story("bridge"))
    monkeypatch.setattr(reading, "PARSER", parser)
    with pytest.raises(UsageError, match="process to read files"):
        shelf.index()
    with shelf.engine() as engine:
        assert [source.path for source, _ in engine.documents()] == ["a.md"]


LEFT_ALONE = """
import sys, pathlib
from qa import reading
from qa.formats import Limits
reading.PARSER = "hostile_parser"
with reading.Readers(Limits(max_seconds=1)) as readers:
    child = readers._take()
    print(child._process.pid, flush=True)
    child._overrun = lambda: None
    child.read(b"loop", "text/plain")
"""


@pytest.mark.slow
def test_a_process_whose_starter_was_killed_ends_by_itself() -> None:
    path = f"{Path(reading.__file__).parent.parent}{os.pathsep}{Path(__file__).parent}"
    with subprocess.Popen(
        [sys.executable, "-c", LEFT_ALONE], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    ) as starter:
        assert starter.stdout is not None
        number = int(starter.stdout.readline())
        time.sleep(0.5)
        starter.send_signal(signal.SIGKILL)
    for _ in range(600):
        try:
            os.kill(number, 0)
            state = Path(f"/proc/{number}/stat")
            if state.exists() and state.read_text().split()[2] == "Z":
                return
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("it still runs")


@pytest.fixture
def canary() -> Iterator[Callable[[], int]]:
    """A server on this machine; called, it gives its port. The test fails when anything has connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield lambda: int(server.getsockname()[1])
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


def landlock() -> int:
    """The version of Landlock that the kernel has, 0 for none."""
    if sys.platform != "linux":
        return 0
    return max(0, ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))


@pytest.mark.usefixtures("hostile")
def test_a_parser_opens_no_other_file_starts_no_program_and_reaches_no_machine(
    folder: Path, tmp_path: Path, canary: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("nobody should see this")
    monkeypatch.setenv("QA_SECRET", "nor this")
    found = read(
        folder,
        f"open {secret}",
        f"list {tmp_path}",
        "open /etc/passwd",
        f"write {tmp_path / 'new.txt'}",
        f"delete {secret}",
        "spawn",
        "fork",
        f"connect {canary()}",
        "look-up localhost",
        "variable QA_SECRET",
        *([f"native-open {secret}"] if landlock() else []),
        *([f"native-connect {canary()}"] if landlock() >= 4 else []),
    )
    assert found.pop("variable QA_SECRET") == "variable unset"
    for command, text in found.items():
        assert text.startswith(f"{command.split()[0]} did not: "), (command, text)
    assert secret.read_text() == "nobody should see this"
    assert not (tmp_path / "new.txt").exists()


LOCATORS = st.builds(
    Locator,
    heading=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=3).map(tuple),
    page=st.none() | st.integers(0, 10**9),
    label=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    line=st.none() | st.integers(1, 10**9),
    place=st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    kind=st.sampled_from(["", "slide", "cells"]),
)


def _turns(draw: st.DrawFn, start: int, end: int) -> Iterator[Turn]:
    if end - start > 1:
        for at in sorted(draw(st.sets(st.integers(start + 1, end - 1), max_size=2))):
            yield Turn(at, draw(LOCATORS))


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=2, max_size=200))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), min_size=2, max_size=10)))
    blocks = tuple(
        Block(draw(st.sampled_from(BLOCK_KINDS)), start, end, draw(LOCATORS), tuple(_turns(draw, start, end)))
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
    )
    return Document(text, draw(st.sampled_from(["", "Título 🦀"])), TEXT, blocks, draw(st.sampled_from([(), ("A.",)])))


def as_text(said: Any, text: bytes) -> Document:
    return wire.document(said, text, TEXT, Limits())


@given(documents())
def test_a_document_arrives_as_it_was_sent(document: Document) -> None:
    said, text = wire.packed(wire.Reply(document))
    assert wire.unpacked(said, text, as_text) == (wire.Reply(None), document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(BLOCK_KINDS),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=20,
)


@given(documents(), st.data())
def test_whatever_else_arrives_is_refused_or_a_lawful_document(document: Document, data: st.DataObject) -> None:
    said, text = wire.packed(wire.Reply(document))
    part = said
    for _ in range(data.draw(st.integers(0, 4))):
        inner = [each for each in part if isinstance(each, list) and each]
        part = data.draw(st.sampled_from(inner)) if inner else part
    part[data.draw(st.integers(0, len(part) - 1))] = data.draw(JSON)
    try:
        found = wire.unpacked(said, data.draw(st.sampled_from([text, b"", b"\xff"])), as_text)[1]
    except ValueError:
        return
    if found is None:
        return
    at = 0
    for block in found.blocks:
        assert block.kind in BLOCK_KINDS
        assert at <= block.start < block.end <= len(found.text)
        assert all(block.start < turn.start < block.end for turn in block.turns)
        at = block.end
        assert all(isinstance(name, str) for name in block.locator.heading)
        assert block.locator.page is None or (type(block.locator.page) is int and block.locator.page >= 0)
    found.text.encode("utf-8")
    found.title.encode("utf-8")


@pytest.mark.parametrize("kind", LIES)
def test_a_document_against_the_laws_is_refused(kind: str) -> None:
    said, text = wire.packed(wire.Reply(LIES[kind]))
    with pytest.raises(ValueError, match=r"document|block|number|str for"):
        wire.unpacked(said, text, as_text)


def test_limits_of_this_process_are_left_as_they_were(folder: Path) -> None:
    kinds = (resource.RLIMIT_DATA, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)
    before = [resource.getrlimit(kind) for kind in kinds]
    with Readers() as readers:
        assert [told(found) for _, found in readers.read(written(folder, "Some words."))] == ["Some words."]
    assert [resource.getrlimit(kind) for kind in kinds] == before
