"""Laws of the right to write to an index."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from qa import lock
from qa.errors import IndexBusy, UsageError

CONTENDER = """
import sys, time
from pathlib import Path
from qa import lock
from qa.errors import IndexBusy
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
try:
    with lock.writer(Path(sys.argv[1]), sys.argv[2]):
        print("won", flush=True)
        sys.stdin.readline()
except IndexBusy as error:
    print(f"told {time.monotonic() - began:.3f} {error}", flush=True)
    sys.stdin.readline()
"""


def contender(folder: Path, name: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CONTENDER, str(folder), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def contend(folder: Path, times: int) -> None:
    for _ in range(times):
        two = [contender(folder, f"writer {number}") for number in range(2)]
        for process in two:
            say(process)
        said = {process: process.stdout.readline() for process in two if process.stdout is not None}
        winners = [process for process, line in said.items() if line == "won\n"]
        assert len(winners) == 1
        (loser,) = set(two) - set(winners)
        kind, seconds, what = said[loser].split(" ", 2)
        assert (kind, float(seconds) < 1) == ("told", True)
        assert f"process {winners[0].pid} (writer {two.index(winners[0])}), since " in what
        winners[0].kill()
        winners[0].wait()
        with lock.writer(folder, "the next one"):  # at once
            pass
        say(loser)
        assert loser.wait() == 0
        assert (folder / lock.FILE).read_text("utf-8") == ""


def test_of_two_writers_one_wins_and_the_other_is_told_who_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    contend(tmp_path, 4)


@pytest.mark.slow
def test_of_two_writers_fifty_times_one_wins_and_the_other_is_told_who(tmp_path: Path) -> None:
    contend(tmp_path, 50)


def test_who_waits_gets_the_right_when_the_holder_ends_or_is_told_when_the_time_is_up(tmp_path: Path) -> None:
    taken, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with lock.writer(tmp_path, "qa index"):
            taken.set()
            let_go.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    began = time.monotonic()
    with pytest.raises(IndexBusy, match=r"\(qa index\)") as caught, lock.writer(tmp_path, "qa forget", 0.2):
        pass
    assert 0.2 <= time.monotonic() - began < 60
    assert "0.2 s" in caught.value.what
    threading.Timer(0.2, let_go.set).start()
    with lock.writer(tmp_path, "qa forget", math.inf):
        assert let_go.is_set()
        assert "(qa forget)" in (tmp_path / lock.FILE).read_text("utf-8")
    holder.join()


def test_what_a_killed_holder_left_is_not_taken_for_the_holder(tmp_path: Path) -> None:
    """A process that has the lock and did not yet say who it is, over the name of a dead one."""
    import fcntl

    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with (tmp_path / lock.FILE).open("w+") as file:
        file.write(f"process {dead.pid} (qa index), since 2026-01-01 00:00:00\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(IndexBusy, match="did not say which"), lock.writer(tmp_path, "qa forget"):
            pass


@pytest.mark.parametrize(
    ("number", "what", "remedy"),
    [
        (errno.ENOSPC, "The disk is full", "Make room"),
        (errno.EDQUOT, "The disk is full", "Make room"),
        (errno.EIO, "The disk failed", "Look after the disk"),
        (errno.EROFS, "cannot be written", "run the command again"),
    ],
)
def test_what_a_disk_refuses_whoever_has_the_right_is_said_with_its_cause_and_what_to_do(
    number: int, what: str, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught, lock.writer(tmp_path, "qa index"):
        raise OSError(number, os.strerror(number), "some/file")
    assert what in caught.value.what
    assert os.strerror(number) in caught.value.what
    assert remedy in caught.value.remedy


def test_a_lock_that_cannot_say_who_has_it_is_one_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with lock.writer(tmp_path, "one"):
        assert (tmp_path / lock.FILE).read_bytes() == b""
        with pytest.raises(IndexBusy), lock.writer(tmp_path, "other"):
            pass
