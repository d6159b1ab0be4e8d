"""Subtitles: each sentence at the time when it begins."""

from __future__ import annotations

import pytest
from formats_laws import assert_outlives_mutants, blocks, place_of, quotes, read, read_or_reason
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.errors import UnreadableFile
from qa.formats import Limits, parse
from qa.formats.subtitles import SRT, VTT

_TALK = """WEBVTT - A talk

NOTE Not to be read.

STYLE
::cue { color: red }

intro
00:01.000 --> 00:03.000 align:start
<v Ada>The quay is <i>very</i>

00:03.000 --> 00:05.500
<v Ada>240 metres long.

00:05.500 --> 00:07.000
<v Bob>Is it &amp; was it?

01:02:05.000 --> 01:02:09.000
Nobody
knows

01:02:30.000 --> 01:02:31.000
After a pause
"""
_FILM = (
    "1\r\n00:00:01,000 --> 00:00:03,000\r\n{\\an8}<font color='red'>Où est</font>\r\n\r\n"
    "2\r\n00:00:03,100 --> 00:00:05,000\r\n<i>le port ?</i>\r\n\r\n3\r\n00:01:00,000 --> 00:01:02,000\r\n- Là.\r\n"
)


def test_a_sentence_is_put_together_and_cited_at_the_time_when_it_begins() -> None:
    document = read(_TALK, VTT)
    assert [text for _, text in blocks(document)] == [
        "Ada: The quay is very 240 metres long.",
        "Bob: Is it & was it?",
        "Nobody knows",
        "After a pause",
    ]
    for quote, time in {"quay": "00:00:01", "Is it": "00:00:05", "knows": "01:02:05", "pause": "01:02:30"}.items():
        assert place_of(document, quote, "talk.vtt") == f"talk.vtt, {time}"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_other_kind_reads_the_same_in_any_encoding(encoding: str) -> None:
    document = read(_FILM.encode(encoding), SRT)
    assert quotes(document, "paragraph") == ["Où est le port ?", "- Là."]
    assert place_of(document, "Là", "film.srt") == "film.srt, 00:01:00"


def test_lines_that_live_captions_say_again_are_said_once() -> None:
    rolling = "WEBVTT\n\n" + "".join(
        f"00:0{n}.000 --> 00:0{n + 1}.000\n{'' if n == 1 else f'line {n - 1}' + chr(10)}line {n}\n\n"
        for n in range(1, 5)
    )
    assert quotes(read(rolling, VTT), "paragraph") == ["line 1 line 2 line 3 line 4"]


def test_cues_that_cannot_be_read_are_counted() -> None:
    broken = f"{_TALK}\n01:xx:05.000 --> 02:00:00.000\nLost words.\n"
    assert read(broken, VTT).problems == ("1 of its cues could not be read: their times are not well-formed.",)


def test_what_holds_no_subtitles_is_refused() -> None:
    for kind in (VTT, SRT):
        with pytest.raises(UnreadableFile):
            parse(b"Just some words.\n\nAnd more.", kind, Limits())


def test_hostile_and_damaged_files_are_read_or_refused() -> None:
    for unit in ("<", "<v ", "-->", "00:01.000 --> 00:02.000\n", "&", "{\\"):
        read_or_reason(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{unit * 20_000}\n".encode(), VTT)
    assert_outlives_mutants(_TALK.encode(), VTT)
    assert_outlives_mutants(_FILM.encode(), SRT)


_WORDS = st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), min_size=1, max_size=5)


@settings(max_examples=50)
@given(cues=st.lists(_WORDS, min_size=1, max_size=8))
def test_no_word_is_lost_and_every_block_begins_when_one_of_its_cues_does(cues: list[list[str]]) -> None:
    said = [f"{' '.join(words)} {number}." for number, words in enumerate(cues)]
    times = [f"00:{number:02}:00" for number in range(len(cues))]
    source = "".join(f"{time}.000 --> {time}.500\n{text}\n\n" for time, text in zip(times, said, strict=True))
    document = read(f"WEBVTT\n\n{source}", VTT)
    assert quotes(document, "paragraph") == said
    assert [block.locator.place for block in document.blocks] == times
