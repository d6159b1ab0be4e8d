"""Questions made from documents themselves, without a language model and without labels: each has a known place.

    sentences     every second of the rarest words of a sentence, in its order; right is that sentence
    definitions   "X is a ..." becomes "what is x?"; right is a sentence that begins so
    headings      the words of a heading that stands but once; right is what stands under it
    foreign       the questions of `qa.foreign`; right is silence

Words of a sentence that name nothing of its document's title have the title's words added, as whoever asks knows what
the documents are about. What is taken follows from hashes of the words alone: neither the order of the documents nor
chance has a say, and a folder that changed keeps most questions of what stayed.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qa import foreign
from qa.errors import UsageError
from qa.evaluation.judgements import Place, Question
from qa.evaluation.measures import Mean, Scores, means
from qa.records import Document
from qa.sentences import split
from qa.wording import form, words

COUNT = 200
"""Made at most, beside the foreign ones: a share of .9 is then known to within .04, after seconds of asking."""

FEW = COUNT // 5
"""Definitions at most, and headings: some folders are full of them."""

KINDS = ("sentences", "definitions", "headings", "foreign")

SENTENCE_WORDS = range(8, 41)
"""Shorter sentences say little by themselves; longer ones are often lists and tables that were read as prose."""

RAREST = 8
"""Words of a sentence of which every second one is asked."""

LEAST = 5
"""Words besides the common ones that a sentence must have: three of them are asked."""

TITLE_WORDS = 4
"""Added at most."""

HEADING_WORDS = range(2, 13)

NAMED = 10
"""Sentences at most that hold the rarest word of x in "what is x?": of more, another may say as well what it is."""

COMMON = 150
"""So many of the most used English words are not asked for: the function words, and little else. Those of other
languages are not asked for as far as they are the commonest of the documents."""

MAX_LETTERS = 40
"""Longer words are addresses, codes, or words that lost the spaces between them."""

_PROSE = ("paragraph", "item", "quote")

_DEFINITION = re.compile(
    r"(?:(?:the|an?)\s+)?((?:[^\W\d_][\w'’-]*\s+){1,5}?)(?:is|are|was|were)\s+(?:an?|the|one\s+of)\s", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Made:
    """`questions` in the order of KINDS, and of which kind each is, by its id. `silent` are the documents that no
    question could be made of, by name."""

    questions: tuple[Question, ...]
    kinds: Mapping[str, str]
    silent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Misses:
    """Of the `made` questions of a document: for how many the first passage is of another place, and for how many the
    first five are."""

    doc: str
    made: int
    not_first: int
    not_in_five: int


def make(documents: Mapping[str, Document]) -> Made:
    """Up to COUNT questions of documents by name, of as many of them as possible, and the foreign ones.

    Raises UsageError when there is nothing to make one of.
    """
    common = _common()
    frequency: Counter[str] = Counter()
    found: dict[str, dict[str, list[Place]]] = {kind: defaultdict(list) for kind in KINDS}
    for name, document in documents.items():
        for kind, key, place in _candidates(name, document, common, frequency):
            found[kind][key].append(place)
        for key, places in _sections(name, document, common):
            # A heading that stands twice does not say which section is meant.
            found["headings"][key] = [] if key in found["headings"] else places
    found["definitions"] = {
        key: places for key, places in found["definitions"].items() if min(frequency[w] for w in key.split()) <= NAMED
    }
    found["headings"] = {key: places for key, places in found["headings"].items() if places}
    few = {kind: _drawn(found[kind], FEW) for kind in ("definitions", "headings")}
    drawn = {"sentences": _drawn(found["sentences"], COUNT - sum(map(len, few.values()))), **few}
    if not any(drawn.values()):
        raise UsageError(
            "No question can be made from these documents: they hold no sentence of "
            f"{SENTENCE_WORDS[0]} to {SENTENCE_WORDS[-1]} words and no heading.",
            "Judge questions of your own, as the README says.",
        )

    def text_of(kind: str, key: str, place: Place) -> str:
        if kind != "sentences":
            return f"what is {key}?" if kind == "definitions" else key
        document = documents[place.doc]
        asked = _asked(document.text[place.start : place.end], common, frequency)
        title = _content(document.title, common)
        return " ".join(asked if set(title) & set(asked) else [*asked, *title[:TITLE_WORDS]])

    questions, kinds = [], {}
    for kind in KINDS:
        for key in drawn.get(kind, ()):
            gold = tuple(sorted(found[kind][key], key=_order))
            relevant = tuple((doc, 1) for doc in dict.fromkeys(place.doc for place in gold))
            text = text_of(kind, key, gold[0])
            questions.append(Question(f"{kind}-{_hash(key)}", text, True, relevant, gold))
            kinds[questions[-1].id] = kind
    for text in foreign.QUESTIONS:
        questions.append(Question(f"foreign-{_hash(text)}", text, False))
        kinds[questions[-1].id] = "foreign"
    asked_about = {place.doc for held in found.values() for places in held.values() for place in places}
    return Made(tuple(questions), kinds, tuple(sorted(documents.keys() - asked_about)))


def means_by_kind(made: Made, scores: Scores) -> dict[str, tuple[Mean, ...]]:
    """The measures over the questions of each kind that there is, and over all but the foreign ones as "made".
    `scores` are of `made.questions`."""
    rows = {kind: [row for row in scores.rows if made.kinds[row.id] == kind] for kind in KINDS[:-1]}
    rows["made"] = [row for held in rows.values() for row in held]
    rows["foreign"] = [row for row in scores.rows if made.kinds[row.id] == "foreign"]
    return {kind: tuple(means(held)) for kind, held in rows.items() if held}


def misses(made: Made, scores: Scores) -> tuple[Misses, ...]:
    """Of every document asked about, the one with the most misses first, ties by name. A question that stands in
    several documents counts for the first by name."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for question, row in zip(made.questions, scores.rows, strict=True):
        if row.passage:
            held = counts[question.gold[0].doc]
            for at, count in enumerate((True, not row.passage.hit_at_1, not row.passage.hit_at_5)):
                held[at] += count
    found = [Misses(doc, *held) for doc, held in counts.items()]
    return tuple(sorted(found, key=lambda each: (-each.not_in_five, -each.not_first, each.doc)))


def _candidates(
    name: str, document: Document, common: Collection[str], frequency: Counter[str]
) -> Iterator[tuple[str, str, Place]]:
    """(kind, what makes two candidates one, place) of sentences and definitions; `frequency` is told in how many
    sentences each word occurs."""
    for block, spans in zip(document.blocks, split(document), strict=True):
        if block.kind not in _PROSE:
            continue
        for span in spans:
            sentence = document.text[span.start : span.end]
            frequency.update(set(_words(sentence)))
            place = Place(name, span.start, span.end)
            if len(sentence.split()) in SENTENCE_WORDS and len(_content(sentence, common)) >= LEAST:
                yield "sentences", form(sentence), place
            named = _DEFINITION.match(sentence)
            # "It is a ..." and "One of them was the ..." say of nothing what it is.
            if named and (said := _words(named[1])) and said == _content(named[1], common):
                yield "definitions", " ".join(said), place


def _sections(name: str, document: Document, common: Collection[str]) -> Iterator[tuple[str, list[Place]]]:
    """The words of each heading, and the blocks under it or its lower headings; none where nothing follows."""
    open_: list[tuple[int, str, list[Place]]] = []
    closed = []
    for block in document.blocks:
        text, depth = document.text[block.start : block.end], len(block.locator.heading)
        while open_ and open_[-1][0] >= depth:
            closed.append(open_.pop())
        if block.kind == "heading":
            said = _words(text)
            open_.append((depth, " ".join(said) if len(said) in HEADING_WORDS and _content(text, common) else "", []))
        elif text.strip():
            for _, _, places in open_:
                places.append(Place(name, block.start, block.end))
    return ((key, places) for _, key, places in [*closed, *open_] if key)


def _drawn(candidates: Mapping[str, list[Place]], count: int) -> list[str]:
    """The keys of at most `count`: one of each document, then a second one of each, in the order of their hashes."""
    owned: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for key, places in candidates.items():
        owned[min(places, key=_order).doc].append((_hash(key), key))
    ranked = [(rank, *each) for held in owned.values() for rank, each in enumerate(sorted(held))]
    return [key for _, _, key in sorted(ranked)[:count]]


def _asked(sentence: str, common: Collection[str], frequency: Mapping[str, int]) -> list[str]:
    said = _content(sentence, common)
    rarest = sorted(said, key=lambda word: (frequency[word], _hash(word)))[:RAREST]
    return [word for word in said if word in rarest][::2]


def _content(text: str, common: Collection[str]) -> list[str]:
    """Its words of letters, each once, but for common ones and those of one or two letters."""
    return [word for word in dict.fromkeys(_words(text)) if word.isalpha() and len(word) > 2 and word not in common]


def _words(text: str) -> Sequence[str]:
    """In order, in lower case, without signs: nothing in them is a quote or a minus to the one who is asked."""
    return [word for word in words(text) if word.isalnum() and len(word) <= MAX_LETTERS]


def _common() -> frozenset[str]:
    from wordfreq import top_n_list

    return frozenset(top_n_list("en", COMMON))


def _order(place: Place) -> tuple[str, int]:
    return place.doc, place.start


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
