"""LaTeX: the canonical text is what a reader would see of the source, formulas as they are written."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from qa.formats import tables
from qa.formats.composing import Composition, HeadingPath, check_size, one_line
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.records import Document, Locator

MEDIA_TYPE = "text/x-tex"

_LEVELS = {
    "part": 1, "chapter": 2, "section": 3, "subsection": 4, "subsubsection": 5, "paragraph": 6, "subparagraph": 7,
}  # fmt: skip
_FORMULAS = frozenset([
    "equation", "align", "gather", "multline", "eqnarray", "displaymath", "math", "alignat", "flalign",
])  # fmt: skip
_VERBATIM = frozenset(["verbatim", "Verbatim", "lstlisting", "minted", "alltt", "algorithmic"])
_LEFT_OUT = frozenset(["comment", "tikzpicture", "pgfpicture", "filecontents", "CCSXML", "picture"])
_TABLES = frozenset(["tabular", "tabularx", "tabulary", "longtable", "array", "tabu"])
_QUOTES = frozenset(["quote", "quotation", "verse", "displayquote"])

_BREAK = re.compile(
    r"\\(?P<edge>begin|end)\s?\{(?P<environment>\w{1,40})\*?\}"
    r"|\\(?P<level>part|chapter|(?:sub){0,2}section|(?:sub)?paragraph)\*?(?:\[[^\[\]]{0,300}\])?\{"
    r"|\\(?P<caption>caption)\*?(?:\[[^\[\]]{0,300}\])?\{|\\(?P<title>title)(?:\[[^\[\]]{0,300}\])?\{"
    r"|\\(?P<item>item|bibitem)\b(?:\[(?P<term>[^\[\]]{0,300})\])?(?:\{[^{}]{0,200}\})?"
    r"|(?P<gap>\n[ \t]*\n\s*|\\par\b|\\(?:newpage|clearpage|maketitle|appendix|tableofcontents)\b)"
    r"|(?P<formula>\\\[)"
)
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%[^\n]*(?:\n[ \t]*(?=\S))?")
_FOOTNOTE = re.compile(r"\\(?:footnote|thanks|footnotetext)(?:\[\d{1,4}\])?\{")
_ROW_RULE = re.compile(r"\\(?:hline|toprule|midrule|bottomrule|cline|cmidrule|endhead|endfirsthead|endfoot|endlastfoot)"
                       r"(?:\([^()]{0,20}\))?(?:\{[^{}]{0,20}\})?")  # fmt: skip
_COLUMNS = re.compile(r"\\multicolumn\{(\d{1,2})\}\{[^{}]{0,40}\}")
_MAX_BRACED = 100_000

# Within a line.
_MATH = re.compile(r"\$\$.*?\$\$|\$(?:\\.|[^$\\])*\$|\\\(.*?\\\)", re.DOTALL)
_ACCENT = re.compile(r"\\([`'^\"~=.]|[uvHcdbkr](?![a-zA-Z]))\s?(?:\{\\?([a-zA-Z])\}|\\?([a-zA-Z]))")
_COMBINING = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", '"': "\u0308", "~": "\u0303", "=": "\u0304", ".": "\u0307",
    "u": "\u0306", "v": "\u030c", "H": "\u030b", "c": "\u0327", "d": "\u0323", "b": "\u0331", "k": "\u0328",
    "r": "\u030a",
}  # fmt: skip
_LETTERS = {
    "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "o": "ø", "O": "Ø", "aa": "å", "AA": "Å", "l": "ł", "L": "Ł",
    "i": "ı", "j": "ȷ", "S": "§", "P": "¶", "copyright": "©", "pounds": "£", "euro": "€", "dots": "…", "ldots": "…",
    "textellipsis": "…", "textendash": "–", "textemdash": "—", "textbackslash": "\\", "textasciitilde": "~",
    "LaTeX": "LaTeX", "TeX": "TeX", "LaTeXe": "LaTeX2e", "BibTeX": "BibTeX", "textdegree": "°", "degree": "°",
    "textregistered": "®", "texttrademark": "™", "quad": " ", "qquad": " ", "newline": "\n", "percent": "%",
}  # fmt: skip
# What stands in braces behind these is no word of the text.
_UNSAID = re.compile(
    r"[~ ]?\\(?:[a-zA-Z]{0,6}cite[a-zA-Z]{0,12}|label|index|vspace|hspace|includegraphics|bibliography|input|include"
    r"|bibliographystyle|usepackage|documentclass|pagestyle|thispagestyle|setlength|addtolength|setcounter|color"
    r"|addtocounter|newcommand|newenvironment|renewcommand|graphicspath|hypersetup|pagenumbering|phantomsection"
    r"|addcontentsline|centering|noindent)\b\*?(?:\[[^\[\]]{0,300}\]){0,3}(?:\{[^{}]{0,300}\}){0,2}"
)
_REFERENCE = re.compile(r"\\(?:auto|page|name|eq|c|C|v)?ref\*?\{([^{}]{0,200})\}")
_QUANTITY = re.compile(r"\\(?:SI|qty)(?:\[[^\[\]]{0,100}\])?\{([^{}]{0,100})\}\{([^{}]{0,100})\}")
_LINK = re.compile(r"\\href\{[^{}]{0,1000}\}")
_MACRO = re.compile(r"\\([a-zA-Z]{1,40})\*?[ \t]?(?:\[[^\[\]]{0,200}\](?=\{))?")
_SIGN = re.compile(r"\\([%&$#_{}\\ ,;:!/@-])(?:\[\d{1,3}[a-z]{2}\])?")
_SIGNS = {"\\": "\n", ",": " ", ";": " ", ":": " ", "!": "", "/": "", "@": "", "-": "", " ": " "}
_TYPED = (("``", "“"), ("''", "”"), ("---", "—"), ("--", "–"), ("~", " "))


@dataclass(frozen=True, slots=True)
class _Block:
    """`at` is where it begins in the source; `level` that of a heading."""

    kind: str
    text: str
    at: int
    level: int = 0


def read(data: bytes, limits: Limits) -> Document:
    """Sections, lists, tables, captions, formulas and notes; citations, labels, drawings and comments are left out.
    Other files are never included, and the author's own commands not carried out: what they are given is kept."""
    text, problems, encoding = decode(data)
    check_size(len(text), 0, limits)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    newlines = [match.start() for match in re.finditer("\n", text)]
    source = _Source(text)
    composition = Composition(limits)
    headings = HeadingPath()
    title = before = ""
    for block in source.blocks():
        kind = block.kind
        if kind == "title":
            title = one_line(block.text)
        elif kind == "heading":
            headings.leave(block.level)
        gap = "\n" if before == kind and kind in ("item", "row") else "\n\n"
        line = 1 + bisect_right(newlines, block.at)
        composition.add(kind, block.text, Locator(headings.path, line=line), gap)
        if kind == "heading":
            headings.enter(block.level, block.text)
        before = kind
    if source.included:
        problems = (
            *problems,
            f"Other files that it includes were not read with it: {', '.join(source.included[:10])}.",
        )
    return composition.document(MEDIA_TYPE, title, problems, encoding)


class _Source:
    """The source, of which comments are made blanks, so that places in it stay."""

    def __init__(self, text: str) -> None:
        self._raw = text
        self._text = _COMMENT.sub(lambda comment: comment[1] + " " * (len(comment[0]) - len(comment[1])), text)
        self._notes: list[tuple[str, int]] = []
        found = re.findall(r"\\(?:input|include|subfile)\{([^{}]{1,200})\}", self._text)
        self.included = [one_line(name) for name in dict.fromkeys(found)]

    def blocks(self) -> Iterator[_Block]:
        text = self._text
        body = text.find("\\begin{document}")
        if titled := re.search(r"\\title(?:\[[^\[\]]{0,300}\])?\{", text[: max(body, 0)]):
            yield _Block("title", _shown(self._braced(titled.end())[0]), titled.start())
        at = max(body, 0) + (len("\\begin{document}") if body >= 0 else 0)
        stop = text.find("\\end{document}", at)
        stop = stop if stop >= 0 else len(text)
        kinds = ["paragraph"]
        kind = "paragraph"
        while at < stop:
            match = _BREAK.search(text, at, stop)
            end = match.start() if match else stop
            yield from self._prose(at, end, kind)
            if not match:
                break
            at = match.end()
            kind = kinds[-1] if kinds[-1] != "item" or match["gap"] is None else "paragraph"
            name = match["environment"] or ""
            if match["edge"] == "begin":
                whole = name in (*_VERBATIM, *_FORMULAS, *_TABLES, *_LEFT_OUT)
                until = self._environment_end(name, at, stop) if whole else at
                if name in _VERBATIM:
                    yield _Block("code", _inside(self._raw[at:until]), at)
                elif name in _FORMULAS:
                    yield _Block("code", _inside(text[at:until]), at)
                elif name in _TABLES:
                    yield from self._table(at, until)
                elif name == "abstract":
                    yield _Block("heading", "Abstract", match.start(), 3)
                elif name == "thebibliography":
                    yield _Block("heading", "References", match.start(), 3)
                if whole:
                    at = min(stop, until + len(f"\\end{{{name}}}"))
                else:
                    at = self._past_options(at, name)
                    kinds.append("quote" if name in _QUOTES else kinds[-1] if kinds[-1] != "item" else "paragraph")
                    kind = kinds[-1]
            elif match["edge"] == "end":
                kind = kinds.pop() and kinds[-1] if len(kinds) > 1 else kinds[-1]
            elif match["formula"]:
                until = text.find("\\]", at, stop)
                until = until if until >= 0 else stop
                yield _Block("code", text[at:until], at)
                at = until + 2
            elif match["item"]:
                kind = "item"
                if match["term"]:
                    yield _Block("item", _shown(match["term"]), match.start())
            elif match["level"] or match["caption"] or match["title"]:
                words, after = self._braced(at)
                level = _LEVELS.get(match["level"] or "", 0)
                found = "heading" if level else "caption" if match["caption"] else "title"
                yield _Block(found, _shown(self._without_notes(words, at)), match.start(), level)
                yield from self._pending()
                at = after

    def _prose(self, start: int, end: int, kind: str) -> Iterator[_Block]:
        raw = self._text[start:end]
        if raw.strip():
            shown = _shown(self._without_notes(raw, start))
            if any(map(str.isalnum, shown)):
                yield _Block(kind, shown, start + len(raw) - len(raw.lstrip()))
            yield from self._pending()

    def _pending(self) -> Iterator[_Block]:
        """The notes of what was just read."""
        for note, at in self._notes:
            yield _Block("paragraph", _shown(note), at)
        self._notes = []

    def _without_notes(self, raw: str, start: int) -> str:
        parts = []
        at = 0
        while match := _FOOTNOTE.search(raw, at):
            parts.append(raw[at : match.start()])
            words, after = _braced(raw, match.end())
            self._notes.append((words, start + match.end()))
            at = after
        return "".join([*parts, raw[at:]])

    def _braced(self, at: int) -> tuple[str, int]:
        return _braced(self._text, at)

    def _environment_end(self, name: str, at: int, stop: int) -> int:
        end = self._text.find(f"\\end{{{name}", at, stop)
        return end if end >= 0 else stop

    def _past_options(self, at: int, name: str) -> int:
        """Past what an environment is given: its options, and the widest label of a bibliography."""
        match = re.compile(r"(?:\[[^\[\]]{0,300}\])?(?:\{[^{}]{0,60}\})?" if name != "document" else "").match(
            self._text, at
        )
        return match.end() if match else at

    def _table(self, start: int, end: int) -> Iterator[_Block]:
        """Rows with the names of their columns."""
        at = start
        while at < end and self._text[at] in "*[{ ":  # its columns, its width
            if self._text[at] == "{":
                at = _braced(self._text, at + 1)[1]
            elif self._text[at] == "[":
                at = max(at, self._text.find("]", at, end)) + 1
            else:
                at += 1
        rows: list[tuple[int, list[str]]] = []
        for row in re.split(r"(\\\\(?:\[[^\[\]]{0,20}\])?|\\tabularnewline)", self._text[at:end]):
            if not row.startswith(("\\\\", "\\tabularnewline")):
                cells: list[str] = []
                for cell in re.split(r"(?<!\\)&", _ROW_RULE.sub("", row)):
                    span = _COLUMNS.search(cell)
                    cells += [tables.cell_text(_shown(_COLUMNS.sub("", cell)))]
                    cells += [""] * (min(int(span[1]), 50) - 1 if span else 0)
                if any(cells):
                    rows.append((at + len(row) - len(row.lstrip()), cells))
            at += len(row)
        for number, piece in tables.named([cells for _, cells in rows]):
            yield _Block("row", piece.text, rows[number][0])


def _braced(text: str, at: int) -> tuple[str, int]:
    """What stands from `at` to the brace that closes one opened before it, and the place behind that."""
    depth = 1
    for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, at, min(len(text), at + _MAX_BRACED)):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return text[at : match.start()], match.end()
    end = text.find("\n", at)
    end = end if end >= 0 else len(text)
    return text[at:end], end


def _inside(text: str) -> str:
    """The text of a verbatim environment without its options on the first line."""
    first, _, rest = text.partition("\n")
    return rest if re.fullmatch(r"\s*(?:\*?\}|\[.*\]|\{.*\}|\\label\{.*\})*\s*", first) else text


def _shown(text: str) -> str:
    """What a reader sees of a stretch without blocks in it. Formulas stay as they are written."""
    parts = []
    at = 0
    for formula in _MATH.finditer(text):
        parts += [_words(text[at : formula.start()]), formula[0]]
        at = formula.end()
    shown = "".join([*parts, _words(text[at:])])
    return re.sub(r" *\n *", "\n", re.sub(r"[ \t]+", " ", shown)).strip()


def _words(text: str) -> str:
    text = _QUANTITY.sub(lambda m: f"{m[1]} {m[2].replace(chr(92), ' ')}", text)
    text = _REFERENCE.sub(r"\1", _UNSAID.sub("", text))
    text = _ACCENT.sub(lambda m: unicodedata.normalize("NFC", (m[2] or m[3]) + _COMBINING[m[1]]), _LINK.sub("", text))
    for typed, shown in _TYPED:
        text = text.replace(typed, shown)
    text = re.sub(r"[{}]", "", _MACRO.sub(_named, _SIGN.sub(_kept, text)))
    return text.translate(_BACK)


# Signs that were written with a backslash wait at places that no text uses until the braces are gone.
_AWAY = {sign: chr(0xE000 + number) for number, sign in enumerate("%&$#_{}")}
_BACK = {ord(place): sign for sign, place in _AWAY.items()}


def _kept(match: re.Match[str]) -> str:
    return _AWAY.get(match[1], _SIGNS.get(match[1], ""))


def _named(match: re.Match[str]) -> str:
    return _LETTERS.get(match[1], "")
