"""Source code: the file itself, each block at its line below the names of what it stands in."""

from __future__ import annotations

import pytest
from formats_laws import assert_outlives_mutants, place_of, read, read_or_reason
from hypothesis import given
from hypothesis import strategies as st

from qa.formats.code import MEDIA_TYPE
from qa.records import Document

_PYTHON = '''"""Harbours."""

import os


class Quay:
    """A place for ships."""

    length = 240

    @property
    def depth(self) -> float:
        # It silts up.
        return 7.5

    async def moor(
        self,
    ) -> None:
        pass


def main() -> None:
    if True:
        print("moored")

    raise ValueError("full")


LIMIT = 3
'''


def test_python_is_cited_by_class_function_and_line() -> None:
    document = read(_PYTHON, MEDIA_TYPE)
    assert document.text == _PYTHON
    for quote, place in {
        "Harbours": "line 1",
        "A place for ships": "Quay, line 6",
        "length = 240": "Quay, line 9",
        "It silts up": "Quay.depth, line 11",
        "pass": "Quay.moor, line 16",
        "moored": "main, line 22",
        "full": "main, line 26",
        "LIMIT": "line 29",
    }.items():
        assert place_of(document, quote, "quay.py") == f"quay.py, {place}"


@pytest.mark.parametrize(
    ("source", "quote", "place"),
    [
        ("#include <x>\n\nstatic int add(int a, int b)\n{\n    return a + b;\n}\n", "return", "add, line 3"),
        ("export class Ship {\n  async load(id: string) {\n    go();\n  }\n}\n", "go()", "Ship.load, line 2"),
        ("package x\n\nfunc (q *Quay) Moor() error {\n\treturn nil\n}\n", "nil", "Moor, line 3"),
        ("pub struct A;\n\nimpl A {\n    pub(crate) fn run(&self) {\n        x();\n    }\n}\n", "x()", "A.run, line 4"),
        ("module Port\n  class Ship\n    def sail\n      go\n    end\n  end\nend\n", "go", "Port.Ship.sail, line 3"),
        ("CREATE TABLE ships (\n  id int\n);\n", "id int", "ships, line 1"),
        ("[project]\nname = 'x'\n\n[tool.y]\nz = 1\n", "z = 1", "tool.y, line 4"),
        (
            "public class A {\n    public void run(String a) throws X {\n        b();\n    }\n}\n",
            "b()",
            "A.run, line 2",
        ),
    ],
)
def test_the_names_around_a_block_are_found_in_many_languages(source: str, quote: str, place: str) -> None:
    assert place_of(read(source, MEDIA_TYPE), quote, "a.x") == f"a.x, {place}"


def test_a_call_or_a_condition_defines_nothing() -> None:
    source = "int main(void) {\n    if (a) {\n        raise X(1);\n\n        return foo(2);\n    }\n}\n"
    assert place_of(read(source, MEDIA_TYPE), "foo(2)", "a.c") == "a.c, main, line 5"


def test_hostile_and_damaged_files_are_read_or_refused() -> None:
    for unit in ("public ", "a ", "a<", "(", "def ", "\t", "}\n", "[", "x(\n"):
        read_or_reason((unit * 50_000).encode(), MEDIA_TYPE)
        read_or_reason((f"{unit * (480 // len(unit))}\n" * 200).encode(), MEDIA_TYPE)
    assert_outlives_mutants(_PYTHON.encode(), MEDIA_TYPE)


@given(lines=st.lists(st.text(st.sampled_from("ab (){}[]:;#@\t\r\u2028"), max_size=12), max_size=30))
def test_every_line_is_in_a_block_and_every_block_at_its_line(lines: list[str]) -> None:
    source = "\n".join(lines)
    found = read_or_reason(source.encode(), MEDIA_TYPE)
    if isinstance(found, Document):
        assert found.text == source
        for block in found.blocks:
            before = source[: block.start].replace("\r\n", "\n").replace("\r", "\n")
            assert block.locator.line == 1 + before.count("\n")
        held = "".join(found.text[block.start : block.end] for block in found.blocks)
        assert "".join(held.split()) == "".join(source.split())
    else:
        assert not source.strip()
