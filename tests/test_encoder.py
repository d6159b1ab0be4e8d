from __future__ import annotations

import random
import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import small_model as small
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer

from qa import models
from qa.encoder import AHEAD, Encoder
from qa.errors import ModelUnusable
from qa.records import Encoding, Locator, Model, Passage, Span

CONTEXT = "Port of Halifax · Money"
SENTENCES = (
    "The harbour authority recorded 1,482 arrivals in March 1998.",
    "That was a third more than in the year before!",
    "Naïve forecasts (see Fig. 3) had said otherwise; İstanbul's did not.",
)


def passage(sentences: Sequence[str], context: str = "", between: str = " ", before: str = "") -> tuple[Passage, str]:
    """A passage of these sentences in a text that begins with `before`."""
    text, spans = before, []
    for number, sentence in enumerate(sentences):
        text += between if number else ""
        spans.append(Span(len(text), len(text) + len(sentence)))
        text += sentence
    return Passage(spans[0].start, spans[-1].end, tuple(spans), context, Locator()), text + " What follows."


def encode(encoder: Encoder, *items: tuple[Passage, str]) -> list[NDArray[np.float32]]:
    """The vectors of the sentences of each passage."""
    return [read.vectors for read in encoder.encode_passages(items)]


def all_bytes(read: Encoding) -> bytes:
    return read.vectors.tobytes() + read.tokens.tobytes() + read.codes.tobytes()


@pytest.fixture(scope="module")
def exact(encoder: Encoder) -> Encoder:
    """The default model with the exact graph for passages too."""
    return Encoder(replace(encoder.model, passage=encoder.model.question))


@pytest.fixture(scope="module")
def small_exact(small_encoder: Encoder) -> Encoder:
    return Encoder(replace(small_encoder.model, passage=small_encoder.model.question))


@dataclass(frozen=True)
class ByHand:
    """The same vectors without the encoder and without offsets: sentences are tokenized one by one and counted."""

    tokenizer: Tokenizer
    session: onnxruntime.InferenceSession
    window: int

    def tokens(self, sentences: Sequence[str], context: str) -> list[NDArray[np.float64]]:
        """The token vectors of each sentence; those of the whole passage for one that has none."""
        room = self.window - 2
        head = self.ids(context)[: room // 2]
        pieces = [self.ids(sentence) for sentence in sentences]
        body = [token for piece in pieces for token in piece]
        states = []
        for begin in range(0, max(len(body), 1), room - len(head)):
            part = body[begin : begin + room - len(head)]
            output = self.run([101, *head, *part, 102])
            states.append(output[1 + len(head) : -1] if part else output)
        tokens = np.concatenate(states)
        at = np.cumsum([0, *(len(piece) for piece in pieces)])
        return [tokens[first:last] if first < last else tokens for first, last in pairwise(at)]

    def vectors(self, sentences: Sequence[str], context: str) -> NDArray[np.float64]:
        means = np.stack([own.mean(axis=0) for own in self.tokens(sentences, context)])
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def ids(self, text: str) -> list[int]:
        text = re.sub("[ﬀ-ﬆ]", lambda sign: unicodedata.normalize("NFKC", sign[0]), text)
        text = re.sub("\u00ad(?:[ \t]*\r?\n[ \t]*)?", "", text)
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def run(self, ids: Sequence[int]) -> NDArray[np.float64]:
        row = np.array([ids])
        feed = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        return self.session.run(None, feed)[0][0].astype(np.float64)


@pytest.fixture(scope="module")
def by_hand(small_exact: Encoder) -> ByHand:
    model = small_exact.model
    session = onnxruntime.InferenceSession(str(model.question), providers=["CPUExecutionProvider"])
    return ByHand(Tokenizer.from_file(str(model.tokenizer)), session, model.window)


@pytest.mark.slow
def test_a_sentence_is_the_mean_of_its_token_vectors_from_the_pass_over_its_passage(exact: Encoder) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = models.find(models.DEFAULT)
    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    read, text = passage(SENTENCES, CONTEXT, before="What stands before. ")
    body = text[read.start : read.end]
    cut = tokenizer(body, add_special_tokens=False, return_offsets_mapping=True)
    head = tokenizer(CONTEXT, add_special_tokens=False)["input_ids"]
    ids = [tokenizer.cls_token_id, *head, *cut["input_ids"], tokenizer.sep_token_id]
    with torch.inference_mode():
        states = network(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()
    (rows,) = encode(exact, (read, text))
    assert rows.shape == (3, 384)
    for row, sentence in zip(rows, read.sentences, strict=True):
        first, last = sentence.start - read.start, sentence.end - read.start
        own = [1 + len(head) + at for at, (begin, end) in enumerate(cut["offset_mapping"]) if first <= begin < last]
        wanted = states[own].mean(axis=0)
        assert float(row @ wanted / np.linalg.norm(wanted)) == pytest.approx(1, abs=1e-5)


def test_the_8_bit_graph_gives_nearly_the_same_sentences(encoder: Encoder, exact: Encoder) -> None:
    item = passage(SENTENCES, CONTEXT)
    ((first,), (second,)) = encode(encoder, item), encode(exact, item)
    assert min((first * second).sum(axis=1)) >= 0.995


def test_what_stands_around_a_sentence_changes_its_vector_and_what_stands_in_front_of_the_passage_does_too(
    small_encoder: Encoder,
) -> None:
    alone, other, headed = (
        encode(small_encoder, passage(sentences, context))[0][0]
        for sentences, context in (
            (SENTENCES[:1], ""),
            ((SENTENCES[0], "Glaciers carve valleys."), ""),
            (SENTENCES[:1], CONTEXT),
        )
    )
    assert 0.5 < float(alone @ other) < 0.99999
    assert 0.5 < float(alone @ headed) < 0.99999


WORDS = (
    "harbour",
    "port",
    "money",
    "lease",
    "tenant",
    "glacier",
    "flour",
    "court",
    "train",
    "signed",
    "in",
    "the",
    "of",
)


def some_passages(count: int) -> list[tuple[Passage, str]]:
    chance = random.Random(5)

    def sentence() -> str:
        return " ".join(chance.choices(WORDS, k=chance.randint(1, 30))).capitalize() + "."

    return [
        passage([sentence() for _ in range(chance.randint(1, 5))], chance.choice(("", CONTEXT))) for _ in range(count)
    ]


def test_a_vector_is_the_same_to_the_bit_whatever_else_is_encoded_and_by_how_many_threads(model: Model) -> None:
    items = some_passages(12)
    encoders = [Encoder(model, threads) for threads in (1, 4)]
    alone = [all_bytes(read) for item in items for read in encoders[0].encode_passages([item])]
    order = random.Random(1).sample(range(12), 12)
    for encoder in encoders:
        assert [all_bytes(read) for read in encoder.encode_passages(items)] == alone
        shuffled = encoder.encode_passages(items[i] for i in order)
        assert [all_bytes(read) for read in shuffled] == [alone[i] for i in order]


def test_a_question_is_the_same_to_the_bit_from_many_threads_at_once(encoder: Encoder) -> None:
    questions = [f"What did the {word} cost?" for word in WORDS]
    wanted = [encoder.encode_question(question).vector.tobytes() for question in questions]
    with ThreadPoolExecutor(4) as pool:
        got = [read.vector.tobytes() for read in pool.map(encoder.encode_question, questions * 3)]
    assert got == wanted * 3


def test_no_passages_give_no_vectors(small_encoder: Encoder) -> None:
    assert encode(small_encoder) == []
    assert small_encoder.count_tokens([]) == []


def test_passages_come_in_order_and_are_taken_only_as_they_are_needed(small_encoder: Encoder) -> None:
    items = some_passages(3 * AHEAD)
    taken = 0

    def source() -> Iterator[tuple[Passage, str]]:
        nonlocal taken
        for item in items:
            taken += 1
            yield item

    results = small_encoder.encode_passages(source())
    assert len(next(results).vectors) == len(items[0][0].sentences)
    assert taken <= AHEAD + 1
    assert [len(read.vectors) for read in results] == [len(item.sentences) for item, _ in items[1:]]
    assert taken == len(items)


def test_a_reader_that_stops_early_leaves_nothing_running(small_encoder: Encoder) -> None:
    before = threading.active_count()
    results = small_encoder.encode_passages(some_passages(2 * AHEAD))
    next(results)
    results.close()
    assert threading.active_count() == before


def test_a_source_of_passages_that_fails_fails_the_reader(small_encoder: Encoder) -> None:
    def source() -> Iterator[tuple[Passage, str]]:
        yield from some_passages(2)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(small_encoder.encode_passages(source()))


@pytest.mark.parametrize("long", ["harbour " * 700, "x" * 3000, "日" * 900], ids=["words", "one word", "no spaces"])
def test_a_sentence_far_beyond_the_window_is_read_to_its_last_word(long: str, encoder: Encoder) -> None:
    vectors = []
    for end in ("lease", "glacier", "lease"):
        ((vector,),) = encode(encoder, passage([f"{long} {end}"], CONTEXT))
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
        vectors.append(vector.tobytes())
    assert vectors[0] != vectors[1]
    assert vectors[0] == vectors[2]


def test_a_sentence_far_beyond_the_window_counts_every_piece_alike(small_exact: Encoder, by_hand: ByHand) -> None:
    chance = random.Random(2)
    for words in (100, 126, 127, 128, 129, 500):
        sentence = " ".join(chance.choices(WORDS, k=words))
        for context in ("", CONTEXT, CONTEXT * 30):
            (rows,) = encode(small_exact, passage([sentence], context))
            assert np.abs(rows - by_hand.vectors([sentence], context)).max() < 1e-5


@pytest.mark.parametrize("kind", [{"pooling": "cls"}, {"pooling": "max", "prompts": {"document": "note: " * 20}}])
def test_a_model_that_pools_for_itself_reads_a_long_sentence_to_its_last_word_too(
    kind: dict[str, Any], tmp_path: Path
) -> None:
    made = small.make(tmp_path / "made", **kind)
    encoder = Encoder(models.exported(str(made), tmp_path / "cache"))
    assert encoder.model.way == "sentences"
    long = "harbour " * 300
    first, second, again = (
        encode(encoder, passage(["Nobody paid.", f"{long} {end}"], CONTEXT * 30))[0]
        for end in ("lease", "glacier", "lease")
    )
    assert first[0].tobytes() == second[0].tobytes(), "each sentence is read by itself"
    assert first[1].tobytes() != second[1].tobytes()
    assert first.tobytes() == again.tobytes()


def test_a_model_that_pools_for_itself_counts_the_pieces_of_a_long_sentence_by_their_length(tmp_path: Path) -> None:
    made = small.make(tmp_path / "made", pooling="max")
    model = models.exported(str(made), tmp_path / "cache")
    encoder = Encoder(replace(model, passage=model.question))
    room = model.window - 2 - encoder.count_tokens([CONTEXT])[0]
    pieces = ["harbour " * room, "glacier " * 3]
    whole, first, second = (
        encode(encoder, passage(["".join(said).strip()], CONTEXT))[0][0].astype(np.float64)
        for said in (pieces, pieces[:1], pieces[1:])
    )
    wanted = (room * first + 3 * second) / np.linalg.norm(room * first + 3 * second)
    assert np.abs(whole - wanted).max() < 1e-5


def test_a_prompt_longer_than_the_window_leaves_room_for_text(tmp_path: Path) -> None:
    made = small.make(tmp_path / "made", prompts={"document": "note: " * 200})
    encoder = Encoder(models.exported(str(made), tmp_path / "cache"))
    assert encoder.window >= encoder.model.window // 4
    (rows,) = encode(encoder, passage(SENTENCES, CONTEXT))
    assert len({row.tobytes() for row in rows}) == 3


@pytest.mark.parametrize("dropped", ["\ufffd", "\x01\x02", "\u200b\u200e", "\u0301\u0302", "\u2028"])
def test_a_sentence_of_nothing_that_the_tokenizer_keeps_has_the_vector_of_its_passage(
    dropped: str, small_encoder: Encoder
) -> None:
    (rows,) = encode(small_encoder, passage(["The harbour cost ten million.", dropped, "Nobody paid."]))
    (kept,) = encode(small_encoder, passage(["The harbour cost ten million.", "Nobody paid."]))
    assert np.allclose(rows[0], kept[0], atol=1e-6)
    assert np.allclose(rows[2], kept[1], atol=1e-6)
    assert np.linalg.norm(rows[1]) == pytest.approx(1, abs=1e-6)
    assert float(rows[1] @ rows[0]) > 0.5
    assert float(rows[1] @ rows[2]) > 0.3


def test_a_passage_of_nothing_that_the_tokenizer_keeps_still_has_unit_vectors(small_encoder: Encoder) -> None:
    (rows,) = encode(small_encoder, passage(["\ufffd", "\x01"]))
    assert rows.shape == (2, 64)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("stored", "seen"),
    [
        ("The conve-\n  nience of the harbour.", "The convenience of the harbour."),
        ("The conve\u2010\r\nnience of the harbour.", "The convenience of the harbour."),
        ("The har\u00ad\nbour has a con\u00advenience.", "The harbour has a convenience."),
        ("The oﬃces are ﬁne.", "The offices are fine."),
        ("Pages 3-\n4 and Foo-\nBar, a -\nb.", "Pages 3- 4 and Foo- Bar, a - b."),
    ],
)
def test_a_word_is_read_as_it_is_seen_wherever_a_line_ends_in_it(
    small_encoder: Encoder, stored: str, seen: str
) -> None:
    first, second = (
        next(iter(small_encoder.encode_passages([passage([text, "Nobody paid."])]))) for text in (stored, seen)
    )
    assert all_bytes(first) == all_bytes(second)


letters = st.characters(exclude_categories=["Cs"])
odd = st.sampled_from(
    [
        "🇨🇦",
        "👩‍👩‍👧",
        "🦀",
        "e\u0301",
        "\u0301",
        "שלום",
        "مرحبا",
        "\u202e",
        "ﬁ",
        "ẞ",
        "İ",
        "日本語",
        "한국어",
        "\u1100\u1161",
        "𝔘𝔫𝔦",
        "½",
        "—",
    ]
)
unicode_sentences = st.lists(st.one_of(st.text(letters, max_size=12), odd, st.sampled_from(WORDS)), min_size=1).map(
    " ".join
)


@settings(max_examples=80)
@given(sentences=st.lists(unicode_sentences, min_size=1, max_size=4), context=st.sampled_from(["", CONTEXT, "🦀 שלום"]))
@example(sentences=["a\u0315\u0300b", "\u0340x", "y"], context="")
@example(sentences=["\U000e0001", "x"], context="")
def test_each_sentence_gets_its_own_tokens_in_any_script(
    small_exact: Encoder, by_hand: ByHand, sentences: list[str], context: str
) -> None:
    (read,) = small_exact.encode_passages([passage(sentences, context, before="🇨🇦 e\u0301 ")])
    assert read.vectors.dtype == np.float32
    assert read.vectors.shape == (len(sentences), 64)
    assert np.linalg.norm(read.vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert np.abs(read.vectors - by_hand.vectors(sentences, context)).max() < 1e-5
    counts = small_exact.count_tokens(sentences)
    assert read.tokens.tolist() == counts
    held = [own for own, count in zip(by_hand.tokens(sentences, context), counts, strict=True) if count]
    wanted = np.concatenate([*held, np.empty((0, 64))])
    signs = np.unpackbits(read.codes, axis=1).astype(bool)
    assert signs.shape == wanted.shape
    assert ((signs == (wanted > 0)) | (np.abs(wanted) < 1e-5)).all()


@settings(max_examples=50)
@given(sentences=st.lists(unicode_sentences, min_size=1, max_size=4), between=st.sampled_from([" ", "\n\n", ""]))
def test_pieces_of_bytes_work_as_well_as_pieces_of_words(
    byte_encoder: Encoder, sentences: list[str], between: str
) -> None:
    item = passage(sentences, CONTEXT, between)
    (rows,) = encode(byte_encoder, item)
    assert rows.shape == (len(sentences), 64)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-6)
    assert encode(byte_encoder, item)[0].tobytes() == rows.tobytes()


@pytest.fixture(scope="module")
def byte_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp("bytes")
    model = models.exported(str(small.make(folder, tokenizer="bytes")), folder / "cache")
    return Encoder(replace(model, passage=model.question))


def test_pieces_of_bytes_belong_to_the_sentence_they_end_in(byte_encoder: Encoder) -> None:
    sentences = ["Glaciers carve valleys.", "🦀é🦀", "Nobody had written the letter."]
    tokenizer = Tokenizer.from_file(str(byte_encoder.model.tokenizer))
    session = onnxruntime.InferenceSession(str(byte_encoder.model.question), providers=["CPUExecutionProvider"])
    read, text = passage(sentences)
    pieces = [
        tokenizer.encode(said, add_special_tokens=False) for said in (sentences[0], *(f" {s}" for s in sentences[1:]))
    ]
    body = [token for piece in pieces for token in piece.ids]
    assert body == tokenizer.encode(text[: read.end], add_special_tokens=False).ids
    row = np.array([[0, *body, 2]])
    states = session.run(None, {"input_ids": row, "attention_mask": np.ones_like(row)})[0][0][1:-1]
    (got,) = byte_encoder.encode_passages([(read, text)])
    # A piece that is nothing but the space before a sentence is none of its own.
    own = [[token != "Ġ" for token in piece.tokens] for piece in pieces]
    assert got.tokens.tolist() == [sum(held) for held in own]
    assert len(pieces[1].ids) > 10
    at = 0
    for vector, held in zip(got.vectors, own, strict=True):
        wanted = states[at : at + len(held)][held].mean(axis=0)
        assert float(vector @ wanted / np.linalg.norm(wanted)) == pytest.approx(1, abs=1e-5)
        at += len(held)


@given(question=st.text(letters, max_size=200))
def test_any_question_gives_a_unit_vector_and_unit_rows_for_its_tokens(small_encoder: Encoder, question: str) -> None:
    read = small_encoder.encode_question(question)
    assert read.vector.dtype == np.float32
    assert read.vector.shape == (64,)
    assert np.linalg.norm(read.vector) == pytest.approx(1, abs=1e-6)
    count = min(small_encoder.count_tokens([question])[0], small_encoder.window)
    assert read.tokens.shape == (count, 64)
    assert np.linalg.norm(read.tokens, axis=1) == pytest.approx(1, abs=1e-6)
    assert len(read.words) == count
    assert all(word and word in question for word in read.words)


def test_every_token_of_a_question_knows_its_word(small_encoder: Encoder) -> None:
    question = "Who signed the Naïvasha-lease in 1,482?"
    read = small_encoder.encode_question(question)
    assert list(dict.fromkeys(read.words)) == [
        "Who",
        "signed",
        "the",
        "Naïvasha",
        "-",
        "lease",
        "in",
        "1",
        ",",
        "482",
        "?",
    ]
    assert read.words.count("Naïvasha") > 1, "a rare word has several pieces"


def test_the_tokens_of_a_question_are_those_of_the_pass(small_encoder: Encoder, by_hand: ByHand) -> None:
    question = "What did the harbour of Halifax cost?"
    states = by_hand.run([101, *by_hand.ids(question), 102])
    wanted = states[1:-1] / np.linalg.norm(states[1:-1], axis=1, keepdims=True)
    assert np.abs(small_encoder.encode_question(question).tokens - wanted).max() < 1e-5


@given(texts=st.lists(st.text(letters, max_size=30), max_size=5))
def test_tokens_are_counted_without_special_ones_and_text_by_text(small_encoder: Encoder, texts: list[str]) -> None:
    counts = small_encoder.count_tokens(texts)
    assert counts == [small_encoder.count_tokens([text])[0] for text in texts]
    assert small_encoder.count_tokens(["", "harbour", "harbour money", "x" * 10_000])[:3] == [0, 1, 2]


def test_the_window_leaves_out_the_special_tokens(encoder: Encoder, byte_encoder: Encoder) -> None:
    assert encoder.window == 254
    assert byte_encoder.window == 126


def test_a_graph_that_cannot_be_loaded_names_what_to_delete(encoder: Encoder, tmp_path: Path) -> None:
    broken = tmp_path / "question.onnx"
    broken.write_bytes(b"no graph")
    with pytest.raises(ModelUnusable, match=r"question\.onnx") as caught:
        Encoder(replace(encoder.model, question=broken)).encode_question("Who?")
    assert str(tmp_path) in caught.value.remedy
