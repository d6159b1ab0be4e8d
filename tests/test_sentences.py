from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qa.records import BLOCK_KINDS, Block, Document, Span
from qa.sentences import MAX_CHARS, NAME, split, split_block

# " | " marks where a sentence ends; it is not part of the text.
CASES = [
    # Abbreviations before a number, and the same words without one
    "As Fig. 3 shows, the rate fell. | It rose in Fig. 4a and Fig. S1.",
    "See figs. 2 and 3. | He ate figs. | Three remained.",
    "Symphony No. 5 is short. | The answer was no. | Then he left.",
    "It was No. 29 in May. | He said no. | She said yes.",
    "Sec. 4 covers it, as does sec. 5. | It took a sec. | Then it stopped.",
    "See pp. 3 and 4, and p. 17. | Read on.",
    "Art. 12 applies. | He likes art. | She does not.",
    "It weighs approx. 3 kg. | It is heavy.",
    "Eq. (2) holds. | Eqs. [3] and [4] do not.",
    "Vol. 2 is lost. | Vol. IV is not, nor is Vol. B, of course.",
    "Turn to para. 3, cl. 2, ch. 4 and pg. 5. | Then stop.",
    "He was born c. 1850. | She died ca. 1900.",
    "The Roads Act, Pub. L. No. 12, 34 Stat. 567, was passed. | It was repealed.",
    "See 15 U.S.C. § 7 et seq. for more. | It is long.",
    "Between 1990 and 2000. | 35 people came in 2001.",
    "Pay Rs. 20 now. | Pay the rest later.",
    # Abbreviations that never end a sentence, and some that may
    "Smith et al. (2020) agree. | Jones et al. disagree. | The rest wait.",
    "We follow Smith et al. [5] here. | They follow Smith et al. | The end came.",
    "Use a tool, e.g. this one. | Or use none.",
    "Two (i.e. both) left. | We stayed.",
    "E.g. the first. | I.e. the second.",
    "The rule (cf. Green) holds. | It is us vs. them. | Nobody wins.",
    "Bring pens, paper, etc. to class. | Bring water, sugar, etc. | Then stir.",
    "The mix (of salt, lime, etc.), was strong. | It burned.",
    "The roots, (leaves, bark, etc.) and then the fruit. | It is ripe.",
    "U.S. firms hire. | They do it in the U.S. | The firm left.",
    "He moved to the U.S. | A year later he left the U.K. | His wife stayed.",
    "He said “in the U.S.” | The crowd cheered.",
    "The U.S. Marshals and a U.S. Senator met. | They spoke.",
    "It stands in Washington, D.C. | Each year it moves.",
    "She has a Ph.D. in physics. | He has an M.D. | They met at work.",
    "Agents of T.H.R.U.S.H. were seen. | T.H.R.U.S.H. Central denied it.",
    "It opens at 9 a.m. on Monday. | It closes at 5 p.m. | The train leaves at six.",
    "The vote is at 5 p.m. Friday. | She arrived at 10 p.m. | It was dark.",
    "Apple Inc. said so. | He joined Apple Inc. | He left.",
    "The firm of Smith & Co. was sold. | It failed.",
    "He came on Jan. 5. | She came on 6 Apr. 2017 and left on Mar. 4 at noon.",
    "Mon. to Fri. we work. | He sat. | The sun set.",
    "Springfield, Ill. Mayor Smith came. | He felt ill. | Doctors came.",
    "It is ok. | John agreed.",
    # Names
    "Dr. No is a film. | It is old.",
    "Mr. and Mrs. Jones came. | So did Messrs. Smith.",
    "Ms. Potato met Dr. Evil. | They ran.",
    "St. Petersburg is cold. | Mt. Everest is high. | He lives on Main St. | The house is old.",
    "Lt. Col. Smith and Brig. Gen. Jones met Msgr. Fox. | They won.",
    "Sen. Young and Gov. Brown spoke. | They left.",
    "J. R. R. Tolkien wrote it. | J.R.R. Tolkien wrote it. | Read it.",
    "William J. Bell wrote it. | He sold it.",
    "George H.W. Bush spoke. | He left.",
    "He took vitamin C. | Doctors were glad.",
    "It was before World War I. | Germany lost.",
    "They went with Plan B. | Nobody was glad.",
    "Yahoo! is a firm. | Yahoo! Inc. was bought.",
    "The .NET runtime is old. | .NET is not small.",
    "A gene makes mRNA. | cDNA is copied. | p53 is seen. | β-catenin is not. | eBay sold it.",
    # Quotation marks and brackets
    'He left." | She stayed.',
    '"He left." | "She stayed."',
    "“I won!” he said. | “You lost.” | Nobody spoke.",
    "“Why now?” asked Jane. | She waited.",
    "“Why?” Morgan asked. | “Because.”",
    "“Why?” | She said nothing.",
    "“First. | Second.” | Third. | ‘Fourth.’ | Fifth.",
    "'Go!' he said. | 'Stay,' she said.",
    "« Viens ! » | « Non. » dit-il. | Elle part.",
    "(He left.) | She stayed.",
    "He left (he was tired). | She stayed.",
    "The plan (see Fig. 3.) failed. | It did.",
    "“The people [of the town] came back.” | Then they went.",
    "Help! (1965) is a film. | He won! | (Nobody knew.) | Then he left.",
    "“Be strong.” (Letters 3:7) was his word. | “Be brave.” | (He was old.)",
    # Marks of notes
    "The debt was repaid.* | To be sure, there were pains.",
    "It was found in 1990.[12] | The rest was lost.[3][4] | All of it.",
    "It was found. [5] | The rest was lost.",
    "It was found.² | The rest was lost.",
    "It was found.12 | The rest was lost, as fig.3 shows.",
    # Points that end nothing, and other ends
    "It costs $3.50 or 4.25 euros. | It is 3.14159 exactly.",
    "See http://example.com/a.b?c=d.e and www.example.org. | Then stop.",
    "Write to a.b@example.com. | Then wait.",
    "Version 2.0.1 is out. | Python 3.11.2 is older.",
    "Call foo.bar() or open a.txt. | Then wait.",
    "What?! | No way! | Really?!! | Yes.",
    "Wait... what is that? | I see... | The end is near.",
    "Wait… what? | So it is… | The end.",
    "And so . . . he left. | Next day he came.",
    "It ended.| The next began. | It was good.",
    "— Who knows? | — I do. | “Never!” — so he spoke.",
    # Text whose words and points were parted by spaces
    "It is large . | It is red .",
    "`` It is large , '' he said . | `` It is red . '' | She left .",
    "Who 's the Cook ? , like others , aged . | It ended .",
    "Some ( e.g. , the red ones ) fell . | Others ( etc . ) did not .",
    # Labels stay with what they name
    "1. Introduction to the matter. | 2. The matter itself.",
    "Figure 3. The rate of growth. | It fell.",
    # A small letter goes on with the sentence, unless nobody here uses capitals
    "The heart of the matter. which is this. | It is said.",
    "this is one. | this is two. | it was in 1990. | then we left.",
    "hello there. | i am fine! | are you? | no.",
    # Lines
    "Roses are red,\nviolets are blue,\nsugar is sweet. | And so\nare you.",
    "See Fig.\n3 and No.\n5 there. | It is\nlate.",
    "10 Downing St.\nLondon\nSW1A 2AA",
    "One without a stop | \n\nTwo without a stop | \r\n\r\nThree",
    # Other scripts
    "我是学生。| 他说：“你好！”| 真的吗？| 是的．| 完",
    "彼は「行く。」と言った。| 「帰る！」| 彼女は泣いた。| ３．１４です。",
    "राम घर गया। | सीता आई॥ | वह कौन है? | वह राम है।",
    "真的吗?| 是的!| 我来了。| 他喜欢Python。| 很好用。| OK.",
    "“你去哪儿？”他问。| “回家。”她轻声说。| “好！”大家都知道。| （他来了。）| 走了。",
    "『走れ！』と叫んだ。| （本当に。）| 人口は3.5万人です。",
    "The firm (会社。) is old. | 社長は田中さんです。| He lives in Tokyo. | 彼は元気だ。",
    'राम ने कहा, "मैं जाऊँगा।" | डॉ. शर्मा आए। | क्या हुआ? | कुछ नहीं।',
    "هل أنت بخير؟ | نعم، أنا بخير. | شكرا لك.",
    "وصل د. أحمد في 5.6.2017. | هل نام؟ | نعم! | قال: «مرحبا.» | ما اسمك؟| اسمي علي.",
    'לאן הלכת? | ד"ר כהן הגיע בשעה 10.30. | הוא אמר: "שלום!" | פרופ\' לוי כתב, עמ\' 45.',
    "این کتاب است. | آیا می‌آیی؟ | بله! | قیمت ۳٫۵ تومان است.",
    "ประเทศไทยมีเมืองหลวงชื่อกรุงเทพมหานคร | มีประชากรสิบล้านคน ตั้งอยู่ริมแม่น้ำเจ้าพระยา | เป็นศูนย์กลาง",
    "ใน พ.ศ. 2560 เปิดเวลา 9.00 น. ถึง 17.00 น. ทุกวัน",
    "สวัสดีครับทุกคนที่มาในวันนี้. | ขอบคุณมากครับ",
    "គាត់ទៅផ្ទះ។ | នាងនៅទីនេះ៕",
    "Αυτό είναι καλό; | Ναι, είναι. | Τέλος.",
    "یہ کتاب ہے۔ | وہ قلم ہے۔",
    "สวัสดีครับผมชื่อจอห์นและผมมาจากเมืองไกล | ผมชอบกินข้าวผัดกับเพื่อนทุกวัน",
    "Он родился в 1990 г. в Москве. | Потом уехал.",
]


def quotes(text: str, kind: str = "paragraph") -> list[str]:
    return [text[span.start : span.end] for span in split_block(text, kind)]


@pytest.mark.parametrize("case", CASES)
def test_sentences_end_where_a_reader_ends_them(case: str) -> None:
    assert quotes(case.replace("| ", "")) == [part.strip() for part in case.split("| ")]


NASTY = [
    *(
        "Fig.",
        "No.",
        "et al.",
        "U.S.",
        "Dr.",
        "e.g.",
        "J.",
        "the",
        "The",
        "said",
        "iPhone",
        "1.",
        "3.14",
        "[12]",
        "(",
        ")",
    ),
    *(
        ".",
        "...",
        "…",
        "!",
        "?",
        ",",
        ";",
        '"',
        "'",
        "“",
        "”",
        "«",
        "»",
        "``",
        "''",
        "—",
        "*",
        "。",
        "」",
        "と",
        "।",
        "؟",
        "ไทย",
    ),
    *(" ", " ", " ", "  ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "\x1c", "\u200b", "\ufeff", "\0"),
    *("e\u0301", "\u0301", "👩\u200d👩", "🇨🇦", "\ud83d", "\ude00", "한", "x" * 600, "word " * 150, "a;" * 400),
]
texts = st.one_of(
    st.text(),
    st.text(st.characters(), max_size=80),
    st.lists(st.sampled_from(NASTY), max_size=60).map("".join),
)
kinds = st.sampled_from(BLOCK_KINDS)


@settings(max_examples=100)
@given(st.lists(st.tuples(kinds, texts, st.sampled_from(["", "\n", "\n\n", "# "])), max_size=4))
@example([("paragraph", "\ud83d\ude00" * 2000, "")])
@example([("code", "\n" * 3000 + "x" + "\n" * 3000, ""), ("row", "a\u0301" * 3000, "")])
def test_sentences_cover_their_block_in_order_and_fit(parts: list[tuple[str, str, str]]) -> None:
    text, blocks = "", []
    for kind, content, between in parts:
        blocks.append(Block(kind, len(text), len(text) + len(content)))
        text += content + between
    document = Document(text, "", "text/plain", tuple(blocks))

    sentences = split(document)

    assert sentences == split(document)
    assert len(sentences) == len(blocks)
    for block, spans in zip(blocks, sentences, strict=True):
        at = block.start
        for span in spans:
            quote = text[span.start : span.end]
            assert quote and quote == quote.strip() and len(quote) <= MAX_CHARS
            assert text[at : span.start].strip() == ""
            at = span.end
        assert at <= block.end and text[at : block.end].strip() == ""
        alone = split_block(text[block.start : block.end], block.kind)
        assert list(spans) == [Span(block.start + span.start, block.start + span.end) for span in alone]


def test_an_upright_bar_typed_for_a_danda_ends_a_sentence_of_hindi_alone() -> None:
    assert quotes("राम आया | सीता गई| वह कौन है?") == ["राम आया |", "सीता गई|", "वह कौन है?"]
    assert quotes("Ram | Sita | Ravi") == ["Ram | Sita | Ravi"]


def test_titles_headings_and_rows_are_one_sentence_however_they_are_punctuated() -> None:
    for kind in ("title", "heading", "row"):
        assert quotes("  Part 1. The start. What then? ", kind) == ["Part 1. The start. What then?"]


def test_a_row_too_long_for_one_sentence_is_split_as_prose() -> None:
    cell = "The cell says that it is so. "
    assert quotes(cell * 60, "row") == [cell.strip()] * 60


def test_code_is_cut_between_lines_and_rather_at_blank_ones() -> None:
    function = "def area(r):\n    # Units. Not checked.\n    return 3.14 * r * r\n"
    code = "\n".join(f"{function}    # {n}\n" for n in range(20))
    groups = quotes(code, "code")
    assert len(groups) > 1
    assert all(group.startswith("def area(r):\n") and len(group) <= 400 for group in groups)
    assert code.split() == "\n".join(groups).split()


def test_a_run_without_ends_is_cut_at_lines_then_semicolons_then_words() -> None:
    line, clause = "w" * 29 + " " + "w" * 29, "so it was " * 4
    assert all(quote.endswith("w" * 29) and len(quote) >= 500 for quote in quotes(f"{line}\n" * 50)[:-1])
    assert all(quote.endswith("was ;") for quote in quotes(f"{clause};" * 90))
    assert all(set(quote.split()) == {"word"} for quote in quotes("word " * 900))
    assert [len(quote) for quote in quotes("w" * 2500)] == [1000, 1000, 500]


@pytest.mark.parametrize(
    "character", ["e\u0301", "👩\u200d👧\u200d👦", "👍🏽", "🇨🇦", "\u1112\u1161\u11ab", "\ud83d\ude00"]
)
def test_a_cut_does_not_part_a_character(character: str) -> None:
    for shift in range(len(character)):
        cuts = quotes("x" * shift + character * 1000)
        assert len(cuts) > 1
        assert all(cut.startswith(character) for cut in cuts[1:])


def test_accents_without_end_are_cut_all_the_same() -> None:
    assert all(len(quote) <= MAX_CHARS for quote in quotes("a" + "\u0301" * 5000))


def test_one_giant_line_has_the_sentences_it_is_made_of() -> None:
    shapes = (
        "In {n} it rose, as Fig. 3 shows.",
        "Mr. Smith paid ${n}.50 to the U.S. firm.",
        "“Why {n}?” he asked.",
        "It fell!",
    )
    made = [shapes[n * n % 4].format(n=n) for n in range(3000)]
    assert quotes(" ".join(made)) == made


HOSTILE = {
    "points": (".", 200_000),
    "exclamations": ("!", 200_000),
    "letters and points": ("a.", 200_000),
    "no white space": ("x", 200_000),
    "digits and points": ("3.14", 200_000),
    "accents": ("\u0301", 200_000),
    "line ends": ("\n \n", 200_000),
    "spaces after points": ("." + " " * 1000, 200_000),
    "note marks": ("a.[1]", 200_000),
    "quotation marks": ('."', 200_000),
    "ideographic stops": ("。", 200_000),
    "ideographic quotations": ("。」と", 200_000),
    "narrow exclamations after ideographs": ("是!", 200_000),
    "bars after Hindi": ("ा |", 200_000),
    "lost spaces": ("end.The ", 200_000),
    "phrases": ("ไทย ", 200_000),
    "parted exclamations": ("! ", 60_000),
    "short sentences": ("a! ", 60_000),
    "initials": ("A. ", 60_000),
    "open brackets": ("e.g. (", 60_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_linear_time(name: str) -> None:
    unit, size = HOSTILE[name]
    text = unit * (size // len(unit))
    split_block("Loads. Punkt.", "paragraph")
    started = time.thread_time()
    for kind in ("paragraph", "code"):
        split_block(text, kind)
    assert time.thread_time() - started < 10


def test_importing_the_room_does_not_import_nltk() -> None:
    code = "import sys, qa.sentences; sys.exit(bool({'nltk', 'punkt', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_splitter_is_named_with_a_version() -> None:
    family, version = NAME.split("/")
    assert family == "punkt-english" and int(version) >= 1
