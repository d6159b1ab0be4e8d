"""The wheel holds all that the program needs, and works where there is no checkout."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from http.client import HTTPConnection
from pathlib import Path

import pytest

from qa.records import Model

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = ["pip", "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    run = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `ask` and `qa` in a new environment that has this wheel, and all else from the one that runs."""
    home = tmp_path_factory.mktemp("home") / "env"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*command, str(wheel)], check=True)
    packages = next(home.glob("lib/python*/site-packages"))
    # A folder named in a .pth file is searched last, and the .pth files in it, the checkout's own among them, are not
    # obeyed.
    (packages / "all-else.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    place = subprocess.run([python, "-c", "import qa; print(qa.__file__)"], capture_output=True, text=True, cwd=home)
    assert Path(place.stdout.strip()).is_relative_to(home), place.stderr
    return home / "bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "ushant.md").write_text(
        "# The island\n\nThe ferry to Ushant leaves Brest at half past eight. Bicycles cost extra.\n", "utf-8"
    )
    return tmp_path


@pytest.fixture
def environment(model: Model) -> dict[str, str]:
    """The caller's, with the exported models of the tests and without what would lead back to the checkout."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "QA_"))}
    return {**kept, "QA_CACHE": str(model.question.parent.parent)}


def test_the_wheel_holds_the_pages_the_reader_and_the_mark_of_types_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {f"qa/{path.relative_to(ROOT / 'qa').as_posix()}" for path in (ROOT / "qa").rglob("*.py")}
    web = [path for path in (ROOT / "web").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected |= {f"qa/_web/{path.relative_to(ROOT / 'web').as_posix()}" for path in web}
    expected |= {f"qa/weights/{path.name}" for path in (ROOT / "qa" / "weights").iterdir()}
    assert names == expected | {"qa/py.typed"}
    assert {"qa/_web/openapi.json", "qa/_web/static/style.css", "qa/_web/templates/search.html"} <= names


def test_the_installed_commands_answer_away_from_the_checkout(
    scripts: Path, folder: Path, environment: dict[str, str]
) -> None:
    indexed = subprocess.run(
        [scripts / "qa", "index", "letters"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert indexed.returncode == 0, indexed.stderr
    asked = subprocess.run(
        [scripts / "ask", "When does the ferry to Ushant leave Brest?"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.startswith("ushant.md:line 3:The ferry to Ushant leaves Brest at half past eight.\n")


def test_the_installed_server_has_its_page_and_its_style(
    scripts: Path, folder: Path, environment: dict[str, str]
) -> None:
    server = subprocess.Popen(
        [scripts / "qa", "serve", "letters", "--port", "0"],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert server.stderr is not None
        said = ""
        for line in server.stderr:
            said += line
            if "Serving" in line:
                break
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
        assert found, said
        for path, holds in (
            ("/", b"<form"),
            ("/static/style.css", b"{"),
            ("/?q=When+does+the+ferry+leave", b"half past eight"),
        ):
            connection = HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200
            assert holds in response.read()
            connection.close()
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 0
    finally:
        server.kill()
        server.communicate()
