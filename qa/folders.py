"""What there is to read: the files below a folder, and why some of them are not for reading."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from qa.errors import UnreadableFile, UnsupportedFile, UsageError
from qa.records import LeftOut, Problem, Rules
from qa.rules import IGNORE_FILES, MAX_IGNORE_BYTES, Sieve


@dataclass(frozen=True, slots=True)
class Place:
    """Which folder (or file) lies at a path: numbers of its device and of itself there, and whether a device is
    mounted at it."""

    device: int
    inode: int
    mounted: bool


@dataclass(slots=True)
class Listing:
    """What lies below a root. `files` are the regular ones by path, a folder's own before those in its folders, each in
    order; `problems` say what could not be listed, and `unlisted` are the folders of which no more is known."""

    files: dict[str, os.stat_result] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    left_out: tuple[LeftOut, ...] = ()


def checked(path: Path, index_folder: Path) -> Path:
    """The absolute path of a folder or file to index."""
    shown = _printable(str(path))
    try:
        whole = path.resolve(strict=True)
        if not (whole.is_dir() or whole.is_file()):
            raise UsageError(f"{shown} is neither a folder nor a file.", "Name a folder or a file of documents.")
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"There is nothing to index at {shown}.", "Name a folder or a file that is there.") from error
    if _printable(str(whole)) != str(whole):
        raise UsageError(f"{_printable(str(whole))} has a name that is not valid UTF-8.", "Rename it.")
    if not os.access(whole, os.R_OK):
        raise UsageError(f"{shown} may not be read: permission denied.", "Give yourself permission to read it.")
    if whole.is_relative_to(index_folder.resolve()):
        raise UsageError(
            f"{shown} lies in the index folder {index_folder} itself.", "Name the folder of your documents."
        )
    return whole


def place(root: Path) -> Place | None:
    """None when nothing can be read there."""
    try:
        stat = root.stat()
        return Place(stat.st_dev, stat.st_ino, root.is_mount()) if os.access(root, os.R_OK) else None
    except OSError:
        return None


def is_absent(now: Place | None, then: Place | None, *, is_empty: bool) -> bool:
    """Whether what lies at a root `now` is not what was there `then`, but merely what is left where a device was
    unmounted: an empty folder, or one that no device is mounted at any more. An empty folder that is still the same one
    was emptied."""
    if now is None:
        return True
    if then is None or (now.device, now.inode) == (then.device, then.inode):
        return False
    return is_empty or (then.mounted and not now.mounted)


def listing(root: Path, index_folder: Path, rules: Rules = Rules()) -> Listing:
    """What lies below a root, without what `rules` and the ignore files there leave out, and without the index itself.
    Links to folders are not followed, so that none is read twice or for ever, nor are links out of the root."""
    if root.is_file():
        return Listing(files={root.name: root.stat()})
    found = Listing()
    sieve = Sieve(rules)
    files: Counter[str] = Counter()
    folders: Counter[str] = Counter()
    skipped = index_folder.resolve()
    todo = [""]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(root / folder) as held:
                entries = sorted(held, key=lambda entry: entry.name)
        except FileNotFoundError:
            if not folder:
                raise
            continue  # deleted since it was listed
        except OSError as error:
            found.problems.append(_unlisted(folder, error))
            found.unlisted.append(folder)
            continue
        for entry in entries:
            if entry.name in IGNORE_FILES:
                _learn(sieve, folder, entry, found.problems)
        below = []
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            is_folder = _is_folder(entry)
            if rule := sieve.leaves_out(path, is_folder=is_folder):
                (folders if is_folder else files)[rule] += 1
            elif not is_folder:
                _add(found, entry, path, root)
            elif entry.is_symlink():
                reason = "is a link to a folder, which is not followed"
                found.problems.append(Problem(_printable(path), reason, "Index its target.", "unsupported"))
            elif Path(entry.path) != skipped:
                below.append(path)
        todo.extend(reversed(below))
    found.left_out = tuple(LeftOut(rule, files[rule], folders[rule]) for rule in sorted({*files, *folders}))
    return found


def together(groups: Iterable[tuple[LeftOut, ...]]) -> tuple[LeftOut, ...]:
    """What was left out below several roots, by rule."""
    files: Counter[str] = Counter()
    folders: Counter[str] = Counter()
    for each in (each for group in groups for each in group):
        files[each.rule] += each.files
        folders[each.rule] += each.folders
    return tuple(LeftOut(rule, files[rule], folders[rule]) for rule in sorted(files))


def stat_of(path: Path) -> os.stat_result:
    """Of what a link points to; of the link itself, where that is a link to itself or to nothing. What is wrong with
    it is said by the reader that fails on it. Raises FileNotFoundError where there is nothing."""
    try:
        return path.stat()
    except OSError:
        return path.lstat()


def problem(path: str, error: UnreadableFile) -> Problem:
    """Why the file at `path` was not read, as a problem of the kind that its ending and the error tell."""
    from qa import formats  # forty modules, and whoever asks looks at folders too

    is_supported = formats.has_type(Path(path).name) and not isinstance(error, UnsupportedFile)
    kind = "unreadable" if is_supported else "unsupported"
    return Problem(_printable(path), _printable(error.what), error.remedy, kind)


def _add(found: Listing, entry: os.DirEntry[str], path: str, root: Path) -> None:
    """A file to those found, or what is wrong with it to the problems."""
    if _printable(path) != path:
        found.problems.append(problem(path, UnreadableFile("has a name that is not valid UTF-8", "Rename it.")))
    elif _leads_out(entry, root):
        reason = "is a link out of the folder, which is not followed"
        found.problems.append(Problem(path, reason, "Index its target.", "unsupported"))
    else:
        try:
            found.files[path] = stat_of(Path(entry.path)) if entry.is_symlink() else entry.stat()
        except FileNotFoundError:
            pass  # deleted since it was listed
        except OSError as error:
            found.problems.append(_unlisted(path, error))
            found.unlisted.append(path)


def _learn(sieve: Sieve, folder: str, entry: os.DirEntry[str], problems: list[Problem]) -> None:
    """What an ignore file says. One that cannot be read could let in what its owner wants left out, so it is told."""
    path = _printable(f"{folder}/{entry.name}" if folder else entry.name)
    try:
        if not entry.is_file(follow_symlinks=False):
            return
        with Path(entry.path).open("rb") as file:
            data = file.read(MAX_IGNORE_BYTES)
    except OSError as error:
        reason = f"could not be read: {error.strerror}; what it leaves out was not left out"
        problems.append(Problem(path, reason, "Give yourself permission to read it.", "unreadable"))
        return
    bad = sieve.learn(folder, entry.name, data.decode("utf-8-sig", "replace"))
    if bad:
        what = f"{len(bad)} lines that are no patterns, are too long or have too many stars"
        reason = f"holds {what}: {_printable(bad[0][:50])!r}"
        problems.append(Problem(path, reason, "Mend the line; the others hold.", "unreadable"))


def _unlisted(path: str, error: OSError) -> Problem:
    reason = f"could not be listed: {error.strerror}"
    return Problem(_printable(path), reason, "Give yourself permission to read it.")


def _printable(text: str) -> str:
    """`text` with what is no Unicode, as in the name of a file whose bytes are not UTF-8, written as escapes."""
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
    return data.decode("utf-8", "backslashreplace")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself, or in a folder that may be listed but not entered


def _leads_out(entry: os.DirEntry[str], root: Path) -> bool:
    """Whether a link leads to something outside `root`: an archive from elsewhere could name any file of this
    machine."""
    try:
        if not entry.is_symlink():
            return False
        path = Path(entry.path)
        return path.exists() and not path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return False  # a link to itself, or in a folder that may not be entered: the reader that fails on it says so
