"""Reads a page of rules: a heading, a paragraph, one table."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Page:
    heading: str
    text: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def cells(self) -> list[tuple[str, str, str]]:
        """(row, column, what stands there)."""
        return [
            (row[0], column, cell) for row in self.rows for column, cell in zip(self.columns[1:], row[1:], strict=True)
        ]


def read_page(name: str) -> Page:
    """Raises ValueError where a row has not as many cells as the table has columns."""
    lines = (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    table = [
        tuple(cell.strip() for cell in line.strip().strip("|").split("|")) for line in lines if line.startswith("|")
    ]
    columns, ruler, *rows = table
    if set("".join(ruler)) != {"-"} or any(len(row) != len(columns) for row in rows):
        raise ValueError(f"the table of {name} is not a table")
    words = " ".join(line for line in lines[1:] if line and not line.startswith("|"))
    return Page(lines[0], words, columns, tuple(rows))
