"""Bytes to text: which encoding a file is written in."""

from __future__ import annotations

import codecs
import re

from qa.errors import UnreadableFile

# Longest first: the UTF-32 mark begins with the UTF-16 one. The "-le" and "-be" codecs keep the mark as U+FEFF, as
# "utf-8" does, so that offsets in the text are offsets in the decoded file.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# What a document may declare for itself. A fixed list, because Python also knows codecs that are no encodings of text
# ("unicode_escape"), that can produce lone surrogates ("utf-7") or that take quadratic time ("punycode").
_DECLARABLE = re.compile(
    r"(?:us-?ascii|utf-?8|iso-?8859-?\d{1,2}|latin-?1|windows-?125\d|cp\d{3,4}|koi8-[rtu]|mac(?:intosh|roman|cyrillic)"
    r"|shift[-_]?jis|sjis|windows-31j|cp932|euc-?(?:jp|kr)|gbk?|gb2312|gb18030|big5(?:-?hkscs)?|iso-2022-jp|tis-620)",
    re.IGNORECASE,
)
# Written in ASCII bytes alone, so that they would also pass as UTF-8.
_STATEFUL = ("iso-2022-jp",)
# Pages that declare the left are read by every browser as the right (WHATWG Encoding, section 4.2).
_READ_AS = {
    **dict.fromkeys(("us-ascii", "ascii", "iso-8859-1", "iso8859-1", "latin1", "latin-1"), "cp1252"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    "iso-8859-9": "cp1254",
    "macintosh": "mac-roman",
}

_GUESS_BEFORE, _GUESS_AFTER = 4_096, 65_536
_CONTROL = re.compile(r"[\x01-\x07\x0e-\x19\x1c-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_MAX_CONTROL_SHARE = 0.01

_BINARY = "holds binary data, not text"
_BINARY_REMEDY = "If it is a document, give it the file ending of its real type."


def decode(data: bytes, declared: str = "") -> tuple[str, tuple[str, ...], str]:
    """The text of `data`, code point for code point; sentences about what had to be guessed or replaced; and the name
    of the encoding, with what it was recognised by unless all bytes are valid UTF-8: "UTF-16 (byte order mark)".

    A byte order mark decides and stays in the text; then comes UTF-8, then the encoding the document declares for
    itself, then a guess. Raises UnreadableFile for what is not text.
    """
    text, problems, encoding = _decoded(data, declared)
    if "\0" in text or _control_characters(text) > _MAX_CONTROL_SHARE * len(text):
        raise UnreadableFile(_BINARY, _BINARY_REMEDY)
    return text, problems, encoding


def _decoded(data: bytes, declared: str) -> tuple[str, tuple[str, ...], str]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            text = data.decode(encoding, "replace")
            if text.count("\ufffd") > _MAX_CONTROL_SHARE * len(text):
                raise UnreadableFile(_BINARY, _BINARY_REMEDY)  # the mark was two bytes of something else
            return text, _replaced(text, encoding.upper()[:6]), f"{encoding.upper()[:6]} (byte order mark)"
    declared = declared.strip().lower()
    if declared in _STATEFUL:
        return data.decode(declared, "replace"), (), f"{declared} (declared)"
    try:
        return data.decode("utf-8"), (), "UTF-8"
    except UnicodeDecodeError as error:
        first_bad = error.start
    if b"\0" in data[:_GUESS_AFTER]:
        raise UnreadableFile(_BINARY, _BINARY_REMEDY)
    lenient = data.decode("utf-8", "replace")
    bad = lenient.count("\ufffd")
    if len(data) - len(lenient) > 4 * bad:  # far more bytes took part in valid sequences than in broken ones
        return lenient, _replaced(lenient, "UTF-8"), "UTF-8 (most of it)"
    if _DECLARABLE.fullmatch(declared):
        try:
            read_as = _READ_AS.get(declared, declared)
            return data.decode(read_as), (), f"{_shown(read_as)} (declared)"
        except (LookupError, UnicodeDecodeError):
            pass  # the declaration is wrong, or names no encoding: guess
    return _guessed(data, first_bad)


def _guessed(data: bytes, first_bad: int) -> tuple[str, tuple[str, ...], str]:
    from charset_normalizer import from_bytes

    # What lies before the first byte beyond ASCII tells nothing, and the whole of a large file takes too long.
    guess = from_bytes(data[max(0, first_bad - _GUESS_BEFORE) : first_bad + _GUESS_AFTER]).best()
    if guess is None:
        raise UnreadableFile(_BINARY, _BINARY_REMEDY)
    try:
        text = data.decode(guess.encoding, "replace")
    except LookupError:
        raise UnreadableFile(_BINARY, _BINARY_REMEDY) from None
    name = _shown(guess.encoding)
    return text, (f"Read as {name}, which is a guess: it is not valid UTF-8.",), f"{name} (a guess)"


def _shown(encoding: str) -> str:
    """The name of an encoding that people know."""
    return re.sub(r"^cp(125\d)$", r"windows-\1", encoding)


def _replaced(text: str, encoding: str) -> tuple[str, ...]:
    count = text.count("\ufffd")
    return (f"Not wholly valid {encoding}: {count} characters could not be read and stand as U+FFFD.",) if count else ()


def _control_characters(text: str) -> int:
    return sum(1 for _ in _CONTROL.finditer(text))
