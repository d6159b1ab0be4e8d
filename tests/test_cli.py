"""The commands, from outside: what they print and where, how they end, and that they never end in a traceback."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import pty
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from html import escape
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from qa import cli, database, evaluation, indexing, library, lock, terminal
from qa.engine import Engine
from qa.errors import IndexMissing, IndexUnusable
from qa.formats import ocr
from qa.run import BATCH_PASSAGES
from qa.settings import Settings
from qa.web import create_app

SCRIPTS = Path(sysconfig.get_path("scripts"))
FERRY = "When does the ferry to Ushant sail?"
SAILS = "The ferry to Ushant sails at nine."
KEEPER = "Who keeps the lighthouse lamp?"
HOSTILE_NAME = "evil\x1b]2;owned\x07\u009b2J \u202eno.txt"
HOSTILE_TEXT = (
    "The harbour master writes everything down.\n\n"
    "The \x1b]2;owned\x07 lighthouse lamp \u009b2J is kept by \u202e Hervé \x1b[2J of the island 🦀.\n\n"
    + "Nobody has asked him about it for years and years, which suits him well enough. "
    * 6
)
NUMBERS = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Gorse", "Hazel", "Ivy", "Juniper", "Kapok", "Larch")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
OBEYED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What is never printed, but for colours, a tab, and the ends of lines."""

OF_TESTS = {"COLUMNS": "120", "TERM": "xterm-256color", "QA_READER": "none"}

COMMANDS: dict[str, click.Command] = {"ask": cli.ask, "qa": cli.qa, **cli.qa.commands}
Shelf = dict[str, str]


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="session")
def variables(model_cache: Path, small_model: str) -> Shelf:
    """The environment of every command here: the small model, and no setting of whoever runs the tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("QA_")}
    return {**kept, **OF_TESTS, "QA_MODEL": small_model, "QA_CACHE": str(model_cache)}


@pytest.fixture(scope="session")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what can be read, what is hostile, what is damaged and what is of another type."""
    folder = write(
        tmp_path_factory.mktemp("shelf") / "docs",
        {
            "ferry.md": f"# Ferries\n\n## Timetable\n\n{SAILS} It is blue. Dogs go free.\n\n## Fares\n\nTen crowns.\n",
            "notes/harbour, old.txt": "The old harbour cost nine million crowns. It was finished in 1911.\n",
            "page.html": "<title>Bridges</title><h1>Bridges</h1><h2>Opening</h2><p>The bridge opened in May.</p>",
            "empty.txt": "",
            "damaged.pdf": "%PDF-1.7 and no more",
            "archive.zip": "PK",
            **{f"picture {number}.png": "not looked at" for number in range(4)},
        },
    )
    (folder / HOSTILE_NAME).write_text(HOSTILE_TEXT, "utf-8")
    return folder


@pytest.fixture(scope="session")
def shelf(docs: Path, variables: Shelf) -> Shelf:
    """The environment with an index of `docs` in QA_INDEX, for tests that change neither."""
    made = Settings(index=docs.parent / "index", model=variables["QA_MODEL"], cache=Path(variables["QA_CACHE"]))
    indexing.index([docs], made)
    return {**variables, "QA_INDEX": str(made.index)}


@pytest.fixture(scope="module")
def client(shelf: Shelf) -> Iterator[FlaskClient]:
    """Of the page over the index of `shelf`."""
    engine = Engine.open(Settings(index=Path(shelf["QA_INDEX"]), cache=Path(shelf["QA_CACHE"]), reader=""))
    yield create_app(engine).test_client()
    engine.close()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the commands are run."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def invoke(name: str, environment: Shelf, *arguments: object) -> Result:
    """A command in this process, its settings from `environment` alone."""
    command = cli.ask if name == "ask" else cli.qa
    clean: dict[str, str | None] = {key: None for key in os.environ if key.startswith("QA_")}
    words = [*([] if name in ("ask", "qa") else [name]), *map(str, arguments)]
    result = CliRunner().invoke(command, words, env={**clean, **environment})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def run(words: Sequence[object], environment: Shelf, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, `ask` or `qa` by its installed script."""
    command = [str(SCRIPTS / str(words[0])), *map(str, words[1:])]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        **{"encoding": "utf-8", **options},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def shell(line: str, environment: Shelf) -> subprocess.CompletedProcess[str]:
    """A line of bash with `ask` and `qa` on the path."""
    path = f"{SCRIPTS}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line], env={**environment, "PATH": path}, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done


def on_terminal(words: Sequence[object], environment: Shelf) -> tuple[int, str]:
    """Exit code, and all that a command shows whose stdout and stderr are a terminal."""
    ours, theirs = pty.openpty()
    command = [str(SCRIPTS / str(words[0])), *map(str, words[1:])]
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # how Linux says that the other end was closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    text = shown.decode("utf-8")
    assert "Traceback" not in text
    return process.wait(), text


# ------------------------------------------------------------------------------------------------------- exit codes


def test_an_answer_ends_with_0_and_none_with_1(shelf: Shelf) -> None:
    assert run(["ask", "--min-confidence", 0, *FERRY.split()], shelf).returncode == 0
    silent = run(["ask", "--min-confidence", 1, FERRY], shelf)
    assert (silent.returncode, silent.stdout) == (1, "")


@pytest.mark.parametrize("is_on", [True, False])
def test_a_question_leaves_the_collection_of_garbage_as_it_was(is_on: bool, shelf: Shelf, here: Path) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if is_on else gc.disable)()
        assert invoke("ask", shelf, FERRY).exit_code == 0
        assert gc.isenabled() == is_on
        assert invoke("ask", {**shelf, "QA_INDEX": str(here / "none")}, FERRY).exit_code == 2
        assert gc.isenabled() == is_on
    finally:
        (gc.enable if before else gc.disable)()


def test_a_missing_index_ends_with_2_and_names_the_command_that_makes_it(variables: Shelf, here: Path) -> None:
    for name, words in (("ask", [FERRY]), ("index", []), ("serve", []), ("status", [])):
        result = invoke(name, variables, *words, "--index", here / "none")
        assert result.exit_code == 2
        assert result.stderr == (
            f"Error: There is no index in {here}/none. Make one: qa index FOLDER --index {here}/none\n"
        )
        assert result.stdout == ""
    assert not list(here.iterdir())


def test_an_index_that_is_being_written_ends_with_75(variables: Shelf, here: Path) -> None:
    write(here, {"docs/a.txt": "A cat sat."})
    (here / "index").mkdir()
    with (here / "index" / lock.FILE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for more in ([], ["--wait=0.1"], ["--wait", "0.1"]):
            result = invoke("index", variables, "docs", *more)
            assert result.exit_code == 75
            assert "Another process is writing" in result.stderr
            assert ("Waited 0.1 s." in result.stderr) == bool(more)
        result = invoke("index", variables, "--wait", "docs")
        assert result.exit_code == 2
        assert "Write --wait last" in result.stderr
    assert invoke("index", variables, "docs", "--wait").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["ask"],
        ["ask", ""],
        ["ask", "?!?"],
        ["ask", "x" * 100_000],
        ["ask", "caf\udce9"],
        ["ask", FERRY, "--limit", "0"],
        ["ask", FERRY, "--limit", "51"],
        ["ask", FERRY, "--min-confidence", "2"],
        ["ask", FERRY, "--min-confidence", "nan"],
        ["ask", FERRY, "--after", "2017-02-30"],
        ["ask", FERRY, "--after", "yesterday"],
        ["ask", FERRY, "--before", "tomorrow"],
        ["ask", FERRY, "--title", "x" * 1000],
        ["ask", FERRY, "--path", "x" * 1000],
        ["ask", FERRY, "--nonsense"],
        ["ask", FERRY, "--model", ""],
        ["ask", FERRY, "--index", "ferry\n\x1b[2J"],
        ["qa"],
        ["qa", "nonsense"],
        ["index", "no/such/folder"],
        ["index", "--threads", "-1"],
        ["serve", "--port", "65536"],
        ["serve", "--host", "no.such.host.invalid"],
        ["serve", "--host", "999.1.1.1"],
        ["status", "extra"],
        ["eval"],
        ["eval", "no/such/folder"],
        ["eval", "."],
    ],
)
def test_a_wrong_command_ends_with_2_and_says_why(words: list[str], shelf: Shelf, here: Path) -> None:
    result = invoke(words[0], shelf, *words[1:])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr) > 20
    assert not OBEYED.search(result.stderr)
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("name", "value"),
    [("THREADS", "many"), ("MIN_CONFIDENCE", "1.5"), ("FETCH_MODEL", "perhaps"), ("MODEL", " "), ("MODEL", "no-such")],
)
def test_a_wrong_setting_of_the_environment_ends_with_2_and_is_named(
    name: str, value: str, variables: Shelf, here: Path
) -> None:
    write(here, {"docs/a.txt": "A cat sat."})
    result = invoke("index", {**variables, f"QA_{name}": value}, "docs")
    assert result.exit_code == 2
    assert name.lower() in result.stderr
    assert value in result.stderr


@pytest.mark.parametrize("index", ["file/index", "/dev/null", "/dev/null/index", "/proc/index"])
def test_an_index_that_cannot_be_written_ends_with_2(index: str, variables: Shelf, here: Path) -> None:
    write(here, {"docs/a.txt": "A cat sat.", "file": ""})
    result = invoke("index", variables, "docs", "--index", index)
    assert result.exit_code == 2
    assert index in result.stderr


# ----------------------------------------------------------------------------------------------- the answer, as data


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ([], {}),
        (["-n", "1"], {"limit": "1"}),
        (["--explain", "--type", "md"], {"explain": "true", "type": "md"}),
        (["--path", "notes/*", "--after", "2001-01-01"], {"path": "notes/*", "after": "2001-01-01"}),
        (["--after", "2200-01-01"], {"after": "2200-01-01"}),
        (["--before", "2200-01-01", "--title", "FERR"], {"before": "2200-01-01", "title": "FERR"}),
        (["--as-typed"], {"as_typed": "true"}),
    ],
)
@pytest.mark.parametrize("question", [FERRY, KEEPER, "Qu'est-ce qui a coûté neuf millions?", 'the harbuor "bridge"'])
def test_json_is_what_the_endpoint_gives(
    question: str, words: list[str], fields: Shelf, shelf: Shelf, client: FlaskClient
) -> None:
    said = json.loads(invoke("ask", shelf, "--json", *words, question).stdout)
    got = client.get("/api/v1/query", query_string={"limit": "5", **fields, "q": question}).get_json()
    assert said.pop("took_ms") >= 0
    got.pop("took_ms")
    assert said == got


def test_a_sentence_of_many_files_is_one_result_that_names_the_others_at_every_door(
    variables: Shelf, here: Path, model_cache: Path
) -> None:
    sentence = "The night ferry to Ushant was taken out of service in 1987."
    names = [f"docs/{name}.txt" for name in "abcdefgh"]
    write(here, {name: f"{sentence} Note {n} says more of it.\n" for n, name in enumerate(names)})
    assert invoke("index", variables, "docs").exit_code == 0
    question = "When was the night ferry to Ushant taken out of service?"
    said = json.loads(invoke("ask", variables, "--json", question).stdout)
    best = said["citations"][0]
    others = [place["path"] for place in best["also"]]
    assert sorted([best["document"]["path"], *others]) == [f"{name}.txt" for name in "abcdefgh"]
    assert said["passages"][0]["also"] == best["also"]
    assert [c["text"] for c in said["citations"]].count(sentence) == 1
    engine = Engine.open(Settings(index=Path("index"), cache=model_cache, reader=""))
    told = terminal.also(engine.ask(question).passages[0])
    assert told.startswith(f"also in: {others[0]}, line 1; ") and told.endswith("; and 2 more")
    client = create_app(engine).test_client()
    html = client.get("/", query_string={"q": question}).get_data(as_text=True)
    for place in best["also"]:
        assert escape(place["links"]["view"]) in html
        view = client.get(place["links"]["view"]).get_data(as_text=True)
        assert f'<mark id="cite">{sentence}</mark>' in view
    engine.close()


def test_the_json_of_a_process_is_what_a_served_page_gives(shelf: Shelf) -> None:
    server = subprocess.Popen(
        [SCRIPTS / "qa", "serve", "--port", "0"],
        env=shelf,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    )
    try:
        assert server.stderr is not None
        said = server.stderr.readline()
        found = re.fullmatch(r"Serving http://(127\.0\.0\.1:\d+)/ \(Ctrl-C ends it\)\n", said)
        assert found, said
        connection = HTTPConnection(found[1], timeout=30)
        connection.request("GET", f"/api/v1/query?{urlencode({'q': FERRY, 'limit': 5})}")
        got = json.loads(connection.getresponse().read())
        connection.close()
        server.send_signal(signal.SIGINT)
        output, errors = server.communicate(timeout=30)
        assert (server.returncode, output, errors) == (0, "", "")
    finally:
        server.kill()
    printed = json.loads(run(["ask", "--json", FERRY], shelf).stdout)
    assert {**printed, "took_ms": 0} == {**got, "took_ms": 0}


def test_a_pipe_gets_a_line_for_each_citation(shelf: Shelf) -> None:
    answer = json.loads(invoke("ask", shelf, "--json", "--min-confidence", 0, FERRY).stdout)
    lines = run(["ask", "--min-confidence", 0, FERRY], shelf).stdout.splitlines()
    assert len(lines) == len(answer["citations"]) > 2
    places = {"ferry.md": "Timetable", "notes/harbour, old.txt": "line 1", "page.html": "Opening"}
    plain = 0
    for line, citation in zip(lines, answer["citations"], strict=True):
        path = citation["document"]["path"]
        if path in places and citation["text"] != "Ten crowns.":
            assert line == f"{path}:{places[path]}:{citation['text']}"
            plain += 1
    assert lines[0] == f"ferry.md:Timetable:{SAILS}"
    assert plain > 2


def test_what_was_searched_otherwise_than_typed_is_said_to_pipes_and_terminals(shelf: Shelf) -> None:
    question = 'What did the old harbuor cost -bridge "crowns"'
    said = [
        'Searched for "harbour"; "harbuor" does not occur in the documents.',
        'Passages that hold "bridge" are left out.',
    ]
    result = invoke("ask", shelf, "--min-confidence", 0, question)
    assert result.stdout.startswith("notes/harbour, old.txt:line 1:The old harbour cost nine million crowns.\n")
    assert result.stderr.splitlines() == [*said, "--as-typed searches exactly what was typed."]
    assert not invoke("ask", shelf, "--as-typed", "--min-confidence", 0, question).stderr
    _, shown = on_terminal(["ask", "--min-confidence", 0, question], shelf)
    assert all(line in COLOURS.sub("", shown) for line in said)
    result = invoke("ask", shelf, "--min-confidence", 0, 'Who wrote "no such thing"?')
    assert result.exit_code == 1
    assert '"no such thing" occurs nowhere in the documents.' in result.stderr


def test_a_question_that_only_excludes_ends_with_2(shelf: Shelf) -> None:
    result = invoke("ask", shelf, "--", "-harbour")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "only says what to leave out" in result.stderr


def test_a_pipe_is_told_of_files_that_changed(docs: Path, variables: Shelf, here: Path) -> None:
    shutil.copytree(docs, here / "docs")
    invoke("index", variables, "docs")
    write(here, {"docs/ferry.md": "# Ferries\n\nThe ferry is gone."})
    (here / "docs" / "page.html").unlink()
    result = invoke("ask", variables, "--min-confidence", 0, FERRY)
    assert SAILS in result.stdout
    assert result.stderr.count("ferry.md: changed since it was indexed; qa index brings the index up to date.\n") == 1
    assert result.stderr.count("page.html: missing since it was indexed") == 1
    assert len(result.stderr.splitlines()) == 2


# ----------------------------------------------------------------------------------------------- the answer, for eyes


def test_a_terminal_shows_the_answer_in_bold_and_its_sources_numbered(shelf: Shelf) -> None:
    code, shown = on_terminal(["ask", "--min-confidence", 0, FERRY], shelf)
    assert code == 0
    assert f"\x1b[1m{SAILS}\x1b[0m" in shown.splitlines()[0]
    plain = COLOURS.sub("", shown)
    assert "[1] ferry.md, Timetable, confidence" in plain
    assert re.search(r"Sources \(4 documents, \d+ sentences, \d+ ms\)", plain)
    numbers = re.findall(r"^(\d)\. (.+?)\r?$", plain, re.MULTILINE)
    assert [number for number, _ in numbers] == ["1", "2", "3", "4", "5"][: len(numbers)]
    assert numbers[0][1] == "ferry.md, Timetable"
    assert {"notes/harbour, old.txt, line 1", "page.html, Opening"} <= {place for _, place in numbers}
    assert re.search(rf"\x1b\[1;4m{re.escape(SAILS)}\x1b\[0m\x1b\[32m \[1\]", shown)


def test_a_terminal_is_told_that_the_documents_do_not_say(shelf: Shelf) -> None:
    code, shown = on_terminal(["ask", "--min-confidence", 1, "--explain", FERRY], shelf)
    plain = COLOURS.sub("", shown)
    assert code == 1
    assert plain.startswith("The documents do not say.")
    assert "Nearest passages, which may not answer:" in plain
    assert "1. ferry.md, Timetable" in plain
    assert re.search(r"\d\.\d{4} is the sum of\s+\+\d\.\d{4}  meaning: ", plain)


def test_nothing_that_a_terminal_obeys_gets_out_of_a_document_or_a_name(
    shelf: Shelf, variables: Shelf, docs: Path, here: Path
) -> None:
    asked = [KEEPER, "--path", "evil*", "--min-confidence", 0]
    shown = [on_terminal(["ask", *asked], shelf)[1], on_terminal(["ask", *asked, "--json"], shelf)[1]]
    assert all("Hervé" in text for text in shown)
    shown += [invoke("ask", shelf, *asked).stdout, invoke("ask", shelf, *asked, "--json").stdout]
    (here / "docs").mkdir()
    (here / "docs" / HOSTILE_NAME).write_text(HOSTILE_TEXT, "utf-8")
    for name in ("empty\x1b[2J.txt", "picture\u009b2J.png", "no\nline.zip", "x\\[b].txt"):
        (here / "docs" / name).write_text("", "utf-8")
    made = invoke("index", variables, "docs")
    shown += [made.stdout, made.stderr, invoke("index", variables, "--json").stdout]
    (here / "docs" / HOSTILE_NAME).touch()
    (here / "docs" / HOSTILE_NAME).write_text("The lighthouse lamp is kept by nobody.", "utf-8")
    stale = invoke("ask", variables, KEEPER, "--min-confidence", 0)
    assert "changed since" in stale.stderr
    shown += [stale.stderr, invoke("status", variables).stdout, invoke("status", variables, "--json").stdout]
    for text in shown:
        assert not OBEYED.search(COLOURS.sub("", text))
        assert "\x1b[2J" not in text


def test_the_bar_on_a_terminal_shows_names_and_nothing_that_they_hold(variables: Shelf, here: Path) -> None:
    folder = "x\\["
    names = ["evil\x1b]2;owned\x07.txt", f"{folder}/b].txt", "[red]r.txt"]
    write(here / "docs", {name: f"The cat number {number} sat on the mat." for number, name in enumerate(names)})
    code, shown = on_terminal(["qa", "index", here / "docs", "--index", here / "index"], variables)
    assert code == 0
    moves = re.compile(r"\x1b\[(?:[0-9;]*m|2K|\?25[lh]|1A)")  # colours, and what the bar draws itself with
    plain = moves.sub("", shown)
    assert not OBEYED.search(plain)
    assert "[red]r.txt" in plain
    assert "3 added" in plain


# ------------------------------------------------------------------------------------------------- pipes and accidents


def test_a_reader_that_goes_away_is_no_error_to_speak_of(shelf: Shelf) -> None:
    for words in ("--min-confidence 0", "--json"):
        done = shell(f"ask {words} '{FERRY}' | head -n 0; exit ${{PIPESTATUS[0]}}", shelf)
        assert (done.returncode, done.stderr) == (141, "")


def test_output_that_cannot_be_written_ends_with_2(shelf: Shelf) -> None:
    done = shell(f"ask --json '{FERRY}' > /dev/full", shelf)
    assert (done.returncode, done.stderr) == (2, "Error: No space left on device.\n")
    assert shell(f"ask --index none '{FERRY}' 2> /dev/full", shelf).returncode == 2


def test_closed_streams_change_no_exit_code(shelf: Shelf) -> None:
    assert shell(f"ask --min-confidence 0 '{FERRY}' >&-", shelf).returncode == 0
    assert shell(f"ask --min-confidence 1 '{FERRY}' >&- 2>&- <&-", shelf).returncode == 1


def test_an_encoding_that_lacks_a_character_stops_no_answer(shelf: Shelf) -> None:
    asked = ["ask", KEEPER, "--path", "evil*", "--min-confidence", 0]
    latin = {**shelf, "PYTHONIOENCODING": "latin-1"}
    plain = run(asked, latin, encoding="latin-1")
    assert plain.returncode == 0
    assert "Hervé" in plain.stdout
    assert "\\U0001f980" in plain.stdout
    said = json.loads(run([*asked, "--json"], latin, encoding="latin-1").stdout)
    assert "Hervé" in said["answer"]["text"]
    assert "🦀" in said["answer"]["text"]


def damaged(data: bytes, way: str, dice: random.Random) -> bytes:
    if way == "cut":
        return data[: dice.randrange(len(data) // 2)]
    if way == "text":
        return b"This is no database." * 100
    if way == "empty":
        return b""
    page = dice.randrange(len(data) // 4096) * 4096
    return data[:page] + (dice.randbytes(4096) if way == "page" else bytes(4096)) + data[page + 4096 :]


@pytest.mark.parametrize("way", ["cut", "text", "empty", "page", "zeros"])
def test_a_damaged_index_is_said_to_be_one_and_never_ends_in_a_traceback(way: str, shelf: Shelf, here: Path) -> None:
    dice = random.Random(way)
    shutil.copytree(shelf["QA_INDEX"], here / "whole")
    connection = sqlite3.connect(here / "whole" / database.FILE)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # else its log may hold what is missing
    connection.close()
    for _ in range(1 if way in ("text", "empty") else 6):
        shutil.rmtree(here / "index", ignore_errors=True)
        shutil.copytree(here / "whole", here / "index")
        file = here / "index" / database.FILE
        file.write_bytes(damaged(file.read_bytes(), way, dice))
        for name, words in (("ask", [FERRY]), ("status", []), ("index", [])):
            result = invoke(name, shelf, *words, "--index", here / "index")
            assert result.exit_code in (0, 1, 2)
            if result.exit_code == 2:
                said = result.stderr.splitlines()[-1]
                assert said.startswith("Error: The index in ")
                assert "delete the folder" in said
            if way in ("cut", "text", "empty"):
                assert result.exit_code == 2
                assert "damaged" in result.stderr


def long_reading(folder: Path, files: int) -> Path:
    """Documents that are one commit's worth of encoding each."""
    dice = random.Random(files)
    words = ["harbour", "ferry", "bridge", "lamp", "keeper", "crown", "island", "sail", "wind", "rope", "tide"]
    for number in range(files):
        lines = [" ".join(dice.choices(words, k=60)).capitalize() + "." for _ in range(BATCH_PASSAGES)]
        write(folder, {f"{number:02d}.txt": "\n\n".join(lines)})
    return folder


def heed_ctrl_c() -> None:
    """In a new process: take SIGINT as a shell in the foreground gives it; started in the background, a run of the
    tests ignores it, and so would all its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted(words: Sequence[object], environment: Shelf, index: Path) -> int:
    """Start a command, press Ctrl-C once its index holds a document; the number of documents that it kept."""
    command = [str(SCRIPTS / str(words[0])), *map(str, words[1:])]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, preexec_fn=heed_ctrl_c)
    while process.poll() is None:
        try:
            opened = library.Library.open(index)
            documents, _, _ = opened.counts()
            opened.close()
            if documents:
                break
        except (IndexMissing, IndexUnusable):
            pass  # not made yet
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.endswith("Interrupted. What was finished is kept.\n")
    assert "Traceback" not in errors
    opened = library.Library.open(index)
    documents, _, _ = opened.counts()
    opened.close()
    return documents


def test_an_interruption_of_indexing_ends_with_130_and_keeps_what_was_finished(variables: Shelf, here: Path) -> None:
    docs = long_reading(here / "docs", 12)
    kept = interrupted(["qa", "index", "docs"], variables, here / "index")
    assert 0 < kept < 12
    for path in sorted(docs.iterdir())[kept:]:
        path.unlink()
    again = json.loads(invoke("index", variables, "docs", "--json").stdout)
    assert (again["unchanged"], again["encoded"], again["removed"]) == (kept, 0, 0)
    assert invoke("ask", variables, "Which harbour keeper?").exit_code in (0, 1)


DELETING = """
import click, gc, os, signal, time
from qa.cli.speaking import told

class Slow:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)

@click.command()
def command():
    with told():
        held = [Slow()]
        held.append(held)
        del held
        gc.collect()
        time.sleep(60)
        print("not heeded")

command()
"""


def test_an_interruption_while_objects_are_deleted_is_heeded_too(variables: Shelf) -> None:
    command = [sys.executable, "-c", DELETING]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, preexec_fn=heed_ctrl_c)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted. What was finished is kept.\n")


# ------------------------------------------------------------------------------------------------- the default index


def test_the_default_index_is_built_from_corpus_and_that_is_said_on_stderr(variables: Shelf, here: Path) -> None:
    write(here, {"corpus/ferry.md": f"# Ferries\n\n{SAILS}\n", "corpus/film.mp4": ""})
    first = run(["ask", "--min-confidence", 0, FERRY], variables, cwd=here)
    assert first.returncode == 0
    assert first.stdout == f"ferry.md:line 3:{SAILS}\n"
    # On a busy machine it also tells how far it is.
    said = [line for line in first.stderr.splitlines() if not re.match(r" *\d+%, [\d,]+ passages", line)]
    assert said[0] == "No index yet: building one in index/ from the sample documents in corpus/ ..."
    assert said[1].startswith("film.mp4: is a .mp4 file, which is not supported.")
    assert len(said) == 2
    second = invoke("ask", variables, "--min-confidence", 0, FERRY)
    assert (second.stdout, second.stderr) == (first.stdout, "")


def test_no_index_is_built_that_was_not_expected(variables: Shelf, here: Path) -> None:
    assert invoke("ask", variables, FERRY).exit_code == 2
    write(here, {"corpus/ferry.md": SAILS})
    assert invoke("ask", variables, FERRY, "--index", "mine").exit_code == 2
    assert invoke("ask", {**variables, "QA_INDEX": "mine"}, FERRY).exit_code == 2
    assert invoke("ask", variables, "").exit_code == 2
    assert invoke("ask", variables, FERRY, "--after", "never").exit_code == 2
    assert [path.name for path in here.iterdir()] == ["corpus"]


@pytest.mark.slow
def test_a_default_index_whose_building_was_interrupted_is_finished_by_the_next_question(
    variables: Shelf, here: Path
) -> None:
    long_reading(here / "corpus", 6)
    assert interrupted(["ask", FERRY], variables, here / "index") < 6
    result = invoke("ask", variables, "--json", FERRY)
    assert "building one in index/" in result.stderr
    assert json.loads(result.stdout)["index"]["documents"] == 6
    assert invoke("ask", variables, "--json", FERRY).stderr == ""


# ----------------------------------------------------------------------------------------------------------- settings


def test_flags_go_before_the_environment_and_that_before_the_file(shelf: Shelf, here: Path) -> None:
    unset = {key: value for key, value in shelf.items() if key != "QA_INDEX"}
    write(here, {"qa.toml": f'index = "{shelf["QA_INDEX"]}"\nmin_confidence = 1.0\n'})
    assert invoke("ask", unset, FERRY).exit_code == 1
    assert invoke("ask", {**unset, "QA_MIN_CONFIDENCE": "0"}, FERRY).exit_code == 0
    assert invoke("ask", {**unset, "QA_MIN_CONFIDENCE": "0"}, FERRY, "--min-confidence", 1).exit_code == 1
    assert invoke("ask", {**unset, "QA_INDEX": str(here / "none")}, FERRY).exit_code == 2
    write(here, {"qa.toml": "inedx = 1"})
    result = invoke("ask", unset, FERRY)
    assert (result.exit_code, "'inedx', given in qa.toml" in result.stderr) == (2, True)


def test_every_command_option_and_setting_is_documented() -> None:
    for name, command in COMMANDS.items():
        shown = CliRunner().invoke(command, ["--help"]).stdout
        assert command.help and command.help.rstrip().endswith("."), name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"
                assert all(option in shown for option in parameter.opts)
            else:
                assert parameter.make_metavar(click.Context(command)).strip("[].") in shown
        assert CliRunner().invoke(command, ["-h"]).stdout == shown or name not in ("ask", "qa")
    for name in ("ask", "qa"):
        shown = CliRunner().invoke(COMMANDS[name], ["--help"]).stdout
        assert all(f"QA_{field.name.upper()}" in shown for field in fields(Settings))
        assert name == "qa" or f"[default: {Settings().min_confidence}]" in " ".join(shown.split())
    listed = CliRunner().invoke(cli.qa, ["--help"]).stdout
    assert all(re.search(rf"^  {name}  ", listed, re.MULTILINE) for name in cli.qa.commands)


def test_an_index_is_looked_after_by_commands(docs: Path, variables: Shelf, here: Path) -> None:
    shutil.copytree(docs, here / "docs")
    invoke("index", variables, "docs")
    answer = invoke("ask", variables, "--min-confidence", 0, FERRY).stdout
    result = invoke("verify", variables)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("No damage: ")
    assert "is a copy of commit" in invoke("backup", variables, "copy").stdout
    assert invoke("export", variables, "index.jsonl").exit_code == 0
    assert invoke("import", variables, "index.jsonl", "--index", "again").exit_code == 0
    assert invoke("import", variables, "index.jsonl", "--index", "again").exit_code == 2
    for folder in ("copy", "again"):
        assert invoke("ask", variables, "--min-confidence", 0, FERRY, "--index", folder).stdout == answer
        assert invoke("verify", variables, "--index", folder).exit_code == 0
    file = here / "index" / database.FILE
    data = bytearray(file.read_bytes())
    data[data.index(SAILS.encode())] ^= 1
    file.write_bytes(data)
    result = invoke("verify", variables)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{database.FILE}: ")
    assert "Mend what can be mended: qa repair --index index" in result.stdout
    result = invoke("repair", variables)
    assert result.exit_code == 0
    assert f"{here}/docs/ferry.md is read again." in result.stdout
    assert invoke("ask", variables, "--min-confidence", 0, FERRY).stdout == answer
    assert "Nothing is damaged." in invoke("repair", variables).stdout
    result = invoke("forget", variables, "docs/ferry.md")
    assert result.stdout.startswith("ferry.md is forgotten: ")
    assert f"{here}/docs/ferry.md is still there, and is left out" in result.stdout
    assert "was forgotten, and is left out" in invoke("index", variables).stderr
    assert SAILS not in invoke("ask", variables, "--min-confidence", 0, FERRY).stdout
    assert "may be indexed again" in invoke("forget", variables, "--undo", "docs/ferry.md").stdout
    assert "has, as before, format" in invoke("migrate", variables).stdout


@pytest.mark.parametrize("name", ["ask", "qa"])
def test_the_version_is_that_of_the_package(name: str) -> None:
    assert re.fullmatch(rf"{name}, version \d+\.\d+.*\n", CliRunner().invoke(COMMANDS[name], ["--version"]).stdout)


# ----------------------------------------------------------------------------------------------------- index, status


def test_indexing_names_each_file_that_was_not_read_and_ends_with_1(docs: Path, variables: Shelf, here: Path) -> None:
    result = invoke("index", variables, docs)
    assert result.exit_code == 1
    said = result.stderr.splitlines()
    assert sorted(line.partition(":")[0] for line in said) == [
        "archive.zip",
        "damaged.pdf",
        "empty.txt",
        "picture 0.png and 3 more",
    ]
    assert next(line for line in said if line.startswith("damaged.pdf")).startswith("damaged.pdf: is damaged")
    assert "empty.txt: is empty. Was it saved, or copied whole?" in said
    assert result.stdout == (
        "Index index: 4 added, 0 changed; 0 removed, 0 unchanged; 6 passages encoded, 0 taken over; "
        "2 files could not be read; 5 of another type.\n"
    )


def test_indexing_ends_with_0_where_files_were_only_of_another_type(variables: Shelf, here: Path) -> None:
    write(here, {"docs/a.txt": "A cat sat.", "docs/b.png": "", "docs/.hidden": "", "docs/Makefile": "all:"})
    result = invoke("index", variables, "docs", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert {problem["path"]: problem["kind"] for problem in report.pop("problems")} == {
        "b.png": "unsupported",
        "Makefile": "unsupported",
    }
    assert report.pop("left_out") == [{"rule": "hidden", "files": 1, "folders": 0}]
    assert (report.pop("absent"), report.pop("pending")) == ([], 0)
    assert report == {"added": 1, "changed": 0, "removed": 0, "unchanged": 0, "encoded": 1, "kept": 0}
    assert invoke("index", variables).stdout.startswith("Index index: 0 added, 0 changed; 0 removed, 1 unchanged;")


def test_progress_is_told_in_lines_where_stderr_is_no_terminal(
    variables: Shelf, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN_LINES", 0.0)
    files = {f"docs/{number}.txt": f"Cat number {number} sat on the mat. " * 60 for number in range(4)}
    write(here, {**files, "docs/evil\x1b[2J.txt": "It sat."})
    told = invoke("index", variables, "docs").stderr.splitlines()
    assert len(told) > 8
    line = re.compile(r" *(\d+)%, [\d,]+ passages(, about \d+ s left)?: \S.*")
    matches = [line.fullmatch(each) for each in told]
    assert all(matches), told
    shares = [int(match[1]) for match in matches if match]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert any("left" in each for each in told)
    assert not any("\x1b" in each for each in told)


def test_progress_is_not_told_of_what_is_soon_done(variables: Shelf, here: Path) -> None:
    write(here, {"docs/a.txt": "A cat sat."})
    assert invoke("index", variables, "docs").stderr == ""


def test_status_tells_what_an_index_holds_what_made_it_and_what_is_missing(docs: Path, shelf: Shelf) -> None:
    shown = invoke("status", shelf)
    assert shown.exit_code == 0
    rows = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines() if not line.startswith(" "))
    state = json.loads(invoke("status", shelf, "--json").stdout)
    assert rows["index"] == state["index"] == shelf["QA_INDEX"]
    assert int(rows["documents"]) == state["documents"] == 4
    assert int(rows["sentences"]) == state["sentences"] > 8
    assert rows["folder"] == str(docs)
    assert state["roots"] == [str(docs)]
    assert rows["model"] == state["model"]
    assert "mean of its token vectors" in rows["encoding"]
    assert int(rows["problems"]) == len(state["problems"]) == 7
    only = invoke("status", shelf, "--problems").stdout.splitlines()
    assert only == [line.removeprefix("  ") for line in shown.stdout.splitlines() if line.startswith("  ")]
    told = [line.partition(":")[0] for line in only[:7]]
    assert sorted(told) == sorted(p["path"] for p in state["problems"])
    assert only[7:] == [ocr.REMEDY], "what can be done about several pictures is said once"


# ---------------------------------------------------------------------------------------------------------- evaluation


@pytest.fixture
def judged(here: Path) -> Path:
    """A set of three questions over two documents; the third question is answered by neither."""
    ferry, harbour = f"{SAILS} It is blue.", "The old harbour cost nine million crowns."
    rows: list[dict[str, Any]] = [
        {"id": "q1", "question": FERRY, "answerable": True, "relevant": {"ferry": 1}},
        {"id": "q2", "question": "What did the old harbour cost?", "answerable": True, "relevant": {"harbour": 1}},
        {"id": "q3", "question": "Who baked the cake?", "answerable": False, "relevant": {}},
    ]
    rows[0]["gold"] = [{"doc": "ferry", "start": 0, "end": len(SAILS)}]
    rows[1]["gold"] = [{"doc": "harbour", "start": 0, "end": len(harbour)}]
    questions = "".join(json.dumps(row) + "\n" for row in rows)
    return write(here / "set", {"docs/ferry.txt": ferry, "docs/harbour.txt": harbour, "questions.jsonl": questions})


def test_eval_measures_a_set_and_writes_its_predictions(variables: Shelf, here: Path, judged: Path) -> None:
    result = invoke("eval", variables, judged, "--json", "--predictions", here / "out.jsonl")
    assert result.exit_code == 0
    measures = json.loads(result.stdout)["measures"]
    assert measures["passage hit@1"] == {"value": 1.0, "n": 2}
    assert measures["sentence hit@1"] == {"value": 1.0, "n": 2}
    assert measures["document nDCG@10"] == {"value": 1.0, "n": 2}
    assert measures["citation exactness"]["value"] == 1.0
    rows = [json.loads(line) for line in (here / "out.jsonl").read_text("utf-8").splitlines()]
    assert [row["id"] for row in rows] == ["q1", "q2", "q3"]
    for row in rows:
        assert set(row) == {"id", "passages", "citations", "answered", "confidence"}
        assert all(set(passage) == {"doc", "start", "end"} for passage in row["passages"])
        for citation in row["citations"]:
            text = (judged / "docs" / f"{citation['doc']}.txt").read_text("utf-8")
            assert text[citation["start"] : citation["end"]] == citation["text"]
    assert rows[0]["citations"][0] == {"doc": "ferry", "start": 0, "end": len(SAILS), "text": SAILS}
    assert sorted(path.name for path in here.iterdir()) == ["out.jsonl", "set"]


def test_eval_shows_people_the_same_measures(variables: Shelf, here: Path, judged: Path) -> None:
    measures = json.loads(invoke("eval", variables, judged, "--json", "--index", "kept").stdout)["measures"]
    shown = invoke("eval", variables, judged, "--index", "kept").stdout
    assert (here / "kept" / database.FILE).exists()
    found = {}
    for line in shown.partition("\n\n")[0].splitlines():
        match = re.fullmatch(r"(\S.*?)\s+(-?[\d.]+)\s+n=(\d+)", line)
        assert match, line
        found[match[1]] = (float(match[2]), int(match[3]))
    assert found == {name: (round(row["value"], 4), row["n"]) for name, row in measures.items()}
    assert set(found) == {measure.name for measure in evaluation.MEASURES}


@pytest.mark.slow
def test_eval_shows_its_table_on_a_terminal_too(variables: Shelf, judged: Path) -> None:
    code, shown = on_terminal(["qa", "eval", judged], variables)
    assert code == 0
    assert re.search(r"passage hit@1 +1\.0000   n=2", shown)


def test_eval_says_at_once_what_is_wrong_with_its_files(variables: Shelf, here: Path, judged: Path) -> None:
    cases: tuple[Callable[[], Sequence[object]], ...] = (
        lambda: ["--predictions", here / "no" / "out.jsonl"],
        lambda: ["--questions", "none.jsonl"],
        lambda: ["--docs", here / "none"],
        lambda: ["--save", here / "no" / "run.json"],
        lambda: ["--against", here / "none.json"],
        lambda: ["--gate", judged / "questions.jsonl"],
    )
    for words in cases:
        result = invoke("eval", variables, judged, *words())
        assert result.exit_code == 2
        assert str(list(words())[1]) in result.stderr
        assert result.stdout == ""


@pytest.fixture
def dozen(here: Path) -> Path:
    """A set of twelve questions, each answered by a document of its own, and one that none answers."""
    sails = {f"ferry{n}": f"The ferry to island {word} sails at {n}." for n, word in enumerate(NUMBERS)}
    rows: list[dict[str, Any]] = [
        {
            "id": doc,
            "question": f"When does the ferry to island {word} sail?",
            "answerable": True,
            "relevant": {doc: 1},
            "gold": [{"doc": doc, "start": 0, "end": len(sails[doc])}],
        }
        for doc, word in zip(sails, NUMBERS, strict=True)
    ]
    rows.append({"id": "cake", "question": "Who baked the cake?", "answerable": False, "relevant": {}})
    write(here / "renamed", {f"{doc}-old.txt": text for doc, text in sails.items()})
    questions = "".join(json.dumps(row) + "\n" for row in rows)
    return write(
        here / "set", {f"docs/{doc}.txt": text for doc, text in sails.items()} | {"questions.jsonl": questions}
    )


def test_a_gate_lets_the_same_answers_through_and_stops_worse_ones(variables: Shelf, here: Path, dozen: Path) -> None:
    assert invoke("eval", variables, dozen, "--save", "run.json").exit_code == 0
    same = invoke("eval", variables, dozen, "--gate", "run.json", "--json")
    assert same.exit_code == 0 and same.stderr == ""
    for found in json.loads(same.stdout)["comparison"]["measures"].values():
        assert (found["difference"], found["p"], found["verdict"]) == (0, 1, "")
    # Of documents by other names no judgement holds.
    worse = invoke("eval", variables, dozen, "--docs", "renamed", "--gate", "run.json")
    assert worse.exit_code == 1
    lost = [line.partition(" is worse than in run.json: ")[0] for line in worse.stderr.splitlines()]
    assert {"passage hit@1", "sentence hit@1", "document nDCG@10"} <= set(lost)
    assert all(
        any(re.match(f"{re.escape(name)} .*worse$", line) for line in worse.stdout.splitlines()) for name in lost
    )
    against = invoke("eval", variables, dozen, "--docs", "renamed", "--against", "run.json", "--save", "worse.json")
    assert against.exit_code == 0 and against.stdout == worse.stdout
    better = invoke("eval", variables, dozen, "--gate", "worse.json")
    assert re.search(r"^passage hit@1 .*better$", better.stdout, re.MULTILINE)
    # Confidence that was low where everything was wrong is too low where everything is right.
    assert re.fullmatch(r"(confidence ECE is worse than in worse\.json: .*\n)?", better.stderr)
    assert better.exit_code == (1 if better.stderr else 0)


def test_a_run_over_other_questions_is_compared_over_those_in_common(variables: Shelf, here: Path, dozen: Path) -> None:
    assert invoke("eval", variables, dozen, "--save", "run.json").exit_code == 0
    lines = (dozen / "questions.jsonl").read_text("utf-8").splitlines()
    changed = lines[3].replace("When does", "At what time does")
    write(dozen, {"few.jsonl": "\n".join([*lines[:3], changed, lines[4].replace('"id": "', '"id": "new')])})
    few = invoke("eval", variables, dozen, "--questions", "few.jsonl", "--against", "run.json")
    said = "Compared over 3 questions; left out: 9 only in the baseline, 1 only in this run, 1 with other words"
    assert few.exit_code == 0 and said in few.stdout
    write(dozen, {"none.jsonl": changed})
    none = invoke("eval", variables, dozen, "--questions", "none.jsonl", "--gate", "run.json")
    assert none.exit_code == 2 and "share no question" in none.stderr and none.stdout == ""


def test_a_baseline_is_not_overwritten_by_the_run_that_it_judges(variables: Shelf, here: Path, dozen: Path) -> None:
    assert invoke("eval", variables, dozen, "--save", "run.json").exit_code == 0
    before = (here / "run.json").read_bytes()
    for option in ("--gate", "--against"):
        refused = invoke("eval", variables, dozen, option, "run.json", "--save", here / "set" / ".." / "run.json")
        assert refused.exit_code == 2 and "would be overwritten" in refused.stderr
    assert invoke("eval", variables, dozen, "--gate", "run.json", "--against", "run.json").exit_code == 2
    assert (here / "run.json").read_bytes() == before


@pytest.mark.slow
def test_the_worst_answers_are_listed_for_people_and_programs(variables: Shelf, here: Path, dozen: Path) -> None:
    words = ("eval", {**variables, "QA_MIN_CONFIDENCE": "0"}, dozen, "--docs", "renamed", "--worst", "2")
    shown = invoke(*words).stdout.partition("The worst 2 of 13 wrong answers")[2].splitlines()
    listed = json.loads(invoke(*words, "--json").stdout)["worst"]
    assert len(listed) == 2 and listed[0]["confidence"] >= listed[1]["confidence"]
    for failure in listed:
        assert failure["cited"]
        for quote in failure["cited"]:
            assert (here / "renamed" / quote["path"]).read_text("utf-8")[quote["start"] : quote["end"]] == quote["text"]
            assert f"     cited  {quote['path']}, line 1: {quote['text']}" in shown
    code, screen = on_terminal(["qa", *words[:1], *words[2:]], words[1])
    assert code == 0 and "The worst 2 of 13 wrong answers" in screen


@pytest.fixture
def own(here: Path) -> Path:
    """A folder of documents, two of which have the same file name, and one that nothing can be asked of."""
    return write(
        here / "own",
        {
            "mill/index.md": "# The mill\n\n## How flour is ground\n\nTwo heavy stones turn together and crush rye.\n",
            "quay/index.md": f"# The quay\n\n{SAILS} Nineteen sailors painted its rusty funnel yellow during winter.\n",
            "empty.txt": "l o s t",
        },
    )


def test_a_folder_without_judgements_is_measured_with_questions_made_from_it(
    variables: Shelf, here: Path, own: Path
) -> None:
    told = json.loads(invoke("eval", variables, "--auto", own, "--json", "--predictions", "out.jsonl").stdout)
    kinds = told["made"]["kinds"]
    assert list(kinds) == ["sentences", "headings", "made", "foreign"]
    assert kinds["made"]["passage hit@5"] == {"value": 1.0, "n": 3} == told["measures"]["passage hit@5"]
    assert kinds["sentences"]["sentence hit@5"] == {"value": 1.0, "n": 2}
    assert kinds["foreign"]["answered when not answerable"]["n"] == 32
    assert told["measures"]["citation exactness"]["value"] == 1.0
    assert [each["made"] for each in told["made"]["documents"]] in ([1, 2], [2, 1])
    assert told["made"]["silent"] == ["empty.txt"]
    rows = [json.loads(line) for line in (here / "out.jsonl").read_text("utf-8").splitlines()]
    assert {row["passages"][0]["doc"] for row in rows[:2]} == {"mill/index.md", "quay/index.md"}
    shown = invoke("eval", variables, "--auto", own).stdout
    assert re.search(r"^all of these +3 +[\d.]+ / 1\.000 ", shown, re.MULTILINE)
    assert "Documents without a sentence or heading to ask for: 1\n  empty.txt\n" in shown
    for paragraph in told["made"]["meaning"].split("\n\n"):
        assert paragraph in shown


def test_runs_over_questions_made_from_a_folder_are_compared(variables: Shelf, here: Path, own: Path) -> None:
    assert invoke("eval", variables, "--auto", own, "--save", "run.json").exit_code == 0
    write(own, {"new.md": "# Birds\n\nSeven hungry puffins watched every passing sailing boat.\n"})
    more = invoke("eval", variables, "--auto", own, "--gate", "run.json")
    assert more.exit_code == 0 and "Compared over 35 questions; left out: 1 only in this run" in more.stdout
    write(here / "other", {"docs/new.md": (own / "new.md").read_text("utf-8")})
    row = {"id": "1", "question": "Who watched?", "answerable": False, "relevant": {}}
    write(here / "other", {"questions.jsonl": json.dumps(row)})
    other = invoke("eval", variables, "other", "--gate", "run.json")
    assert other.exit_code == 2 and "share no question" in other.stderr


def test_questions_are_made_or_given_but_not_both(variables: Shelf, here: Path, own: Path) -> None:
    for option in ("--questions", "--docs"):
        refused = invoke("eval", variables, "--auto", own, option, own)
        assert refused.exit_code == 2 and option in refused.stderr and refused.stdout == ""
    write(here / "bare", {"a.txt": "l o s t"})
    refused = invoke("eval", variables, "--auto", "bare")
    assert refused.exit_code == 2 and "No question can be made" in refused.stderr
