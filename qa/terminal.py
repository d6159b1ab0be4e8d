"""Answers, reports and progress as text for eyes on a terminal, and as lines for pipes.

Text of documents and file names is shown without control characters: one of those files could hold escape sequences.
"""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from qa import coverage
from qa.database import flag
from qa.records import Answer, Citation, Coverage, IndexReport, LeftOut, Part, Place, Problem, ShownPassage

if TYPE_CHECKING:
    from qa.forgetting import Forgotten
    from qa.health import Health
    from qa.repair import Repair
    from qa.run import Progress
    from qa.tracing import Trace

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|[\u202a-\u202e\u2066-\u2069]")

PLACES_NAMED = 5
"""Other places of a passage that are named; further ones are counted."""

SECONDS_BETWEEN_LINES = 10.0
"""How often progress is told where stderr is no terminal."""


def plain(text: str) -> str:
    """`text` without what a terminal would obey; line breaks and tabs stay."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))


def escaped(json_text: str) -> str:
    """JSON with what a terminal would obey written as \\uXXXX; it means what it meant."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


def one_line(text: str) -> str:
    """`text` with every run of white space as one space."""
    return plain(" ".join(text.split()))


def lines(answer: Answer) -> Iterator[str]:
    """Each citation as `path:place:sentence`, best first; nothing when the documents do not say."""
    if answer.answered:
        for citation in answer.citations:
            yield f"{one_line(citation.source.path)}:{_place(citation)}:{one_line(citation.text)}"


def stale(answer: Answer) -> Iterator[str]:
    """A line for each cited file that is no longer the one that was indexed."""
    cited = answer.citations if answer.answered else ()
    for path, how in dict.fromkeys((citation.source.path, citation.stale) for citation in cited if citation.stale):
        yield one_line(f"{path}: {how} since it was indexed; qa index brings the index up to date.")


def notices(answer: Answer) -> Iterator[str]:
    """A line for each thing that was searched otherwise than it was typed."""
    for notice in answer.notices:
        yield one_line(notice.text)
    if answer.notices:
        yield "--as-typed searches exactly what was typed."


def not_covered(answer: Answer) -> str:
    """What was not searched, or is out of date, in a line; "" for nothing."""
    said = "; ".join(coverage.words(answer.index.coverage))
    return f"Not covered: {one_line(said)}; qa status names them." if said else ""


def _place(cited: Citation | ShownPassage | Place) -> str:
    """Where in its file something stands: "p. iii", "Funding", "line 12"; empty where that is not known."""
    return _within(PurePosixPath(cited.source.path).name, cited.label)


def _within(file: str, label: str) -> str:
    return one_line(label.removeprefix(file).removeprefix(", "))


def nothing_searched(answer: Answer) -> str:
    """What to tell of a filter that lets no document through; "" where there is none."""
    if answer.index.searched or not answer.index.documents:
        return ""
    return f"The filter lets none of the {answer.index.documents:,} documents through; try another."


def _documents(answer: Answer) -> str:
    state = answer.index
    return (
        f"{state.documents:,} documents"
        if state.searched == state.documents
        else (f"{state.searched:,} of {state.documents:,} documents")
    )


def also(passage: ShownPassage) -> str:
    """Where else a passage stands, in one line; "" when nowhere."""
    places = []
    for other in passage.also:
        where = ", ".join(filter(None, (one_line(other.source.path), _place(other))))
        places.append(where if other.same else f"{where} (nearly)")
    if len(places) > PLACES_NAMED:
        places[PLACES_NAMED:] = [f"and {len(places) - PLACES_NAMED:,} more"]
    return f"also in: {'; '.join(places)}" if places else ""


def show(answer: Answer, *, explain: bool = False) -> None:
    """Print an answer on a terminal: the answering sentence, then the passages with what is cited marked in them."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False, markup=False, soft_wrap=False)
    for line in notices(answer):
        console.print(Text(line, style="dim"))
    searched = f"{_documents(answer)}, {answer.index.sentences:,} sentences, {answer.took_ms:.0f} ms"
    if answer.reader is not None:
        searched += f", {answer.reader.read} passage{'' if answer.reader.read == 1 else 's'} read"
    if answer.reranking is not None:
        searched += f", {answer.reranking.read} passages reranked"
    by_number = {citation.number: citation for citation in answer.citations}
    if answer.answered:
        for said in [by_number[number] for number in answer.together] or answer.citations[:1]:
            console.print(_marked(said))
            sure = f", confidence {answer.confidence:.0%}" if said.number == 1 else ""
            console.print(Text(f"  [{said.number}] {one_line(said.label)}{sure}", style="dim"))
        console.print(Text(f"\nSources ({searched})", style="dim"))
    else:
        console.print(Text("The documents do not say.", style="bold"))
        console.print(Text(f"Confidence {answer.confidence:.0%}; searched {searched}", style="dim"))
        if nothing := nothing_searched(answer):
            console.print(Text(nothing))
        if answer.passages:
            console.print(Text("\nNearest passages, which may not answer:", style="dim"))
    if missed := not_covered(answer):
        console.print(Text(missed, style="yellow"))
    if explain:
        for part in answer.evidence:
            console.print(Text(f"  confidence: {part.name} {part.value:.4f} ({part.note})", style="dim"))
    for passage in answer.passages:
        cited = [by_number[s.citation] for s in passage.segments if s.citation is not None]
        stale = next((f" (file {citation.stale} since it was indexed)" for citation in cited if citation.stale), "")
        console.print()
        console.print(Text(f"{passage.rank}. {one_line(passage.source.path)}", style="cyan"), end="")
        place = _place(passage)
        console.print(Text(f"{', ' if place else ''}{place}", style="cyan"), end="")
        console.print(Text(stale, style="yellow"))
        body = Text()
        for segment in passage.segments:
            if segment.citation is None:
                body.append(re.sub(r"\s+", " ", plain(segment.text)))
            else:
                body.append(one_line(segment.text), style="bold underline")
                body.append(f" [{segment.citation}]", style="green")
        console.print(Padding(body, (0, 0, 0, 3)))
        if told := also(passage):
            console.print(Padding(Text(told, style="dim"), (0, 0, 0, 3)))
        if explain:
            console.print(Padding(Text(_sum(passage.score, passage.parts), style="dim"), (0, 0, 0, 3)))
            for citation in cited:
                told = f"[{citation.number}] {_sum(citation.score, citation.parts)}"
                console.print(Padding(Text(told, style="dim"), (0, 0, 0, 3)))


def _marked(citation: Citation) -> Any:
    """A cited sentence, the words that answer set off from it."""
    from rich.text import Text

    text = Text(style="bold")
    for piece, style in zip(citation.marked, ("", "reverse", ""), strict=True):
        text.append(re.sub(r"\s+", " ", plain(piece)), style=style)
    return text


def _sum(score: float, parts: Sequence[Part]) -> str:
    told = "".join(f"\n  {part.value:+.4f}  {one_line(part.name)}: {one_line(part.note)}" for part in parts)
    return f"{score:.4f} is the sum of{told}"


def summary(report: IndexReport, index: Any) -> str:
    """One paragraph on what a run of indexing did."""
    unread = sum(problem.kind == "unreadable" for problem in report.problems)
    other = sum(problem.kind == "unsupported" for problem in report.problems)
    partly = len({problem.path for problem in report.problems if problem.kind == "partial"})
    said = [
        f"{report.added:,} added, {report.changed:,} changed",
        f"{report.removed:,} removed, {report.unchanged:,} unchanged",
        f"{report.encoded:,} passages encoded, {report.kept:,} taken over",
    ]
    if unread:
        said.append(f"{unread:,} {'file' if unread == 1 else 'files'} could not be read")
    if partly:
        said.append(f"{partly:,} read in part")
    if other:
        said.append(f"{other:,} of another type")
    if ruled := left_out(each for each in report.left_out if each.rule != "hidden"):
        said.append(f"{ruled} left out by rules, which qa status names")
    if report.pending:
        said.append(f"{report.pending:,} being written, for the next run")
    return f"Index {plain(str(index))}: " + "; ".join(said) + "."


def absent(report: IndexReport) -> Iterator[str]:
    """A line for each folder that is not there."""
    for path in report.absent:
        yield one_line(
            f"{path}: is not there or may not be read; its documents were left in the index as they were. Is a disk "
            f"not mounted? qa drop {shlex.quote(str(path))} takes them out."
        )


def left_out(found: Iterable[LeftOut]) -> str:
    """How many: "3 files and 1 folder"; "" for none."""
    held = list(found)
    counts = ((sum(each.files for each in held), "file"), (sum(each.folders for each in held), "folder"))
    return " and ".join(f"{count:,} {noun}{'' if count == 1 else 's'}" for count, noun in counts if count)


def health(found: Health, index: Any) -> Iterator[str]:
    """What is damaged, what can be done, and what else there is to say of an index."""
    for damage in found.damages:
        yield f"{plain(damage.where)}: {plain(damage.what)}"
    yield from map(plain, found.notes)
    if found.damages:
        many = f"{len(found.damages):,} {'damage' if len(found.damages) == 1 else 'damages'}"
        yield f"{many} found. Mend what can be mended: qa repair{flag(index)}"
    else:
        yield f"No damage: {found.documents:,} documents, {found.bytes:,} bytes read in {plain(str(index))}."


def repair(done: Repair, index: Any) -> Iterator[str]:
    """What was damaged, what became of it, and what is left to do."""
    for damage in done.damages:
        yield f"{plain(damage.where)}: {plain(damage.what)}"
    if not done.damages:
        yield "Nothing is damaged."
    if done.aside is not None:
        yield f"The damaged library is kept in {plain(str(done.aside))}; delete it when all is well."
    if done.empty:
        yield f"Nothing could be saved from it. Name the folders of your documents again: qa index FOLDER{flag(index)}"
    elif done.aside is not None:
        yield f"{done.saved:,} {'document' if done.saved == 1 else 'documents'} saved whole."
    for file in done.again:
        yield f"{plain(str(file))} is read again."
    for file in done.gone:
        yield f"{plain(str(file))} is lost: what was stored of it is damaged, and the file is gone."
    if done.unknown:
        yield f"{done.unknown:,} more were damaged beyond their names; those whose files are there are read again."


def forgotten(gone: Forgotten) -> Iterator[str]:
    """What was removed from an index, what was not, and what that means for the files."""
    for path, sentences in gone.documents:
        yield f"{plain(path)} is forgotten: {sentences:,} {'sentence' if sentences == 1 else 'sentences'} removed."
    for folder in gone.aside:
        yield f"{plain(str(folder))} was removed too: what was put aside there held the words as well."
    for file in gone.files:
        yield f"{plain(str(file))} is still there, and is left out of the index from now on."
    yield "Not touched: the files themselves, backups and exports of the index, what the disk keeps of deleted files."


def problems(found: Sequence[Problem]) -> Iterator[str]:
    """A line for each file that could not be read, or not wholly; one for all of an ending that is not supported."""
    of_ending: dict[str, list[Problem]] = {}
    for problem in found:
        if problem.kind == "unsupported":
            of_ending.setdefault(PurePosixPath(problem.path).suffix.lower(), []).append(problem)
    lines = [problem for problem in found if problem.kind != "unsupported"]
    for group in of_ending.values():
        many = replace(group[0], path=f"{group[0].path} and {len(group) - 1:,} more")
        lines += group if len(group) <= 3 else [many]
    yield from _problems(lines)


def _problems(found: Sequence[Problem]) -> Iterator[str]:
    """A line each, with what can be done; last of all where that is the same for several of another type: which types
    are supported fills half a page."""
    times = Counter(problem.remedy for problem in found if problem.kind == "unsupported")
    for problem in found:
        remedy = problem.remedy if times[problem.remedy] <= 1 else ""
        yield one_line(f"{problem.path}: {problem.reason.removesuffix('.')}. {remedy}".strip())
    yield from (one_line(remedy) for remedy, many in times.items() if many > 1)


def status(state: dict[str, Any], *, only_problems: bool) -> Iterator[str]:
    """What `Engine.status` told, for people."""
    if not only_problems:
        names = (
            "index",
            "documents",
            "passages",
            "sentences",
            "behind",
            "model",
            "encoding",
            "splitter",
            "noise",
            "reader",
            "reranker",
            "commit",
        )
        for name in names:
            value = state[name]
            yield f"{name:12s} {value:,}" if isinstance(value, int) else f"{name:12s} {one_line(str(value or 'none'))}"
        for folder in state["folders"]:
            yield f"{'folder':12s} {one_line(folder['path'])}"
            for option in ("include", "exclude"):
                yield from (f"  --{option} {one_line(pattern)}" for pattern in folder[option])
            if folder["hidden"]:
                yield "  --hidden"
            if folder["there"] is not True:
                yield "  is not there" if folder["there"] is False else "  does not answer"
            for each in folder["left_out"]:
                yield f"  left out, {one_line(each['rule'])}: {left_out([LeftOut(**each)])}"
        if state["following"] is not None:
            yield f"{'following':12s} {one_line(state['following']['said'])}"
        covered = coverage.words(Coverage(**state["coverage"]))
        yield f"{'not covered':12s} {'; '.join(covered) or 'nothing'}"
        yield f"{'problems':12s} {len(state['problems'])}"
    for line in _problems([Problem(**problem) for problem in state["problems"]]):
        yield line if only_problems else f"  {line}"


def trace(found: Trace) -> Iterator[str]:
    """What became of a document, a line a step, and the step at which it dropped out."""
    yield one_line(found.path)
    for step in found.steps:
        sign = {True: "+", False: "-", None: " "}[step.passed]
        yield f"{sign} {step.name:10s} {one_line(step.said)}"
    dropped = next((step.name for step in found.steps if step.passed is False), "")
    yield f"Rank {found.rank:,}." if found.found else f"Not among the results: it dropped out at {dropped!r}."


SECTIONS = ("blocks", "sentences", "passages")

_BEGINNING_CHARS = 60


def inspection(told: dict[str, Any], sections: Sequence[str]) -> Iterator[str]:
    """What `payload.inspection_to_json` told of a file, for people: all of it, or only some of SECTIONS."""
    sentences = {each["number"]: one_line(each["text"]) for block in told["blocks"] for each in block["sentences"]}
    if not sections:
        yield one_line(told["path"])
        counts = f"{len(told['blocks']):,} blocks, {len(sentences):,} sentences, {len(told['passages']):,} passages"
        size = f"{told['size']:,} bytes, {told['characters']:,} characters"
        model = f"{told['model']}, which reads {told['window']} tokens at once"
        rows = (("type", told["media_type"]), ("encoding", told["encoding"]), ("title", told["title"]))
        for name, value in (*rows, ("size", size), ("holds", counts), ("model", model)):
            if value is not None:
                yield f"  {name:8s} {one_line(value)}"
        for name, said in (("not read", told["problems"]), ("left out", told["left_out"])):
            yield from (f"  {name} {one_line(each)}" for each in said)
    file = PurePosixPath(told["path"]).name
    for section in sections or SECTIONS:
        if not sections:
            yield f"\n{section}"
        if section == "blocks":
            for block in told["blocks"]:
                numbers = [each["number"] for each in block["sentences"]]
                first = sentences[numbers[0]] if numbers else ""
                begins = first if len(first) <= _BEGINNING_CHARS else f"{first[:_BEGINNING_CHARS].rstrip()}…"
                begins = plain(block["mark"]) + begins
                yield f"{block['kind']:10s} {_run(numbers):>9s}  {_within(file, block['label'])}: {begins}"
        elif section == "sentences":
            width = len(str(len(sentences)))
            yield from (f"{number:{width}d}  {text}" for number, text in sentences.items())
        else:
            for passage in told["passages"]:
                tokens = passage["tokens"]
                cost = f"{tokens['context']} + {tokens['text']} tokens"
                yield f"{_run(passage['sentences']):>9s}  {cost:18s} {one_line(passage['context'])}"


def _run(numbers: Sequence[int]) -> str:
    """Numbers without a gap: "7-9"."""
    if len(numbers) < 2:
        return str(numbers[0]) if numbers else "-"
    return f"{numbers[0]}-{numbers[-1]}"


@contextmanager
def progress() -> Iterator[Callable[[Progress], None]]:
    """How far indexing is, on stderr: a bar with an estimate on a terminal, else a line every ten seconds."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[passages]:,} passages"),
        )
        file = TextColumn("{task.description}", markup=False)
        times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), file)
        with Bar(*columns, *times, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=None, passages=0)

            def move(now: Progress) -> None:
                name = one_line(now.file)[-40:]
                bar.update(
                    task, total=now.total_bytes or 1, completed=now.done_bytes, description=name, passages=now.passages
                )

            yield move
        return
    began = told = 0.0

    def tell(now: Progress) -> None:
        nonlocal began, told
        if not began:  # preparing a model may have taken a while, and says nothing of how fast reading will be
            began = told = time.monotonic()
        if time.monotonic() - told < SECONDS_BETWEEN_LINES:
            return
        told = time.monotonic()
        share = now.done_bytes / (now.total_bytes or 1)
        left = f", about {(told - began) / share * (1 - share):.0f} s left" if share > 0 else ""
        print(f"{share:4.0%}, {now.passages:,} passages{left}: {one_line(now.file)}", file=sys.stderr, flush=True)

    yield tell


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar with an estimate on stderr where it is a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(*Bar.get_default_columns(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def steps(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with an estimate on stderr where it is a terminal, told how much is done of how much; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(*Bar.get_default_columns(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
