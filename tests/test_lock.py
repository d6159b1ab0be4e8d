"""Laws of the right to write to an index."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from qa import lock
from qa.errors import IndexBusy

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
