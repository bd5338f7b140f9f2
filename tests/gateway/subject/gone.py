"""What there was of people before they were erased, by a copy of every table; and that afterwards nothing here opens or leads to it."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from gateway.demo.people import SyntheticPerson
from gateway.keys import SealedError
from gateway.ledger.entry import decode
from gateway.moves import SUBJECT
from gateway.pipeline import Gateway
from gateway.store.schema import ledger_entry, metadata, person, person_identifier, sealed
from tests.line import Line

Row = dict[str, Any]
_JOINED = frozenset({"linked", "separated"})
"""docs/decisions/0019."""


def everything(gateway: Gateway) -> dict[str, list[Row]]:
    """Every row of every table."""
    with gateway.store.read() as c:
        return {name: _rows(c, table) for name, table in metadata.tables.items()}


def _rows(c: Connection, table: Table) -> list[Row]:
    return [dict(row) for row in c.execute(select(table)).mappings()]


def columns_of(tables: dict[str, list[Row]]) -> dict[str, bytes]:
    """All values of each column, one after the other."""
    return {
        f"{name}.{column}": b"\n".join(_bytes(row[column]) for row in rows)
        for name, rows in tables.items()
        for column in (rows[0] if rows else ())
    }


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def holds(columns: dict[str, bytes], what: str | bytes) -> list[str]:
    """The columns in which this stands anywhere."""
    found = _bytes(what)
    return sorted(name for name, values in columns.items() if found in values)


@dataclass(frozen=True, kw_only=True)
class Before:
    """What led to some people: ids of records, indexes of their numbers, what was sealed with their keys, chains about them."""

    people: frozenset[str]
    records: tuple[SyntheticPerson, ...]
    indexes: tuple[bytes, ...]
    sealed: tuple[Row, ...]
    chains: frozenset[str]

    @classmethod
    def of(
        cls, gateway: Gateway, people: Collection[str], records: Collection[SyntheticPerson], chains: Collection[str]
    ) -> "Before":
        """`chains`: the messages and deliveries about them."""
        tables = everything(gateway)
        found = columns_of(tables)
        assert all(holds(found, each) for each in people), "they are somewhere, so that it can be seen that they go"
        return cls(
            people=frozenset(people),
            records=tuple(records),
            indexes=tuple(row["value_index"] for row in tables[person_identifier.name] if row["person_id"] in people),
            sealed=tuple(row for row in tables[sealed.name] if row["wrapped_by"] in people),
            chains=frozenset(chains),
        )

    def left_in(self, tables: dict[str, list[Row]]) -> set[str]:
        """The columns that still lead to them. That two records were joined stays in the ledger by their random ids, which are nobody's now."""
        entries = [row for row in tables[ledger_entry.name] if decode(row["body"])["event"] not in _JOINED]
        found = columns_of({**tables, ledger_entry.name: entries})
        leads: list[str | bytes] = [*self.people, *self.indexes]
        return {place for each in leads for place in holds(found, each)}

    def assert_gone(self, gateway: Gateway) -> None:
        """INVARIANT: nothing is decryptable, and nothing can be linked."""
        tables = everything(gateway)
        assert self.indexes, "there were numbers to forget"
        assert self.left_in(tables) == set()
        self._assert_nothing_opens(gateway)
        self._assert_nothing_is_linked(gateway, [row["id"] for row in tables[person.name]])

    def _assert_nothing_opens(self, gateway: Gateway) -> None:
        """Somebody kept a copy of the sealed rows, and puts them back: no key that is here opens one. What does open names none of them."""
        assert len(self.sealed) > 3 * len(self.people)

        def put_back(c: Connection) -> list[bytes]:
            opened = []
            for row in self.sealed:
                c.execute(insert(sealed).values(row))
                opened += list(_opened(gateway, c, row["id"]))
                c.execute(sealed.delete().where(sealed.c.id == row["id"]))
            return opened

        assert gateway.store.write(put_back) == []
        with gateway.store.read() as c:
            kept = [text for name in c.execute(select(sealed.c.id)).scalars() for text in _opened(gateway, c, name)]
        assert kept
        numbers = [number.encode() for each in self.records for number in (each.nhs_number, each.prison_number)]
        assert not [number for number in numbers if any(number in text for text in kept)]

    def _assert_nothing_is_linked(self, gateway: Gateway, others: Collection[str]) -> None:
        """Their chains are nobody's: no key that is left makes their commitments, and no two commitments are one."""
        assert self.chains
        with gateway.store.read() as c:
            keys = [gateway.keys.commitments_of_framed(c, each) for each in others]
            found = [
                entry for entry in map(decode, c.scalars(select(ledger_entry.c.body))) if SUBJECT in entry["facts"]
            ]
            theirs = [entry for entry in found if entry["chain"] in self.chains]
            assert len({entry["chain"] for entry in theirs}) > len(self.people)
            for entry in theirs:
                framed = gateway.keys.framed(entry["id"].encode(), SUBJECT.encode())
                made = {key(framed).hex() for key in keys}
                made.add(gateway.keys.commitment(c, None, entry["id"].encode(), SUBJECT.encode()))
                assert entry["facts"][SUBJECT] not in made
        assert len({entry["facts"][SUBJECT] for entry in found}) == len(found)


def _opened(gateway: Gateway, c: Connection, sealed_id: str) -> Iterator[bytes]:
    try:
        yield gateway.keys.unseal(c, sealed_id)
    except SealedError:
        return


def files_that_hold(line: Line, *what: bytes) -> list[str]:
    """Every file of an installation that no other process uses in which one of these stands, the database's own and its log among them."""
    return sorted(
        str(path.relative_to(line.folder))
        for path in Path(line.folder).rglob("*")
        if path.is_file() and _holds_one(path.read_bytes(), what)
    )


def traces(was: Before) -> tuple[bytes, ...]:
    """What can be looked for in bytes: the indexes of numbers, what was sealed, and the keys that it was sealed with."""
    return (*was.indexes, *(row["ciphertext"][:32] for row in was.sealed), *(row["wrapped_key"] for row in was.sealed))


def _holds_one(content: bytes, what: Iterable[bytes]) -> bool:
    return any(each in content for each in what)
