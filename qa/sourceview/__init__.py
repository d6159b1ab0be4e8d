"""A document as the source view shows it: a light window of its blocks, structured, with the cited spans marked."""

from __future__ import annotations

from qa.sourceview.grids import Cell, Grid, Row
from qa.sourceview.outlines import Entry, outline
from qa.sourceview.places import block_at, place_in_words
from qa.sourceview.reflowing import reflowed, reflowed_segments
from qa.sourceview.windows import (
    MAX_PIECE_CHARS,
    MAX_WINDOW_CHARS,
    MAX_WINDOW_PIECES,
    Group,
    Mark,
    Piece,
    Stretch,
    Window,
    piece_at,
    window,
)

__all__ = [
    "MAX_PIECE_CHARS",
    "MAX_WINDOW_CHARS",
    "MAX_WINDOW_PIECES",
    "Cell",
    "Entry",
    "Grid",
    "Group",
    "Mark",
    "Piece",
    "Row",
    "Stretch",
    "Window",
    "block_at",
    "outline",
    "piece_at",
    "place_in_words",
    "reflowed",
    "reflowed_segments",
    "window",
]
