"""What is on a disk after a loss of power: a folder as it was, what was done to it since, and what of that was synced.

What an ordinary journalling file system may leave, as in Pillai et al. 2014, "All File Systems Are Not Created Equal",
and what SQLite counts on (sqlite.org/atomiccommit.html, psow):

- What was written to a file is there for certain once the file was synced. Until then any of it may be missing, in any
  order; of what is longer than a sector, sectors; and what lengthened the file may have done that alone, with zeros.
- A name that was given, changed or taken away in a folder is so for certain once the folder was synced, a move from one
  folder to another when that was. Until then any of these may be missing, in any order, also where the file itself was
  synced; a name is there with whatever is there of its file. A move is made wholly or not at all, and none into a
  folder that is not there itself.
- No byte changes where nothing was written. Modes and times of files are not looked at.
- Memory that is shared through a file (SQLite's -shm) has no part in what is kept: the file may be as it was made, of
  zeros, of anything, or gone.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from journal import Event

SECTOR = 512
"""Bytes that are written wholly or not at all."""

SHARED = "-shm"


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at an offset, or where there are none the new size of a file (`grows`: its least)."""

    number: int
    offset: int
    data: bytes | None
    grows: bool = False

    def apply(self, content: bytearray) -> None:
        if self.data is None:
            if not self.grows:
                del content[self.offset :]
            content.extend(bytes(max(0, self.offset - len(content))))
        elif self.data:
            content.extend(bytes(max(0, self.offset - len(content))))
            content[self.offset : self.offset + len(self.data)] = self.data

    def torn(self, keeps: Callable[[int], bool]) -> Iterator[Write]:
        """Of each sector of the disk that it concerns, by number, what is kept."""
        if self.data is None:
            yield self
            return
        at, end = self.offset, self.offset + len(self.data)
        while at < end:
            upto = min(end, (at // SECTOR + 1) * SECTOR)
            if keeps(at // SECTOR):
                yield Write(self.number, at, self.data[at - self.offset : upto - self.offset])
            at = upto


@dataclass(eq=False, slots=True)
class Node:
    """A file or a folder. Of a file, `content` is what is on the disk and `writes` what is not there for certain."""

    is_folder: bool
    content: bytearray = field(default_factory=bytearray)
    writes: list[Write] = field(default_factory=list)


Slot = tuple[Node, str]
"""A folder and a name in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Naming:
    """Names given (to a file or folder) and taken away (None) at once."""

    number: int
    names: dict[Slot, Node | None]

    def is_certain(self, synced: dict[Node, int]) -> bool:
        """Whether folders were synced since, by the number of the sync, in which names are given, or else taken."""
        given = [folder for (folder, _), node in self.names.items() if node is not None]
        taken = [folder for folder, _ in self.names]
        return all(self.number < synced.get(folder, 0) for folder in given or taken)


class Disk:
    """A `folder` that is `before`, or is not there, but for what is done to it. The one that it lies in stays.

    `unsynced` says of a path whether syncs of it do nothing, as on a disk that lies, or with a fault in the program.
    """

    def __init__(self, folder: Path, before: Path | None, unsynced: Callable[[str], bool] = lambda path: False) -> None:
        self._base = folder.parent
        self._unsynced = unsynced
        self._root = Node(is_folder=True)
        self._names: dict[Slot, Node] = {}
        """As programs see them."""
        self._held: dict[Slot, tuple[int, Node | None]] = {}
        """Those that are on the disk, with the number of what gave them."""
        self._namings: list[Naming] = []
        self._nodes: dict[int, Node] = {}
        self._synced: dict[Node, int] = {self._root: 0}
        if before is not None:
            self._load(self._root, folder.name, before)
        self._held = {slot: (-1, node) for slot, node in self._names.items()}

    def _load(self, folder: Node, name: str, path: Path) -> None:
        node = Node(path.is_dir())
        self._names[folder, name] = node
        if node.is_folder:
            for child in sorted(path.iterdir()):
                self._load(node, child.name, child)
        else:
            node.content[:] = path.read_bytes()

    def _slot(self, path: str) -> Slot:
        parts = Path(path).relative_to(self._base).parts
        node = self._root
        for part in parts[:-1]:
            node = self._names[node, part]
        return node, parts[-1]

    def _node(self, path: str, number: int) -> Node:
        """By number, if it is known by that, as a file may have other names by now."""
        if number not in self._nodes:
            self._nodes[number] = self._root if Path(path) == self._base else self._names[self._slot(path)]
        return self._nodes[number]

    def _name(self, number: int, names: dict[Slot, Node | None]) -> None:
        self._namings.append(Naming(number, names))
        for slot, node in names.items():
            if node is None:
                self._names.pop(slot, None)
            else:
                self._names[slot] = node

    def do(self, number: int, event: Event, data: bytes) -> None:
        """What was done as the event of a `number`; `data` is all that was written."""
        kind, *given = event
        if kind == "make":
            path, inode, is_emptied = given
            slot = self._slot(path)
            if slot not in self._names:
                self._name(number, {slot: Node(is_folder=False)})
            elif is_emptied:
                self._names[slot].writes.append(Write(number, 0, None))
            self._nodes[inode] = self._names[slot]
        elif kind == "write":
            path, inode, offset, place, count = given
            self._node(path, inode).writes.append(Write(number, offset, data[place : place + count]))
        elif kind in ("cut", "grow"):
            self._node(*given[:2]).writes.append(Write(number, given[2], None, kind == "grow"))
        elif kind == "folder":
            self._name(number, {self._slot(given[0]): Node(is_folder=True)})
        elif kind == "unlink":
            self._name(number, {self._slot(given[0]): None})
        elif kind == "rename":
            source, target = self._slot(given[0]), self._slot(given[1])
            self._name(number, {source: None, target: self._names[source]})
        elif kind == "link":
            self._name(number, {self._slot(given[1]): self._names[self._slot(given[0])]})
        elif kind == "sync" and not self._unsynced(given[0]):
            self._sync(self._node(*given[:2]), given[2])

    def _sync(self, node: Node, until: int) -> None:
        if node.is_folder:
            self._synced[node] = until
            certain = [naming for naming in self._namings if naming.is_certain(self._synced)]
            left = self._put(certain, self._held)
            self._namings = [naming for naming in self._namings if naming not in certain or naming in left]
        else:
            for write in node.writes:
                if write.number < until:
                    write.apply(node.content)
            node.writes = [write for write in node.writes if write.number >= until]

    def _put(self, namings: list[Naming], held: dict[Slot, tuple[int, Node | None]]) -> list[Naming]:
        """Put names where no later one is; those that are left, as they are in folders that are not there."""
        while True:
            left = []
            for naming in namings:
                if all(node is None or self._is_there(folder, held) for (folder, _), node in naming.names.items()):
                    for slot, node in naming.names.items():
                        if held.get(slot, (-2, None))[0] < naming.number:
                            held[slot] = naming.number, node
                else:
                    left.append(naming)
            if len(left) in (0, len(namings)):
                return left
            namings = left

    def _is_there(self, folder: Node, held: dict[Slot, tuple[int, Node | None]]) -> bool:
        while folder is not self._root:
            above = next((slot[0] for slot, (_, node) in held.items() if node is folder), None)
            if above is None:
                return False
            folder = above
        return True

    def left(self, chance: random.Random | None, *, whole: bool = False) -> dict[str, bytes | None]:
        """What is there after a loss of power now, by path below the root (None is a folder): without a `chance`
        nothing that was not synced, or all of it if it is `whole`."""
        held = dict(self._held)
        certain = [naming for naming in self._namings if naming.is_certain(self._synced)]
        self._put(
            [*_some([naming for naming in self._namings if naming not in certain], chance, whole), *certain], held
        )
        found: dict[str, bytes | None] = {}
        contents: dict[Node, bytes] = {}
        children: dict[Node, dict[str, Node]] = {}
        for (folder, name), (_, node) in held.items():
            if node is not None:
                children.setdefault(folder, {})[name] = node

        def add(folder: Node, above: str) -> None:
            for name, node in sorted(children.get(folder, {}).items()):
                path = f"{above}{name}"
                if node.is_folder:
                    found[path] = None
                    add(node, f"{path}/")
                elif name.endswith(SHARED):
                    if (shared := _shared(chance)) is not None:
                        found[path] = shared
                else:
                    if node not in contents:
                        contents[node] = _content(node, chance, whole)
                    found[path] = contents[node]

        add(self._root, "")
        return found


def _some(things: list[Any], chance: random.Random | None, whole: bool) -> list[Any]:
    """None, all, the first, or any of them."""
    way = "all" if whole else "none" if chance is None else chance.choice(("none", "all", "first", "any"))
    if way == "none" or chance is None:
        return things if way == "all" else []
    if way == "first":
        return things[: chance.randint(0, len(things))]
    return things if way == "all" else [thing for thing in things if chance.random() < 0.5]


def _content(node: Node, chance: random.Random | None, whole: bool) -> bytes:
    content = bytearray(node.content)
    kept: Iterable[Write] = _some(node.writes, chance, whole)
    if chance is not None and node.writes:
        way = chance.choice(("as it is", "as it is", "torn", "last torn", "zeros"))
        if way == "torn":
            kept = [part for write in kept for part in write.torn(lambda sector: chance.random() < 0.5)]
        elif way == "last torn":
            *first, last = [*kept] or [Write(0, 0, b"")]
            upto = last.offset + chance.randint(0, len(last.data or b""))
            kept = [*first, *last.torn(lambda sector: sector < upto // SECTOR)]
        elif way == "zeros":  # the lengths alone
            end = max((write.offset + len(write.data or b"") for write in kept), default=0)
            kept = [Write(0, end, None, grows=True)]
    for write in kept:
        write.apply(content)
    return bytes(content)


def _shared(chance: random.Random | None) -> bytes | None:
    if chance is None:
        return None
    return chance.choice((None, b"", bytes(32768), chance.randbytes(32768)))


def lay(found: dict[str, bytes | None], folder: Path) -> None:
    """Make a folder what was found of it."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, content in found.items():
        place = folder.parent / path
        if content is None:
            place.mkdir()
        else:
            place.write_bytes(content)


def lying(folder: Path) -> dict[str, bytes | None]:
    """What `lay` makes the same folder of, but for memory that is shared."""
    paths = [path for path in (folder, *folder.rglob("*")) if not path.name.endswith(SHARED)]
    return {str(path.relative_to(folder.parent)): None if path.is_dir() else path.read_bytes() for path in paths}


@dataclass(frozen=True, slots=True)
class Cut:
    """What is there after a loss of power before the event of a `number` (after all, their count); what was `said` by
    then."""

    number: int
    said: str
    found: dict[str, bytes | None]


def cuts(disk: Disk, events: Sequence[Event], data: bytes, states: int, seed: int, first: int = 0) -> Iterator[Cut]:
    """So many states, most of them from before a sync, as most may be missing then, none from before the `first` event;
    and a few of after all, first the one in which nothing is there that was not synced."""
    chance = random.Random(seed)
    after = 1 + states // 12
    syncs = [number for number in range(first, len(events)) if events[number][0] == "sync"]
    moments = Counter(
        chance.choice(syncs) if chance.random() < 0.6 else chance.randrange(first, len(events))
        for _ in range(states - after)
    )
    said = ""
    for number, event in enumerate(events):
        for _ in range(moments[number]):
            is_least = chance.random() < 0.15
            yield Cut(
                number, said, disk.left(None if is_least else chance, whole=not is_least and chance.random() < 0.05)
            )
        disk.do(number, event, data)
        if event[0] == "say":
            said += event[1]
    for number in range(after):
        yield Cut(len(events), said, disk.left(chance if number else None))
