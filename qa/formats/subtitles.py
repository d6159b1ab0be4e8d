"""Subtitles: the cues of one speaker put together to whole sentences, each at the time when it begins."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import partial
from html import unescape
from typing import TYPE_CHECKING, Any

from qa.errors import UnreadableFile
from qa.formats.composing import Composition, check_size, one_line
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.records import Document, Locator

if TYPE_CHECKING:
    from collections.abc import Iterable

VTT, SRT = "text/vtt", "application/x-subrip"

_FORMAT = {VTT: "vtt", SRT: "srt"}
_SENTENCE_END = re.compile(r"[.!?…。！？।؟][\"'”’»)\]]*$")
_STYLING = re.compile(r"\{\\[^{}\n]{0,80}\}|</?(?:font|[biu])\b[^<>\n]{0,200}>", re.IGNORECASE)
_MAX_PAUSE = 3.0  # seconds: after more, something else is said
_MAX_CHARS = 600


def read_as(media_type: str) -> Callable[[bytes, Limits], Document]:
    """The reading function of one kind of file."""
    return partial(_read, media_type=media_type)


def _read(data: bytes, limits: Limits, *, media_type: str) -> Document:
    """Blocks end where a sentence does, the speaker changes or a pause is made; a speaker that the file names stands in
    front of what is said. Styles, positions and comments are left out."""
    import webvtt
    from webvtt.errors import MalformedCaptionError, MalformedFileError

    text, problems, encoding = decode(data)
    check_size(len(text), 0, limits)
    text = text.removeprefix("\ufeff")
    try:
        captions = webvtt.from_buffer(io.StringIO(text, newline=None), format=_FORMAT[media_type]).captions
    except (MalformedFileError, MalformedCaptionError) as error:
        raise UnreadableFile(
            f"is not a file of subtitles that can be read ({one_line(str(error))[:100]})", "Is it misnamed?"
        ) from error
    composition = Composition(limits)
    for start, words in _utterances(captions):
        composition.add("paragraph", words, Locator(place=start, kind="time"), "\n")
    lost = sum("-->" in line for line in text.splitlines()) - len(captions)
    if lost > 0:
        problems = (*problems, f"{lost:,} of its cues could not be read: their times are not well-formed.")
    return composition.document(media_type, "", problems, encoding)


def _utterances(captions: Iterable[Any]) -> Iterable[tuple[str, str]]:
    """When each begins ("00:01:05"), and its words on one line."""
    began, words, voice, until, last = "", "", None, 0.0, ""
    for caption in captions:
        lines = [" ".join(line.split()) for line in _STYLING.sub("", unescape(caption.text)).split("\n")]
        # Live captions say the last line again above the new one.
        said = " ".join(line for index, line in enumerate(lines) if line and (index or line != last))
        last = lines[-1] if lines else ""
        if not said:
            continue
        goes_on = (
            bool(words)
            and caption.voice == voice
            and not _SENTENCE_END.search(words)
            and caption.start_in_seconds - until <= _MAX_PAUSE
            and len(words) < _MAX_CHARS
        )
        if not goes_on:
            if words:
                yield began, f"{voice}: {words}" if voice else words
            began, words, voice = caption.start.partition(".")[0], said, caption.voice
        else:
            words = f"{words} {said}"
        until = max(until, caption.end_in_seconds)
    if words:
        yield began, f"{voice}: {words}" if voice else words
