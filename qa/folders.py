"""What there is to read: the files below a folder, and why some of them are not for reading."""

from __future__ import annotations

import os
from pathlib import Path

from qa import formats
from qa.errors import UsageError
from qa.records import Problem


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


def files(root: Path, index_folder: Path) -> tuple[dict[str, os.stat_result], list[Problem]]:
    """The regular files below a root by path, in order, and what could not be listed. Hidden files and folders, and
    the index itself, are left out. Links to folders are not followed, so that none is read twice or for ever, nor are
    links out of the root."""
    if root.is_file():
        return {root.name: root.stat()}, []
    found: dict[str, os.stat_result] = {}
    problems: list[Problem] = []

    def failed(error: OSError) -> None:
        place = Path(error.filename).relative_to(root).as_posix()
        problems.append(_unlisted(place, error))

    skipped = index_folder.resolve()
    for folder, folders, names in os.walk(root, onerror=failed):
        here = Path(folder)
        followed = []
        for name in sorted(name for name in folders if not name.startswith(".")):
            if _is_link(here / name):
                place = _printable((here / name).relative_to(root).as_posix())
                reason = "is a link to a folder, which is not followed"
                problems.append(Problem(place, reason, "Index its target.", "unsupported"))
            elif (here / name) != skipped:
                followed.append(name)
        folders[:] = followed
        for name in sorted(name for name in names if not name.startswith(".")):
            path = (here / name).relative_to(root).as_posix()
            if _printable(path) != path:
                problems.append(problem(path, "has a name that is not valid UTF-8", "Rename it."))
                continue
            if _leads_out(here / name, root):
                reason = "is a link out of the folder, which is not followed"
                problems.append(Problem(path, reason, "Index its target.", "unsupported"))
                continue
            try:
                found[path] = (here / name).stat()
            except OSError:
                # What is wrong with it (a link to itself or to nothing) is said by the reader that fails on it.
                try:
                    found[path] = (here / name).lstat()
                except FileNotFoundError:
                    continue  # deleted since it was listed
                except OSError as error:
                    problems.append(_unlisted(path, error))
    return found, problems


def problem(path: str, reason: str, remedy: str) -> Problem:
    kind = "unreadable" if Path(path).suffix.lower() in formats.supported() else "unsupported"
    return Problem(_printable(path), _printable(reason), remedy, kind)


def _unlisted(place: str, error: OSError) -> Problem:
    reason = f"could not be listed: {error.strerror}"
    return Problem(_printable(place), reason, "Give yourself permission to read it.")


def _printable(text: str) -> str:
    """`text` with what is no Unicode, as in the name of a file whose bytes are not UTF-8, written as escapes."""
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
    return data.decode("utf-8", "backslashreplace")


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:
        return False  # in a folder that may be listed but not entered; entering it fails, which is reported


def _leads_out(path: Path, root: Path) -> bool:
    """Whether a link leads to something outside `root`: an archive from elsewhere could name any file of this
    machine."""
    try:
        return path.is_symlink() and path.exists() and not path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return False  # a link to itself, or in a folder that may not be entered: the reader that fails on it says so
