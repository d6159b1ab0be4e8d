"""One frozen set of settings: flags over environment over `qa.toml` over defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from qa.errors import UsageError

FILE = "qa.toml"

MAX_BUDGET_MS = 600_000

NONE = "none"
"""Says that there is to be no reader or reranker where nothing cannot be said, as in the environment."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`index`: the folder of the index. `model`: name or path of the embedding model. `cache`: the folder where
    exported models are kept. `threads`: texts encoded side by side, 0 for one a core. `min_confidence`: an answer
    below it is "the documents do not say". `fetch_model`: whether a model that is not on this machine may be
    downloaded. `reader`: name or path of a model that reads the best passages, "bundled" for the one that is part of
    this package, empty or "none" for none; `budget_ms`: for how many milliseconds a question it may read. `reranker`
    and `reranker_ms`: the same for a cross-encoder that puts the best passages in order. `ocr`: whether
    scans and pictures are read by text recognition."""

    index: Path = Path("index")
    model: str = "all-MiniLM-L6-v2"
    cache: Path | None = None
    threads: int = 0
    min_confidence: float = 0.4
    fetch_model: bool = False
    reader: str = "bundled"
    budget_ms: int = 45
    reranker: str = ""
    reranker_ms: int = 200
    ocr: bool = False

    @property
    def model_cache(self) -> Path:
        """Where exported models are kept: as set, else the user's cache folder."""
        if self.cache is not None:
            return self.cache
        from platformdirs import user_cache_path

        return user_cache_path("qa", appauthor=False) / "models"


def settle(
    flags: Mapping[str, Any],
    environment: Mapping[str, str] = os.environ,
    file: Path = Path(FILE),
) -> Settings:
    """The settings in force. Flags that are None were not given; environment variables are named QA_INDEX and so on.

    Raises UsageError for a value that does not fit its setting, naming where it came from.
    """
    settings = Settings()
    for origin, given in (
        (str(file), _from_file(file)),
        ("the environment", _from_environment(environment)),
        ("the command line", {key: value for key, value in flags.items() if value is not None}),
    ):
        known = {field.name: field for field in fields(Settings)}
        for name, value in given.items():
            if name not in known:
                raise UsageError(f"There is no setting {name!r}, given in {origin}.", f"Settings: {', '.join(known)}.")
            settings = replace(settings, **{name: _fitted(name, value, origin)})
    return settings


def _from_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"The settings in {file} cannot be read ({error}).", "Mend it, or move it away.") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    names = {f"QA_{field.name.upper()}": field.name for field in fields(Settings)}
    return {names[key]: value for key, value in environment.items() if key in names and value}


def _fitted(name: str, value: Any, origin: str) -> Any:
    """`value` in the type of the setting `name`."""
    try:
        if name in ("index", "cache") and isinstance(value, (str, Path)) and str(value) and "\0" not in str(value):
            return Path(value)
        if name == "threads" and 0 <= int(value) == float(value) <= 1024:
            return int(value)
        if name == "min_confidence" and 0 <= float(value) <= 1:
            return float(value)
        if name in ("fetch_model", "ocr"):
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[str(value).lower()]
        if name in ("budget_ms", "reranker_ms") and 0 <= int(value) == float(value) <= MAX_BUDGET_MS:
            return int(value)
        if name == "model" and isinstance(value, (str, Path)) and str(value).strip():
            return str(value)
        if name in ("reader", "reranker") and isinstance(value, (str, Path)):
            return "" if str(value).strip().lower() == NONE else str(value).strip()
    except (TypeError, ValueError, KeyError, OverflowError):
        pass
    raise UsageError(f"The setting {name} cannot be {value!r}, given in {origin}.", "See `qa --help` for its range.")
