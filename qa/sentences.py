"""Blocks of a document cut into sentences: NLTK's Punkt, and a mend for what Punkt is known to get wrong.

Punkt proposes where sentences end. A proposal is dropped when what stands on both sides of it shows that the sentence
goes on ("et al. (2020)", "“Why?” he asked"), and ends that Punkt cannot see are added (other scripts, a blank line).
What has no ends (a table row, code, a run without punctuation) is cut by length, at the best place there is.

The work is linear in the length of the text: Punkt reads windows of bounded size, and every look to the left or the
right of a proposed end is bounded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from qa.records import Document, Span

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

NAME = "punkt-english/2"
"""Which splitter this is. An index stores it; the number rises whenever the spans of any text change."""

MAX_CHARS = 1_000
"""No sentence is longer, in code points: it is about what a model with a window of 256 tokens reads in one piece."""

_CODE_CHARS = 400
_WINDOW_CHARS = 16_384
_PHRASE_CHARS = 24


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words before a full stop, in lower case. The first five lists are about the full stop of an abbreviation.
_NEVER_LAST = _words("e.g eg i.e ie cf viz vs approx esp incl excl resp डॉ डा प्रो श्री")
_SOMETIMES_LAST = _words(
    "al etc dept depts univ inst est assn assoc natl intl govt plc llc blvd rd hwy b.sc m.sc d.phil"
)
_BEFORE_NUMBER = _words(
    "no nos nr num fig figs sec secs sect art arts eq eqs eqn vol vols ch chap chaps p pp pg pgs pt pts ref refs tab"
    " tabs para paras col cols cl ex reg regs ser stat ca circa c op bk bks rev ver ln rm apt ste bldg tel ext div"
    " sched supp ed eds ep eps res rs"
)
_BEFORE_NAME = _words(
    "mr mrs ms mx dr prof messrs mme mlle gen col maj capt cmdr cdr lt sgt cpl pvt adm rev hon sen sens rep reps gov"
    " govs pres supt insp det fr st ste mt ft amb atty brig msgr"
)
_WHEN_CAPITAL = _words(
    "ill wash ore ark ind mass tex ala sun mon tue tues wed thu thur thurs fri sat mar apr jun jul pub"
)
# What Punkt's own list holds of these would hide the end of "he felt ill. Doctors came", for Punkt ignores case.
_NOT_FOR_PUNKT = _WHEN_CAPITAL | {"ok", "col"}

# Words that begin a sentence, where another word with a capital would go on with a name.
_FIRST = _words(
    "a according after again all also although an and another any are as at be because before both but by can did do"
    " does during each even every few for from furthermore had has have he hence her here his how however i if in"
    " instead is it its just later many meanwhile more moreover most much my never nevertheless no none nor not now of"
    " often on once one only or other our over perhaps several she should since so some sometimes soon still such than"
    " that the their then there therefore these they this those though through thus to today together too two unless"
    " unlike until upon usually was we were what when whenever where whereas whether which while who whose why with"
    " within without would yesterday yet you your"
)
# After "Dr." or "Ms." some of them are names.
_FIRST_AFTER_TITLE = _FIRST - _words(
    "a an can did do few had how just more much my no once one or our so still such too two was who"
)
_AFTER_COUNTRY = _words(
    "army attorney bank billboard code hot interior marshal marshals navy open postal representative route senator"
    " senators surgeon virgin"
)
_NOT_A_FIRST_NAME = _words(
    "act annex appendix category class division grade group hepatitis influenza level model option part phase plan"
    " section series stage team title type unit version vitamin war"
)

_NOT_SPACE = re.compile(r"\S")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_CLOSERS = "\"'”’)]}» "
_GOES_ON = re.compile(r"[,;:)\]}?!…%&]|\.(?!\w)|['’](?:s|re|ve|ll|d)\b")
_SMALL_FIRST = re.compile(r"[a-zµ]{1,4}[A-Z]|[a-z]{1,3}\d|[a-zα-ω]-|[α-ω]\b|https?:|www\.")
_FIRST_WORD = re.compile(r"[^\w\s]{0,3}\s?([^\W\d_]+)")
_LAST_WORD = re.compile(r"[^\s(\[{\"'“‘«`—–/,;:]+$")
_LAST_TWO_WORDS = re.compile(r"([^\W\d_]+\.?)\s+\S+$")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_NUMBER = re.compile(r"[#§№]|[A-Za-z]?-?\d|[IVXLC]{2,}\b|[B-HJ-Z](?=[\s,;:)])")
_ASIDE = re.compile(r"[(\[][^()\[\]]*[.?!][\"'”’\s]*[)\]]")
_LABEL = re.compile(
    r"(?:(?:figure|fig\.|table|chapter|section|part|appendix|article|box|step|example|exhibit|note|theorem|lemma)\s+)?"
    r"\(?(?:\d{1,3}(?:\.\d{1,3}){0,3}|[a-z]|[ivx]{1,5})[.)]{1,2}",
    re.IGNORECASE,
)
_SAYS = re.compile(
    r"(?:[A-Z][\w.'’-]{0,30}\s+){1,3}(?:said|says|asked|asks|replied|added|wrote|told|cried|shouted|exclaimed)\b"
)
_NOTE_MARK = re.compile(
    r"(?:\s?\[(?:\d{1,3}|[a-z]|note \d{1,3}|citation needed)\]){1,9}(?=\s|$)|(?:[*†‡]{1,3}|[⁰¹²³⁴-⁹]{1,4})(?=\s|$)"
)

_HAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
# Who said what stands in quotes before: “回家。”她轻声说。
_SAYS_HAN = r"[HAN]{1,4}[说說问問道答喊叫][，,。：:！？]"

# Runs are possessive and bounded, so that a text of nothing but stops costs no more than any other.
_UNSEEN_END = re.compile(
    r"""[\n.?!…。｡！？．।॥|؟۔։።፧။។៕᠃;\u037e](?:
      (?<=\n)[^\S\n]*\n                                                          # a blank line
    | (?<=[a-z]{3}[.?!])["”’]?(?=[A-Z])(?=(?:FIRST)\s)                           # "the end.The next": a space was lost
    | (?<=[a-z]{3}[.?!])["”’]?([⁰¹²³⁴-⁹]{1,4}|\d{1,2})(?=\s+[A-Z][a-z])          # "the end.12 The next": a note's mark
    | (?<=…)["'”’)]{0,3}+(?=\s+(?:FIRST)\b)
    | (?<=\.)["'”’)\]]{1,3}+(?=\s+(?:FIRST)\b)                                  # "“in the U.S.” The"
    | (?<=[。｡！？])[。｡！？]{0,8}+["'”’」』）】》〉］)\]]{0,8}+(?![と、，」』）]|\s?[a-z]|(?<=["'”’])SAYS)
    | (?<=[HAN][?!])[?!]{0,8}+[”’」』）】》)]{0,8}+(?=["'“‘「『（(]?[HAN])(?![と]|(?<=[”’])SAYS)  # narrow
    | (?<=．)(?!\d)
    | (?<=[।॥؟۔։።፧။។៕᠃])["'”’)»]{0,8}+
    | (?:(?<=[\u0900-\u097f]\|)|(?<=[\u0900-\u097f]\s\|))(?=\s|$)               # a danda, as typed
    | (?<=[α-ωά-ώ]{2}[;\u037e])["'”’»]?(?=\s+["“«]?[Α-ΩΆ-Ώ])                  # "Τι είναι; Αυτό"
    )""".replace("SAYS", _SAYS_HAN)
    .replace("HAN", _HAN)
    .replace("FIRST", "|".join(sorted(word.capitalize() for word in _FIRST))),
    re.VERBOSE,
)
_LETTERED = re.compile(r"\b(?:War|Plan|[Vv]itamin|[Hh]epatitis|[Ii]nfluenza|[Tt]ype|[Gg]rade)\s[A-Z]\.(?=\s+[A-Z])")
_NUMBER_THEN_SMALL = re.compile(r"[0-9]\.(?=\s+[a-z])")
# In Thai and Lao a space ends a phrase, a full stop an abbreviation ("น.", "พ.ศ.") unless it stands behind a long run.
_PHRASE_END = re.compile(r"(?:[\u0e00-\u0eff]|(?<=[\u0e00-\u0eff]{6})\.)\s+(?=[\u0e00-\u0eff])")
_SPACED = re.compile(r"[\u0e00-\u0eff]")


def split(document: Document) -> tuple[tuple[Span, ...], ...]:
    """The sentences of each block, block by block in order, as spans of `document.text`.

    Spans do not overlap, neither begin nor end with white space, and together hold every other character of their
    block. A block of white space alone has none.
    """
    return tuple(
        tuple(
            Span(block.start + span.start, block.start + span.end)
            for span in split_block(document.text[block.start : block.end], block.kind)
        )
        for block in document.blocks
    )


def split_block(text: str, kind: str) -> list[Span]:
    """The sentences of one block, as spans of its `text`.

    Titles, headings and rows are one sentence unless they are longer than MAX_CHARS; code is cut between lines;
    everything else is read as prose.
    """
    if kind == "code":
        ends = _line_group_ends(text)
    elif kind in ("title", "heading", "row") and len(text) <= MAX_CHARS:
        ends = [len(text)]
    else:
        ends = _prose_ends(text)
    return list(_fitting_spans(text, ends))


def prepare() -> None:
    """Load what prose is split with, which the first of it does otherwise."""
    _punkt()


def _line_group_ends(text: str) -> list[int]:
    """Ends of runs of whole lines, together up to _CODE_CHARS, parted at blank lines where there are any."""
    ends = []
    start = end = blank = 0
    for line in text.splitlines(keepends=True):
        if end > start and end + len(line) - start > _CODE_CHARS:
            start = blank if blank > start else end
            ends.append(start)
        end += len(line)
        if not line.strip():
            blank = end
    return [*ends, len(text)]


def _prose_ends(text: str) -> list[int]:
    """Ends of sentences, each past the note marks that follow it ("the end.[12]"), without those that are none."""
    seen = list(_punkt_ends(text))
    capitals = _uses_capitals(text, seen)
    proposed = {_after_note_mark(text, stop): stop for stop in seen}
    certain = set(_unseen_ends(text, capitals))
    ends = sorted({*proposed, *certain, len(text)})
    kept: list[int] = []
    last = start = _skip_space(text, 0)
    for end, next_end in zip(ends, [*ends[1:], len(text)], strict=True):
        if start >= end:
            continue
        doubtful = end not in certain and end < len(text) and next_end - start <= MAX_CHARS
        if doubtful and _goes_on(text, start, proposed[end], end, capitals):
            continue
        if kept and end - last <= MAX_CHARS and not _LETTER_OR_DIGIT.search(text, start, end):
            kept[-1] = end
        else:
            kept.append(end)
            last = start
        start = _skip_space(text, end)
    return kept


def _punkt_ends(text: str) -> Iterator[int]:
    """Ends proposed by Punkt, in order, without that of the text.

    The last sentence of a window is read again at the beginning of the next, where it is seen whole.
    """
    punkt = _punkt()
    start = 0
    while start < len(text):
        stop = start + _WINDOW_CHARS
        if stop < len(text):
            stop = _last_space(text, stop - _WINDOW_CHARS // 16, stop) or stop
        spans = list(punkt.span_tokenize(text[start:stop]))[:-1]
        ends = [end for end in (_before_opener(text, start + end) for _, end in spans) if end > start]
        yield from ends
        if stop >= len(text):
            return
        start = ends[-1] if ends else stop


@cache
def _punkt() -> PunktSentenceTokenizer:
    # NLTK takes more than a second to import and is needed for indexing only.
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    return PunktSentenceTokenizer(_parameters())


@cache
def _parameters() -> PunktParameters:
    from nltk.tokenize.punkt import PunktParameters
    from punkt import load_model

    model = load_model("english")
    parameters = PunktParameters()
    parameters.abbrev_types = (model.abbrev_types | _SOMETIMES_LAST) - _NOT_FOR_PUNKT
    parameters.collocations = model.collocations | {("u.s", word) for word in _AFTER_COUNTRY}
    parameters.sent_starters = model.sent_starters | _FIRST
    parameters.ortho_context = _Contexts(model.ortho_context)
    return parameters


class _Contexts(dict[str, int]):
    """What Punkt knows of how words are written. NLTK's own table grows by every unknown word that it is asked for."""

    def __missing__(self, word: str) -> int:
        return 0


def _unseen_ends(text: str, capitals: bool) -> Iterator[int]:
    for match in _UNSEEN_END.finditer(text):
        if not match[1] or _last_word(text, 0, match.start()).lower() not in _BEFORE_NUMBER:
            yield match.end()
    for match in _LETTERED.finditer(text):
        yield match.end()
    if not capitals:
        for match in _NUMBER_THEN_SMALL.finditer(text):
            yield match.end()
    if not text.isascii():
        start = 0
        for match in _PHRASE_END.finditer(text):
            if match.start() - start >= _PHRASE_CHARS:
                start = match.end()
                yield match.start() + 1


def _uses_capitals(text: str, ends: list[int]) -> bool:
    """Whether sentences here begin with capitals, so that a small letter says that the sentence goes on."""
    starts = (_skip_space(text, end) for end in (0, *ends) if end == 0 or text[end - 1] == ".")
    firsts = [text[start] for start in starts if start < len(text)]
    return sum(map(str.isupper, firsts)) >= sum(map(str.islower, firsts))


def _goes_on(text: str, start: int, stop: int, end: int, capitals: bool) -> bool:
    """Whether the sentence that began at `start` goes on after `end`.

    `stop` is where Punkt ended it, closing quotes and brackets included; note marks stand between `stop` and `end`.
    """
    at = _skip_space(text, end)
    head = text[at : at + 80]
    if not head or _GOES_ON.match(head):
        return bool(head)
    near = text[max(start, stop - 40) : stop]
    body = near.rstrip(_CLOSERS)
    first = match[1] if (match := _FIRST_WORD.match(head)) else ""
    small = head[0].islower() and not _SMALL_FIRST.match(head)
    if small and capitals:
        return True
    if body.endswith(("!", "?")):
        if head[0] in "([":
            return not _ASIDE.match(text[at : at + 300])
        if head[0] in "–—":
            return first[:1].islower()
        said = body != near and bool(_SAYS.match(head)) and first.lower() not in _FIRST
        return said or body.lower().endswith("yahoo!")
    if not body.endswith("."):
        return False
    if _SPACED.match(body[-2:-1]):
        return True
    if body == near:
        if stop - start <= 40 and _LABEL.fullmatch(text, start, stop):
            return True
        return _is_abbreviation(body[:-1], head, first, small)
    if head[0] == "(":
        return not _ASIDE.match(text[at : at + 300])
    opened = text.rfind("(", start, stop) if ")" in near[len(body) :] else -1
    before = text[start:opened].rstrip(_CLOSERS) if opened > start else ""
    return before != "" and before[-1] not in ".?!" and first.lower() not in _FIRST


def _is_abbreviation(body: str, head: str, first: str, small: bool) -> bool:
    """Whether the full stop between `body` and `head` belongs to a word alone, by the last word and what follows."""
    word = _last_word(body, 0, len(body))
    low = word.lower()
    dotted = bool(_DOTTED.fullmatch(word))
    if low in _NEVER_LAST:
        return True
    if len(word) == 1 and word.isalpha() and not (word.isupper() or word.islower()):
        return first != ""  # "د. أحمد": a script without capitals
    if small:
        return dotted
    if head[0] in "([":
        return (dotted or low in _BEFORE_NUMBER or low in _SOMETIMES_LAST) and not _ASIDE.match(head)
    if low in _WHEN_CAPITAL:
        return word[0].isupper() and first.lower() not in _FIRST
    if _NUMBER.match(head):
        return dotted or low in _BEFORE_NUMBER
    if not first[:1].isupper():
        return False
    if low in _BEFORE_NAME:
        return first.lower() not in _FIRST_AFTER_TITLE
    if first.lower() in _FIRST:
        return False
    if len(word) == 1 and word.isupper():
        given = match[1] if (match := _LAST_TWO_WORDS.search(body)) else ""
        return given[:1].isupper() and given.lower() not in _NOT_A_FIRST_NAME
    return dotted and low not in _parameters().abbrev_types


def _last_word(text: str, start: int, end: int) -> str:
    match = _LAST_WORD.search(text[max(start, end - 24) : end])
    return match[0] if match else ""


def _before_opener(text: str, stop: int) -> int:
    """Punkt takes every quotation mark after a full stop for a closing one: "Viens ! « Non. »" """
    return stop - 2 if text[stop - 1] in "«“‘" and text[stop - 2 : stop - 1].isspace() else stop


def _after_note_mark(text: str, stop: int) -> int:
    match = _NOTE_MARK.match(text, stop)
    return match.end() if match else stop


def _fitting_spans(text: str, ends: list[int]) -> Iterator[Span]:
    """What lies between the ends, without the white space around it, cut further where longer than MAX_CHARS."""
    start = _skip_space(text, 0)
    for end in ends:
        while start < end:
            cut = end if end - start <= MAX_CHARS else _best_cut(text, start)
            yield Span(start, start + len(text[start:cut].rstrip()))
            start = _skip_space(text, cut)


def _best_cut(text: str, start: int) -> int:
    """The best end of a piece that is too long: after a line, a semicolon, a comma, a word, or any character."""
    low, high = start + MAX_CHARS // 2, start + MAX_CHARS
    for mark in ("\n", ";", "；", ", ", "，", "、"):
        at = text.rfind(mark, low, high)
        if at >= 0:
            return at + 1
    return _last_space(text, low, high) or next(
        (at for at in range(high, high - 64, -1) if not _inside_character(text, start, at)), high
    )


def _last_space(text: str, low: int, high: int) -> int:
    """The end of the last white space in `text[low:high]`, 0 when there is none."""
    return next((at for at in range(high, low, -1) if text[at - 1].isspace()), 0)


def _skip_space(text: str, start: int) -> int:
    match = _NOT_SPACE.search(text, start)
    return match.start() if match else len(text)


def _inside_character(text: str, start: int, at: int) -> bool:
    """Whether a cut at `at` would part what is read as one character: accents, joined emoji, flags, Hangul letters."""
    before, after = text[at - 1], text[at]
    flag_letters = at - start - len(text[start:at].rstrip(_FLAG_LETTERS)) if after in _FLAG_LETTERS else 0
    return (
        unicodedata.category(after).startswith("M")
        or "\u200d" in (before, after)
        or "\u1160" <= after <= "\u11ff"
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or "\U000e0020" <= after <= "\U000e007f"
        or flag_letters % 2 == 1
        or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")
    )
