"""XML: articles by their sections, anything else by its elements; nothing fetched, nothing expanded."""

from __future__ import annotations

from pathlib import Path

import pytest
from formats_laws import assert_outlives_mutants, blocks, heading_of, place_of, quotes, read, read_or_reason

from qa.errors import UnreadableFile
from qa.formats import Limits, parse
from qa.formats.xmlfile import MEDIA_TYPE
from qa.records import Document

_ARTICLE = """<?xml version="1.0"?>
<!DOCTYPE article PUBLIC "-//NLM//DTD JATS//EN" "JATS.dtd">
<article xmlns:xlink="http://www.w3.org/1999/xlink"><front>
<journal-meta><journal-title>Journal of Harbours</journal-title></journal-meta>
<article-meta><article-id>10.1/x</article-id>
<title-group><article-title>On <italic>quays</italic></article-title></title-group>
<contrib-group><contrib><name><surname>Byron</surname><given-names>Ada</given-names></name></contrib></contrib-group>
<pub-date><year>2023</year></pub-date><permissions><p>All rights.</p></permissions>
<abstract><p>Quays are long.</p></abstract></article-meta></front>
<body><sec><title>Methods</title><p>We walked<xref>1</xref> them &#8212; twice:
<list><list-item><p>first north</p></list-item>
<list-item><p>then south</p></list-item></list></p>
<sec><title>Tools</title><p>A <bold>tape</bold> measure of H<sub>2</sub>O.</p>
<table-wrap><label>Table 1</label><caption><p>Lengths.</p></caption>
<table><thead><tr><th>Quay</th><th>Metres</th></tr></thead>
<tbody><tr><td>North</td><td>240</td></tr><tr><td>South</td><td>180</td></tr></tbody></table></table-wrap></sec></sec></body>
<back><ack><p>We thank Bob.</p></ack><ref-list><title>Literature</title><ref><label>1</label><element-citation>
<person-group><name><surname>Carl</surname><given-names>C</given-names></name></person-group><year>1999</year>
<article-title>Walking</article-title><source>Steps</source></element-citation></ref></ref-list></back></article>"""


def test_an_article_is_cited_by_its_sections() -> None:
    document = read(_ARTICLE, MEDIA_TYPE)
    assert document.title == "On quays"
    assert blocks(document) == [
        ("title", "On quays"),
        ("row", "Authors: Ada Byron"),
        ("row", "Published: 2023"),
        ("heading", "Abstract"),
        ("paragraph", "Quays are long."),
        ("heading", "Methods"),
        ("paragraph", "We walked1 them — twice:"),
        ("item", "first north"),
        ("item", "then south"),
        ("heading", "Tools"),
        ("paragraph", "A tape measure of H2O."),
        ("caption", "Table 1. Lengths."),
        ("row", "Quay: North | Metres: 240"),
        ("row", "Quay: South | Metres: 180"),
        ("heading", "Acknowledgements"),
        ("paragraph", "We thank Bob."),
        ("heading", "Literature"),
        ("item", "1 C Carl. 1999. Walking. Steps"),
    ]
    assert heading_of(document, "A tape") == ("Methods", "Tools")
    assert place_of(document, "Bob", "a.xml") == "a.xml, Acknowledgements"


def test_other_xml_is_read_by_its_elements() -> None:
    book = """<book xmlns="http://docbook.org/ns/docbook"><title>Guide</title><chapter><title>Tides</title>
    <para>High at <emphasis>noon</emphasis>.</para><programlisting>x = 1
y = 2</programlisting></chapter></book>"""
    document = read(book, MEDIA_TYPE)
    assert blocks(document)[1:] == [
        ("heading", "Tides"),
        ("paragraph", "High at noon."),
        ("code", "x = 1\ny = 2"),
    ]
    assert heading_of(document, "noon") == ("Guide", "Tides")
    data = """<ships><ship name="Ark"><built>1999</built><port>London</port></ship>
    <ship name="Bee" flag="UK"/><note>Only two.</note></ships>"""
    assert blocks(read(data, MEDIA_TYPE)) == [
        ("row", "name: Ark | built: 1999 | port: London"),
        ("row", "name: Bee | flag: UK"),
        ("paragraph", "Only two."),
    ]


def test_attributes_are_read_where_an_element_says_all_by_them() -> None:
    ports = """<ports><area name="North" sea="cold"><port code="BES" city="Brest"/>
    <port code="CAL" city="Calais"/></area>
    <area title="South"><port name="Nice"/></area><link href="x"/></ports>"""
    document = read(ports, MEDIA_TYPE)
    assert blocks(document) == [
        ("heading", "North"),
        ("row", "name: North | sea: cold"),
        ("row", "code: BES | city: Brest"),
        ("row", "code: CAL | city: Calais"),
        ("heading", "South"),
        ("row", "port: Nice"),
    ]
    assert heading_of(document, "Brest") == ("North",)


def test_a_page_of_xhtml_is_read_as_a_page() -> None:
    page = '<html xmlns="http://www.w3.org/1999/xhtml"><body><nav>About</nav><h1>Tides</h1><p>High.</p></body></html>'
    assert quotes(read(page, MEDIA_TYPE), "paragraph") == ["High."]


def test_entities_are_never_put_in_nor_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("canary")
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    with pytest.raises(UnreadableFile, match="grow without bound"):
        parse(f'<!DOCTYPE a [<!ENTITY e0 "boom">{bomb}]><a>&e11;</a>'.encode(), MEDIA_TYPE, Limits())
    source = f"""<!DOCTYPE a [<!ENTITY e0 "boom"><!ENTITY file SYSTEM "{secret.as_uri()}">]>
    <a><p>Before &e0; after.</p><p>&file;A file.</p></a>"""
    document = read(source, MEDIA_TYPE)
    assert quotes(document, "paragraph") == ["Before after.", "A file."]
    assert document.problems == ("Entities that the file defines were left out.",)
    known = '<!DOCTYPE a SYSTEM "a.dtd"><a><p>Caf&eacute; &mdash; &amp;c.</p></a>'
    assert quotes(read(known, MEDIA_TYPE), "paragraph") == ["Café — &c."]


def test_what_is_not_well_formed_is_refused_with_the_place_of_the_mistake() -> None:
    with pytest.raises(UnreadableFile, match="line 2"):
        parse(b"<a>\n<b></a>", MEDIA_TYPE, Limits())
    with pytest.raises(UnreadableFile, match="more markup"):
        parse(b"<a>" + b"<b/>" * 100 + b"</a>", MEDIA_TYPE, Limits(max_tags=50))


def test_hostile_and_damaged_files_are_read_or_refused() -> None:
    for source in (
        "<a>" * 100_000,
        "<a>" * 200 + "x" + "</a>" * 200,
        f"<a {'b' * 200_000}='1'/>",
        "<a><p>x</p></a>" * 2,
    ):
        read_or_reason(source.encode(), MEDIA_TYPE)
    wide = f"<a>{'<b><c/>x</b>' * 30_000}</a>"
    assert isinstance(read_or_reason(wide.encode(), MEDIA_TYPE), Document)
    assert_outlives_mutants(_ARTICLE.encode(), MEDIA_TYPE)
