"""Laws of the settings: flags over environment over file over defaults, and a bad value names where it came from."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.errors import UsageError
from qa.settings import Settings, settle

PATHS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
NAMES = PATHS.filter(str.strip).map(str.strip).filter(lambda name: name.lower() != "none")

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "index": PATHS,
    "cache": PATHS,
    "model": PATHS.filter(str.strip),
    "threads": st.integers(0, 1024),
    "min_confidence": st.floats(0, 1),
    "fetch_model": st.booleans(),
    "reader": NAMES,
    "budget_ms": st.integers(0, 600_000),
    "reranker": NAMES,
    "reranker_ms": st.integers(0, 600_000),
    "ocr": st.booleans(),
}
"""For each setting, values that fit it as TOML and Python write them."""

CHOICES = st.fixed_dictionaries({}, optional=VALUES)


def expected(name: str, value: Any) -> Any:
    return Path(value) if name in ("index", "cache") else value


def written(folder: Path, values: dict[str, Any]) -> Path:
    """A file of settings; JSON's strings, numbers and booleans are TOML's, but for DEL, which it writes as it is."""
    file = folder / "qa.toml"
    lines = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f") for name, value in values.items()
    ]
    file.write_text("\n".join(lines), "utf-8")
    return file


def test_flags_go_before_the_environment_before_the_file_before_the_defaults(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("settings")

    @given(flags=CHOICES, environment=CHOICES, file=CHOICES)
    def check(flags: dict[str, Any], environment: dict[str, Any], file: dict[str, Any]) -> None:
        variables = {f"QA_{name.upper()}": str(value) for name, value in environment.items()}
        not_given = dict.fromkeys(VALUES.keys() - flags.keys())
        found = settle({**flags, **not_given}, variables, written(folder, file))
        for name in VALUES:
            default = getattr(Settings(), name)
            chosen = [expected(name, given[name]) for given in (flags, environment, file) if name in given]
            assert getattr(found, name) == [*chosen, default][0], name

    check()


def test_every_setting_is_tried_here() -> None:
    assert VALUES.keys() == {field.name for field in fields(Settings)}


def test_without_a_file_flags_or_variables_the_defaults_hold(tmp_path: Path) -> None:
    assert settle({}, {}, tmp_path / "qa.toml") == Settings()


@pytest.mark.parametrize("text", ["true", "True", "1", "yes", "YES", "false", "False", "0", "no"])
def test_the_environment_says_yes_and_no_in_the_usual_words(tmp_path: Path, text: str) -> None:
    found = settle({}, {"QA_FETCH_MODEL": text}, tmp_path / "none")
    assert found.fetch_model == (text.lower() in ("true", "1", "yes"))


def test_an_empty_variable_and_one_of_another_name_say_nothing(tmp_path: Path) -> None:
    variables = {f"QA_{name.upper()}": "" for name in VALUES} | {"QA_COLOUR": "blue", "INDEX": "x", "qa_index": "y"}
    assert settle({}, variables, tmp_path / "none") == Settings()


BAD: list[tuple[str, Any]] = [
    ("index", ""),
    ("index", "a\0b"),
    ("index", 7),
    ("index", ["a"]),
    ("cache", ""),
    ("cache", False),
    ("model", ""),
    ("model", "  "),
    ("model", True),
    ("model", ["a"]),
    ("threads", -1),
    ("threads", 1025),
    ("threads", 1.5),
    ("threads", "two"),
    ("threads", float("inf")),
    ("threads", float("nan")),
    ("threads", "9" * 5000),
    ("min_confidence", -0.01),
    ("min_confidence", 1.01),
    ("min_confidence", float("nan")),
    ("min_confidence", "half"),
    ("min_confidence", {}),
    ("reranker", 7),
    ("reranker", ["a"]),
    ("budget_ms", -1),
    ("budget_ms", 600_001),
    ("budget_ms", 0.5),
    ("budget_ms", "long"),
    ("fetch_model", "maybe"),
    ("fetch_model", 2),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda value: repr(value)[:20])
def test_a_value_that_does_not_fit_names_its_setting_and_where_it_came_from(
    tmp_path: Path, name: str, value: Any
) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot be .*the command line") as caught:
        settle({name: value}, {}, tmp_path / "none")
    assert caught.value.remedy
    if isinstance(value, str) and value:
        with pytest.raises(UsageError, match=f"{name} cannot be .*the environment"):
            settle({}, {f"QA_{name.upper()}": value}, tmp_path / "none")
    shown = repr(value) if isinstance(value, float) else json.dumps(value)
    if not isinstance(value, dict):
        file = tmp_path / "qa.toml"
        file.write_text(f"{name} = {shown}", "utf-8")
        with pytest.raises(UsageError, match=f"{name} cannot be .*qa.toml"):
            settle({}, {}, file)


def test_a_bad_value_is_refused_even_where_a_better_one_would_hold(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the environment"):
        settle({"threads": 1}, {"QA_THREADS": "many"}, tmp_path / "none")


def test_a_setting_that_there_is_none_of_is_named_with_those_there_are(tmp_path: Path) -> None:
    file = tmp_path / "qa.toml"
    file.write_text("indx = 'a'", "utf-8")
    with pytest.raises(UsageError, match=r"'indx'.*qa\.toml.*index, model"):
        settle({}, {}, file)


@pytest.mark.parametrize("content", [b"index = ", b"\xff\xfe", b"index = 'a'\nindex = 'b'", b"[[[", b"\0"], ids=repr)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "qa.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"qa\.toml") as caught:
        settle({}, {}, file)
    assert caught.value.remedy


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=str(tmp_path)):
        settle({}, {}, tmp_path)


def test_models_are_kept_where_it_is_set_else_in_the_users_cache(tmp_path: Path) -> None:
    assert replace(Settings(), cache=tmp_path).model_cache == tmp_path
    assert Settings().model_cache.is_absolute()
    assert Settings().model_cache.name == "models"


@pytest.mark.parametrize("name", ["reader", "reranker"])
@pytest.mark.parametrize("value", ["none", "None", " NONE "])
def test_a_model_that_may_be_left_out_is_left_out_by_none(tmp_path: Path, name: str, value: str) -> None:
    """An empty variable of the environment is not given."""
    assert getattr(settle({}, {f"QA_{name.upper()}": value}, tmp_path / "none"), name) == ""
