"""Writes compound files, the container of Office files from before 2007 and of Outlook's messages (MS-CFB)."""

from __future__ import annotations

import struct
from typing import Any

_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096


def compound(content: dict[str, Any]) -> bytes:
    """A compound file of streams (bytes) and storages (such dicts), by name."""
    entries: list[dict[str, Any]] = [{"name": "Root Entry", "kind": 5, "data": b""}]
    _enter(entries, 0, content)
    sectors: list[bytes] = []
    fat: list[int] = []
    mini, mini_fat = b"", list[int]()

    def chain(data: bytes) -> int:
        first = len(sectors)
        parts = [data[at : at + _SECTOR].ljust(_SECTOR, b"\0") for at in range(0, len(data), _SECTOR)]
        sectors.extend(parts)
        fat.extend([first + n + 1 for n in range(len(parts) - 1)] + [_END])
        return first

    for entry in entries[1:]:
        data = entry["data"]
        if len(data) >= _CUTOFF:
            entry["start"] = chain(data)
        elif data:
            entry["start"] = len(mini_fat)
            count = -(-len(data) // _MINI)
            mini_fat.extend([entry["start"] + n + 1 for n in range(count - 1)] + [_END])
            mini += data.ljust(count * _MINI, b"\0")
    if mini:
        entries[0]["start"], entries[0]["data"] = chain(mini), mini
    mini_fat_start = chain(struct.pack(f"<{len(mini_fat)}I", *mini_fat).ljust(_SECTOR, b"\xff")) if mini_fat else _END
    directory = b"".join(_entry(entry) for entry in entries)
    directory += _entry({"name": "", "kind": 0, "data": b""}) * (-len(entries) % 4)
    directory_start = chain(directory)
    fat_sectors = 1
    while fat_sectors * (_SECTOR // 4) < len(fat) + fat_sectors:
        fat_sectors += 1
    fat_places = list(range(len(sectors), len(sectors) + fat_sectors))
    fat += [_FAT] * fat_sectors
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(fat_sectors * _SECTOR, b"\xff")
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIIII", 0, fat_sectors, directory_start, 0, _CUTOFF, mini_fat_start,
                          -(-len(mini_fat) * 4 // _SECTOR), _END, 0, fat_places[0])  # fmt: skip
    header += struct.pack(f"<{fat_sectors - 1}I", *fat_places[1:])
    return header.ljust(_SECTOR, b"\xff") + b"".join(sectors) + table


def _enter(entries: list[dict[str, Any]], parent: int, content: dict[str, Any]) -> None:
    """Adds the entries of a storage, each the right neighbour of the one before."""
    before = None
    for name, value in content.items():
        index = len(entries)
        is_storage = isinstance(value, dict)
        entries.append({"name": name, "kind": 1 if is_storage else 2, "data": b"" if is_storage else value})
        if before is None:
            entries[parent]["child"] = index
        else:
            entries[before]["right"] = index
        before = index
        if is_storage:
            _enter(entries, index, value)


def _entry(entry: dict[str, Any]) -> bytes:
    name = entry["name"].encode("utf-16-le")
    return struct.pack(
        "<64sHBBIII16x4x16xIQ",
        name,
        len(name) + 2 if name else 0,
        entry["kind"],
        1,
        _FREE,
        entry.get("right", _FREE),
        entry.get("child", _FREE),
        entry.get("start", _END if entry["data"] == b"" else 0),
        len(entry["data"]),
    )
