"""A page as a whole: head, sections, tiles, tables, notes, and the file.

What comes in as ``str`` is escaped, what comes in as ``Markup`` stays; out goes one file that needs no other.
"""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from ml.common.disk import replace_file
from ml.page.rows import NONE
from ml.page.style import CSS, PLOTS

PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{css}</style>
</head>
<body class="wide">
{body}
</body>
</html>
""")
TABLE = Markup('<table class="rows"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')
Text = str | Markup


def document(title: str, body: Markup) -> str:
    """The page as text."""
    return str(PAGE.format(title=title, css=Markup(CSS + PLOTS), body=body))


def write_whole(file: Path, text: str) -> None:
    """Write a file; it is there whole or not at all."""
    replace_file(file, text.encode())


def joined(*parts: Markup) -> Markup:
    """One after the other."""
    return Markup("\n").join(parts)


def header(heading: str, about: Text, tone: str = "good") -> Markup:
    """The head of the page: what it is, of what."""
    return Markup('<header class="verdict {}"><h1>{}</h1><p class="soft">{}</p></header>').format(
        tone, heading, about
    )


def contents(entries: Sequence[tuple[str, str]]) -> Markup:
    """Links to sections, by id and heading."""
    return Markup("<nav>{}</nav>").format(
        Markup(" ").join(Markup('<a href="#{}">{}</a>').format(name, heading) for name, heading in entries)
    )


def section(name: str, heading: str, *parts: Markup, note: Text = "") -> Markup:
    """A section with its id, its heading and what to know before one looks."""
    said = Markup('<p class="soft">{}</p>').format(note) if note else NONE
    return Markup('<section id="{}"><h2>{}</h2>{}{}</section>').format(name, heading, said, joined(*parts))


def tiles(entries: Sequence[tuple[str, str]]) -> Markup:
    """A few numbers at a glance, each with what it is."""
    return Markup('<div class="tiles">{}</div>').format(
        NONE.join(
            Markup('<div class="tile"><b>{}</b><span>{}</span></div>').format(*entry) for entry in entries
        )
    )


def stacked(*parts: Markup) -> Markup:
    """Below each other in one place of a grid."""
    return Markup("<div>{}</div>").format(joined(*parts))


def grid(*parts: Markup, two: bool = False) -> Markup:
    """Beside each other where there is room, below each other where not."""
    return Markup('<div class="grid{}">{}</div>').format(" two" if two else "", joined(*parts))


def paragraph(text: Text, soft: bool = False) -> Markup:
    """A paragraph."""
    return Markup('<p class="soft">{}</p>' if soft else "<p>{}</p>").format(text)


def notes(entries: Sequence[tuple[str, str, Text]]) -> Markup:
    """Sentences with a tone (good, dull, bad) and a tag."""
    return Markup('<ul class="notes">{}</ul>').format(
        NONE.join(
            Markup('<li class="{}"><span class="tag">{}</span> {}</li>').format(tone, tag, said)
            for tone, tag, said in entries
        )
    )


def table(
    names: Sequence[str],
    rows: Sequence[Sequence[Text]],
    chosen: Sequence[int] = (),
    texts: Sequence[int] = (0,),
) -> Markup:
    """A table whose rows become blocks on a phone.

    Parameters
    ----------
    chosen : sequence of int, optional
        Rows to stand out.
    texts : sequence of int, optional
        Columns that are no numbers; the first by default.
    """

    def kind(place: int) -> Markup:
        return Markup("" if place in texts else ' class="number"')

    head = NONE.join(Markup("<th{}>{}</th>").format(kind(place), name) for place, name in enumerate(names))
    body = NONE.join(
        Markup("<tr{}>{}</tr>").format(
            Markup(' class="chosen"' if place in chosen else ""),
            NONE.join(
                Markup('<td{} data-name="{}">{}</td>').format(kind(at), names[at], cell)
                for at, cell in enumerate(row)
            ),
        )
        for place, row in enumerate(rows)
    )
    return TABLE.format(head=head, body=body)


def folded(summary: str, inside: Markup) -> Markup:
    """What only some readers want."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, inside)


def definitions(entries: Sequence[tuple[str, Text]], words: bool = False) -> Markup:
    """Names and what they are: codes, or words."""
    return Markup("<dl{}>{}</dl>").format(
        Markup(' class="words"' if words else ""),
        NONE.join(Markup("<dt>{}</dt><dd>{}</dd>").format(name, said) for name, said in entries),
    )
