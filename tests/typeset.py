"""PDF pages set line by line, so that it is known where every sentence stands."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase.pdfmetrics import getAscentDescent, stringWidth
from reportlab.pdfgen.canvas import Canvas

from qa.records import Box

WIDTH, HEIGHT = A4
LEADING = 1.3

Rectangle = tuple[float, float, float, float]
"""Left, bottom, right and top in points, from the lower left corner of the sheet."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where lines are set: on which page, from which place down, how wide, how many at most."""

    page: int
    left: float
    top: float
    width: float
    lines: int


def typeset(
    sentences: Sequence[str], columns: Iterable[Column], font: str = "Helvetica", size: float = 11, **options: object
) -> tuple[bytes, list[list[tuple[int, Rectangle]]]]:
    """The sentences as one paragraph that goes through the columns, and for each of them the pages, from 1, and the
    rectangles where its letters stand, one for each line: as wide as its words, as high as the font says."""
    words = [(word, number) for number, sentence in enumerate(sentences) for word in sentence.split()]
    places: list[list[tuple[int, Rectangle]]] = [[] for _ in sentences]
    ascent, descent = getAscentDescent(font, size)
    space = stringWidth(" ", font, size)
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, **options)
    page = 1
    for column in columns:
        while page < column.page:
            canvas.showPage()
            page += 1
        for row in range(column.lines):
            base = column.top - row * LEADING * size
            line: list[tuple[str, int]] = []
            at = column.left
            while words and at + stringWidth(words[0][0], font, size) <= column.left + column.width:
                word, number = words.pop(0)
                end = at + stringWidth(word, font, size)
                if line and line[-1][1] == number:
                    _, (left, bottom, _, top) = places[number].pop()
                    places[number].append((page, (left, bottom, end, top)))
                else:
                    places[number].append((page, (at, base + descent, end, base + ascent)))
                line.append((word, number))
                at = end + space
            canvas.setFont(font, size)
            canvas.drawString(column.left, base, " ".join(word for word, _ in line))
    assert not words, f"no room for {words}"
    canvas.save()
    return buffer.getvalue(), places


def altered(data: bytes, change: Callable[[pypdfium2.PdfPage], object]) -> bytes:
    """The file with every page changed."""
    document = pypdfium2.PdfDocument(data)
    for page in document:
        change(page)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def shown(rectangle: Rectangle, crop: Rectangle = (0, 0, WIDTH, HEIGHT), turn: int = 0) -> Box:
    """Where a rectangle of the sheet is on the page as shown: cropped, then turned clockwise by `turn` degrees."""
    left, bottom, right, top = (
        (rectangle[i] - crop[i % 2]) / (crop[2 + i % 2] - crop[i % 2]) for i in range(4)
    )  # parts of the page, from its lower left corner
    for _ in range(turn // 90):
        left, bottom, right, top = bottom, 1 - right, top, 1 - left
    return Box(left, 1 - top, right, 1 - bottom)


def overlap(ones: Sequence[Box], others: Sequence[Box]) -> float:
    """Intersection over union of the areas of two sets of boxes of one page."""
    xs = np.unique([x for box in (*ones, *others) for x in (box.left, box.right)])
    ys = np.unique([y for box in (*ones, *others) for y in (box.top, box.bottom)])
    areas = np.outer(np.diff(ys), np.diff(xs))
    one, other = _covered(ones, xs, ys), _covered(others, xs, ys)
    return float(areas[one & other].sum() / areas[one | other].sum())


def _covered(boxes: Iterable[Box], xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the cells between neighbouring `xs` and `ys` are in one of the boxes."""
    cells = np.zeros((len(ys) - 1, len(xs) - 1), bool)
    for box in boxes:
        top, bottom = np.searchsorted(ys, (box.top, box.bottom))
        left, right = np.searchsorted(xs, (box.left, box.right))
        cells[top:bottom, left:right] = True
    return cells
