"""Which of the files below a folder are for indexing: the user's patterns, ignore files in the folder, hidden names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from qa.errors import UsageError
from qa.records import Rules

IGNORE_FILES = (".qaignore", ".gitignore")
"""Files of patterns that hold for the folder they lie in. What the first says goes before what the second does."""

MAX_IGNORE_BYTES = 1 << 20

MAX_STARS = 5
"""Stars between two slashes of a pattern. Each more multiplies the time that matching a long name can take."""

MAX_PATTERN_CHARS = 4096
"""As long as a path can be (PATH_MAX of Linux). Preparing a pattern takes the square of its length: 4 s for a line that
fills an ignore file."""

VERSION_CONTROL = (".git", ".hg", ".svn", ".jj")


class Sieve:
    """The rules of one folder, which learns of ignore files as the folders they lie in are entered. Paths are relative
    to the folder, with "/" between their parts. Names match in whatever form Unicode writes them."""

    def __init__(self, rules: Rules) -> None:
        """See `checked` for what rules must be."""
        self._hidden = rules.hidden
        self._include = _patterns(rules.include)
        self._exclude = _patterns(rules.exclude)
        self._held: dict[str, dict[str, list[_Pattern]]] = {name: {} for name in IGNORE_FILES}

    def learn(self, folder: str, name: str, text: str) -> list[str]:
        """Take over an ignore file of `folder` ("" for the root); the patterns in it that cannot be used."""
        bad: list[str] = []
        held = _patterns(text.splitlines(), bad)
        if held:
            self._held[name][unicodedata.normalize("NFC", folder)] = held
        return bad

    def leaves_out(self, path: str, *, is_folder: bool) -> str:
        """The rule that leaves out a file or folder whose parents are not left out; "" for none."""
        name = path.rpartition("/")[2]
        if name.startswith(".") and (not self._hidden or (is_folder and name in VERSION_CONTROL)):
            return "hidden"
        path = unicodedata.normalize("NFC", path)
        if (found := _last(self._exclude, path, is_folder)) is not None and found.is_positive:
            return f"--exclude {found.text}"
        for kind, folders in self._held.items():
            if not folders:
                continue
            folder = path
            while folder:
                folder = folder.rpartition("/")[0]
                if folder in folders:
                    below = path[len(folder) + 1 :] if folder else path
                    if (found := _last(folders[folder], below, is_folder)) is not None:
                        if not found.is_positive:
                            return self._not_included(path, is_folder)
                        return f"{folder}/{kind}: {found.text}" if folder else f"{kind}: {found.text}"
        return self._not_included(path, is_folder)

    def _not_included(self, path: str, is_folder: bool) -> str:
        if is_folder or not self._include:
            return ""
        for depth in range(path.count("/") + 1):
            part = path.rsplit("/", depth)[0]
            found = _last(self._include, part, depth > 0)
            if found is not None:
                return "" if found.is_positive else "not in --include"
        return "not in --include"


def checked(rules: Rules) -> Rules:
    """The rules without blank patterns. Raises UsageError for a pattern that cannot be used."""
    for option, patterns in (("--include", rules.include), ("--exclude", rules.exclude)):
        bad: list[str] = []
        _patterns(patterns, bad)
        if bad:
            raise UsageError(
                f"{option} {bad[0][:50]!r} is no pattern that can be used.",
                f"Patterns are as in .gitignore, of at most {MAX_PATTERN_CHARS:,} characters and with at most "
                f"{MAX_STARS} stars between two slashes.",
            )
    kept = [tuple(dict.fromkeys(each for each in group if each.strip())) for group in (rules.include, rules.exclude)]
    return Rules(kept[0], kept[1], rules.hidden)


class _Pattern:
    """One line of a .gitignore; `is_positive` unless it begins with "!"."""

    def __init__(self, text: str, regex: re.Pattern[str], *, is_positive: bool) -> None:
        self.text = text
        self.is_positive = is_positive
        self._regex = regex
        # The group that pathspec calls so is the slash after what the pattern itself names.
        self._marks_end = "ps_d" in regex.groupindex

    def names(self, path: str, is_folder: bool) -> bool:
        """Whether it names this file or folder itself, and not one that it lies in. Whatever lies in a folder that is
        left out is never looked at; what lies in one that another line takes in again would else be left out."""
        asked = f"{path}/" if is_folder and self._marks_end else path
        return any(
            not self._marks_end or not found["ps_d"] or found.end("ps_d") == len(asked)
            for found in self._regex.finditer(asked)
        )


def _last(patterns: Sequence[_Pattern], path: str, is_folder: bool) -> _Pattern | None:
    return next((each for each in reversed(patterns) if each.names(path, is_folder)), None)


def _patterns(lines: Iterable[str], bad: list[str] | None = None) -> list[_Pattern]:
    """The patterns that are none go to `bad`; blank lines and comments are skipped."""
    lines = list(lines)
    if not lines:
        return []
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    found = []
    for line in lines:
        text = unicodedata.normalize("NFC", line)
        try:
            stars = (part.replace("**", "*").count("*") for part in text.split("/"))
            if len(text) > MAX_PATTERN_CHARS or any(count > MAX_STARS for count in stars):
                raise ValueError(text)
            pattern = GitIgnoreSpecPattern(text)
        except ValueError:
            if bad is not None:
                bad.append(line)
            continue
        if pattern.regex is not None:
            found.append(_Pattern(text.strip(), pattern.regex, is_positive=bool(pattern.include)))
    return found
