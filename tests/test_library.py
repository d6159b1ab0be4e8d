"""Laws of the truth on disk."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelf import without_privileges

from qa.database import FILE, seal_of
from qa.errors import IndexBusy, IndexMissing, IndexUnusable, QAError, UsageError
from qa.library import FORMAT, Library, Maker, Read, Root, below, identity
from qa.records import BLOCK_KINDS, Block, Document, Encoding, Locator, Passage, Problem, Source, Span, Turn
from qa.rows import blocks_from_json, passage_key

MAKER = Maker("a model", "0123456789abcdef", "tokens", 4, "punkt-1")
TEXT = "The ferry leaves at noon. It is blue.\n\nNobody knows why."
BLOCKS = (
    Block("paragraph", 0, 37, Locator(("Ferries",), 3, "iii", 1), (Turn(26, Locator(("Ferries",), 4, "iv")),)),
    Block("item", 39, 56, Locator(line=3)),
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = Library.create(tmp_path / "index", MAKER)
    yield library
    library.close()


def encoding(sentences: int, seed: int = 0) -> Encoding:
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(sentences, MAKER.dimensions)).astype(np.float32)
    tokens = chance.integers(0, 5, sentences)
    codes = chance.integers(0, 256, (int(tokens.sum()), 1)).astype(np.uint8)
    return Encoding(rows / np.linalg.norm(rows, axis=1, keepdims=True), tokens, codes)


def equal(one: Encoding, other: Encoding) -> bool:
    return (
        np.array_equal(one.vectors, other.vectors)
        and np.array_equal(one.tokens, other.tokens)
        and np.array_equal(one.codes, other.codes)
    )


def document(text: str = TEXT, title: str = "On ferries", blocks: tuple[Block, ...] = BLOCKS) -> Document:
    return Document(text, title, "text/plain", blocks, ("1 of 2 pages has no text",))


def read(root: Root, path: str, of: Document | None = None, mark: str = "aa", passages: int = 2) -> Read:
    """`of` as if read from the file at `path`, in passages of whole blocks."""
    of = of or document()
    source = Source(identity(root, path), path, of.title, of.media_type, mark, 99, 10**18)
    cut = [(Span(b.start, (b.start + b.end) // 2), Span((b.start + b.end) // 2, b.end)) for b in of.blocks[:passages]]
    packed = [Passage(spans[0].start, spans[-1].end, spans, of.title, Locator()) for spans in cut]
    return Read(root, source, of, packed, [encoding(2, seed) for seed in range(len(packed))])


def put(library: Library, *reads: Read) -> None:
    with library.writing():
        for one in reads:
            library.put(one)


def root_of(library: Library, path: str = "/somewhere/docs") -> Root:
    with library.writing():
        return library.add_root(Path(path))


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any text, cut into blocks anywhere."""
    text = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=2, max_size=80))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), min_size=2, max_size=6)))
    places = st.builds(
        Locator,
        st.lists(TEXTS, max_size=2).map(tuple),
        st.none() | st.integers(1, 99),
        st.none() | TEXTS,
        st.none() | st.integers(1, 99),
        TEXTS,
        TEXTS,
    )
    turns = st.lists(st.builds(Turn, st.integers(0, 80), places), max_size=2).map(tuple)
    blocks = tuple(
        Block(draw(st.sampled_from(BLOCK_KINDS)), start, end, draw(places), draw(turns))
        for start, end in pairwise(cuts)
    )
    return Document(text, draw(TEXTS), "text/plain", blocks, tuple(draw(st.lists(TEXTS, max_size=2))))


def test_a_document_comes_back_as_it_was_put(tmp_path_factory: pytest.TempPathFactory) -> None:
    library = Library.create(tmp_path_factory.mktemp("index"), MAKER)
    root = root_of(library)

    @given(documents(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
    def check(given: Document, path: str) -> None:
        one = read(root, path, given, passages=9)
        with library.writing():
            for source in library.sources():
                library.remove(source.id)
            library.put(one)
        assert library.document(one.source.id) == given
        assert library.sources() == (one.source,)
        found = list(library.passages())
        assert [(name, text) for name, text, _, _ in found] == [(one.source.id, given.text)] * len(one.passages)
        assert [passage.sentences for _, _, passage, _ in found] == [passage.sentences for passage in one.passages]
        assert all(equal(stored, held[3]) for stored, held in zip(one.encodings, found, strict=True))

    check()
    library.close()


def test_a_new_library_is_empty_at_commit_one_and_says_its_maker(library: Library) -> None:
    assert (library.commit, library.maker, library.counts()) == (1, MAKER, (0, 0, 0))
    assert library.sources() == library.roots() == library.problems() == ()
    assert list(library.passages()) == []


def test_two_libraries_are_told_apart_by_their_birth(library: Library, tmp_path: Path) -> None:
    other = Library.create(tmp_path / "other", MAKER)
    assert library.birth != other.birth
    other.close()


def test_a_library_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    """What a process that was killed while it made one leaves behind is no library, and in nobody's way."""
    folder = tmp_path / "index"
    folder.mkdir()
    for left in (f".new-{FILE}", f".new-{FILE}-journal", f".new-{FILE}-wal"):
        (folder / left).write_bytes(b"half of something")
    with pytest.raises(IndexMissing):
        Library.open(folder)
    library = Library.create(folder, MAKER)
    assert library.commit == 1
    library.close()
    assert [path.name for path in folder.iterdir()] == [FILE]


def test_each_transaction_counts_as_one_commit_and_a_failed_one_as_none(library: Library) -> None:
    root = root_of(library)
    put(library, read(root, "a.txt"), read(root, "b.txt"))
    before = library.commit, library.sources()
    with pytest.raises(ZeroDivisionError), library.writing():
        library.put(read(root, "c.txt"))
        library.remove(before[1][0].id)
        _ = 1 / 0
    assert (library.commit, library.sources()) == before
    put(library, read(root, "c.txt"))
    assert library.commit == before[0] + 1


def test_putting_a_document_again_replaces_all_of_it(library: Library) -> None:
    root = root_of(library)
    put(library, read(root, "a.txt"))
    put(library, read(root, "a.txt", document("Another text, in one block.", "New", BLOCKS[:0]), mark="bb", passages=0))
    assert library.counts() == (1, 0, 0)
    assert library.sources()[0].sha256 == "bb"


@pytest.mark.parametrize("again", [False, True])
def test_a_removed_document_takes_its_passages_along(library: Library, again: bool) -> None:
    root = root_of(library)
    put(library, read(root, "a.txt"), read(root, "b.txt"))
    writer = Library.open(library.folder, write=True) if again else library
    with writer.writing():
        writer.remove(identity(root, "a.txt"))
    assert library.counts() == (1, 2, 4)
    if again:
        writer.close()
    with pytest.raises(UsageError, match="no document"):
        library.document(identity(root, "a.txt"))
    assert library.file(identity(root, "a.txt")) is None


def test_a_touched_document_keeps_all_but_its_time_and_size(library: Library) -> None:
    root = root_of(library)
    put(library, read(root, "a.txt"))
    old = library.sources()[0]
    with library.writing():
        library.touch(replace(old, modified_ns=5, size=6, title="not this"))
    assert library.sources() == (replace(old, modified_ns=5, size=6),)


def test_encodings_are_found_again_by_what_their_passage_says(library: Library) -> None:
    one = read(root_of(library), "a.txt")
    put(library, one)
    keys = [passage_key(passage, TEXT) for passage in one.passages]
    found = library.encodings_of([*keys, b"of no passage"])
    assert set(found) == set(keys)
    assert all(equal(found[key], stored) for key, stored in zip(keys, one.encodings, strict=True))


def test_blocks_stored_before_places_had_words_are_read() -> None:
    stored = '[["paragraph",0,4,["A"],2,"ii",7],["row",5,9,[],null,null,null,"Costs!B7","cells"]]'
    assert blocks_from_json(stored) == (
        Block("paragraph", 0, 4, Locator(("A",), 2, "ii", 7)),
        Block("row", 5, 9, Locator(place="Costs!B7", kind="cells")),
    )


def test_a_passage_key_stands_for_context_text_and_sentences_but_not_for_the_place() -> None:
    spans = (Span(0, 25), Span(26, 37))
    passage = Passage(0, 37, spans, "On ferries", Locator())
    key = passage_key(passage, TEXT)
    moved = Passage(3, 40, tuple(Span(s.start + 3, s.end + 3) for s in spans), "On ferries", Locator(page=9))
    assert passage_key(moved, f"...{TEXT}") == key
    others = [
        passage_key(replace(passage, context="On boats"), TEXT),
        passage_key(replace(passage, sentences=(Span(0, 24), Span(26, 37))), TEXT),
        passage_key(passage, TEXT.replace("blue", "bleu")),
        passage_key(replace(passage, sentences=(Span(0, 37),)), TEXT),
    ]
    assert len({key, *others}) == 5


def test_a_documents_id_depends_on_its_place_below_its_root_alone() -> None:
    one = identity(Root(1, Path("/old/docs"), "docs"), "a/b.txt")
    assert one == identity(Root(7, Path("/new/docs"), "docs"), "a/b.txt")
    assert one not in (
        identity(Root(1, Path("/old/docs"), "docs-2"), "a/b.txt"),
        identity(Root(1, Path("/"), "d"), "x"),
    )
    assert len(one) == 18
    assert one.startswith("d_")


def test_roots_of_the_same_name_get_names_of_their_own(library: Library) -> None:
    paths = ["/a/docs", "/b/docs", "/c/docs-2", "/d/docs", "/"]
    roots = [root_of(library, path) for path in paths]
    assert [root.name for root in roots] == ["docs", "docs-2", "docs-2-2", "docs-3", "root"]
    assert [root_of(library, path) for path in paths] == roots


def test_with_several_roots_every_path_begins_with_its_roots_name(library: Library) -> None:
    first = root_of(library)
    put(library, read(first, "a.txt"))
    assert [source.path for source in library.sources()] == ["a.txt"]
    second = root_of(library, "/elsewhere/docs")
    put(library, read(second, "a.txt"))
    with library.writing():
        library.set_problems(second, [Problem("b.pdf", "is empty")])
    assert [source.path for source in library.sources()] == ["docs-2/a.txt", "docs/a.txt"]
    assert list(library.known(second)) == ["a.txt"]
    assert [(p.path, p.kind) for p in library.problems()] == [
        ("docs-2/a.txt", "partial"),
        ("docs-2/b.pdf", "unreadable"),
        ("docs/a.txt", "partial"),
    ]
    assert library.problems_of(first) == []


def test_a_file_below_a_root_is_the_root_itself_only_where_that_is_a_file(tmp_path: Path) -> None:
    folder, file = tmp_path / "notes.txt", tmp_path / "more" / "notes.txt"
    (folder / "deep").mkdir(parents=True)
    (folder / "notes.txt").touch()
    file.parent.mkdir()
    file.touch()
    assert below(folder, "notes.txt") == folder / "notes.txt"
    assert below(folder, "deep/notes.txt") == folder / "deep" / "notes.txt"
    assert below(file, "notes.txt") == file
    (folder / "notes.txt").unlink()
    file.unlink()
    assert not below(folder, "notes.txt").exists()
    assert not below(file, "notes.txt").exists()


def test_a_reader_sees_one_state_inside_reading_and_the_next_one_after(library: Library) -> None:
    root = root_of(library)
    put(library, read(root, "a.txt"))
    reader = Library.open(library.folder)
    with reader.reading():
        before = reader.commit, reader.sources()
        put(library, read(root, "b.txt"))
        assert (reader.commit, reader.sources()) == before
        assert reader.counts() == (1, 2, 4)
    assert reader.commit == before[0] + 1
    assert len(reader.sources()) == 2
    reader.close()


def test_a_second_transaction_beside_an_open_one_is_refused_as_busy(library: Library) -> None:
    other = Library.open(library.folder, write=True)
    other._database._connection.execute("PRAGMA busy_timeout = 10")
    with library.writing(), pytest.raises(IndexBusy), other.writing():
        pass
    other.close()


def test_a_reader_follows_a_library_that_was_deleted_and_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    Library.create(folder, MAKER).close()
    reader = Library.open(folder)
    birth = reader.birth
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(IndexMissing):
        _ = reader.commit
    new = Library.create(folder, MAKER)
    root_of(new)
    assert (reader.commit, reader.birth) == (2, new.birth)
    assert new.birth != birth
    new.close()
    reader.close()


def damaged(folder: Path, change: Callable[[bytes], bytes]) -> None:
    (folder / FILE).write_bytes(change((folder / FILE).read_bytes()))


def filled(folder: Path, texts: int = 12) -> list[Read]:
    library = Library.create(folder, MAKER)
    root = root_of(library)
    reads = [
        read(root, f"{i}.txt", document(f"{TEXT[:39]}In year {i} {'of the ferry ' * 40}", f"T{i}"))
        for i in range(texts)
    ]
    put(library, *reads)
    library.close()
    return reads


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data: b"", "damaged"),
        (lambda data: data[:100], "damaged"),
        (lambda data: b"This is a text and no data base.\n" * 200, "damaged"),
        (lambda data: bytes(len(data)), "damaged"),
        (lambda data: data[:4096], "damaged"),
    ],
    ids=["empty", "its head only", "a text", "zeros", "one page"],
)
def test_a_file_that_is_no_whole_library_is_named_as_damaged_and_left_alone(
    tmp_path: Path, change: Callable[[bytes], bytes], named: str
) -> None:
    filled(tmp_path)
    damaged(tmp_path, change)
    before = (tmp_path / FILE).read_bytes()
    for write in (False, True):
        with pytest.raises(IndexUnusable, match=named) as caught:
            list(Library.open(tmp_path, write=write).passages())
        assert f"qa index FOLDER --index {tmp_path}" in caught.value.remedy
    assert (tmp_path / FILE).read_bytes() == before


def test_a_library_cut_short_anywhere_is_named_as_damaged(tmp_path: Path) -> None:
    filled(tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    for size in range(4096, len(whole), 4096):
        (tmp_path / FILE).write_bytes(whole[:size])
        with pytest.raises(IndexUnusable, match="damaged"):
            everything(tmp_path)


def everything(folder: Path) -> list[tuple[object, ...]]:
    """All that answers are made of, as it is read."""
    library = Library.open(folder)
    try:
        about: list[tuple[object, ...]] = [(library.roots(), library.maker, library.commit, library.birth)]
        about += [(source, library.document(source.id), library.file(source.id)) for source in library.sources()]
        read = [
            (name, text, passage, encoded.vectors.tobytes(), encoded.tokens.tobytes(), encoded.codes.tobytes())
            for name, text, passage, encoded in library.passages()
        ]
        return [*about, *read]
    finally:
        library.close()


def byte_flipped(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def page_zeroed(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) // 4096) * 4096
    return data[:at] + bytes(4096) + data[at + 4096 :]


def page_exchanged(data: bytes, chance: random.Random) -> bytes:
    at, other = (chance.randrange(len(data) // 4096) * 4096 for _ in range(2))
    return data[:at] + data[other : other + 4096] + data[at + 4096 :]


def page_scribbled_over(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    start = chance.randrange(len(data) // 4096) * 4096
    for _ in range(20):
        changed[start + chance.randrange(4096)] = chance.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize(
    ("harm", "times"),
    [(byte_flipped, 300), (page_zeroed, 30), (page_exchanged, 100), (page_scribbled_over, 100)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_however_its_file_is_harmed_a_library_reads_as_it_was_or_is_named_as_damaged(
    tmp_path: Path, harm: Callable[[bytes, random.Random], bytes], times: int
) -> None:
    filled(tmp_path)
    expected = everything(tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    chance = random.Random(2)
    noticed = 0
    for _ in range(times):
        (tmp_path / FILE).write_bytes(harm(whole, chance))
        try:
            assert everything(tmp_path) == expected
        except QAError as error:
            assert isinstance(error, IndexUnusable), error
            noticed += 1
    assert noticed > times / 6


def test_damage_in_each_part_of_a_passage_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path, texts=1)
    for column, value in (
        ("encoding", "zeroblob(length(encoding))"),
        ("encoding", "substr(encoding, 1, 20)"),
        ("encoding", "zeroblob(0)"),
        ("spans", "zeroblob(length(spans))"),
        ("spans", "substr(spans, 1, 7)"),
        ("spans", "zeroblob(0)"),
        ("context", "'another'"),
        ("key", "zeroblob(32)"),
    ):
        with sqlite3.connect(tmp_path / FILE) as connection:
            old = connection.execute(f"SELECT {column} FROM passages WHERE id = 1").fetchone()[0]
            connection.execute(f"UPDATE passages SET {column} = {value} WHERE id = 1")
        with pytest.raises(IndexUnusable, match="damaged"):
            everything(tmp_path)
        with sqlite3.connect(tmp_path / FILE) as connection:
            connection.execute(f"UPDATE passages SET {column} = ? WHERE id = 1", (old,))
    assert everything(tmp_path)


def restate(folder: Path, name: str, value: str | None) -> None:
    """Change, or take away, what a library says about itself, as a program would that means it."""
    with sqlite3.connect(folder / FILE) as connection:
        rows = dict(connection.execute("SELECT name, value FROM meta"))
        rows = {key: held for key, held in rows.items() if key not in (name, "seal")} | ({name: value} if value else {})
        connection.execute("DELETE FROM meta")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", [*rows.items(), ("seal", seal_of(rows))])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DELETE FROM documents WHERE path = '3.txt'", "documents are missing"),
        ("DELETE FROM passages WHERE id = 3", "a passage of document"),
        ("DELETE FROM roots", "list of folders"),
        ("UPDATE roots SET path = '/elsewhere'", "list of folders"),
        ("UPDATE meta SET value = 'another model' WHERE name = 'maker.model'", "says about itself"),
        ("UPDATE meta SET value = '7' WHERE name = 'commit'", "says about itself"),
        (
            "UPDATE passages SET document = (SELECT id FROM documents WHERE path = '4.txt'), ordinal = 9 WHERE id = 1",
            "a passage of",
        ),
        ("UPDATE documents SET path = '99.txt' WHERE path = '4.txt'", "about document"),
    ],
)
def test_what_is_lost_or_elsewhere_than_it_was_put_is_noticed(tmp_path: Path, change: str, named: str) -> None:
    filled(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute(change).rowcount
    with pytest.raises(IndexUnusable, match=named):
        everything(tmp_path)


def test_documents_exchanged_in_the_tree_of_their_ids_are_noticed(tmp_path: Path) -> None:
    """SQLite follows an entry to a row, and does not compare what it finds there with what it looked for."""
    filled(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as connection:
        rows = connection.execute("SELECT id, text, title, media_type, blocks, problems, content_seal FROM documents")
        (one, *of_one), (other, *of_other) = rows.fetchmany(2)
        query = (
            "UPDATE documents SET text = ?, title = ?, media_type = ?, blocks = ?, problems = ?, content_seal = ? "
            "WHERE id = ?"
        )
        connection.execute(query, (*of_other, one))
        connection.execute(query, (*of_one, other))
    library = Library.open(tmp_path)
    for name in (one, other):
        with pytest.raises(IndexUnusable, match=name):
            library.document(name)
    library.close()


@pytest.mark.parametrize("name", ["format", "birth", "commit", "maker.model", "maker.dimensions"])
def test_a_library_that_does_not_say_what_it_is_is_named_as_damaged(tmp_path: Path, name: str) -> None:
    filled(tmp_path, texts=1)
    restate(tmp_path, name, None)
    with pytest.raises(IndexUnusable, match=name):
        Library.open(tmp_path)


def test_a_library_of_another_format_is_refused_naming_both_numbers(tmp_path: Path) -> None:
    filled(tmp_path, texts=1)
    restate(tmp_path, "format", "99")
    with pytest.raises(IndexUnusable, match=f"has format 99; this version reads format {FORMAT}") as caught:
        Library.open(tmp_path)
    assert "qa index FOLDER" in caught.value.remedy


def test_where_there_is_no_library_the_command_that_makes_one_is_named(tmp_path: Path) -> None:
    spaced = tmp_path / "my index"
    (tmp_path / "file").touch()
    for folder in (spaced, tmp_path, tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(IndexMissing, match="no index"):
            Library.open(folder)
    with pytest.raises(IndexMissing, match=f"qa index FOLDER --index '{spaced}'"):
        Library.open(spaced)


def test_no_library_is_made_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="No index can be made"):
        Library.create(tmp_path / "file", MAKER)


@pytest.mark.parametrize(
    "name", ["with space", "per%20cent", "quest?ion", "ha#sh", "ü 🦀", os.fsdecode(b"not-\xff-utf8")]
)
def test_a_library_lives_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    Library.create(tmp_path / name, MAKER).close()
    library = Library.open(tmp_path / name, write=True)
    assert root_of(library).id == 1
    library.close()
    assert [path.name for path in (tmp_path / name).iterdir()] == [FILE]


PROBE = """
import sys
from pathlib import Path
from qa.errors import QAError
from qa.library import Library
try:
    library = Library.open(Path(sys.argv[1]), write="write" in sys.argv)
    if "write" in sys.argv:
        with library.writing():
            pass
    print(library.counts(), library.commit)
except QAError as error:
    print(type(error).__name__, error)
"""


def probed(folder: Path, *how: str) -> str:
    """What a process that is bound by file modes finds in `folder`."""
    command = [sys.executable, "-c", PROBE, str(folder), *how]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=without_privileges, check=False)
    assert done.stderr == ""
    return done.stdout


def test_a_library_on_read_only_ground_is_read_and_not_written(tmp_path: Path) -> None:
    filled(tmp_path, texts=1)
    (tmp_path / FILE).chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        assert probed(tmp_path) == "(1, 2, 4) 3\n"
        assert probed(tmp_path, "write").startswith("UsageError")
        (tmp_path / FILE).chmod(0o000)
        assert "may not be read" in probed(tmp_path)
        assert "delete" not in probed(tmp_path)
        tmp_path.chmod(0o000)
        assert "may not be read" in probed(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_a_library_whose_last_commits_are_in_a_log_that_cannot_be_used_is_not_read_without_them(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    filled(home, texts=1)
    library = Library.open(home, write=True)
    root_of(library, "/later")
    copy.mkdir()
    for name in (FILE, f"{FILE}-wal"):  # what a writer leaves that is killed, but for what it shares in memory
        (copy / name).write_bytes((home / name).read_bytes())
    library.close()
    copy.chmod(0o500)
    try:
        said = probed(copy)
        assert said.startswith("UsageError")
        assert "read-only" in said
        copy.chmod(0o700)
        assert probed(copy) == "(1, 2, 4) 4\n"
    finally:
        copy.chmod(0o700)


def test_a_reader_on_read_only_ground_notices_that_the_library_changed(tmp_path: Path) -> None:
    """It has no log to share with a writer, so it opens the file anew."""
    filled(tmp_path, texts=1)
    script = PROBE.replace(
        "print(library.counts(), library.commit)", "print(library.commit, flush=True); input(); print(library.commit)"
    )
    tmp_path.chmod(0o500)
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=without_privileges,
    ) as reader:
        try:
            assert reader.stdin is not None
            assert reader.stdout is not None
            assert reader.stdout.readline() == "3\n"
            tmp_path.chmod(0o700)
            library = Library.open(tmp_path, write=True)
            root_of(library, "/later")
            library.close()
            tmp_path.chmod(0o500)
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == "4\n"
        finally:
            tmp_path.chmod(0o700)
            reader.kill()
