"""LaTeX: what a reader would see, formulas as they are written."""

from __future__ import annotations

import pytest
from formats_laws import assert_outlives_mutants, block_of, blocks, heading_of, place_of, quotes, read, read_or_reason
from hypothesis import given
from hypothesis import strategies as st

from qa.formats.latex import MEDIA_TYPE

_REPORT = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\title{Harbour \emph{report}}
\begin{document}
\maketitle
\begin{abstract}
We measure \textbf{quays}.
\end{abstract}
\section{Works}\label{sec:works}
The quay~\cite[p.~2]{a} is $x_1 = 240$\,m long, caf\'e na\"{\i}ve, 5\,\% \& more.\footnote{Measured in \emph{2023}.}
It is ``old'' --- very % not shown
old, see \href{http://x}{the link}.

\begin{itemize}
\item first
\item second \SI{5}{\metre}
\end{itemize}
After the list.
\subsection*{Costs}
\begin{table}[ht]
\caption{Costs of works}
\begin{tabular}{l|rr}
\hline
Item & Planned & Spent \\ \hline
Dredging & 300 & 412 \\
Paving \& more & 90 & 85\\
\end{tabular}
\end{table}
\begin{equation}
E = mc^2
\end{equation}
\[ a = b \]
\begin{verbatim}
x = 1 % kept
\end{verbatim}
\begin{quote}Nobody saw it.\end{quote}
\begin{comment}
Left out.
\end{comment}
\input{other}
\begin{thebibliography}{9}
\bibitem{a} Ada Byron. \emph{Quays}. 1999.
\end{thebibliography}
\end{document}
Not read.
"""


def test_structure_comes_through_and_commands_do_not() -> None:
    document = read(_REPORT, MEDIA_TYPE)
    assert document.title == "Harbour report"
    assert blocks(document) == [
        ("title", "Harbour report"),
        ("heading", "Abstract"),
        ("paragraph", "We measure quays."),
        ("heading", "Works"),
        (
            "paragraph",
            "The quay is $x_1 = 240$ m long, café naïve, 5 % & more.\nIt is “old” — very old, see the link.",
        ),
        ("paragraph", "Measured in 2023."),
        ("item", "first"),
        ("item", "second 5 metre"),
        ("paragraph", "After the list."),
        ("heading", "Costs"),
        ("caption", "Costs of works"),
        ("row", "Item: Dredging | Planned: 300 | Spent: 412"),
        ("row", "Item: Paving & more | Planned: 90 | Spent: 85"),
        ("code", "E = mc^2"),
        ("code", "a = b"),
        ("code", "x = 1 % kept"),
        ("quote", "Nobody saw it."),
        ("heading", "References"),
        ("item", "Ada Byron. Quays. 1999."),
    ]
    assert heading_of(document, "Dredging") == ("Works", "Costs")
    assert place_of(document, "café", "a.tex") == "a.tex, Works"
    assert document.problems == ("Other files that it includes were not read with it: other.",)
    lines = _REPORT.splitlines()
    for quote in ("We measure", "The quay", "Measured in", "second", "After the list", "Dredging", "x = 1", "Nobody"):
        line = block_of(document, quote).locator.line
        assert line is not None
        assert quote in lines[line - 1] + lines[line]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (r"\'E\`a\^{o}\c{c}\v s\~n\o\ss{}", "Éàôçšñøß"),
        (r"a\_b \{c\} \$5 \#1", "a_b {c} $5 #1"),
        (r"\unknown{kept} \textit{nested \textbf{words}}", "kept nested words"),
        (r"line\\ next", "line\nnext"),
    ],
)
def test_signs_and_commands_within_a_line(source: str, shown: str) -> None:
    assert read(source, MEDIA_TYPE).text == shown


def test_hostile_and_damaged_files_are_read_or_refused() -> None:
    for unit in (
        "{",
        "}",
        "$",
        "\\",
        "\\begin{a}",
        "\\section{",
        "\\footnote{",
        "\\item[",
        "&",
        "%",
        "\\[",
        "\\frac",
        "~",
    ):
        read_or_reason((unit * (30_000 // len(unit))).encode(), MEDIA_TYPE)
        read_or_reason(("\\begin{tabular}{l}" + unit * (9_000 // len(unit))).encode(), MEDIA_TYPE)
    assert_outlives_mutants(_REPORT.encode(), MEDIA_TYPE)


@given(
    paragraphs=st.lists(
        st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), min_size=1, max_size=5),
        min_size=1,
        max_size=5,
    )
)
def test_no_word_of_a_paragraph_is_lost(paragraphs: list[list[str]]) -> None:
    source = "\n\n".join(" ".join(words) for words in paragraphs)
    document = read(f"\\begin{{document}}\n{source}\n\\end{{document}}", MEDIA_TYPE)
    assert [text.split() for text in quotes(document, "paragraph")] == paragraphs
