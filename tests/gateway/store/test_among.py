"""Questions about several things at once: each is answered, each asked once, and nothing is asked about nothing."""

import pytest
from sqlalchemy import Connection, insert, select

from gateway.among import AT_ONCE, Several, among
from gateway.store import Store
from gateway.store.schema import installation

MANY = [f"row-{number}" for number in range(2 * AT_ONCE + 1)]
ONE = Several(select(installation.c.name).where(among(installation.c.name)), installation.c.name)
PAIRS = Several(
    select(installation.c.name, installation.c.value).where(among(installation.c.name, installation.c.value)),
    installation.c.name,
    installation.c.value,
)


@pytest.fixture(autouse=True)
def _written(store: Store) -> None:
    def work(c: Connection) -> None:
        c.execute(insert(installation), [{"name": name, "value": name.upper()} for name in MANY])

    store.write(work)


def test_each_is_answered_once_however_many_there_are(store: Store) -> None:
    with store.read() as c:
        assert sorted(row.name for row in ONE.of(c, [*MANY, *MANY, "nobody's"])) == sorted(MANY)
        assert ONE.of(c, ["nobody's"]) == []


def test_several_columns_are_asked_together(store: Store) -> None:
    """Not the one of this and the other of that."""
    with store.read() as c:
        crossed = list(zip(MANY, [*(name.upper() for name in MANY[1:]), "x"], strict=True))
        assert PAIRS.of(c, crossed) == []
        asked = [*crossed, *((name, name.upper()) for name in MANY)]
        assert sorted(row.name for row in PAIRS.of(c, asked)) == sorted(MANY)


def test_nothing_is_asked_about_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.read() as c:
        monkeypatch.setattr(Several, "all", None)
        assert ONE.of(c, []) == []
