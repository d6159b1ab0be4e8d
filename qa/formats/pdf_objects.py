"""The objects of a PDF page, and the straight rules among them."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

Matrix = tuple[float, float, float, float, float, float]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

_MAX_DEPTH, _MAX_OBJECTS = 12, 200_000

# Of more segments, the page has drawings; tables of a page have some hundreds.
_MAX_SEGMENTS, _MAX_RULES = 3_000, 250
_STRAIGHT, _SHORTEST = 0.6, 6.0  # points
_NEAR = 3.0  # points between rules that touch, or that are the two edges of one drawn as a thin area


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line, level or upright, in points: `at` across it, from `low` to `high` along it."""

    is_level: bool
    at: float
    low: float
    high: float


def objects_of(page: PdfPage) -> Iterator[tuple[Any, Matrix]]:
    """Every object of the page, those within others as well, with what takes its places to those of the page."""
    import pypdfium2.raw as pdfium

    left = _MAX_OBJECTS
    count = pdfium.FPDFPage_CountObjects(page)
    stack = [((pdfium.FPDFPage_GetObject(page, i) for i in range(count)), IDENTITY)]
    while stack:
        things, place = stack[-1]
        thing = next(things, None)
        left -= 1
        if thing is None or left < 0:
            stack.pop()
            continue
        yield thing, place
        if pdfium.FPDFPageObj_GetType(thing) == pdfium.FPDF_PAGEOBJ_FORM and len(stack) < _MAX_DEPTH:
            inner = (pdfium.FPDFFormObj_GetObject(thing, i) for i in range(pdfium.FPDFFormObj_CountObjects(thing)))
            stack.append((inner, product(matrix_of(thing), place)))


def matrix_of(thing: Any) -> Matrix:
    """What takes an object's own places to those of what it stands in."""
    import pypdfium2.raw as pdfium

    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(thing, found):
        return IDENTITY
    return found.a, found.b, found.c, found.d, found.e, found.f


def product(inner: Matrix, outer: Matrix) -> Matrix:
    """The matrix that takes a place through `inner`, then through `outer`."""
    a, b, c, d, e, f = inner
    g, h, i, j, k, m = outer
    return a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m


def rules_of(page: PdfPage) -> tuple[Rule, ...]:
    """The rules of a page; edges of areas count. None where there are so many that the page holds a drawing."""
    import pypdfium2.raw as pdfium

    x, y = ctypes.c_float(), ctypes.c_float()
    found: list[Rule] = []
    left = _MAX_SEGMENTS
    for thing, place in objects_of(page):
        if pdfium.FPDFPageObj_GetType(thing) != pdfium.FPDF_PAGEOBJ_PATH:
            continue
        count = pdfium.FPDFPath_CountSegments(thing)
        left -= count
        if left < 0:
            return ()
        a, b, c, d, e, f = product(matrix_of(thing), place)
        begin = last = (0.0, 0.0)
        for index in range(count):
            segment = pdfium.FPDFPath_GetPathSegment(thing, index)
            pdfium.FPDFPathSegment_GetPoint(segment, x, y)
            kind = pdfium.FPDFPathSegment_GetType(segment)
            here = a * x.value + c * y.value + e, b * x.value + d * y.value + f
            if kind == pdfium.FPDF_SEGMENT_MOVETO:
                begin = here
            elif kind == pdfium.FPDF_SEGMENT_LINETO:
                found += _rule(last, here)
            last = here
            if pdfium.FPDFPathSegment_GetClose(segment):
                found += _rule(here, begin)
                last = begin
    rules = [rule for rule in _joined(found) if rule.high - rule.low >= _SHORTEST]
    return tuple(rules) if len(rules) <= _MAX_RULES else ()


def turned(rules: Sequence[Rule], angle: float) -> tuple[Rule, ...]:
    """The rules as they lie to lines of text at an angle, which are then level; none where that is no quarter turn."""
    quarters, rest = divmod(round(angle / (math.pi / 2), 6), 1)
    if rest:
        return ()
    found = tuple(rules)
    for _ in range(int(quarters) % 4):  # (x, y) is (y, -x) when seen from a quarter turn
        found = tuple(
            Rule(False, rule.at, -rule.high, -rule.low) if rule.is_level else Rule(True, -rule.at, rule.low, rule.high)
            for rule in found
        )
    return found


def _rule(one: tuple[float, float], other: tuple[float, float]) -> Iterator[Rule]:
    if not all(map(math.isfinite, (*one, *other))):
        return
    width, height = abs(one[0] - other[0]), abs(one[1] - other[1])
    if height <= _STRAIGHT < width:
        yield Rule(True, (one[1] + other[1]) / 2, min(one[0], other[0]), max(one[0], other[0]))
    elif width <= _STRAIGHT < height:
        yield Rule(False, (one[0] + other[0]) / 2, min(one[1], other[1]), max(one[1], other[1]))


def _joined(rules: Iterable[Rule]) -> Iterator[Rule]:
    """The rules, those that lie on one another or go on from each other as one."""
    held: list[Rule] = []  # those that lie near the one at hand
    for rule in sorted(rules, key=lambda rule: (rule.is_level, rule.at, rule.low)):
        yield from (other for other in held if other.is_level != rule.is_level or rule.at - other.at > _NEAR)
        held = [other for other in held if other.is_level == rule.is_level and rule.at - other.at <= _NEAR]
        for index, other in enumerate(held):
            if rule.low <= other.high + _NEAR and other.low <= rule.high + _NEAR:
                rule = Rule(rule.is_level, other.at, min(rule.low, other.low), max(rule.high, other.high))
                held[index] = rule
                break
        else:
            held.append(rule)
    yield from held
