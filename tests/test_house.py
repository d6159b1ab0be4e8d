"""The laws of the house that are about the code itself: who may import what, who may print, what never happens."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import qa
from qa import indexing
from qa.settings import Settings

PACKAGE = Path(qa.__file__).resolve().parent

ROOMS: dict[str, str] = {
    "records": "",
    "errors": "",
    "settings": "errors",
    "wording": "",
    "foreign": "",
    "stack": "",
    # Stages of the way in and of the way out: none imports another.
    "formats": "errors records",
    "sentences": "records",
    "passages": "records",
    "encoder": "errors records",
    "database": "disk errors",
    "lock": "disk errors",
    "rows": "database errors records",
    "library": "database errors notes records rows",
    "notes": "database records",
    "vectors": "errors stack",
    "lexical": "errors wording",
    "interaction": "disk errors stack",
    "ranking": "records",
    "reader": "errors records",
    "reranker": "errors records",
    "query": "errors records wording",
    "spelling": "records",
    # What stands behind one stage or builds upon several.
    "quantisation": "",
    "exports": "disk errors",
    "models": "disk errors exports quantisation records",
    "crossencoders": "errors exports models records reranker",
    "migration": "database imprint library lock rows",
    "readers": "errors exports models reader records",
    "disk": "",
    "piece": "disk errors folding interaction lexical library records rows vectors wording",
    "snapshot": "disk errors folding interaction lexical library piece records vectors",
    "imprint": "database disk errors library",
    "health": "database errors imprint library lock snapshot",
    "backup": "disk errors health imprint library snapshot",
    "salvage": "database imprint library rows",
    "repair": "database disk health imprint library lock salvage snapshot",
    "scarcity": "database errors library records snapshot",
    "forgetting": "database disk errors imprint indexing library lock repair scarcity settings snapshot",
    "reencoding": "encoder errors imprint library lock models noise passages records rows run sentences "
    "settings snapshot",
    "exchange": "database disk encoder errors imprint indexing library lock models records settings",
    "answers": "confidence folding locating marking records",
    "confidence": "records",
    "marking": "records",
    "explaining": "records",
    "filtering": "records",
    "folding": "",
    "locating": "records",
    "rules": "errors records",
    "stamps": "records",
    "folders": "errors formats records rules",
    "drift": "folders library records stamps",
    "reading": "errors formats records",
    "exact": "query records snapshot spelling wording",
    # Those that join the stages.
    "coverage": "drift errors library records",
    "run": "drift encoder errors folders formats library noise passages reading records rows rules scarcity sentences "
    "snapshot stamps",
    "indexing": "encoder errors folders formats imprint library lock models noise passages reading records run "
    "scarcity sentences settings snapshot",
    "following": "coverage errors indexing library records rules run stamps",
    "candidates": "exact folding lexical ranking records snapshot",
    "noise": "candidates encoder exact foreign ranking records snapshot",
    "serving": "disk encoder errors library lock models noise records settings snapshot stamps",
    "engine": "answers candidates confidence coverage crossencoders drift encoder errors exact explaining "
    "filtering lexical library locating passages ranking reader readers records reranker serving settings snapshot",
    "tracing": "candidates engine errors exact filtering ranking records snapshot",
    "inspection": "answers encoder errors formats models passages reading records sentences settings",
    "training": "candidates engine errors indexing models passages quantisation ranking reader readers records "
    "settings",
    # Doors and what they share.
    "evaluation": "errors foreign records sentences wording",
    "report": "evaluation terminal",
    "facsimiles": "errors formats reading records",
    "pageview": "errors facsimiles locating records",
    "permalinks": "records",
    "relocation": "permalinks records",
    "payload": "errors permalinks records",
    "sourceview": "records",
    "viewing": "errors locating permalinks records relocation sourceview",
    "asking": "errors payload records",
    "web": "asking coverage errors facsimiles pageview payload records sourceview viewing",
    "terminal": "coverage database forgetting health records repair run tracing",
    "cli": "backup database disk engine errors evaluation exchange following forgetting health indexing inspection "
    "library migration payload records reencoding repair report run settings terminal tracing web",
}
"""Every room of the package, and the rooms that it may import."""

STAGES = (
    *("formats", "sentences", "passages", "encoder", "library", "vectors", "lexical", "interaction", "ranking"),
    "reader",
    "reranker",
    "query",
    "spelling",
)

LIBRARIES: dict[str, str] = {
    "nltk": "sentences",
    "punkt": "sentences",
    "sentence_transformers": "crossencoders models",
    "torch": "crossencoders exports models readers training",
    "transformers": "crossencoders models readers training",
    "safetensors": "training",
    "huggingface_hub": "models",
    "onnx": "quantisation training",
    "onnxruntime": "encoder quantisation reader reranker",
    "tokenizers": "encoder reader reranker training",
    "sqlite3": "database",
    "pathspec": "rules",
    "watchfiles": "following",
    "faiss": "vectors",
    "blake3": "disk",
    "rapidfuzz": "relocation spelling",
    "wordfreq": "evaluation spelling",
    "tantivy": "lexical",
    "flask": "web",
    "markupsafe": "web",
    "waitress": "web",
    "werkzeug": "web",
    "click": "cli training",
    "rich": "terminal",
    "ir_measures": "evaluation",
    "scipy": "evaluation training",
    "platformdirs": "settings",
    "threadpoolctl": "engine noise",
    "pypdfium2": "formats",
    "rapidocr": "formats",
    "PIL": "formats",
    "mammoth": "formats",
    "lxml": "formats",
    "pptx": "formats",
    "python_calamine": "formats",
    "olefile": "formats",
    "webvtt": "formats",
    "docutils": "formats",
    "oxmsg": "formats",
    "selectolax": "formats",
    "markdown_it": "formats",
    "charset_normalizer": "formats",
    "numpy": "answers candidates crossencoders disk encoder engine evaluation exact exchange explaining filtering "
    "folding indexing interaction lexical library piece quantisation ranking reader readers records reranker "
    "rows snapshot stack tracing training vectors",
}
"""Every library from outside the standard one (and sqlite3), and the rooms that may import it."""

SLOW_TO_IMPORT = frozenset(LIBRARIES) - {"click", "flask", "markupsafe", "numpy", "sqlite3", "werkzeug"} | {
    *("pandas", "scipy", "sklearn", "transformers")
}

OF_INDEXING = ("ir_datasets", "joblib", "nltk", "onnx", "scipy", "sentence_transformers", "sklearn", "torch")
"""What a question never needs."""

FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"),
    *("subprocess", "pty", "code", "runpy", "multiprocessing", "webbrowser"),
    *("urllib.request", "urllib.error", "urllib3", "http.client", "ftplib", "smtplib", "ssl", "xmlrpc.client"),
    *("requests", "httpx", "aiohttp", "pycurl", "asyncio"),
}
"""Modules that load code from data, start programs, or reach other machines."""

STARTS_PROCESSES = "reading"
"""The one room that may start a program: this one again, to read files in."""

FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "import_module", "breakpoint"),
    *("os.system", "os.popen", "os.fork", "torch.load", "torch.hub.load"),
}

FORBIDDEN_ARGUMENTS = {"shell", "allow_pickle", "trust_remote_code"}
"""Arguments of which nothing but False may be given."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The name of the room a file belongs to; a room may be a folder. The package's own `__init__` is "qa"."""
    place = path.relative_to(PACKAGE)
    return "qa" if place == Path("__init__.py") else place.parts[0].removesuffix(".py")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imported(path: Path) -> Iterator[str]:
    """The full name of everything that a file imports, wherever in it, for the type checker included."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_plan_names_every_room() -> None:
    assert {room_of(path) for path in modules()} - {"qa"} == set(ROOMS)
    assert set(imported(PACKAGE / "__init__.py")) == {"__future__.annotations", "os"}  # to say a word to a library


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_that_the_plan_gives_it(room: str) -> None:
    found = set()
    for path in modules():
        if room_of(path) == room:
            for name in imported(path):
                first, *rest = name.split(".")
                if first == "qa" and rest[0] != room:
                    found.add(rest[0])
    assert found == set(ROOMS[room].split())


def test_no_stage_imports_a_stage() -> None:
    for stage in STAGES:
        assert not set(ROOMS[stage].split()) & set(STAGES)


def test_no_room_imports_one_above_it() -> None:
    """The plan has no circle: rooms can be put in an order in which each imports only earlier ones."""
    placed: set[str] = set()
    left = dict(ROOMS)
    while left:
        ready = {room for room, needs in left.items() if set(needs.split()) <= placed}
        assert ready, f"these import each other: {sorted(left)}"
        placed |= ready
        left = {room: needs for room, needs in left.items() if room not in ready}


def test_a_library_is_imported_only_behind_its_door() -> None:
    doors: dict[str, set[str]] = {}
    for path in modules():
        for name in imported(path):
            first = name.partition(".")[0]
            if first == "sqlite3" or first not in {*sys.stdlib_module_names, "qa"}:
                doors.setdefault(first, set()).add(room_of(path))
    assert set(doors) == set(LIBRARIES)
    for library, rooms in doors.items():
        assert rooms <= set(LIBRARIES[library].split()), library


def test_nothing_loads_code_from_data_or_starts_programs_or_reaches_out() -> None:
    found = []
    for path in modules():
        for name in imported(path):
            parents = {name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)}
            forbidden = FORBIDDEN_MODULES - ({"subprocess"} if room_of(path) == STARTS_PROCESSES else set())
            found += [f"{path.name} imports {each}" for each in parents & forbidden]
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in FORBIDDEN_CALLS or called.startswith(("os.exec", "os.spawn", "os.posix_spawn")):
                    found.append(f"{path.name}:{node.lineno} calls {called}")
                for argument in node.keywords:
                    if argument.arg in FORBIDDEN_ARGUMENTS and ast.unparse(argument.value) != "False":
                        found.append(f"{path.name}:{node.lineno} gives {argument.arg}")
    assert not found


def test_only_the_command_line_prints_or_ends_the_process() -> None:
    found = []
    for path in modules():
        if room_of(path) in ("cli", "terminal"):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "exit", "quit", "os._exit"):
                found.append(f"{path.name}:{node.lineno} calls {ast.unparse(node.func)}")
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.stderr", "sys.exit"):
                found.append(f"{path.name}:{node.lineno} uses {ast.unparse(node)}")
            if isinstance(node, ast.Name) and node.id == "SystemExit":
                found.append(f"{path.name}:{node.lineno} raises SystemExit")
    assert not found


def test_every_import_of_another_type_waits_for_its_future() -> None:
    """Annotations are not evaluated anywhere, so an import for the type checker alone costs nothing."""
    for path in modules():
        if path.read_text("utf-8").count("\n") > 1:
            assert "__future__.annotations" in imported(path), path


def in_fresh_process(code: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """What `code` leaves in the variable `told`, run in a process of its own."""
    code = f"{code}\nimport json; print(chr(10) + json.dumps(told))"
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return told


def test_importing_any_room_imports_no_slow_library() -> None:
    names = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__") for path in modules()
    ]
    code = "import sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)\ntold = list(sys.modules)"
    loaded = in_fresh_process(code, *names)
    assert set(names) <= set(loaded)
    assert not SLOW_TO_IMPORT & set(loaded)


def test_the_command_line_does_not_wait_for_the_web() -> None:
    loaded = in_fresh_process("import sys, qa.cli, qa.engine\ntold = list(sys.modules)")
    assert not {"flask", "werkzeug", "jinja2", "http.server"} & set(loaded)


@pytest.fixture
def environment(settings: Callable[..., Settings], tmp_path: Path) -> dict[str, str]:
    """What makes a process use an index of one document, which is there, and the small model."""
    made = settings()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "ferry.md").write_text(
        "# Ferries\n\nThe ferry to Ushant sails at nine. It is blue.\n", "utf-8"
    )
    indexing.index([tmp_path / "docs"], made)
    return {"QA_INDEX": str(made.index), "QA_MODEL": made.model, "QA_CACHE": str(made.cache)}


ASK = """
import sys
from qa.cli import ask
sys.argv = ["ask", "--min-confidence", "0", "When does the ferry to Ushant sail?"]
try:
    ask()
except SystemExit as done:
    assert done.code == 0, done.code
"""


def test_a_question_imports_nothing_that_only_indexing_needs(environment: dict[str, str]) -> None:
    loaded = in_fresh_process(f"{ASK}\ntold = list(sys.modules)", **environment)
    assert {"onnxruntime", "faiss", "tantivy"} <= set(loaded)  # it did ask
    needless = {*OF_INDEXING, "transformers", "huggingface_hub", "rich", "flask", "numpy.ma", "qa.formats"}
    assert not needless & set(loaded)


WATCHED = """
import ipaddress, socket, sys
told = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if not isinstance(address, tuple) or ipaddress.ip_address(address[0]).is_loopback:
            return
    elif event == "subprocess.Popen" and arguments[0] == sys.executable:
        return  # to read files in; what it may do is tested on its own
    elif event not in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "subprocess.Popen"):
        return
    told.append(f"{event} {arguments[1:]}")
    raise PermissionError(f"nothing leaves this machine: {event} {arguments[1:]}")
sys.addaudithook(watch)
"""

INDEX = """
import sys
from pathlib import Path
from qa import indexing
from qa.settings import settle
folder = Path(sys.argv[1])
with (folder / "new.txt").open("w") as file:
    file.write("The night ferry was taken out of service in 1987.")
report = indexing.index([folder], settle({}))
assert report.encoded == 1, report
"""


def test_indexing_and_asking_reach_no_other_machine(environment: dict[str, str], tmp_path: Path) -> None:
    assert in_fresh_process(f"{WATCHED}\n{INDEX}\n{ASK}", str(tmp_path / "docs"), **environment) == []


def test_no_library_notes_down_or_reports_what_it_is_used_for(environment: dict[str, str], tmp_path: Path) -> None:
    # onnxruntime's telemetry is out of sight of Python, but it keeps what it is about to send in the user's cache.
    home = tmp_path / "home"
    home.mkdir()
    for variable in ("HOME", "XDG_CACHE_HOME"):
        environment[variable] = str(home)
    told = in_fresh_process(f"{ASK}\nimport time; time.sleep(0.5)\ntold = list(sys.modules)", **environment, CI="")
    assert "onnxruntime" in told
    assert list(home.rglob("*")) == []


@pytest.mark.slow
def test_exporting_a_model_reaches_no_other_machine(environment: dict[str, str], tmp_path: Path) -> None:
    environment["QA_CACHE"] = str(tmp_path / "cache")
    assert in_fresh_process(f"{WATCHED}\n{INDEX}\n{ASK}", str(tmp_path / "docs"), **environment) == []
    assert list((tmp_path / "cache").iterdir())


def test_a_process_that_is_watched_is_caught_reaching_out() -> None:
    code = f"{WATCHED}\ntry: socket.create_connection(('192.0.2.1', 9), 1)\nexcept PermissionError: pass"
    assert len(in_fresh_process(code)) == 1
