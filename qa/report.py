"""What an evaluation found, as text for people and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qa import evaluation
from qa.evaluation import Comparison, Failure, Made
from qa.terminal import one_line

_GOLD_SHOWN = 3

_DOCUMENTS_SHOWN = 5

MEANING = (
    "What this means: whether the index finds what it holds when it is asked with some of the words. It shows what "
    "another setting, model or version breaks on these documents (--save, --against, --gate), and which files may have "
    "been read badly: those whose questions are missed, and those of which none could be made.",
    "What it does not mean: people ask with other words, so this is not the share of right answers that they will see; "
    "it is mostly higher. As the words are the documents' own, it cannot tell how much words should count beside "
    "meaning. Of questions that the documents do not answer it tries general ones alone, none that come close, and "
    "where the documents do answer one, that counts against them. Questions of your own, with their answers marked, "
    "tell all of this: qa eval SET_DIR.",
)
"""What the figures of made questions say and what not, a paragraph each. The measurements are in experiments.md."""

_LABELS = {
    "sentences": "words of a sentence",
    "definitions": "what is x?",
    "headings": "headings",
    "made": "all of these",
    "foreign": "foreign: silence is right",
}

_COLUMNS = (
    ("passage hit@1", "passage hit@5"),
    ("sentence hit@1", "sentence hit@5"),
    ("answered when answerable", "answered when not answerable"),
)


@dataclass(frozen=True, slots=True)
class Report:
    """A run; the confidence from which on its questions were answered; the answers that are most wrong, and how many
    of them are told; what a comparison with an earlier run found, where there was one; and the questions, where they
    were made from the documents."""

    run: evaluation.Run
    min_confidence: float
    failures: Sequence[Failure] = ()
    told: int = 0
    comparison: Comparison | None = None
    made: Made | None = None

    def to_json(self) -> dict[str, Any]:
        confidence, right = evaluation.confidence_and_right(self.run.scores.rows)
        found: dict[str, Any] = {
            "measures": {mean.measure: {"value": mean.value, "n": mean.n} for mean in self.run.scores.means},
            "reliability": [asdict(bin) for bin in evaluation.reliability(confidence, right)],
            "risk_coverage": [asdict(choice) for choice in self._choices()],
        }
        if self.made is not None:
            found["made"] = self._made_to_json(self.made)
        if self.told:
            found["worst"] = [_failure_to_json(failure) for failure in self.failures[: self.told]]
        if self.comparison is not None:
            found["comparison"] = _comparison_to_json(self.comparison)
        return found

    def lines(self, width: int | None = None) -> Iterator[str]:
        """For people; quotes are folded to `width` columns where it is given."""
        if self.made is not None:
            yield from self._made(self.made, width)
        else:
            for name, value, count in self.run.scores.means:
                yield f"{name:40s} {value:8.4f}   n={count}"
            yield from self._calibration()
        if self.told:
            yield from self._worst(width)
        if self.comparison is not None:
            yield from _comparison(self.comparison)

    def _choices(self) -> tuple[evaluation.Choice, ...]:
        confidence, right = evaluation.confidence_and_right(self.run.scores.rows)
        return evaluation.risk_coverage(confidence, right, {*evaluation.LADDER, self.min_confidence})

    def _calibration(self) -> Iterator[str]:
        confidence, right = evaluation.confidence_and_right(self.run.scores.rows)
        if not confidence:
            return
        yield ""
        yield "Reliability: of the answers of such a confidence, the share whose first passage holds a gold span"
        yield "  confidence       n    mean   right"
        for bin in evaluation.reliability(confidence, right):
            means = f"{_figure(bin.mean_confidence)}  {_figure(bin.share_right)}"
            yield f"  {bin.low:.1f} to {bin.high:.1f}  {bin.n:6d}  {means}"
        yield ""
        yield "Coverage: the share of questions answered from a confidence on. Risk: the share of those that is wrong"
        yield "      from  coverage    risk"
        for choice in self._choices():
            now = "  as set" if choice.min_confidence == self.min_confidence else ""
            yield f"  {choice.min_confidence:8.2f}  {choice.coverage:8.3f}  {_figure(choice.risk)}{now}"

    def _made(self, made: Made, width: int | None) -> Iterator[str]:
        yield f"{'questions':25s} {'n':>4s}   {'passage @1 / @5':>15s}   {'sentence @1 / @5':>16s}   answered"
        for kind, means in evaluation.means_by_kind(made, self.run.scores).items():
            value = {mean.measure: f"{mean.value:.3f}" for mean in means}
            passage, sentence = (" / ".join(value.get(name, "-") for name in pair) for pair in _COLUMNS[:2])
            answered = next((value[name] for name in _COLUMNS[2] if name in value), "-")
            yield f"{_LABELS[kind]:25s} {means[0].n:4d}   {passage:>15s}   {sentence:>16s}   {answered:>8s}"
        yield ""
        missed = [each for each in evaluation.misses(made, self.run.scores) if each.not_first]
        if missed:
            yield "Documents whose questions are missed most, by the passages that were found"
            yield f"{'made':>7s}  {'not first':>9s}  {'not in five':>11s}"
        for each in missed[:_DOCUMENTS_SHOWN]:
            yield f"{each.made:7d}  {each.not_first:9d}  {each.not_in_five:11d}  {one_line(each.doc)}"
        if len(missed) > _DOCUMENTS_SHOWN:
            yield f"  and {len(missed) - _DOCUMENTS_SHOWN} more with a question whose passage is not first"
        if made.silent:
            yield f"Documents without a sentence or heading to ask for: {len(made.silent)}"
        for doc in made.silent[:_DOCUMENTS_SHOWN]:
            yield f"  {one_line(doc)}"
        if len(made.silent) > _DOCUMENTS_SHOWN:
            yield f"  and {len(made.silent) - _DOCUMENTS_SHOWN} more"
        for paragraph in MEANING:
            yield ""
            yield _folded("", paragraph, width)

    def _made_to_json(self, made: Made) -> dict[str, Any]:
        return {
            "kinds": {
                kind: {mean.measure: {"value": mean.value, "n": mean.n} for mean in means}
                for kind, means in evaluation.means_by_kind(made, self.run.scores).items()
            },
            "documents": [asdict(each) for each in evaluation.misses(made, self.run.scores)],
            "silent": list(made.silent),
            "meaning": "\n\n".join(MEANING),
        }

    def _worst(self, width: int | None) -> Iterator[str]:
        yield ""
        if not self.failures:
            yield "No wrong answer was given."
            return
        shown = self.failures[: self.told]
        yield (
            f"The worst {len(shown)} of {len(self.failures)} wrong answers: the documents do not say, or nothing right "
            f"is among the first {evaluation.CITED} citations"
        )
        for number, failure in enumerate(shown, 1):
            yield ""
            yield _folded(f"{number:3d}. ", f"{failure.question.text} ({failure.question.id})", width)
            yield f"     confidence {failure.confidence:.0%}"
            for quote in failure.cited:
                yield _folded("     cited  ", f"{_where(quote)}: {quote.text}", width)
            if not failure.question.answerable:
                yield "     gold   none: the documents do not say"
            for gold in failure.gold[:_GOLD_SHOWN]:
                yield _folded("     gold   ", _gold(gold), width)
            if len(failure.gold) > _GOLD_SHOWN:
                yield f"     gold   and {len(failure.gold) - _GOLD_SHOWN} more"


def _figure(value: float | None) -> str:
    return "     -" if value is None else f"{value:6.3f}"


def _folded(start: str, text: str, width: int | None) -> str:
    text = one_line(text)
    if width is None:
        return start + text
    return textwrap.fill(
        text, max(width, 40), initial_indent=start, subsequent_indent=" " * len(start), break_on_hyphens=False
    )


def _where(quote: evaluation.Quote) -> str:
    """Path and place, as in "reports/coming-home.docx, Summary"; the label begins with the file's name."""
    name = quote.path.rpartition("/")[2]
    return quote.path + quote.label.removeprefix(name) if quote.label.startswith(name) else quote.path


def _gold(gold: evaluation.Gold) -> str:
    place = gold.place
    if not gold.text:
        return f"{place.doc}, characters {place.start} to {place.end}, which the index does not hold"
    before, after = ("..." if len(around) == evaluation.CONTEXT else "" for around in (gold.prefix, gold.suffix))
    return f"{place.doc}: {before}{gold.prefix}[{gold.text}]{gold.suffix}{after}"


def _failure_to_json(failure: Failure) -> dict[str, Any]:
    return {
        "id": failure.question.id,
        "question": failure.question.text,
        "answerable": failure.question.answerable,
        "confidence": failure.confidence,
        "cited": [asdict(quote) for quote in failure.cited],
        "gold": [
            {**asdict(gold.place), "text": gold.text, "prefix": gold.prefix, "suffix": gold.suffix}
            for gold in failure.gold
        ],
    }


def _comparison(found: Comparison) -> Iterator[str]:
    yield ""
    left_out = [
        f"{count} {what}"
        for count, what in (
            (found.only_before, "only in the baseline"),
            (found.only_after, "only in this run"),
            (found.changed, "with other words or judgements"),
        )
        if count
    ]
    yield f"Compared over {found.shared} questions" + (f"; left out: {', '.join(left_out)}" if left_out else "")
    yield (
        f"{'':28s} {'baseline':>8} {'this run':>8} {'change':>8}   {'95% interval':20s} {'p':>6} {'p Holm':>6} {'n':>6}"
    )
    for each in found.differences:
        interval = "-" if each.interval is None else f"{each.interval[0]:+.4f} to {each.interval[1]:+.4f}"
        corrected = "-" if each.corrected is None else f"{each.corrected:.4f}"
        yield (
            f"{each.measure:28s} {each.before:8.4f} {each.after:8.4f} {each.difference:+8.4f}   {interval:20s} "
            f"{each.p:6.4f} {corrected:>6} {each.n:6d}  {each.verdict}"
        ).rstrip()


def _comparison_to_json(found: Comparison) -> dict[str, Any]:
    return {
        "shared": found.shared,
        "only_in_baseline": found.only_before,
        "only_in_this_run": found.only_after,
        "changed": found.changed,
        "measures": {
            each.measure: {
                "baseline": each.before,
                "value": each.after,
                "difference": each.difference,
                "interval": each.interval,
                "n": each.n,
                "p": each.p,
                "p_holm": each.corrected,
                "verdict": each.verdict,
            }
            for each in found.differences
        },
    }
