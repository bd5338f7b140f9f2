"""A statement that the line says for every message or at every sweep: built once, put into an engine's words once, then given straight to its driver.

Building a statement costs thirty times as much as asking it. What a person asks for now and then is built on the spot and executed by
SQLAlchemy; what runs for each message, or each sweep, is a `Statement` of its module. Rows are plain tuples with names. This module MUST NOT put a value
into a text: values go beside it, and none stands in an error.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import Boolean, Column, ColumnElement, Connection, Dialect, Table, bindparam, insert, literal, null
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.sql.base import Executable

from gateway.store.engine import StoreError

Values = Sequence[Any]


class Driver(Protocol):
    """How one engine's driver is spoken to. Raises what SQLAlchemy raises, without a value of a row."""

    def fetch(self, c: Connection, text: str, values: Values) -> Sequence[Sequence[Any]]:
        """Runs one statement; its rows, none where it answers nothing."""
        ...

    def many(self, c: Connection, text: str, rows: Sequence[Values]) -> None:
        """Runs one statement once a row."""
        ...


_drivers: dict[str, Driver] = {}


def speak(dialect: str, driver: Driver) -> None:
    """Each engine's module says once how its driver is spoken to."""
    _drivers[dialect] = driver


def one_of(column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """`column.in_(values)` for values that are known when the statement is built."""
    return column.in_([literal(value, column.type) for value in values] or [null()])


def looked_at(column: Column[Any]) -> ColumnElement[Any]:
    """The column in a condition for which no index is taken: rows are found by the other conditions, and it is looked at in each.

    SQLite knows nothing of how many rows have a value: of one person's letters that are queued it would read everybody's that are.
    """
    return column.concat("")


def _row_of(names: tuple[str, ...]) -> Callable[[Iterable[Any]], Any]:
    """A class with those names; no class can spell them beforehand, so that it is made here."""
    make: Any = namedtuple  # noqa: PYI024  see above: the names are known when the statement is
    maker: Callable[[Iterable[Any]], Any] = make("Row", names, rename=True)._make
    return maker


def _picker(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Values]:
    """Takes these values in this order."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda given: [given[name] for name in names]


class _Text:
    """One statement in the words of one engine."""

    def __init__(self, built: Executable, dialect: Dialect) -> None:
        compiled = built.compile(dialect=dialect)  # type: ignore[attr-defined]  # every statement can
        if compiled.post_compile_params:
            raise StoreError("a list in a statement that is built once is written with `one_of`")
        self.driver = _drivers[dialect.name]
        self.text: str = compiled.string
        self.order: tuple[str, ...] = tuple(compiled.positiontup or ())
        asked = {name for name, bind in compiled.binds.items() if bind.required}
        self.names = frozenset(self.order)
        self._pick = _picker(self.order)
        self.constants = {name: compiled.binds[name].value for name in self.names - asked}
        columns = getattr(built, "exported_columns", {})
        kinds = () if dialect.supports_native_boolean else tuple(column.type for column in columns.values())
        self.row = _row_of(tuple(columns.keys()))
        self.booleans = tuple(place for place, kind in enumerate(kinds) if isinstance(kind, Boolean))

    def values(self, given: Mapping[str, Any]) -> Values:
        if not given.keys() <= self.names:
            raise StoreError("a statement was given a value that it has no place for")
        return self._pick({**self.constants, **given} if self.constants else given)

    def rows(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        if not self.booleans:
            return [self.row(row) for row in found]
        rows = []
        for each in found:
            row = list(each)
            for place in self.booleans:
                row[place] = None if row[place] is None else bool(row[place])
            rows.append(self.row(row))
        return rows


class Statement:
    """Give the values of its `bindparam`s by name; a value that is missing is KeyError. Use from any thread."""

    def __init__(self, built: Executable) -> None:
        self._built = built
        self._texts: dict[str, _Text] = {}

    @classmethod
    def insert(cls, table: Table) -> "Statement":
        """One row into a table: a column that is not given is NULL, or its number where the engine counts it."""
        columns = [column.name for column in table.columns if column is not table.autoincrement_column]
        return cls(insert(table).values({name: bindparam(name, None) for name in columns}))

    def run(self, c: Connection, /, **values: Any) -> None:
        """Change something."""
        text = self._text(c)
        text.driver.fetch(c, text.text, text.values(values))

    def many(self, c: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Change something once for each of `rows`."""
        text = self._text(c)
        if given := [text.values(row) for row in rows]:
            text.driver.many(c, text.text, given)

    def all(self, c: Connection, /, **values: Any) -> list[Any]:
        """Every row."""
        text = self._text(c)
        return text.rows(text.driver.fetch(c, text.text, text.values(values)))

    def first(self, c: Connection, /, **values: Any) -> Any:
        """The first row, or None."""
        rows = self.all(c, **values)
        return rows[0] if rows else None

    def one(self, c: Connection, /, **values: Any) -> Any:
        """The one row. NoResultFound or MultipleResultsFound when there is not one."""
        rows = self.all(c, **values)
        if not rows:
            raise NoResultFound("no row where there must be one")
        if len(rows) > 1:
            raise MultipleResultsFound("several rows where there must be one")
        return rows[0]

    def value(self, c: Connection, /, **values: Any) -> Any:
        """The first column of the first row; None when there is no row."""
        row = self.first(c, **values)
        return None if row is None else row[0]

    def column(self, c: Connection, /, **values: Any) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self.all(c, **values)]

    def _text(self, c: Connection) -> _Text:
        dialect = c.dialect
        text = self._texts.get(dialect.name)
        if text is None:
            text = self._texts[dialect.name] = _Text(self._built, dialect)
        return text
