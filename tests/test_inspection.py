"""Laws of showing how a file is read: it is what indexing stores, all of it, and nothing in it is obeyed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from shelf import Shelf, story

from qa import cli, terminal
from qa.errors import UnreadableFile
from qa.formats import Limits
from qa.inspection import inspect
from qa.library import Library
from qa.settings import Settings

MARKUP = """# The harbour

It was *built* in 1802. A ferry sails at noon.

| Ferry | Noon |
|---|---|
| Ushant | yes |

## Its lamp

- It is red.
- It blinks.

> A quote stands here.
"""


@pytest.fixture
def qa(settings: Callable[..., Settings]) -> Callable[..., Result]:
    """Runs `qa inspect` with the small model."""
    made = settings()
    environment: dict[str, str | None] = {key: None for key in os.environ if key.startswith("QA_")}
    environment |= {"QA_MODEL": made.model, "QA_CACHE": str(made.cache)}

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(cli.qa, ["inspect", *map(str, arguments)], env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html"])
def test_what_is_shown_is_what_indexing_stores(tmp_path: Path, settings: Callable[..., Settings], name: str) -> None:
    shelf = Shelf(tmp_path / "docs", settings())
    path = shelf.write(name, MARKUP + story("lighthouse"))
    shelf.index()
    found = inspect(path, shelf.settings)
    library = Library.open(shelf.settings.index)
    try:
        with library.reading():
            ((source, document),) = [(each, library.document(each.id)) for each in library.sources()]
            passages = tuple(passage for _, _, passage, _ in library.passages())
    finally:
        library.close()
    assert [(p.start, p.end, p.sentences, p.context) for p in found.passages] == [
        (p.start, p.end, p.sentences, p.context) for p in passages
    ]
    assert (found.document.text, found.document.blocks) == (document.text, document.blocks)
    assert (found.source.sha256, found.source.title) == (source.sha256, source.title)
    assert not (tmp_path / "docs" / "index").exists()


def test_every_sentence_is_numbered_and_is_a_cut_of_its_block(tmp_path: Path, qa: Callable[..., Result]) -> None:
    path = tmp_path / "a.md"
    path.write_text(MARKUP)
    told: dict[str, Any] = json.loads(qa(path, "--json").stdout)
    listed = [each for block in told["blocks"] for each in block["sentences"]]
    assert [each["number"] for each in listed] == list(range(1, len(listed) + 1))
    text = MARKUP[: MARKUP.index("| Ferry")] + "Ferry: Ushant | Noon: yes" + MARKUP[MARKUP.index("\n\n## Its") :]
    assert all(each["text"] == text[each["start"] : each["end"]] for each in listed)
    for block in told["blocks"]:
        assert all(block["start"] <= each["start"] < each["end"] <= block["end"] for each in block["sentences"])
    read = [number for passage in told["passages"] for number in passage["sentences"]]
    assert read == sorted(set(read))
    headings = [e["number"] for b in told["blocks"] if b["kind"] in ("title", "heading") for e in b["sentences"]]
    assert sorted([*read, *headings]) == list(range(1, len(listed) + 1))
    assert all(passage["tokens"]["text"] > 0 for passage in told["passages"])
    assert any("2 titles and headings" in said for said in told["left_out"])
    assert (told["media_type"], told["title"], told["characters"]) == ("text/markdown", "The harbour", len(text))


@pytest.mark.parametrize(
    ("data", "encoding", "is_doubted"),
    [
        ("Die Fähre ist blau.".encode(), "UTF-8", False),
        ("\ufeffDie Fähre ist blau.".encode("utf-16-le"), "UTF-16 (byte order mark)", False),
        ("Паром синий, порт далёкий, маяк горит каждую ночь.".encode("cp1251"), "windows-1251 (a guess)", True),
    ],
)
def test_the_encoding_of_a_text_is_told_and_whether_it_was_guessed(
    tmp_path: Path, qa: Callable[..., Result], data: bytes, encoding: str, is_doubted: bool
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    told: dict[str, Any] = json.loads(qa(path, "--json").stdout)
    assert told["encoding"] == encoding
    assert any("guess" in said for said in told["problems"]) == is_doubted
    assert f"  encoding {encoding}\n" in qa(path).stdout


def test_people_see_kind_place_and_beginning_of_each_block_each_sentence_and_each_passage(
    tmp_path: Path, qa: Callable[..., Result]
) -> None:
    path = tmp_path / "a.md"
    path.write_text(MARKUP)
    whole = qa(path).stdout
    assert "type     text/markdown" in whole
    assert "title      " in whole
    for line in ("item               6  Its lamp: - It is red.", "3  A ferry sails at noon."):
        assert line in whole, whole
    assert "The harbour · Its lamp" in whole
    sections = {name: qa(path, f"--{name}").stdout for name in terminal.SECTIONS}
    assert all(text and text in whole for text in sections.values())
    both = qa(path, "--sentences", "--blocks").stdout
    assert both == sections["blocks"] + sections["sentences"]


def test_nothing_in_a_file_or_its_name_reaches_the_terminal_to_be_obeyed(
    tmp_path: Path, qa: Callable[..., Result]
) -> None:
    path = tmp_path / "a\x1b[31m\u202e.md"
    path.write_text("# Red \x1b[31malert\x07\n\nA \x1b]0;title\x07 line. \u202egnp.exe\n" + "A line of words. " * 40)
    for arguments in ((), ("--json",), ("--blocks",)):
        shown = qa(path, *arguments).stdout
        assert "Red" in shown
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_a_file_that_cannot_be_read_is_named_with_reason_and_remedy(
    tmp_path: Path, qa: Callable[..., Result], settings: Callable[..., Settings]
) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.7 and no more")
    result = qa(path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "a.pdf: is damaged" in result.stderr
    assert qa(tmp_path / "none.md").exit_code == 2
    path = tmp_path / "long.txt"
    path.write_text("Word. " * 99)
    with pytest.raises(UnreadableFile, match="10 characters"):
        inspect(path, settings(), limits=Limits(max_chars=10))
