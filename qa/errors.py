"""Everything that can go wrong, as one small tree. Each error says what, where, and what to do next.

    QAError
    |- UsageError        the caller asked for something that cannot be (a bad question, filter, option, folder)
    |- UnreadableFile    one file could not be read; the rest go on
    |  `- UnsupportedFile   because it is of a type that is not read
    |- IndexMissing      there is no index here yet
    |- IndexUnusable     an index is there and cannot be used as it is (damaged, other format, other model)
    |- IndexBusy         another process is writing to this index
    `- ModelUnusable     a model is missing, altered, or of a kind that cannot be used

Errors are raised where they are noticed and caught only at a door (`cli`, `web`).
"""

from __future__ import annotations


class QAError(Exception):
    """`what` went wrong and where; `remedy` is the next thing to do, empty when there is none."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what if not remedy else f"{what} {remedy}")
        self.what = what
        self.remedy = remedy


class UsageError(QAError):
    """The caller asked for something that cannot be."""


class UnreadableFile(QAError):
    """One file could not be read. `what` names the reason without the path, for lists of files."""


class UnsupportedFile(UnreadableFile):
    """One file is of a type that is not read, or not as things are set."""


class IndexMissing(QAError):
    """There is no index at the place named."""


class IndexUnusable(QAError):
    """An index is there but cannot be used as it is."""


class IndexBusy(QAError):
    """Another process is writing to this index."""


class ModelUnusable(QAError):
    """A model is missing, altered, or of a kind that cannot be used."""
