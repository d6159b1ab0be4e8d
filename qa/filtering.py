"""Which documents a filter lets through, and why it keeps another back.

A filter is applied before anything is ranked: no score depends on it, and however few documents it leaves, the best
passages of those are found.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from qa.records import Filter, Source


def allowed(sources: Sequence[Source], filter: Filter) -> NDArray[np.bool_] | None:
    """Which documents the filter lets through, shape (sources,); None when it is empty."""
    if filter == Filter():
        return None
    return np.fromiter((not refusals(source, filter) for source in sources), np.bool_, len(sources))


def refusals(source: Source, filter: Filter) -> tuple[str, ...]:
    """What in the filter keeps the document back, in words; empty when it is let through."""
    found = []
    ending = source.path.rpartition(".")[2].lower()
    if filter.type and filter.type.lower().lstrip(".") not in (source.media_type, ending):
        found.append(f"its type is {source.media_type}, not {filter.type}")
    if filter.path and not fnmatchcase(_composed(source.path), _composed(filter.path)):
        found.append(f"its path does not fit {filter.path}")
    if filter.title and not _within(filter.title, source.title):
        found.append(f"its title, {source.title}, does not hold {filter.title}")
    if filter.after_ns is not None and source.modified_ns < filter.after_ns:
        found.append(f"it was modified {_moment(source.modified_ns)}, before {_moment(filter.after_ns)}")
    if filter.before_ns is not None and source.modified_ns >= filter.before_ns:
        found.append(f"it was modified {_moment(source.modified_ns)}, not before {_moment(filter.before_ns)}")
    return tuple(found)


def _within(words: str, title: str) -> bool:
    """Whether `words` stand somewhere in the title; `*` and `?` are as in a glob, a bracket is a bracket."""
    pattern = " ".join(_composed(words).casefold().split()).replace("[", "[[]")
    return fnmatchcase(" ".join(_composed(title).casefold().split()), f"*{pattern}*")


def _composed(text: str) -> str:
    """Accents as part of their letters: file systems and keyboards differ in it."""
    return unicodedata.normalize("NFC", text)


def _moment(ns: int) -> str:
    try:
        return f"{datetime.fromtimestamp(ns / 1e9, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return "at a time that no calendar has"
