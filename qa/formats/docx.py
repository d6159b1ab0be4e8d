"""Word documents: turned into HTML, which is then read like any other."""

from __future__ import annotations

import io

from qa.formats import package
from qa.formats.html import read_markup
from qa.formats.limits import Limits
from qa.records import Document

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

# Word's "Title" becomes the only h1 and its headings come below; all else is as mammoth has it.
_STYLES = "\n".join(
    [
        "p[style-name='Title'] => h1:fresh",
        "p[style-name='Subtitle'] => p:fresh",
        "p[style-name='Heading'] => h2:fresh",
        *(f"p[style-name='heading {n}'] => h{min(n + 1, 6)}:fresh" for n in range(1, 10)),
        *(f"p[style-name='Heading {n}'] => h{min(n + 1, 6)}:fresh" for n in range(1, 10)),
        *(f"p.Heading{n} => h{min(n + 1, 6)}:fresh" for n in range(1, 10)),
        "p[style-name='Quote'] => blockquote > p:fresh",
        "p[style-name='Intense Quote'] => blockquote > p:fresh",
        "p[style-name='caption'] => figcaption:fresh",
        "p[style-name='Caption'] => figcaption:fresh",
        *(  # lists that are deep by their styles alone
            f"p[style-name='List {kind} {n}'] => {'ul|ol > li > ' * (n - 1)}{tag} > li:fresh"
            for kind, tag in (("Bullet", "ul"), ("Number", "ol"))
            for n in range(2, 6)
        ),
        *(f"p[style-name='{name}'] => pre:separator('\\n')" for name in ("Source Code", "HTML Preformatted", "Code")),
    ]
)


def read(data: bytes, limits: Limits) -> Document:
    """Headings by their styles, lists, tables and notes as mammoth finds them; pictures, comments, deleted text and
    page headers are left out. The title is the paragraph styled so, else the title among the file's properties."""
    import mammoth

    with package.opened(data, "Word", limits) as parts:
        title = package.title(parts)
    result = mammoth.convert_to_html(
        io.BytesIO(data),
        style_map=_STYLES,
        include_embedded_style_map=False,
        convert_image=lambda image: [],
        external_file_access=False,
    )
    # What Word counts items by is not known: lists that go on after another, or begin anew, come as one, or from 1.
    markup: str = result.value.replace("<ol>", "<ul>").replace("</ol>", "</ul>")
    if not title and markup.startswith("<h2>") and "<h1>" not in markup and markup.count("<h2>") == 1:
        markup = markup.replace("<h2>", "<h1>", 1).replace("</h2>", "</h1>", 1)  # a lone "Heading 1" on top of all
    formulas = any("oMath" in message.message for message in result.messages)
    problems = ["Formulas were left out; only their surroundings can be searched."] if formulas else []
    return read_markup(markup, MEDIA_TYPE, limits, title=title, problems=problems)
