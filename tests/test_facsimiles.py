"""Laws of drawing pages: of the indexed file or not at all, once, within bounds, whatever a file does."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_parser import PNG
from hypothesis import given
from hypothesis import strategies as st
from reportlab.pdfgen.canvas import Canvas

from qa import facsimiles, formats, reading
from qa.errors import UnreadableFile
from qa.facsimiles import Facsimiles
from qa.formats import Limits, wire
from qa.records import Box, MarkedPage, Picture, Places, Span

SMALL = Limits(max_seconds=3, max_memory_bytes=160 * 2**20)


@pytest.fixture(scope="module")
def shared() -> Iterator[Facsimiles]:
    with Facsimiles() as found:
        yield found


@pytest.fixture
def ferry(tmp_path: Path) -> Path:
    canvas = Canvas(str(tmp_path / "ferry.pdf"), pagesize=(200, 200))
    for number in range(3):
        canvas.drawString(20, 100, f"The ferry number {number} sails.")
        canvas.showPage()
    canvas.save()
    return tmp_path / "ferry.pdf"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_drawn_in_the_process_is_what_is_drawn_here(shared: Facsimiles, ferry: Path) -> None:
    data, limits = ferry.read_bytes(), Limits()
    text = formats.parse(data, "application/pdf", limits).text
    hashed = hashlib.sha256(text.encode()).hexdigest()
    assert shared.picture(ferry, sha256(ferry), 2) == formats.picture(data, 2, limits)
    found = shared.places(ferry, sha256(ferry), text, Span(0, len(text)))
    assert found == formats.places(data, 0, len(text), hashed, limits)
    assert [page.number for page in found.pages] == [1, 2, 3]
    with pytest.raises(UnreadableFile, match="has no page 4, but 3"):
        shared.picture(ferry, sha256(ferry), 4)


def test_a_file_that_is_another_now_is_not_drawn(shared: Facsimiles, ferry: Path) -> None:
    indexed = sha256(ferry)
    ferry.write_bytes(ferry.read_bytes() + b"\n")
    for attempt in (
        lambda: shared.picture(ferry, indexed, 1),
        lambda: shared.places(ferry, indexed, "The ferry", Span(0, 3)),
    ):
        with pytest.raises(UnreadableFile, match="no longer the one that was indexed"):
            attempt()
    ferry.unlink()
    with pytest.raises(UnreadableFile, match="no longer there"):
        shared.picture(ferry, indexed, 1)


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are drawn by a parser that does what the file says."""
    monkeypatch.setattr(reading, "PARSER", "hostile_parser")


@pytest.mark.slow
@pytest.mark.usefixtures("hostile")
def test_a_file_that_loops_crashes_or_lies_costs_itself_alone_and_once(tmp_path: Path) -> None:
    costly = {
        "loop": "took longer than 3 s",
        "segfault": "SIGSEGV",
        "gigabytes": "no document",
        "text of a document": "no document",
        "draw 2": "no document",
        "nonsense": "no document",
    }
    good = tmp_path / "good"
    good.write_text("draw 1")
    with Facsimiles(SMALL) as drawing:
        for number, (command, reason) in enumerate(costly.items(), 1):
            path = tmp_path / str(number)
            path.write_text(command)
            for _ in range(2):
                with pytest.raises(UnreadableFile, match=reason):
                    drawing.picture(path, sha256(path), 1)
                child = drawing._child
            assert drawing.picture(good, sha256(good), number) == Picture(1, 1, 1, PNG)
            with pytest.raises(UnreadableFile, match=reason):
                drawing.picture(path, sha256(path), 1)
            assert drawing._child is not None
            assert drawing._child is not child or child.is_usable
    assert drawing._child is None


@pytest.mark.usefixtures("hostile")
def test_a_page_does_not_wait_long_for_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facsimiles, "WAIT_SECONDS", 0.2)
    slow, good = tmp_path / "slow", tmp_path / "good"
    slow.write_text("sleep 50")
    good.write_text("draw 1")
    drawing = Facsimiles()
    drawing.picture(good, sha256(good), 1)
    ended = threading.Event()

    def draw_slow() -> None:
        with pytest.raises(UnreadableFile):
            drawing.picture(slow, sha256(slow), 1)
        ended.set()

    threading.Thread(target=draw_slow, daemon=True).start()
    while not drawing._at_work.locked():
        time.sleep(0.01)
    with pytest.raises(UnreadableFile, match="has to wait"):
        drawing.picture(good, sha256(good), 2)
    assert drawing.picture(good, sha256(good), 1).png == PNG  # was made before
    drawing.close()
    assert ended.wait(60)


@pytest.mark.usefixtures("hostile")
def test_what_is_kept_is_bounded_and_the_last_used_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facsimiles, "MAX_HELD_BYTES", 3 * (len(PNG) + 2_000))
    path = tmp_path / "good"
    path.write_text("draw 1")
    with Facsimiles() as drawing:
        for number in (1, 2, 3, 1, 4):
            drawing.picture(path, sha256(path), number)
        assert [key[1] for key in drawing._held] == [3, 1, 4]
        assert drawing._held_bytes == 3 * (len(PNG) + 2_000)


PARTS = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda pair: pair[0] != pair[1]).map(sorted)
BOXES = st.builds(lambda x, y: Box(x[0], y[0], x[1], y[1]), PARTS, PARTS)


@given(st.dictionaries(st.integers(1, 10**6), st.lists(BOXES, min_size=1, max_size=5), min_size=1, max_size=8))
def test_places_arrive_as_they_were_sent(boxes: dict[int, list[Box]]) -> None:
    sent = Places(tuple(MarkedPage(number, tuple(boxes[number])) for number in sorted(boxes)))
    said, data = wire.packed(wire.Reply(sent))
    assert wire.unpacked(said, data, wire.places)[1] == sent


HERE = Box(0.1, 0.1, 0.2, 0.2)
LIES = {
    "neither": Places(()),
    "both": Places((MarkedPage(1, (HERE,)),), "doubt"),
    "a long doubt": Places((), "x" * 1_000),
    "page 0": Places((MarkedPage(0, (HERE,)),)),
    "twice": Places((MarkedPage(1, (HERE,)), MarkedPage(1, (HERE,)))),
    "no box": Places((MarkedPage(1, ()),)),
    "beyond": Places((MarkedPage(1, (Box(0.1, 0.1, 1.2, 0.2),)),)),
    "without extent": Places((MarkedPage(1, (Box(0.1, 0.1, 0.1, 0.2),)),)),
    "no number": Places((MarkedPage(1, (Box(float("nan"), 0.1, 0.2, 0.2),)),)),
    "too many": Places((MarkedPage(1, (HERE,) * 30_000),)),
}


@pytest.mark.parametrize("kind", LIES)
def test_places_against_the_laws_are_refused(kind: str) -> None:
    said, data = wire.packed(wire.Reply(LIES[kind]))
    with pytest.raises(ValueError, match=r"places|pages|box|characters"):
        wire.unpacked(said, data, wire.places)


@pytest.mark.parametrize(
    "lie",
    [
        Picture(2, 1, 1, PNG),
        Picture(1, 1, 0, PNG),
        Picture(1, 1, 1, b""),
        Picture(1, 1, 1, b"<svg>" + PNG),
        Picture(1, 1, 1, PNG + bytes(wire.MAX_PNG_BYTES)),
        Picture(5_000, 1, 1, PNG[:16] + (5_000).to_bytes(4, "big") + PNG[20:]),
    ],
    ids=["another size", "of no pages", "empty", "no PNG", "long", "large"],
)
def test_a_picture_against_the_laws_is_refused(lie: Picture) -> None:
    said, data = wire.packed(wire.Reply(lie))
    with pytest.raises(ValueError, match="picture"):
        wire.unpacked(said, data, wire.picture)
