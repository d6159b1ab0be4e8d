"""How good an engine is on a set of questions whose answers people have marked: one row a question, then the means.

    judgements    a set's folder -> [Question], and the texts of its documents
    made          documents -> questions made from them, for which nobody has to judge anything
    predictions   engine + [Question] -> [Prediction]
    measures      questions + predictions -> Scores: a Row each, and the means of MEASURES over them
    calibration   confidence held against being right: reliability, ECE, risk and coverage, AURC
    failures      the answers that are most wrong, with what was cited and what was gold
    runs          the rows of a run, as a file
    comparison    two runs: differences, their intervals, their significance

A question without a prediction counts as wrong wherever it is judged; a measure that no question is judged for is left
out.
"""

from __future__ import annotations

from qa.evaluation.calibration import (
    LADDER,
    Bin,
    Choice,
    area_under_risk_coverage,
    expected_calibration_error,
    reliability,
    risk_coverage,
)
from qa.evaluation.comparison import Comparison, Difference, compare, shared
from qa.evaluation.failures import CITED, CONTEXT, Failure, Gold, worst
from qa.evaluation.judgements import Place, Question, load, texts_of
from qa.evaluation.made import KINDS, Made, Misses, make, means_by_kind, misses
from qa.evaluation.measures import (
    MEASURES,
    Found,
    Mean,
    Measure,
    Row,
    Scores,
    confidence_and_right,
    score,
    table,
)
from qa.evaluation.predictions import Prediction, Quote, SupportsAsk, predict
from qa.evaluation.runs import Run

__all__ = [
    "CITED",
    "CONTEXT",
    "KINDS",
    "LADDER",
    "MEASURES",
    "Bin",
    "Choice",
    "Comparison",
    "Difference",
    "Failure",
    "Found",
    "Gold",
    "Made",
    "Mean",
    "Measure",
    "Misses",
    "Place",
    "Prediction",
    "Question",
    "Quote",
    "Row",
    "Run",
    "Scores",
    "SupportsAsk",
    "area_under_risk_coverage",
    "compare",
    "confidence_and_right",
    "expected_calibration_error",
    "load",
    "make",
    "means_by_kind",
    "misses",
    "predict",
    "reliability",
    "risk_coverage",
    "score",
    "shared",
    "table",
    "texts_of",
    "worst",
]
