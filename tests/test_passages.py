from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa import formats
from qa.encoder import Encoder
from qa.passages import CONTEXT_CHARS, CONTEXT_JOINT, LEAST_TOKENS, context, pack
from qa.records import Block, Document, Locator, Passage, Span
from qa.sentences import split

WINDOW = 100


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


@dataclass(frozen=True)
class Draft:
    """A document and the sentences of its blocks, as the rooms before would give them."""

    document: Document
    sentences: tuple[tuple[Span, ...], ...]

    def packed(self, window: int = WINDOW) -> tuple[Passage, ...]:
        return pack(self.document, self.sentences, count_words, window)

    def said(self, window: int = WINDOW) -> list[list[str]]:
        text = self.document.text
        return [[text[s.start : s.end] for s in passage.sentences] for passage in self.packed(window)]


def draft(*parts: tuple[str, Sequence[str], Locator] | str, title: str = "") -> Draft:
    """From (kind, sentences, place) for each block, and strings for what stands between two blocks."""
    text, blocks, cut = "", [], []
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        kind, sentences, place = part
        text += "\n\n" if text and not text.endswith("\n") else ""
        start, spans = len(text), []
        for sentence in sentences:
            text += " " if spans else ""
            spans.append(Span(len(text), len(text) + len(sentence)))
            text += sentence
        blocks.append(Block(kind, start, len(text), place))
        cut.append(tuple(spans))
    return Draft(Document(text, title, "text/plain", tuple(blocks)), tuple(cut))


def words(count: int, word: str = "w") -> str:
    return " ".join([word] * count)


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """Documents of headings and text over pages, each word of a sentence one token, no two sentences alike."""
    parts: list[tuple[str, Sequence[str], Locator] | str] = []
    path: list[str] = []
    page, number = draw(st.sampled_from([None, 1])), 0
    title = draw(st.sampled_from(["", "The Title", "Another Name"]))
    if draw(st.booleans()):
        parts.append(("title", ["The Title"], Locator(page=page)))
    for _ in range(draw(st.integers(0, 12))):
        step = draw(st.sampled_from(["text", "text", "text", "text", "heading", "page", "between", "nothing"]))
        if step == "heading":
            level = draw(st.integers(0, len(path)))
            number += 1
            parts.append(("heading", [f"Heading {number}"], Locator(tuple(path[:level]), page)))
            path = [*path[:level], f"Heading {number}"]
        elif step == "page" and page is not None:
            page += 1
        elif step == "between":
            parts.append(
                draw(st.sampled_from(["\n- ", "\n2. ", "\n| --- | --- |\n", f"\n<!-- {words(40, 'junk')} -->\n"]))
            )
        elif step == "nothing":
            parts.append(("paragraph", [], Locator(tuple(path), page)))
        else:
            lengths = draw(st.lists(st.sampled_from([1, 2, 5, 12, 30, 70, 130]), min_size=1, max_size=6))
            number += 1
            said = [f"s{number}.{i} {words(length - 1)}".strip() for i, length in enumerate(lengths)]
            parts.append((draw(st.sampled_from(["paragraph", "item", "row"])), said, Locator(tuple(path), page)))
    return draft(*parts, title=title)


def place_of(made: Draft) -> dict[Span, int]:
    """The block of each sentence."""
    return {span: index for index, spans in enumerate(made.sentences) for span in spans}


@given(drafts())
def test_every_sentence_is_in_one_passage_in_order_but_for_headings_above_something(made: Draft) -> None:
    packed = [span for passage in made.packed() for span in passage.sentences]
    assert packed == sorted(set(packed))
    every = [span for spans in made.sentences for span in spans]
    block_of = place_of(made)
    left_out = [span for span in every if span not in set(packed)]
    heads = [passage.context for passage in made.packed()]
    for span in left_out:
        block = made.document.blocks[block_of[span]]
        assert block.kind in ("title", "heading")
        said = made.document.text[span.start : span.end]
        assert any(said in head for head in heads), "what is left out is read in front of something"
    assert set(packed) <= set(every)


@given(drafts(), st.sampled_from([20, 50, WINDOW]))
def test_a_passage_with_its_context_fits_the_window_unless_it_is_one_sentence(made: Draft, window: int) -> None:
    for passage in made.packed(window):
        head, body = count_words([passage.context, made.document.text[passage.start : passage.end]])
        assert len(passage.sentences) == 1 or min(head, window // 2) + body <= window


@given(drafts())
def test_a_passage_is_its_sentences_from_the_first_to_the_last_under_one_heading_on_one_page(made: Draft) -> None:
    block_of = place_of(made)
    for passage in made.packed():
        assert (passage.start, passage.end) == (passage.sentences[0].start, passage.sentences[-1].end)
        blocks = [made.document.blocks[block_of[span]] for span in passage.sentences]
        assert passage.locator == blocks[0].locator
        assert len({(block.locator.heading, block.locator.page, block.kind == "heading") for block in blocks}) == 1
        assert passage.context == context(made.document, blocks[0])
        within = made.document.text[passage.start : passage.end]
        assert "junk" not in within, "what stands between blocks is not read as if it were theirs"


@given(drafts())
def test_short_blocks_are_joined_and_a_paragraph_that_fits_is_never_cut(made: Draft) -> None:
    block_of, text = place_of(made), made.document.text
    for before, after in pairwise(made.packed()):
        last, first = block_of[before.sentences[-1]], block_of[after.sentences[0]]
        places = [made.document.blocks[at].locator for at in (last, first)]
        room = WINDOW - count_words([after.context])[0] - 1
        (whole,) = count_words([text[made.sentences[first][0].start : made.sentences[first][-1].end]])
        if last == first:
            assert whole > room
        elif places[0] == places[1] and not any(made.sentences[last + 1 : first]):
            kinds = {made.document.blocks[at].kind == "heading" for at in (last, first)}
            gap = text[made.document.blocks[last].end : made.document.blocks[first].start]
            used, between = count_words([text[before.start : before.end], gap])
            assert used >= LEAST_TOKENS or used + between + whole > room or "junk" in gap or len(kinds) == 2


def test_a_paragraph_beyond_the_window_is_cut_into_even_parts() -> None:
    made = draft(("paragraph", [words(10)] * 21, Locator()))
    assert [len(passage) for passage in made.said()] == [7, 7, 7]


def test_a_sentence_beyond_the_window_is_a_passage_of_its_own() -> None:
    made = draft(("paragraph", ["Before.", words(300), "After."], Locator()))
    assert [count_words([" ".join(said)]) for said in made.said()] == [[1], [300], [1]]


def test_list_items_are_read_together_with_their_markers_counted() -> None:
    items = [part for number in range(40) for part in (f"\n{number}. ", ("item", [words(3)], Locator()))]
    made = draft(("paragraph", ["Bring these:"], Locator()), *items)
    packed = made.packed()
    assert [len(passage.sentences) for passage in packed] == [17, 17, 7]
    assert all(count_words([made.document.text[p.start : p.end]])[0] <= LEAST_TOKENS + 4 for p in packed)


@pytest.mark.parametrize("length", [10, 50, 5000])
def test_a_comment_between_two_paragraphs_is_in_no_passage(length: int) -> None:
    comment = f"\n<!-- {words(length)} -->\n"
    made = draft(("paragraph", ["One."], Locator()), comment, ("paragraph", ["Two."], Locator()))
    assert made.said() == [["One."], ["Two."]]


def test_text_on_two_pages_is_in_two_passages() -> None:
    made = draft(("paragraph", ["One."], Locator(page=1)), ("paragraph", ["Two."], Locator(page=2)))
    assert [(p.locator.page, said) for p, said in zip(made.packed(), made.said(), strict=True)] == [
        (1, ["One."]),
        (2, ["Two."]),
    ]


@pytest.mark.parametrize("kind", ["slide", "message", "chapter"])
def test_two_slides_messages_or_chapters_are_in_two_passages_and_two_rows_in_one(kind: str) -> None:
    texts = [("paragraph", ["One."]), ("paragraph", ["Two."])]
    apart = draft(*((*text, Locator(place=f"x {n}", kind=kind)) for n, text in enumerate(texts)))
    assert apart.said() == [["One."], ["Two."]]
    together = draft(*((*text, Locator(place=f"A{n}", kind="cells")) for n, text in enumerate(texts)))
    assert together.said() == [["One.", "Two."]]


def test_a_separator_wider_than_the_window_does_not_burst_it() -> None:
    bars = " ".join("|-" * 300)
    made = draft(("row", ["a | b"], Locator()), f"\n{bars}\n", ("row", ["c | d"], Locator()))
    assert made.said() == [["a | b"], ["c | d"]]


def test_a_heading_is_read_in_front_of_what_stands_below_and_alone_where_nothing_does() -> None:
    made = draft(
        ("title", ["Mars"], Locator()),
        ("heading", ["Funding"], Locator()),
        ("heading", ["Before 1998"], Locator(("Funding",))),
        ("paragraph", ["Nobody paid."], Locator(("Funding", "Before 1998"))),
        ("heading", ["Not written yet"], Locator()),
        ("heading", ["Staff"], Locator()),
        ("paragraph", ["Two people."], Locator(("Staff",))),
        ("heading", ["Notes"], Locator()),
        title="Mars",
    )
    assert [(said, passage.context) for said, passage in zip(made.said(), made.packed(), strict=True)] == [
        (["Nobody paid."], "Mars · Funding · Before 1998"),
        (["Not written yet"], "Mars"),
        (["Two people."], "Mars · Staff"),
        (["Notes"], "Mars"),
    ]


def test_a_document_of_nothing_but_a_title_is_that_title() -> None:
    assert draft(("title", ["Mars"], Locator()), title="Mars").said() == [["Mars"]]
    made = draft(("title", ["Mars"], Locator()), ("heading", ["Funding"], Locator()), title="Mars")
    assert made.said() == [["Mars"], ["Funding"]]


def test_a_title_that_the_document_does_not_call_itself_is_still_read() -> None:
    made = draft(("title", ["Quite another name"], Locator()), ("paragraph", ["Body."], Locator()), title="report-7")
    assert made.said() == [["Quite another name", "Body."]]
    marked = draft(
        ("title", ["*Mars*, or: the red one"], Locator()),
        ("paragraph", ["Body."], Locator()),
        title="Mars, or the Red One",
    )
    assert marked.said() == [["Body."]]


def test_a_heading_too_long_to_stand_in_front_is_read_as_a_paragraph() -> None:
    long = f"{words(60, 'heading')} end"
    made = draft(("heading", [long], Locator()), ("paragraph", ["Body."], Locator((long[:199],))))
    assert made.said() == [[long], ["Body."]]


def test_nothing_gives_no_passages() -> None:
    assert draft().packed() == ()
    assert draft(("paragraph", [], Locator()), ("paragraph", [], Locator())).packed() == ()


@pytest.mark.parametrize(
    ("title", "heading", "said"),
    [
        ("", (), ""),
        ("Mars", (), "Mars"),
        ("Mars", ("Mars", "Funding"), "Mars · Funding"),
        ("", ("Part 1", "Funding"), "Part 1 · Funding"),
        (" The\n red\tone ", ("Part  1",), "The red one · Part 1"),
        ("T" * 50, ("a" * 90, "b" * 90, "Last"), CONTEXT_JOINT.join(["T" * 50, "b" * 90, "Last"])),
        ("T" * 300, ("Last",), "T" * 200),
    ],
)
def test_the_context_is_title_and_headings_once_each_and_bounded(
    title: str, heading: tuple[str, ...], said: str
) -> None:
    document = Document("x", title, "text/plain", (Block("paragraph", 0, 1, Locator(heading)),))
    assert context(document, document.blocks[0]) == said


@given(st.text(max_size=300), st.lists(st.text(max_size=150), max_size=6))
def test_no_context_is_longer_than_its_bound_or_has_two_lines(title: str, heading: list[str]) -> None:
    document = Document("x", title, "text/plain", (Block("paragraph", 0, 1, Locator(tuple(heading))),))
    said = context(document, document.blocks[0])
    assert len(said) <= CONTEXT_CHARS
    assert len(said.splitlines()) <= 1


def test_real_documents_fit_the_window_of_the_real_model_to_the_token(encoder: Encoder) -> None:
    corpus = Path(__file__).parent.parent / "corpus"
    count = 0
    for path in sorted(corpus.rglob("*.*")):
        document = formats.parse(formats.load(path, formats.Limits()), formats.media_type(path), formats.Limits())
        for passage in pack(document, split(document), encoder.count_tokens, encoder.window):
            head, body = encoder.count_tokens([passage.context, document.text[passage.start : passage.end]])
            assert 2 + head + body <= encoder.model.window
            count += 1
    assert count > 100


@pytest.mark.parametrize(
    "source",
    [
        "# T\n\n" + "".join(f"- item {n} of many: `code_{n}`\n" for n in range(400)),
        "| a | b | c |\n|---|---|---|\n" + "".join(f"| {n} | {n * 7} | x{n}y |\n" for n in range(400)),
        "Word. " * 3000,
        "日本語の文です。" * 800,
        "x" * 20_000,
        "a\u0301b " * 5000,
        "🦀. " * 2000,
    ],
    ids=["items", "rows", "short sentences", "no spaces", "one word", "accents", "emoji"],
)
def test_odd_documents_fit_the_window_of_the_real_model_to_the_token(encoder: Encoder, source: str) -> None:
    document = formats.parse(source.encode(), "text/markdown", formats.Limits())
    packed = pack(document, split(document), encoder.count_tokens, encoder.window)
    bodies = encoder.count_tokens([document.text[passage.start : passage.end] for passage in packed])
    heads = encoder.count_tokens([passage.context for passage in packed])
    assert packed
    for passage, body, head in zip(packed, bodies, heads, strict=True):
        assert len(passage.sentences) == 1 or 2 + head + body <= encoder.model.window


def test_the_work_is_linear_in_the_length_of_the_document() -> None:
    def seconds(blocks: int) -> float:
        place = Locator(("One", "Two"), 1)
        made = draft(
            ("title", ["T"], place), *(("item", [words(6), words(9)], place) for _ in range(blocks)), title="T"
        )
        began = time.thread_time()
        made.packed()
        return time.thread_time() - began

    assert min(seconds(8000) for _ in range(2)) < 8 * min(seconds(2000) for _ in range(3)) + 0.1
