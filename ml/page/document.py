"""A page as a whole: head, sections, tiles, tables, notes, and the file.

``str`` is escaped, ``Markup`` stays as it is; the result is one file that needs no other.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from markupsafe import Markup

from ml.common.durable_files import replace_file
from ml.page.bars import EMPTY, Bar, bar_rows
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
Text = str | Markup
Subject = TypeVar("Subject")
# The sections of a page in their order: id to heading, and what makes the content of the page's subject.
Sections = Mapping[str, tuple[str, Callable[[Subject], list[Markup]]]]


def document(title: str, body: Markup) -> str:
    """The page as text."""
    return str(PAGE.format(title=title, css=Markup(CSS + PLOTS), body=body))


def write_whole(file: Path, text: str) -> None:
    """Write a file in one step."""
    replace_file(file, text.encode())


def join_parts(*parts: Markup) -> Markup:
    """Parts on lines of their own."""
    return Markup("\n").join(parts)


def header(heading: str, about: Text, tone: str = "good") -> Markup:
    """The head of the page."""
    return Markup('<header class="verdict {}"><h1>{}</h1><p class="soft">{}</p></header>').format(
        tone, heading, about
    )


def sections(subject: Subject, contents: Sections[Subject]) -> Markup:
    """Links to the sections, then each section with its id and heading."""
    links = Markup(" ").join(
        Markup('<a href="#{}">{}</a>').format(name, heading) for name, (heading, _) in contents.items()
    )
    return join_parts(
        Markup('<nav aria-label="Sections">{}</nav>').format(links),
        *(section(name, heading, *make(subject)) for name, (heading, make) in contents.items()),
    )


def section(name: str, heading: str, *parts: Markup) -> Markup:
    """One section."""
    return Markup('<section id="{}"><h2>{}</h2>{}</section>').format(name, heading, join_parts(*parts))


def tiles(entries: Sequence[tuple[str, str]]) -> Markup:
    """A few numbers at a glance, each with what it is."""
    tile = Markup('<div class="tile"><b>{}</b><span>{}</span></div>')
    return Markup('<div class="tiles">{}</div>').format(EMPTY.join(tile.format(*entry) for entry in entries))


def stacked(*parts: Markup) -> Markup:
    """Below each other in one cell of a grid."""
    return Markup("<div>{}</div>").format(join_parts(*parts))


def grid(*parts: Markup, two: bool = False) -> Markup:
    """Beside each other where there is room (at most ``two``), below each other where not."""
    return Markup('<div class="grid{}">{}</div>').format(" two" if two else "", join_parts(*parts))


def subheading(text: Text) -> Markup:
    """A heading within a section."""
    return Markup("<h3>{}</h3>").format(text)


def paragraph(text: Text) -> Markup:
    """A paragraph."""
    return Markup("<p>{}</p>").format(text)


def soft(text: Text) -> Markup:
    """A paragraph in smaller grey type: how to read what follows, or a remark."""
    return Markup('<p class="soft">{}</p>').format(text)


def code(text: str) -> Markup:
    """Commands, as typed."""
    return Markup("<pre><code>{}</code></pre>").format(text)


def bullets(sentences: Sequence[Text]) -> Markup:
    """A list of sentences."""
    return Markup("<ul>{}</ul>").format(EMPTY.join(Markup("<li>{}</li>").format(text) for text in sentences))


def notes(entries: Sequence[tuple[str, str, Text]]) -> Markup:
    """Sentences with a tone (good, dull, bad) and a tag."""
    note = Markup('<li class="{}"><span class="tag">{}</span> {}</li>')
    return Markup('<ul class="notes">{}</ul>').format(EMPTY.join(note.format(*entry) for entry in entries))


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
        Numbers of the rows that stand out.
    texts : sequence of int, optional
        Numbers of the columns that are text; all others are figures.
    """
    styles = [Markup("" if column in texts else ' class="number"') for column in range(len(names))]
    head = EMPTY.join(Markup("<th{}>{}</th>").format(*cell) for cell in zip(styles, names, strict=True))
    body = EMPTY.join(
        Markup("<tr{}>{}</tr>").format(
            Markup(' class="chosen"' if number in chosen else ""),
            EMPTY.join(
                Markup('<td{} data-name="{}">{}</td>').format(*cell)
                for cell in zip(styles, names, row, strict=True)
            ),
        )
        for number, row in enumerate(rows)
    )
    html = Markup('<table class="rows"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>')
    return html.format(head, body)


def folded(summary: str, inside: Markup) -> Markup:
    """A folded part with its summary."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, inside)


def folded_bars(
    bars: Sequence[Bar], shown: int, start: float = 0.0, limit: float | None = None, spare: int = 0
) -> Markup:
    """The first bars; the others, on the same scale, are folded if they are more than ``spare``."""
    if len(bars) <= shown + spare:
        return bar_rows(bars, start, limit)
    most = max(bar.value for bar in bars)
    rest = bar_rows(bars[shown:], start, limit, most)
    return bar_rows(bars[:shown], start, limit, most) + folded(f"the other {len(bars) - shown}", rest)


def definitions(entries: Sequence[tuple[str, Text]], words: bool = False) -> Markup:
    """Names and what they stand for: codes, or ``words``."""
    entry = Markup("<dt>{}</dt><dd>{}</dd>")
    style = Markup(' class="words"' if words else "")
    return Markup("<dl{}>{}</dl>").format(style, EMPTY.join(entry.format(*pair) for pair in entries))
