"""A document of headings, paragraphs and tables, written as Markdown or as one accessible HTML page. It MUST NOT fetch or link anything outside.

Every table has a caption, and its first row and first column are headers that say what they head (WCAG 2.2, 1.3.1).
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias


@dataclass(frozen=True, kw_only=True)
class Heading:
    """`level` 2 or 3; level 1 is the document's title. Level 2 and 3 stand in the contents."""

    level: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """`columns` heads the columns; the first cell of each row heads the row. Every row has as many cells as there are columns."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block: TypeAlias = Heading | Paragraph | Table

_STYLE: Final = (
    "body{font:16px/1.5 sans-serif;color:#111;background:#fff;margin:0 auto;max-width:76rem;padding:1rem}"
    "table{border-collapse:collapse;margin:1rem 0}caption{text-align:left;font-weight:bold;padding:.25rem 0}"
    "th,td{border:1px solid #767676;padding:.25rem .5rem;text-align:left;vertical-align:top}"
    "th{background:#f2f2f2}td,th{overflow-wrap:anywhere;min-width:4rem}.wide{overflow-x:auto}"
    "a{color:#003c78}a:focus,.wide:focus{outline:3px solid #003c78}"
    "@media print{.wide{overflow:visible}}"
)


def markdown(title: str, blocks: Sequence[Block]) -> str:
    """The document as Markdown, without contents: readers of Markdown make their own."""
    lines = [f"# {_plain(title)}"]
    for block in blocks:
        lines.append("")
        match block:
            case Heading():
                lines.append(f"{'#' * block.level} {_plain(block.text)}")
            case Paragraph():
                lines.append(_plain(block.text))
            case Table():
                lines += [f"**{_plain(block.caption)}**", "", *_markdown_table(block)]
    return "\n".join(lines) + "\n"


def _markdown_table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(_cell(each) for each in table.columns)} |"
    yield f"|{'---|' * len(table.columns)}"
    for row in table.rows:
        yield f"| {' | '.join(_cell(each) for each in row)} |"


def _plain(text: str) -> str:
    """Nothing in the text is a mark of Markdown or of HTML."""
    one_line = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", one_line)


def _cell(text: str) -> str:
    return _plain(text) or " "


def page(title: str, blocks: Sequence[Block]) -> str:
    """The document as one HTML page with its contents in front."""
    body = "\n".join(_html_blocks(blocks))
    return (
        f'<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<nav aria-label="Contents">\n{_contents(blocks)}\n</nav>\n'
        f"<main>\n<h1>{html.escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _contents(blocks: Sequence[Block]) -> str:
    headings = [(place, each) for place, each in enumerate(blocks) if isinstance(each, Heading)]
    items = []
    for number, (place, each) in enumerate(headings):
        following = headings[number + 1][1].level if number + 1 < len(headings) else 2
        link = f'<li><a href="#part-{place}">{html.escape(each.text)}</a>'
        opens = "\n<ul>" if following > each.level else "</li>"
        items.append(link + opens + ("</ul></li>" if following < each.level else ""))
    return "<ul>\n" + "\n".join(items) + "\n</ul>"


def _html_blocks(blocks: Sequence[Block]) -> Iterator[str]:
    for place, block in enumerate(blocks):
        match block:
            case Heading():
                yield f'<h{block.level} id="part-{place}">{html.escape(block.text)}</h{block.level}>'
            case Paragraph():
                yield f"<p>{html.escape(block.text)}</p>"
            case Table():
                yield from _html_table(block, place)


def _html_table(table: Table, place: int) -> Iterator[str]:
    # A table that is wider than the screen scrolls by itself, by keyboard too.
    yield f'<div class="wide" role="region" tabindex="0" aria-labelledby="caption-{place}">'
    yield f'<table>\n<caption id="caption-{place}">{html.escape(table.caption)}</caption>'
    heads = "".join(f'<th scope="col">{html.escape(each)}</th>' for each in table.columns)
    yield f"<thead><tr>{heads}</tr></thead>"
    yield "<tbody>"
    for head, *cells in table.rows:
        data = "".join(f"<td>{html.escape(each)}</td>" for each in cells)
        yield f'<tr><th scope="row">{html.escape(head)}</th>{data}</tr>'
    yield "</tbody>\n</table></div>"
