"""One question about several things at once: what a step asks for each message of its turn is asked once for all of them.

The text of a question is built once, with places for `AT_ONCE`; what is wanted beyond that is asked in another round. Places that are not
needed are NULL, which is nobody: an engine that plans by values plans for as many as are wanted, and for the tables as large as they are then.
This module MUST NOT ask about nothing.
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, and_, bindparam, or_
from sqlalchemy.sql.base import Executable

from gateway.store.statement import Statement

AT_ONCE: Final = 16


def _place(column: Column[Any], number: int) -> str:
    return f"among_{column.name}_{number}"


def among(*columns: Column[Any]) -> ColumnElement[bool]:
    """The one column, or these together, as one of what `Several.of` is given."""
    places = [
        [bindparam(_place(column, number), None, type_=column.type) for column in columns] for number in range(AT_ONCE)
    ]
    if len(columns) == 1:
        return columns[0].in_([place for (place,) in places])
    return or_(*(and_(*(column == place for column, place in zip(columns, each, strict=True))) for each in places))


class Several(Statement):
    """A `Statement` with `among(*columns)` in it."""

    def __init__(self, built: Executable, *columns: Column[Any]) -> None:
        super().__init__(built)
        self._single = len(columns) == 1
        self._places = [[_place(column, number) for column in columns] for number in range(AT_ONCE)]

    def of(self, c: Connection, wanted: Iterable[Any], /, **others: Any) -> list[Any]:
        """The rows of all that are wanted, each asked for once: values of the column, or tuples of the columns. Ordered in each round only."""
        each = list(dict.fromkeys(wanted))
        rows: list[Any] = []
        for start in range(0, len(each), AT_ONCE):
            values = dict(others)
            for places, one in zip(self._places, each[start : start + AT_ONCE], strict=False):
                values.update(zip(places, (one,) if self._single else one, strict=True))
            rows += self.all(c, **values)
        return rows
