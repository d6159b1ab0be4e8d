"""Source code and configuration: the canonical text is the file itself, cut into blocks at its blank lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qa.formats.composing import HeadingPath, check_size, one_line
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.records import Block, Document, Locator

MEDIA_TYPE = "text/x-source"

ENDINGS = (
    ".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".java", ".kt", ".kts", ".scala", ".groovy", ".gradle",
    ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".cs", ".go", ".rs", ".rb", ".php", ".swift", ".dart", ".r", ".jl",
    ".lua", ".pl", ".pm", ".sh", ".bash", ".zsh", ".ps1", ".bat", ".sql", ".css", ".scss", ".ex", ".exs", ".hs", ".clj",
    ".erl", ".f90", ".vb", ".proto", ".graphql", ".tf", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".properties",
)  # fmt: skip

_LINE = re.compile(r"([^\n\r]*)(?:\r\n|[\n\r]|\Z)")
_MAX_LINES = 60
_BEFORE = (
    r"(?:(?:export|default|public|private|protected|internal|static|async|final|abstract|override|inline|open|data"
    r"|pub(?:\(\w{1,20}\))?|unsafe|extern|virtual|sealed|partial|local|declare|create|or|replace)\s+){0,8}"
)
_DEFINED = re.compile(
    _BEFORE
    + r"(?:def|class|function|func|fn|fun|interface|struct|enum|trait|impl|module|namespace|sub|procedure|object"
    r"|protocol|record|view|table|message|service|defmodule|defp?)\s+(?:\([^()]{0,80}\)\s*)?"
    r"(?P<name>[A-Za-z_$][\w$.:]{0,80})",
    re.IGNORECASE,
)
# A function of C and its kin: a type, a name, parentheses and an open brace, or nothing more on the line.
_TYPED = re.compile(
    r"(?!(?:return|else|if|for|while|switch|catch|new|throw|delete|case|do|using|typedef|await|yield|raise|assert|import|from)\b)"
    r"[A-Za-z_][\w:<>,*&\[\]]*(?:\s+[\w:<>,*&\[\]]+){0,6}\s+[*&]?(?P<name>~?[A-Za-z_][\w:]{0,80})\s?\([^;{}=]{0,300}\)?"
    r"(?:\s*(?:const|override|noexcept|throws\s[\w., ]{1,80}))?\s*\{?\s*"
)
_METHOD = re.compile(
    r"(?!(?:if|for|while|switch|catch|with)\b)(?P<name>[A-Za-z_$][\w$]{0,80})\s?\([^;{}=]{0,300}\)[^(){};=]{0,80}\{"
)
_SECTION = re.compile(r"\[{1,2}(?P<name>[\w.\-\" ]{1,80})\]{1,2}\s*")
_CLOSING = re.compile(r"[)\]}>;,]|end\b|else\b|elif\b|except\b|finally\b|catch\b")
_ON_TOP = re.compile(r"@|#|//|/?\*|--|\[")


def read(data: bytes, limits: Limits) -> Document:
    """A block is a run of lines without a blank one, up to 60 of them. Its place is its line, below the names of the
    classes and functions around it, which are found by the words of most languages and by indentation."""
    text, problems, encoding = decode(data)
    check_size(len(text), 0, limits)
    headings = HeadingPath()
    blocks = []
    for run in _runs(text):
        number, start, _ = run[0]
        path = _pass(headings, text, run)
        end = run[-1][2]
        start += len(text[start:end]) - len(text[start:end].lstrip())
        end = start + len(text[start:end].rstrip())
        place = ", ".join(filter(None, (".".join(path), f"line {number}")))
        blocks.append(Block("code", start, end, Locator(path, line=number, place=one_line(place), kind="lines")))
        check_size(0, len(blocks), limits)
    return Document(text, "", MEDIA_TYPE, tuple(blocks), problems, encoding=encoding)


def _runs(text: str) -> Iterator[list[tuple[int, int, int]]]:
    """Lines that stand together, each with its number from 1 and its bounds."""
    run: list[tuple[int, int, int]] = []
    for number, match in enumerate(_LINE.finditer(text), 1):
        start = match.start(1) + (number == 1 and text.startswith("\ufeff"))
        is_blank = not text[start : match.end(1)].strip()
        defines = bool(run) and not is_blank and _definition(text[start : match.end(1)].lstrip()) is not None
        # Decorators and comments right above a definition belong to it.
        if run and (is_blank or len(run) == _MAX_LINES or (defines and not _heads(text, run))):
            yield run
            run = []
        if not is_blank:
            run.append((number, start, match.end(1)))
    if run:
        yield run


def _heads(text: str, run: list[tuple[int, int, int]]) -> bool:
    """Whether all lines of a run are of the kind that stands on top of a definition: comments and decorators."""
    return all(_ON_TOP.match(text[start:end].lstrip()) for _, start, end in run)


def _definition(line: str) -> str | None:
    """The name of what the line begins to define."""
    if len(line) > 500:
        return None
    found = _DEFINED.match(line) or _TYPED.fullmatch(line) or _METHOD.fullmatch(line) or _SECTION.fullmatch(line)
    return found["name"].strip('": ') if found else None


def _pass(headings: HeadingPath, text: str, run: list[tuple[int, int, int]]) -> tuple[str, ...]:
    """Passes a run: the names of what it stands in, or defines. What begins no deeper than a definition is no part of
    it, but for what closes it."""
    for _, start, end in run:
        line = text[start:end]
        code = line.lstrip()
        level = 1 + len(line[: len(line) - len(code)].expandtabs(4))
        if name := _definition(code):
            headings.enter(level, name)
            break
        if not _CLOSING.match(code):
            headings.leave(level)
        if not _ON_TOP.match(code):
            break
    return headings.path
