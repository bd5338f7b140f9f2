"""Read the terminology's data files, once each, at import. It must never read anything outside this folder."""

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources as package_files


class Table:
    """The rows of one file, each a mapping from column to text."""

    __slots__ = ("_indexes", "rows")

    def __init__(self, rows: tuple[Mapping[str, str], ...]) -> None:
        self.rows = rows
        self._indexes: dict[str, dict[str, Mapping[str, str]]] = {}

    def by(self, column: str) -> Mapping[str, Mapping[str, str]]:
        """Index the rows by one column; of two rows with the same text the first counts."""
        if column not in self._indexes:
            index: dict[str, Mapping[str, str]] = {}
            for row in self.rows:
                index.setdefault(row[column], row)
            self._indexes[column] = index
        return self._indexes[column]

    def column(self, key: str, value: str) -> dict[str, str]:
        """Give one column by another."""
        return {text: row[value] for text, row in self.by(key).items()}


@cache
def table(name: str) -> Table:
    """Read `<name>.csv` of this folder. Raises FileNotFoundError when there is none."""
    text = package_files.files("fhir_profiles.terminology").joinpath(f"{name}.csv").read_text("utf-8")
    return Table(tuple(csv.DictReader(text.splitlines())))
