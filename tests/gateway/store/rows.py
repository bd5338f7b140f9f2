"""The smallest work: a row in `installation`."""

from collections.abc import Callable

from sqlalchemy import Connection, insert, select

from gateway.store import Store
from gateway.store.schema import installation


def put(name: str, value: str = "") -> Callable[[Connection], str]:
    def work(c: Connection) -> str:
        c.execute(insert(installation).values(name=name, value=value))
        return name

    return work


def names(store: Store) -> list[str]:
    with store.read() as c:
        return list(c.scalars(select(installation.c.name).order_by(installation.c.name)))
