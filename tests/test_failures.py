"""Laws of the list of the worst answers."""

from __future__ import annotations

from hypothesis import given
from judged import TEXTS, Asked, runs

from qa.evaluation import Prediction, Question, Quote, score, worst


@given(runs())
def test_the_worst_are_all_wrong_answers_that_were_given_the_surest_first(run: Asked) -> None:
    questions, predictions = run
    scores = score(questions, predictions, TEXTS)
    predicted = {prediction.id: prediction for prediction in predictions}
    failures = worst(questions, predictions, scores, TEXTS)
    confidences = [failure.confidence for failure in failures]
    assert confidences == sorted(confidences, reverse=True)
    listed = {failure.question.id: failure for failure in failures}
    assert len(listed) == len(failures)
    for question in questions:
        given_ = predicted.get(question.id)
        first = given_.citations[:5] if given_ else ()
        hit = any(
            c.doc == g.doc and set(range(c.start, c.end)) & set(range(g.start, g.end))
            for c in first
            for g in question.gold
        )
        wrong = not question.answerable or (bool(question.gold) and not hit)
        assert (question.id in listed) == (given_ is not None and given_.answered and wrong)
        if question.id in listed:
            failure = listed[question.id]
            assert (failure.question, failure.cited) == (question, first)
            assert [gold.place for gold in failure.gold] == list(question.gold if question.answerable else ())
            for gold in failure.gold:
                text = TEXTS.get(gold.place.doc, "")
                assert gold.text == text[gold.place.start : gold.place.end]
                assert gold.prefix + gold.text + gold.suffix in text


def test_equally_sure_failures_keep_the_order_of_the_questions() -> None:
    questions = [Question(name, "?", False) for name in "dacb"]
    predictions = [Prediction(name, (), (Quote("a", 0, 3, "one"),), True, 0.5) for name in "abcd"]
    failures = worst(questions, predictions, score(questions, predictions, TEXTS), TEXTS)
    assert [failure.question.id for failure in failures] == list("dacb")
