"""A table of a page on paper: tagged PDF, a heading for each row and its cells by name, so that it reads aloud in order."""

from typing import Final

from consent.document import Table
from fhir_profiles.print.paper import Part, Sheet, printed

MOST: Final = 500
"""Rows: more is for a spreadsheet."""
POINTS: Final = 10


def pdf_of(table: Table, *, author: str, time: str) -> bytes:
    """The table, as far as it goes on paper; it says so where rows are left out. `time` is an instant of the store."""
    shown = table.rows[:MOST]
    said = f"{len(shown)} of {len(table.rows)} rows." if shown else "There is nothing."
    parts = [Part(heading="", lines=(said,), listed=False)]
    for number, row in enumerate(shown, start=1):
        cells = zip(table.columns, row, strict=True)
        parts.append(
            Part(heading=f"{number}. {row[0]}", lines=tuple(f"{name}: {cell}" for name, cell in cells if cell))
        )
    return printed(
        Sheet(
            title=table.caption,
            author=author,
            mark="",
            foot=f"{table.caption}, {time}",
            time=time,
            points=POINTS,
            parts=tuple(parts),
        )
    )
