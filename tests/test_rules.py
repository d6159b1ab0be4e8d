"""Laws of what is left out of a folder: ignore files mean what they mean to git, and all of it is counted."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from shelf import MEMORY, QUESTIONS, Shelf, story

from qa import folders, indexing, rules
from qa.errors import UsageError
from qa.records import LeftOut, Rules
from qa.run import Choice

FILES = ("x.md", "y.txt", "a/x.md", "a/y.txt", "a/b/x.md", "b/x.md", "b/a/y.txt", "b/b/b/x.md", "a/ä b.md")

PATTERNS = (
    *("*", "*.md", "a", "b", "a/", "b/", "/a", "/a/", "!*/", "!*.md", "!a", "!b/", "a/**", "b/**", "!a/x.md", "/*"),
    *("**/x.md", "!/a", "x.*", "!x.md", "a/b", "!a/b/", "**/b/**", "*/x.md", "a/**/x.md", "# x.md", "", "[xy].*"),
    *("?.md", "\\!x.md", "x.md ", "a/ä b.md", "*b.md", "!", "["),
)

lines = st.lists(st.sampled_from(PATTERNS), max_size=5)


def listed(root: Path, held: Rules = Rules()) -> list[str]:
    return sorted(folders.listing(root, root / "index", held).files)


def left_out(root: Path, held: Rules = Rules()) -> dict[str, tuple[int, int]]:
    found = folders.listing(root, root / "index", held).left_out
    return {each.rule: (each.files, each.folders) for each in found}


def filled(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the judge")
@hypothesis_settings(max_examples=60)
@given(ignored=st.dictionaries(st.sampled_from(["", "a", "b", "a/b"]), lines, max_size=4))
def test_ignore_files_mean_what_they_mean_to_git(ignored: dict[str, list[str]]) -> None:
    root = Path(tempfile.mkdtemp(prefix="qa-rules-", dir=MEMORY))
    try:
        filled(root, *FILES)
        for folder, patterns in ignored.items():
            (root / folder / ".gitignore").write_text("\n".join(patterns) + "\n", "utf-8")
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        command = ["git", "-c", "core.excludesFile=", "ls-files", "-z", "--others", "--exclude-standard"]
        told = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
        assert listed(root) == sorted(path for path in told if path and not path.endswith(".gitignore"))
    finally:
        shutil.rmtree(root)


def test_what_is_left_out_is_counted_by_the_rule_that_did_it(tmp_path: Path) -> None:
    filled(tmp_path, "a.md", "b.log", "c.log", "sub/d.tmp", "sub/e.md", "drafts/f.md", "g.txt", ".hidden", ".git/x.md")
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "sub" / ".qaignore").write_text("*.tmp\n")
    held = Rules(include=("*.md", "*.log", "*.tmp"), exclude=("drafts/",))
    assert listed(tmp_path, held) == ["a.md", "sub/e.md"]
    assert left_out(tmp_path, held) == {
        ".gitignore: *.log": (2, 0),
        "sub/.qaignore: *.tmp": (1, 0),
        "--exclude drafts/": (0, 1),
        "not in --include": (1, 0),
        "hidden": (3, 1),
    }


def test_a_qaignore_takes_in_again_what_a_gitignore_leaves_out_wherever_that_lies(tmp_path: Path) -> None:
    filled(tmp_path, "data/a.pdf", "data/b.pdf", "c.md")
    (tmp_path / "data" / ".gitignore").write_text("*\n")
    (tmp_path / ".qaignore").write_text("!a.pdf\n")
    assert listed(tmp_path) == ["c.md", "data/a.pdf"]


def test_hidden_files_are_taken_in_when_asked_for_but_those_of_version_control_are_not(tmp_path: Path) -> None:
    filled(tmp_path, ".notes/a.md", ".b.md", ".git/c.md")
    assert listed(tmp_path) == []
    assert listed(tmp_path, Rules(hidden=True)) == [".b.md", ".notes/a.md"]
    assert left_out(tmp_path, Rules(hidden=True)) == {"hidden": (0, 1)}


def test_a_folder_that_is_included_is_included_with_all_that_is_in_it(tmp_path: Path) -> None:
    filled(tmp_path, "a/b/c.md", "a/d.txt", "e.md")
    assert listed(tmp_path, Rules(include=("/a/",))) == ["a/b/c.md", "a/d.txt"]
    assert listed(tmp_path, Rules(include=("*", "!*.txt"))) == ["a/b/c.md", "e.md"]


@pytest.mark.parametrize(("written", "meant"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_pattern_means_a_name_in_whatever_form_it_is_written(tmp_path: Path, written: str, meant: str) -> None:
    name, pattern = unicodedata.normalize(written, "café"), unicodedata.normalize(meant, "café")
    filled(tmp_path, f"{name}/a.md", f"{name}.md", f"sub/{name}/x/{name}.txt")
    (tmp_path / "sub" / name / ".gitignore").write_text(f"{pattern}.*\n", "utf-8")
    assert listed(tmp_path, Rules(exclude=(f"/{pattern}*",))) == []


@pytest.mark.parametrize("pattern", ["a\\", "!", "*a*a*a*a*a*a"])
def test_a_pattern_that_cannot_be_used_is_refused_by_name(pattern: str) -> None:
    for held in (Rules(include=(pattern,)), Rules(exclude=("*.md", pattern))):
        with pytest.raises(UsageError, match="is no pattern that can be used") as caught:
            rules.checked(held)
        assert repr(pattern) in caught.value.what
        assert caught.value.remedy


def test_lines_of_an_ignore_file_that_cannot_be_used_are_told_and_the_others_hold(tmp_path: Path) -> None:
    filled(tmp_path, "a.md", "b.md")
    (tmp_path / ".gitignore").write_bytes(b"\xef\xbb\xbfa.md\n!\n*b*b*b*b*b*b\n\xff\xfe\n")
    found = folders.listing(tmp_path, tmp_path / "index")
    assert list(found.files) == ["b.md"]
    assert [(problem.path, problem.kind) for problem in found.problems] == [(".gitignore", "unreadable")]
    assert "2 lines" in found.problems[0].reason


def test_an_ignore_file_that_is_a_link_or_a_pipe_or_endless_is_not_waited_for(tmp_path: Path) -> None:
    filled(tmp_path, "a.md", "one/b.md", "two/c.md")
    os.mkfifo(tmp_path / ".gitignore")
    (tmp_path / "one" / ".gitignore").symlink_to("/dev/zero")
    (tmp_path / "two" / ".gitignore").write_text("c.md\n" + "x" * (2 * rules.MAX_IGNORE_BYTES))
    assert listed(tmp_path) == ["a.md", "one/b.md"]
    found = folders.listing(tmp_path, tmp_path / "index", Rules())
    assert [problem.path for problem in found.problems] == ["two/.gitignore"]
    assert "1 lines that are no patterns, are too long" in found.problems[0].reason


def test_no_pattern_that_is_taken_makes_matching_slow(tmp_path: Path) -> None:
    filled(tmp_path, "a" * 200 + ".md")
    (tmp_path / ".gitignore").write_text("*a*a*a*b\n**/a/**/a/**/b\n")
    began = time.thread_time()
    assert len(listed(tmp_path)) == 1
    assert time.thread_time() - began < 5


def paths(shelf: Shelf) -> list[str]:
    with shelf.engine() as engine:
        return [source.path for source, _ in engine.documents()]


def test_rules_are_kept_with_the_folder_until_they_are_given_anew(shelf: Shelf) -> None:
    for name in ("a.md", "b.txt", "drafts/c.md"):
        shelf.write(name, story("harbour"))
    report = shelf.index(choice=Choice(include=("*.md",), exclude=("drafts/",)))
    assert report.left_out == (LeftOut("--exclude drafts/", 0, 1), LeftOut("not in --include", 1, 0))
    assert paths(shelf) == ["a.md"]
    assert indexing.index([], shelf.settings).left_out == report.left_out
    shelf.index(choice=Choice(exclude=("",)))
    assert paths(shelf) == ["a.md", "drafts/c.md"]
    with shelf.engine() as engine:
        (folder,) = engine.status()["folders"]
    assert folder == {
        "path": str(shelf.docs),
        "there": True,
        "include": ("*.md",),
        "exclude": (),
        "hidden": False,
        "left_out": [{"rule": "not in --include", "files": 1, "folders": 0}],
    }
    shelf.write(".qaignore", "*.md")
    assert shelf.index().removed == 2
    assert not shelf.ask(QUESTIONS[0]).citations


def test_a_folder_that_is_dropped_is_gone_from_the_index_and_nothing_else_is(shelf: Shelf, tmp_path: Path) -> None:
    shelf.write("a.md", story("harbour"))
    other = Shelf(tmp_path / "more", shelf.settings)
    other.write("b.md", story("bridge"))
    shelf.index(shelf.docs, other.docs)
    shutil.rmtree(other.docs)
    indexer = indexing.Indexer(shelf.settings)
    with pytest.raises(UsageError, match="holds no folder") as caught:
        indexer.drop(tmp_path / "else")
    assert str(shelf.docs) in caught.value.remedy
    assert indexer.drop(Path("more")) == 1
    assert paths(shelf) == ["a.md"]
    assert indexing.index([], shelf.settings).absent == ()
    assert indexer.drop(shelf.docs) == 1
    assert paths(shelf) == []
    assert (shelf.docs / "a.md").exists()
    assert shelf.index().encoded == 3
