"""Laws of what `qa eval` shows: people and programs are told the same, and nothing that is shown is obeyed."""

from __future__ import annotations

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from judged import TEXTS, Asked, runs

from qa import evaluation
from qa.evaluation import Place, Prediction, Question, Quote, Run
from qa.report import Report

OBEYED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def report(run: Asked, told: int = 3) -> Report:
    questions, predictions = run
    scores = evaluation.score(questions, predictions, TEXTS)
    failures = evaluation.worst(questions, predictions, scores, TEXTS)
    made = Run(tuple(questions), scores)
    return Report(made, 0.35, failures, told, evaluation.compare(made, made))


@settings(max_examples=20)
@given(runs())
def test_every_figure_in_json_is_shown_to_people(run: Asked) -> None:
    whole = report(run)
    told = json.loads(json.dumps(whole.to_json()))
    lines = list(whole.lines())
    assert set(told) == {"measures", "reliability", "risk_coverage", "worst", "comparison"}
    for name, mean in told["measures"].items():
        assert f"{name:40s} {mean['value']:8.4f}   n={mean['n']}" in lines
    for bin in told["reliability"]:
        shown = [line for line in lines if line.startswith(f"  {bin['low']:.1f} to {bin['high']:.1f} ")]
        assert len(shown) == (1 if told["risk_coverage"] else 0)
        for line in shown:
            means = [f"{v:.3f}" if v is not None else "-" for v in (bin["mean_confidence"], bin["share_right"])]
            assert line.split()[3:] == [str(bin["n"]), *means]
    set_ = [line.split() for line in lines if line.endswith("as set")]
    assert [words[0] for words in set_] == (["0.35"] if told["risk_coverage"] else [])
    for failure in told["worst"]:
        assert any(f"{failure['question']} ({failure['id']})" in line for line in lines)
    for name, found in told["comparison"]["measures"].items():
        (line,) = [line for line in lines if re.match(rf"{re.escape(name)} .* 1\.0000 +(1\.0000|-) +\d+$", line)]
        assert f"{found['value']:8.4f} {found['difference']:+8.4f}" in line


def test_a_report_without_worst_and_comparison_says_nothing_of_them() -> None:
    run = Run((question := Question("q", "?", False),), evaluation.score([question], [], {}))
    assert set(Report(run, 0.35).to_json()) == {"measures", "reliability", "risk_coverage"}
    assert [line.split("  ")[0] for line in Report(run, 0.35).lines()] == ["questions with a prediction"]
    assert list(Report(run, 0.35, (), 3).lines())[-1] == "No wrong answer was given."


@given(st.text(max_size=40), st.text(max_size=40), st.none() | st.integers(0, 90))
def test_nothing_that_a_set_or_a_document_holds_is_obeyed_by_a_terminal(
    hostile: str, more: str, width: int | None
) -> None:
    text = f"{hostile}\x1b]2;owned\x07\u202e{more}"
    question = Question(text, text, True, (), (Place(text, 0, 9), Place("gone", 0, 9)))
    prediction = Prediction(text, (), (Quote("b", 0, 9, text, text, f"{text}, {more}"),), True, 0.5)
    scores = evaluation.score([question], [prediction], {text: text})
    failures = evaluation.worst([question], [prediction], scores, {text: text})
    lines = [
        line
        for given_ in Report(Run((question,), scores), 0.5, failures, 1).lines(width)
        for line in given_.split("\n")
    ]
    assert any("owned" in line for line in lines)
    for line in lines:
        assert not OBEYED.search(line)
    if width is not None and width >= 40:
        folded = [line for line in lines if line.startswith("     cited")]
        assert all(len(line) <= width for line in folded)


def test_the_worst_answers_name_file_place_and_sentence_and_the_gold_in_its_context() -> None:
    text = "Before that it rained for a week and a day. The ferry sails at nine. After that it rains again, and so on."
    start = text.index("nine")
    questions = [
        Question("q1", "When does the ferry sail?", True, (), (Place("ferry", start, start + 4),)),
        Question("q2", "Who owns it?", False),
    ]
    predictions = [
        Prediction("q1", (), (Quote("ferry", 0, 5, "It rained.", "old/ferry.md", "ferry.md, Weather"),), True, 0.7),
        Prediction("q2", (), (Quote("ferry", 0, 5, "It  is\nblue.", "old/ferry.md", "ferry.md"),), True, 0.9),
    ]
    scores = evaluation.score(questions, predictions, {"ferry": text})
    failures = evaluation.worst(questions, predictions, scores, {"ferry": text})
    shown = list(Report(Run(tuple(questions), scores), 0.35, failures, 5).lines())
    heading = next(n for n, line in enumerate(shown) if line.startswith("The worst 2 of 2"))
    assert shown[heading + 1 :] == [
        "",
        "  1. Who owns it? (q2)",
        "     confidence 90%",
        "     cited  old/ferry.md: It is blue.",
        "     gold   none: the documents do not say",
        "",
        "  2. When does the ferry sail? (q1)",
        "     confidence 70%",
        "     cited  old/ferry.md, Weather: It rained.",
        "     gold   ferry: ...k and a day. The ferry sails at [nine]. After that it rains again, and...",
    ]


def made_report(doc: str, answered: bool) -> Report:
    """Of ten documents that one question each was made of, all of them missed, and nine that none was made of."""
    questions = tuple(
        Question(f"sentences-{n}", f"some words {n}", True, ((f"{n} {doc}", 1),), (Place(f"{n} {doc}", 0, 9),))
        for n in range(10)
    )
    foreign = Question("foreign-1", "Who?", False)
    kinds = {question.id: "sentences" for question in questions} | {foreign.id: "foreign"}
    made = evaluation.Made((*questions, foreign), kinds, tuple(f"silent {n} {doc}" for n in range(9)))
    predictions = [Prediction(question.id, (), (), answered, 0.5) for question in made.questions]
    run = Run(made.questions, evaluation.score(made.questions, predictions, {}))
    return Report(run, 0.35, made=made)


@given(st.text(max_size=40), st.none() | st.integers(0, 90), st.booleans())
def test_made_questions_are_told_by_kind_with_what_their_figures_mean(
    hostile: str, width: int | None, answered: bool
) -> None:
    report = made_report(f"{hostile}\x1b]2;owned\x07\u202e", answered)
    told, lines = report.to_json()["made"], list(report.lines(width))
    assert not any(OBEYED.search(line.replace("\n", "")) for line in lines)
    share = f"{float(answered):.3f}"
    assert lines[1].split() == f"words of a sentence 10 0.000 / 0.000 0.000 / 0.000 {share}".split()
    assert lines[2].split() == f"all of these 10 0.000 / 0.000 0.000 / 0.000 {share}".split()
    assert lines[3].split() == f"foreign: silence is right 1 - / - - / - {share}".split()
    assert len(told["documents"]) == 10 and len(told["silent"]) == 9
    assert len([line for line in lines if "owned" in line]) == 10
    assert {"  and 5 more with a question whose passage is not first", "  and 4 more"} <= set(lines)
    assert " ".join(" ".join(lines).split()).endswith(" ".join(told["meaning"].split()))
    assert not any(line.startswith(("Reliability", "Coverage")) for line in lines)
