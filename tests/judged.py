"""Questions, judgements and predictions of every kind, for laws about evaluation."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from qa.evaluation import Place, Prediction, Question, Quote

TEXTS = {"a": "one two three four five six", "b": "sieben \U0001f33e acht", "c": ""}
DOCS = st.sampled_from(["a", "b", "c", "gone", *"defghijklm"])
STARTS = st.integers(0, 12)


PLACES = st.builds(lambda doc, start, length: Place(doc, start, start + length), DOCS, STARTS, st.integers(1, 12))
RELEVANT = st.dictionaries(DOCS, st.integers(0, 3), max_size=12).map(lambda grades: tuple(grades.items()))
GOLD = st.lists(PLACES, max_size=4).map(tuple)
CONFIDENCES = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1)
Asked = tuple[list[Question], list[Prediction]]


def quote(place: Place, ending: str) -> Quote:
    text = TEXTS.get(place.doc, "")[place.start : place.end]
    return Quote(place.doc, place.start, place.end, text + ending)


ANSWERS = st.builds(
    Prediction,
    st.just(""),
    st.lists(PLACES, max_size=16).map(tuple),
    st.lists(st.builds(quote, PLACES, st.sampled_from(["", "", "."])), max_size=12).map(tuple),
    st.booleans(),
    CONFIDENCES,
)


@st.composite
def runs(draw: st.DrawFn) -> Asked:
    """Up to five questions, most of them with a prediction."""
    question = st.builds(Question, st.just(""), st.just("?"), st.booleans(), RELEVANT, GOLD)
    drawn = draw(st.lists(st.tuples(question, st.none() | ANSWERS), min_size=1, max_size=5))
    questions = [replace(asked, id=str(n)) for n, (asked, _) in enumerate(drawn)]
    return questions, [replace(answer, id=str(n)) for n, (_, answer) in enumerate(drawn) if answer]
