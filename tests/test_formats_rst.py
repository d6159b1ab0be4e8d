"""reStructuredText: headings, tables, code, notes, and the words of directives that docutils does not know."""

from __future__ import annotations

from pathlib import Path

from formats_laws import assert_outlives_mutants, blocks, heading_of, place_of, read, read_or_reason

from qa.formats.rst import MEDIA_TYPE

_GUIDE = """
==========
Tide guide
==========
:Author: Ada

.. contents::

Intro
=====

The tide is *high* at ``noon`` [1]_. See :ref:`the map <map>`, :class:`~qa.Tide`.

.. note:: Mind the rocks.

.. toctree::
   :maxdepth: 2

   one

.. code-block:: python
   :linenos:

   x = 1

.. py:function:: moor(ship)
   :unknown: option

   Moors a *ship*.

- first item
- second item

term
   its definition

Tables
------

.. list-table:: Heights
   :header-rows: 1

   * - Port
     - Height
     - Year
   * - Brest
     - 7 m
     - 2023

.. figure:: x.png
   :unknown: option

.. figure:: y.png

   A caption.

.. include:: %s

.. raw:: html
   :file: %s

.. [1] Seen in 2023.

.. a comment
"""


def test_structure_comes_through_and_the_words_of_unknown_directives(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("canary")
    document = read(_GUIDE % (secret, secret), MEDIA_TYPE)
    assert document.title == "Tide guide"
    assert blocks(document) == [
        ("title", "Tide guide"),
        ("row", "Author: Ada"),
        ("heading", "Intro"),
        ("paragraph", "The tide is high at noon. See the map, qa.Tide."),
        ("paragraph", "Mind the rocks."),
        ("code", "x = 1"),
        ("paragraph", "moor(ship)"),
        ("paragraph", "Moors a ship."),
        ("item", "first item"),
        ("item", "second item"),
        ("item", "term: its definition"),
        ("heading", "Tables"),
        ("caption", "Heights"),
        ("row", "Port: Brest | Height: 7 m | Year: 2023"),
        ("caption", "A caption."),
        ("paragraph", "Seen in 2023."),
    ]
    assert heading_of(document, "Brest") == ("Intro", "Tables")
    assert place_of(document, "noon", "guide.rst") == "guide.rst, Intro"


def test_a_table_out_of_joint_stands_as_it_is_written() -> None:
    document = read("Tides\n=====\n\n====  ====\nA     B\n====  ====\n1     too wide\n====  ===\n", MEDIA_TYPE)
    assert "too wide" in document.text


def test_what_is_too_long_for_the_library_is_read_as_plain_text() -> None:
    document = read("A line. " * 5_000, MEDIA_TYPE)
    assert document.problems == ("Too long to be read as reStructuredText; read as plain text.",)


def test_hostile_and_damaged_files_are_read_or_refused() -> None:
    for unit in ("*", "`a", ".. x::\n", "- ", "=\n", "|", "a\n  ", ".. [1]\n", "_ ", "+-\n", "::\n\n "):
        read_or_reason((unit * (4_000 // len(unit))).encode(), MEDIA_TYPE)
    assert_outlives_mutants((_GUIDE % ("a", "b")).encode(), MEDIA_TYPE)


def test_what_a_role_names_in_angle_brackets_is_its_target_only_after_a_space() -> None:
    found = read("Set :option:`--depth=<metres>` and :prop:`LEVEL_<PORT>`; see :ref:`the map <map>`.\n", MEDIA_TYPE)
    assert found.text == "Set --depth=<metres> and LEVEL_<PORT>; see the map."


def test_of_a_version_it_is_said_what_happened_in_it() -> None:
    found = read(
        ".. versionadded:: 3.1\n\n.. versionchanged:: 3.16\n   The *tide* counts.\n\n   So does the moon.\n\n"
        ".. deprecated:: 4.0 Ask the pilot.\n\n.. versionadded::\n",
        MEDIA_TYPE,
    )
    assert [found.text[block.start : block.end] for block in found.blocks] == [
        "Added in version 3.1",
        "Changed in version 3.16: The tide counts.",
        "So does the moon.",
        "Deprecated since version 4.0: Ask the pilot.",
    ]
