"""Whether a file is what it was when it was read, as far as that can be told without reading it again."""

from __future__ import annotations

import os
from typing import Literal

from qa.records import Stamp

TICK_NS = 2_000_000_000
"""The coarsest step of the times that a file system keeps: two seconds, of FAT. A file that was read sooner after its
last change could have changed once more and kept its time."""


def stamp(stat: os.stat_result, moment_ns: int) -> Stamp:
    """Of a file whose content was read after `stat` was taken, and that not before `moment_ns`.

    Times later than the moment, of a clock that was set back or of another machine, settle nothing. The time of
    content alone may be anything: programs set it.
    """
    age = moment_ns - stat.st_ctime_ns
    settled = age > TICK_NS and abs(moment_ns - stat.st_mtime_ns) > TICK_NS
    return Stamp(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, settled)


def compare(held: Stamp | None, size: int, modified_ns: int, stat: os.stat_result) -> Literal["same", "changed", ""]:
    """What a file of this `stat` is to the one that was read: "same", "changed", or "" when only reading it can tell.
    `size` and `modified_ns` are those it had, for a file that was read before stamps were kept."""
    if stat.st_size != size:
        return "changed"
    now = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    if held is not None and held.settled and (size, modified_ns, held.changed_ns, held.inode) == now:
        return "same"
    return ""
