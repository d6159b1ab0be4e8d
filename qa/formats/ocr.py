"""The words in a picture of a page, recognised by RapidOCR, whose models come in its package: the extra `ocr`.

It takes the place of the text layer that a scan lacks: lines with their places, which are then put together into
columns, paragraphs, tables and headings like any others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from qa.errors import UsageError
from qa.formats.limits import Limits
from qa.formats.pdf_lines import Line, line_of

if TYPE_CHECKING:
    from PIL.Image import Image

EXTRA = 'pip install "qa[ocr]"'
REMEDY = f"Text recognition (OCR) reads such pages: {EXTRA}, then qa index --ocr."

UNSURE = "If it shows words to you, save it anew: upright, sharp, and larger."
TOO_MANY = "So many are not read by text recognition (OCR): split the file."

PLACE = "read by OCR"
"""What a citation says of the place of such text."""

MAX_SIDE = 2_000
"""Pixels. A page of A4 at 170 dots per inch: what is larger is made smaller, for RapidOCR takes memory by the pixel."""

POINTS_HIGH = 842.0
"""How high a page is whose lines are given. Any measure will do: places are compared with each other only."""

# A page of MAX_SIDE pixels takes some 3 s, and 0.8 GiB at its peak.
_MAX_PAGES = 2_000
_MEMORY_BYTES = 1280 * 1024 * 1024
# Cores that read one picture: the others read other files, and encode.
_THREADS = 1
# Boxes are higher or lower by the letters that they happen to hold, and hardly higher for larger ones: size is judged
# by the widths of letters as well. Lines of one font differ by less than this.
_SAME_FONT = 0.22
_FEW = 4
_SAME_ROW = 0.5

Listener = Callable[[int, int], None]
_listeners: list[Listener] = []


def with_ocr(limits: Limits) -> Limits:
    """The limits for reading scans and pictures as well. Raises UsageError where the extra is not installed."""
    if find_spec("rapidocr") is None:
        raise UsageError("Text recognition (OCR) is asked for, and is not installed.", f"Install it: {EXTRA}")
    return replace(limits, max_ocr_pages=_MAX_PAGES, max_memory_bytes=max(limits.max_memory_bytes, _MEMORY_BYTES))


def is_waiting(problem: str) -> bool:
    """Whether a problem of a document says that text recognition would read more of it."""
    return problem.endswith(REMEDY)


def listen(listener: Listener) -> None:
    """Have every page told that is to be read: its number, and how many pages there are."""
    _listeners.append(listener)


def tell(number: int, count: int) -> None:
    """Page `number` of `count` is to be read."""
    for listener in _listeners:
        listener(number, count)


def lines_in(picture: Image, number: int, count: int) -> list[Line]:
    """The lines of a picture, page `number` of `count`, from the top down and from left to right, in points as if it
    were POINTS_HIGH high."""
    tell(number, count)
    picture = _on_white(picture)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    found = _recogniser()(picture)
    if found.boxes is None or not found.txts:
        return []
    scale = POINTS_HIGH / picture.height
    boxes = [[(scale * float(x), POINTS_HIGH - scale * float(y)) for x, y in box] for box in found.boxes]
    return list(_lines(boxes, found.txts))


def _on_white(picture: Image) -> Image:
    """The picture without colours that shine through: what is behind black letters must not be black."""
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    paper = Image.new("RGB", picture.size, "white")
    paper.paste(picture, mask=picture.getchannel("A"))
    return paper


def _lines(boxes: Sequence[Sequence[tuple[float, float]]], texts: Sequence[str]) -> Iterator[Line]:
    """Lines from the corners of their boxes: upper left, upper right, lower right, lower left."""
    heights = [(a[1] + b[1] - c[1] - d[1]) / 2 for a, b, c, d in boxes]
    sizes = _sizes(heights, [b[0] - a[0] for a, b, _, _ in boxes], texts)
    middles = [sum(y for _, y in box) / len(box) for box in boxes]
    rows: list[list[int]] = []
    for index in sorted(range(len(boxes)), key=lambda index: -middles[index]):
        if rows and middles[rows[-1][0]] - middles[index] < _SAME_ROW * min(heights[rows[-1][0]], heights[index]):
            rows[-1].append(index)
        else:
            rows.append([index])
    for row in rows:
        middle = middles[row[0]]
        for index in sorted(row, key=lambda index: boxes[index][0][0]):
            left, right = min(x for x, _ in boxes[index]), max(x for x, _ in boxes[index])
            yield line_of(texts[index], left, right, middle - sizes[index] / 4, sizes[index])


def _sizes(heights: Sequence[float], widths: Sequence[float], texts: Sequence[str]) -> list[float]:
    """The size of the letters in each box, that of most where it is about the same."""
    letters = [sum(1 + (east_asian_width(sign) in "WF") for sign in text) for text in texts]
    pitches = [width / max(1, count) for width, count in zip(widths, letters, strict=True)]
    high, wide = median(heights), median(pitches)
    sizes = []
    for height, pitch, count in zip(heights, pitches, letters, strict=True):
        ratio = math.sqrt(height / high * pitch / wide) if count >= _FEW and wide > 0 else height / high
        sizes.append(high if abs(ratio - 1) < _SAME_FONT else ratio * high)
    return sizes


@cache
def _recogniser() -> Callable[[Image], Any]:
    import rapidocr

    models = Path(rapidocr.__file__).parent / "models"
    recogniser: Callable[[Image], Any] = rapidocr.RapidOCR(
        params={
            "Global.log_level": "critical",
            # By their paths, so that nothing is looked for, and nothing fetched, elsewhere.
            "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
            "Cls.model_path": str(models / "ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
            "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
            # One line at a time: six at a time, as it would, take 260 MB more and no less time.
            "Rec.rec_batch_num": 1,
            "EngineConfig.onnxruntime.intra_op_num_threads": _THREADS,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
    return recogniser
