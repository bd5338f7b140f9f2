"""Reads a page of rules: a heading, a paragraph, one table."""

from pathlib import Path

from consent.ig_document import Rules

HERE = Path(__file__).parent
PAGES = ("who-gets-what", "parts-of-a-letter", "forbidden-by-law", "what-turns-a-meaning", "kinds-of-data", "cells")
"""Every page, in the order in which the IG document has them."""


def cells(page: Rules) -> list[tuple[str, str, str]]:
    """(row, column, what stands there)."""
    return [(row[0], column, cell) for row in page.rows for column, cell in zip(page.columns[1:], row[1:], strict=True)]


def read_page(name: str) -> Rules:
    """Raises ValueError where a row has not as many cells as the table has columns."""
    lines = (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    table = [
        tuple(cell.strip() for cell in line.strip().strip("|").split("|")) for line in lines if line.startswith("|")
    ]
    columns, ruler, *rows = table
    if set("".join(ruler)) != {"-"} or any(len(row) != len(columns) for row in rows):
        raise ValueError(f"the table of {name} is not a table")
    words = " ".join(line for line in lines[1:] if line and not line.startswith("|"))
    return Rules(heading=lines[0], text=words, columns=columns, rows=tuple(rows))
