from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.answers import (
    CITED,
    MOST_TOGETHER,
    SHOWN_CHARS,
    SHOWN_WORDS,
    SURROUNDINGS,
    TOGETHER,
    Hit,
    compose,
    label,
)
from qa.folding import WITHIN, normalised
from qa.locating import locator
from qa.records import Answer, Block, Document, IndexState, Locator, Part, Place, ShownPassage, Source, Span

STATE = IndexState(4, 2, 9, "some-model", 2)


def source(path: str) -> Source:
    return Source(f"d_{path}", path, path, "text/plain", "ab" * 32, 10, 0)


def hit(document: Document, path: str, spans: Sequence[Span], scores: Sequence[float]) -> Hit:
    """A hit whose sentences score `scores`, and whose runs score as their best sentence and a tenth."""

    def parts(position: int) -> tuple[Part, ...]:
        return (Part("meaning", scores[position]),)

    def run_parts(first: int, last: int) -> tuple[Part, ...]:
        return (Part("meaning", max(scores[first : last + 1])), Part("words", 0.1))

    return Hit(source(path), document, tuple(spans), tuple(scores), parts, run_parts)


def written(sentences: Sequence[str], between: str = " ", before: str = "") -> tuple[Document, list[Span]]:
    text, spans = before, []
    for number, sentence in enumerate(sentences):
        text += between if number else ""
        spans.append(Span(len(text), len(text) + len(sentence)))
        text += sentence
    blocks = (Block("paragraph", spans[0].start, spans[-1].end, Locator(line=1)),)
    return Document(text + " After.", "", "text/plain", blocks), spans


def ask(hits: Sequence[Hit], limit: int = 10_000, offset: int = 0, least: float = 0.5, sure: bool = True) -> Answer:
    evidence = (Part("words", 9.0 if sure else -9.0),)
    return compose(
        "Who paid?",
        hits,
        evidence=evidence,
        least=least,
        limit=limit,
        offset=offset,
        took_ms=lambda: 1.5,
        stale=lambda source: "changed" if source.path.startswith("b") else "",
        index=STATE,
    )


letters = st.characters(exclude_categories=["Cs", "Z", "Cc"])
words = st.one_of(st.text(letters, min_size=1, max_size=8), st.sampled_from(["🇨🇦", "e\u0301", "שלום", "日本語", "w"]))
lengths = st.sampled_from([1, 2, 3, 20, 60, 110, 150])
points = st.one_of(st.sampled_from([0.1, 0.5, 0.9]), st.floats(-1, 1))


@st.composite
def hit_lists(draw: st.DrawFn) -> list[Hit]:
    """Hits of several documents, no sentence in two of them; equal scores are common."""
    hits: list[Hit] = []
    for path in draw(st.lists(st.sampled_from(["a.txt", "b.txt", "sub/a.txt"]), max_size=3, unique=True)):
        sizes = draw(st.lists(st.integers(1, 7), min_size=1, max_size=3))
        sentences = [" ".join([draw(words)] * draw(lengths)) for _ in range(sum(sizes))]
        document, spans = written(
            sentences, draw(st.sampled_from([" ", "\n\n", "\n- "])), draw(st.sampled_from(["", "🦀 Before. "]))
        )
        at = 0
        for size in sizes:
            scores = draw(st.lists(points, min_size=size, max_size=size))
            hits.append(hit(document, path, spans[at : at + size], scores))
            at += size
    return draw(st.permutations([replace(one, places=partial(elsewhere, hits, one)) for one in hits]))


def elsewhere(hits: Sequence[Hit], here: Hit, position: int) -> tuple[Place, ...]:
    """Where else the sentence at a position stands."""
    found = []
    for other in hits:
        for at, span in enumerate(other.sentences):
            if normalised(other.text(at)) == normalised(here.text(position)):
                found.append(Place(other.source, span.start, span.end, other.source.path))
    own = (here.source, here.sentences[position].start)
    return tuple(place for place in found if (place.source, place.start) != own)


def texts(hits: Sequence[Hit]) -> dict[str, str]:
    return {hit.source.id: hit.document.text for hit in hits}


@settings(max_examples=40)
@given(hit_lists(), st.integers(0, 12), st.integers(1, 12))
def test_every_citation_and_every_segment_is_a_cut_of_the_document(hits: list[Hit], offset: int, limit: int) -> None:
    answer, text = ask(hits, limit, offset), texts(hits)
    for citation in answer.citations:
        whole = text[citation.source.id]
        assert citation.text == whole[citation.start : citation.end]
        assert citation.prefix == whole[max(0, citation.start - SURROUNDINGS) : citation.start]
        assert citation.suffix == whole[citation.end : citation.end + SURROUNDINGS]
    said = {citation.number: citation for citation in answer.citations}
    marked = []
    for passage in answer.passages:
        at = passage.start
        for segment in passage.segments:
            assert segment.text
            if segment.citation is not None:
                citation = said[segment.citation]
                assert (segment.text, at, passage.source) == (citation.text, citation.start, citation.source)
                marked.append(segment.citation)
            at += len(segment.text)
        assert "".join(s.text for s in passage.segments) == text[passage.source.id][passage.start : passage.end]
    assert sorted(marked) == [citation.number for citation in answer.citations], "each citation is marked once"


@settings(max_examples=40)
@given(hit_lists(), st.integers(0, 12), st.integers(1, 12))
def test_citations_are_numbered_from_one_best_first_and_each_passage_has_its_best_sentence(
    hits: list[Hit], offset: int, limit: int
) -> None:
    answer = ask(hits, limit, offset)
    assert [citation.number for citation in answer.citations] == list(range(1, len(answer.citations) + 1))
    order = [(-citation.score, citation.source.path, citation.start) for citation in answer.citations]
    assert order == sorted(order)
    score = {(h.source.id, s.start): points for h in hits for s, points in zip(h.sentences, h.scores, strict=True)}
    cited = {(citation.source.id, citation.start) for citation in answer.citations}
    shown, leading = [], set()
    for passage in answer.passages:
        own = [key for key in score if key[0] == passage.source.id and passage.start <= key[1] < passage.end]
        shown += own
        leading.add(max(own, key=lambda key: (score[key], -key[1])))
    assert leading <= cited <= set(shown)
    ranked = sorted((score[key] for key in shown), reverse=True)
    least = ranked[:CITED][-1] if ranked else 0.0
    said = {normalised(citation.text) for citation in answer.citations}
    text = {(h.source.id, s.start): h.document.text[s.start : s.end] for h in hits for s in h.sentences}
    assert all(key in cited or normalised(text[key]) in said for key in shown if score[key] > least)
    together = {answer.citations[number - 1] for number in answer.together}
    alone = {(c.source.id, c.start) for c in answer.citations if not c.also and c not in together} - leading
    assert all(score[key] >= least for key in alone)
    assert len(alone) <= CITED


@settings(max_examples=40)
@given(hit_lists())
def test_passages_are_disjoint_and_together_hold_or_name_every_sentence(hits: list[Hit]) -> None:
    answer = ask(hits)
    assert answer.total == len(answer.passages)
    every = [(hit.source.id, span.start, span.end) for hit in hits for span in hit.sentences]
    named = {place.source.id for passage in answer.passages for place in passage.also}
    for identity, start, end in every:
        holding = [p for p in answer.passages if p.source.id == identity and p.start <= start and end <= p.end]
        assert len(holding) <= 1
        assert holding or identity in named
    edges = sorted((passage.source.id, passage.start, passage.end) for passage in answer.passages)
    for (first, _, end), (second, start, _) in pairwise(edges):
        assert first != second or end <= start
    assert {(identity, start) for identity, start, _ in edges} <= {(identity, start) for identity, start, _ in every}


@settings(max_examples=40)
@given(hit_lists())
def test_a_passage_is_short_enough_to_read_unless_it_is_one_sentence(hits: list[Hit]) -> None:
    for passage in ask(hits).passages:
        own = [
            hit.document.text[span.start : span.end]
            for hit in hits
            for span in hit.sentences
            if hit.source == passage.source and passage.start <= span.start < passage.end
        ]
        assert len(own) == 1 or sum(len(sentence.split()) for sentence in own) <= SHOWN_WORDS
        assert len(own) == 1 or sum(map(len, own)) <= SHOWN_CHARS


def place(passage: ShownPassage) -> tuple[int, float, str, int, int]:
    return passage.rank, passage.score, passage.source.path, passage.start, passage.end


@settings(max_examples=40)
@given(hit_lists(), st.integers(1, 5))
def test_pages_put_together_are_the_whole_list(hits: list[Hit], limit: int) -> None:
    whole = ask(hits)
    pages = [ask(hits, limit, offset) for offset in range(0, whole.total + limit, limit)]
    assert {page.total for page in pages} == {whole.total}
    assert [place(passage) for page in pages for passage in page.passages] == [place(p) for p in whole.passages]
    assert pages[-1].passages == pages[-1].citations == ()
    assert [passage.rank for passage in whole.passages] == list(range(1, whole.total + 1))


@settings(max_examples=40)
@given(hit_lists(), st.randoms(use_true_random=False))
def test_the_answer_does_not_depend_on_the_order_of_the_hits(hits: list[Hit], chance: Random) -> None:
    shuffled = chance.sample(hits, len(hits))
    assert ask(hits, 5) == ask(shuffled, 5)


@settings(max_examples=40)
@given(hit_lists())
def test_passages_are_best_first_and_ties_go_by_path_and_position(hits: list[Hit]) -> None:
    order = [(-p.score, p.source.path, p.start) for p in ask(hits).passages]
    assert order == sorted(order)


@settings(max_examples=40)
@given(hit_lists())
def test_the_parts_of_every_score_shown_add_up_to_it(hits: list[Hit]) -> None:
    answer = ask(hits)
    for shown in (*answer.passages, *answer.citations):
        assert sum(part.value for part in shown.parts) == pytest.approx(shown.score, abs=1e-9)


@settings(max_examples=40)
@given(hit_lists(), st.integers(1, 6))
def test_no_passage_has_its_best_sentence_from_another_document_of_the_list(hits: list[Hit], limit: int) -> None:
    answer = ask(hits, limit)
    leads: dict[str, list[str]] = {}
    for passage in answer.passages:
        own = [c for c in answer.citations if any(s.citation == c.number for s in passage.segments)]
        best = min(own, key=lambda citation: citation.number)
        leads.setdefault(normalised(best.text), []).append(passage.source.id)
        assert set(best.also) <= set(passage.also)
    for documents in leads.values():
        assert len(set(documents)) == 1 and len(documents) <= WITHIN
    for text in {normalised(citation.text) for citation in answer.citations}:
        equal = [citation.source.id for citation in answer.citations if normalised(citation.text) == text]
        assert len(equal) <= max(WITHIN, len(leads.get(text, ())))


def test_an_equal_sentence_of_another_document_is_a_place_and_the_rest_stands_for_itself() -> None:
    one, ones = written(["Nobody paid.", "The first was a baker of bread."])
    two, twos = written(["It rained all day.", "NOBODY  paid.", "The second was a smith."])
    hits = [hit(one, "a.txt", ones, [0.9, 0.1]), hit(two, "b.txt", twos, [0.3, 0.8, 0.5])]
    hits = [replace(each, places=partial(elsewhere, hits, each)) for each in hits]
    answer = ask(hits)
    assert [(p.source.path, "".join(s.text for s in p.segments)) for p in answer.passages] == [
        ("a.txt", "Nobody paid. The first was a baker of bread."),
        ("b.txt", "The second was a smith."),
        ("b.txt", "It rained all day."),
    ]
    [place] = answer.citations[0].also
    assert (place.source.path, two.text[place.start : place.end], place.same) == ("b.txt", "NOBODY  paid.", True)
    assert answer.passages[0].also == (place,)
    assert answer.total == 3


@pytest.mark.parametrize(("other", "folded"), [("Mr.", True), ("12", False)])
def test_a_passage_nearly_the_same_is_folded_unless_a_number_differs(other: str, folded: bool) -> None:
    said = (
        "The tenant of the house by the harbour shall pay to {} Brown, on the first of every month and before noon, "
        "what is agreed for its use, and may neither keep back any of it nor let the house to others, unless the owner "
        "has said in writing that this may be done, which shall not be refused without a reason that is told."
    )
    hits = []
    for path, name in (("a.txt", "Mrs."), ("b.txt", other)):
        document, spans = written([said.format(name), f"{path} ends here."])
        hits.append(hit(document, path, spans[:1], [0.9 if path == "a.txt" else 0.8]))
    answer = ask(hits)
    assert answer.total == (1 if folded else 2)
    assert [(place.source.path, place.same) for place in answer.passages[0].also] == [("b.txt", False)] * folded


def test_a_passage_grows_around_its_best_sentence_and_what_is_left_is_another() -> None:
    sentences = [f"s{number} " + "w " * 38 + "end." for number in range(6)]
    document, spans = written(sentences)
    answer = ask([hit(document, "a.txt", spans, [0.1, 0.2, 0.3, 0.9, 0.8, 0.4])])
    assert [(p.start, p.end) for p in answer.passages] == [
        (spans[3].start, spans[4].end),
        (spans[5].start, spans[5].end),
        (spans[1].start, spans[2].end),
        (spans[0].start, spans[0].end),
    ]


def test_one_sentence_longer_than_a_passage_is_shown_whole() -> None:
    long = "w " * 500 + "end."
    document, spans = written(["Before.", long, "After."])
    answer = ask([hit(document, "a.txt", spans, [0.1, 0.9, 0.2])])
    assert [segment.text for passage in answer.passages for segment in passage.segments] == [long, "After.", "Before."]


def test_text_without_spaces_between_words_is_kept_short_too() -> None:
    document, spans = written([f"{kind}本語の文です。" * 60 for kind in "日英仏独伊"], between="")
    answer = ask([hit(document, "a.txt", spans, [0.5, 0.4, 0.3, 0.2, 0.1])])
    assert [passage.end - passage.start for passage in answer.passages] == [960, 960, 480]


def test_among_equal_sentences_a_passage_grows_from_the_first() -> None:
    document, spans = written([f"{word} " * 49 + "end." for word in "xyz"])
    answer = ask([hit(document, "a.txt", spans, [0.5, 0.5, 0.5])])
    assert [(p.start, p.end) for p in answer.passages] == [(0, spans[1].end), (spans[2].start, spans[2].end)]


def test_of_equal_sentences_the_first_is_the_best() -> None:
    hits = []
    for path in "abcdefg":
        document, spans = written([f"{path}1.", f"{path}2."])
        hits.append(hit(document, path, spans, [0.5, 0.5]))
    cited = [citation.text for citation in ask(hits).citations]
    assert CITED == 5
    assert cited == ["a1.", "a2.", "b1.", "b2.", "c1.", "d1.", "e1.", "f1.", "g1."]


def test_nothing_found_is_an_answer() -> None:
    answer = compose(
        "Who?", [], evidence=(), least=0.0, limit=5, offset=0, took_ms=lambda: 2.0, stale=lambda _: "", index=STATE
    )
    assert answer == Answer("Who?", False, 0.0, (), (), 0, 5, 0, 2.0, STATE)


def test_it_is_answered_from_the_confidence_asked_for_on() -> None:
    document, spans = written(["Nobody paid."])
    hits = [hit(document, "a.txt", spans, [0.9])]
    sure = ask(hits).confidence
    assert ask(hits, least=sure).answered
    assert not ask(hits, least=min(1.0, sure + 1e-9)).answered
    unsure = ask(hits, sure=False)
    assert not unsure.answered
    assert [citation.text for citation in unsure.citations] == ["Nobody paid."], "the nearest are shown all the same"


def test_a_changed_file_is_said_to_be_changed_at_each_citation_and_looked_at_once() -> None:
    hits = [
        hit(document, path, spans, [0.9, 0.8, 0.7])
        for path in ("a.txt", "b.txt", "c.txt")
        for document, spans in [written([f"{path} one.", f"{path} two.", f"{path} three."])]
    ]
    asked: list[str] = []

    def stale(source: Source) -> str:
        asked.append(source.path)
        return "missing" if source.path == "b.txt" else ""

    answer = compose(
        "Who?", hits, evidence=(), least=0, limit=2, offset=0, took_ms=lambda: 0.0, stale=stale, index=STATE
    )
    assert sorted(asked) == ["a.txt", "b.txt"], "the documents of other pages are left alone"
    assert {(citation.source.path, citation.stale) for citation in answer.citations} == {
        ("a.txt", ""),
        ("b.txt", "missing"),
    }


def test_two_documents_of_one_path_under_different_folders_are_told_apart() -> None:
    document, spans = written(["Nobody paid."])
    one = hit(document, "a.txt", spans, [0.5])
    document, spans = written(["Nobody was paid."])
    other = hit(document, "a.txt", spans, [0.5])
    other = replace(other, source=replace(one.source, id="d_other"))
    answer = ask([other, one])
    assert [passage.source.id for passage in answer.passages] == ["d_a.txt", "d_other"]
    assert [passage.segments[0].citation for passage in answer.passages] == [1, 2]


def test_a_question_in_a_document_is_answered_by_the_sentence_after_it() -> None:
    text, spans = written(["We open at nine.", "How do I reset my password?", "Press the red key.", "Call us."])
    answer = ask([hit(text, "a", spans, [0.2, 0.9, 0.3, 0.85])])
    by_number = {citation.number: citation.text for citation in answer.citations}
    said = [by_number[number] for number in answer.together]
    assert said == ["How do I reset my password?", "Press the red key.", "Call us."]


@given(hit_lists(), st.booleans(), st.integers(0, 3))
def test_an_answer_is_the_best_sentence_and_those_of_its_passage_that_score_nearly_as_well(
    hits: list[Hit], sure: bool, offset: int
) -> None:
    answer = ask(hits, limit=5, offset=offset, sure=sure)
    if not answer.answered or offset:
        assert answer.together == ()
        assert all(citation.marked == (citation.text, "", "") for citation in answer.citations)
        return
    by_number = {citation.number: citation for citation in answer.citations}
    said = [by_number[number] for number in answer.together]
    assert 1 in answer.together and len(said) <= MOST_TOGETHER
    assert [(c.start, c.end) for c in said] == sorted((c.start, c.end) for c in said)
    assert {c.source.id for c in said} == {by_number[1].source.id}
    asks = by_number[1].text.endswith("?")
    assert asks or all(by_number[1].score - TOGETHER - 1e-9 <= c.score <= by_number[1].score for c in said)
    for citation in answer.citations:
        assert "".join(citation.marked) == citation.text
        assert citation.number in answer.together or not citation.marked[1]


@given(st.lists(st.integers(0, 5), max_size=8), st.integers(0, 60))
def test_the_locator_of_a_place_is_that_of_the_last_block_that_began_by_then(gaps: list[int], at: int) -> None:
    blocks, end = [], 0
    for number, gap in enumerate(gaps):
        blocks.append(Block("paragraph", end + gap, end + gap + 4, Locator(line=number + 1)))
        end += gap + 4
    document = Document("x" * end, "", "text/plain", tuple(blocks))
    begun = [block for block in blocks if block.start <= at]
    assert locator(document, at) == (begun[-1].locator if begun else Locator())


@pytest.mark.parametrize(
    ("path", "where", "said"),
    [
        ("notes/mars.pdf", Locator(page=3), "mars.pdf, p. 3"),
        ("notes/mars.pdf", Locator(page=3, label="iii"), "mars.pdf, p. iii"),
        ("notes/talk.pptx", Locator(("A",), page=3, place="slide 3", kind="slide"), "talk.pptx, slide 3"),
        ("mars.pdf", Locator(heading=("Part 1", "Funding"), page=3), "mars.pdf, p. 3"),
        ("a/b/guide.md", Locator(heading=("Part 1", "Funding"), line=9), "guide.md, Funding"),
        ("notes.txt", Locator(line=12), "notes.txt, line 12"),
        ("notes.txt", Locator(line=1), "notes.txt, line 1"),
        ("letter.docx", Locator(), "letter.docx"),
        ("two words & <b>.txt", Locator(line=2), "two words & <b>.txt, line 2"),
    ],
)
def test_a_label_says_where_in_words(path: str, where: Locator, said: str) -> None:
    assert label(source(path), where) == said


def test_a_passage_over_two_pages_is_labelled_by_its_first_and_each_citation_by_its_own() -> None:
    text = "One. Two."
    blocks = (Block("paragraph", 0, 4, Locator(page=1)), Block("paragraph", 5, 9, Locator(page=2, label="ii")))
    document = Document(text, "", "application/pdf", blocks)
    answer = ask([hit(document, "m.pdf", [Span(0, 4), Span(5, 9)], [0.89, 0.9])])
    assert [passage.label for passage in answer.passages] == ["m.pdf, p. 1"]
    assert [(citation.text, citation.label) for citation in answer.citations] == [
        ("Two.", "m.pdf, p. ii"),
        ("One.", "m.pdf, p. 1"),
    ]
