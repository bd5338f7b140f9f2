"""A statement that is built once answers on every engine what SQLAlchemy would answer, and says no more of a row when it fails."""

import pytest
from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, MultipleResultsFound, NoResultFound

from gateway.store import Store, StoreError
from gateway.store.schema import client, installation
from gateway.store.statement import Statement, one_of
from tests.gateway.store.rows import names

PUT = Statement.insert(installation)
VALUE = Statement(select(installation.c.value).where(installation.c.name == bindparam("name")))
ALL = Statement(select(installation).order_by(installation.c.name))
SOME = Statement(select(installation.c.name).where(one_of(installation.c.name, ("a", "c"))))
NONE = Statement(select(installation.c.name).where(one_of(installation.c.name, ())))
CHANGE = Statement(
    update(installation)
    .where(installation.c.name == bindparam("name"))
    .values(value=bindparam("value"))
    .returning(installation.c.name, installation.c.value)
)
PUT_CLIENT = Statement.insert(client)
CLIENTS = Statement(select(client.c.consent_authority, client.c.recipient))


def put(c: Connection) -> None:
    PUT.many(c, [{"name": name, "value": f"of {name}"} for name in ("a", "b", "c")])


def test_rows_have_the_names_of_their_columns(store: Store) -> None:
    store.write(put)
    with store.read() as c:
        assert [(row.name, row.value) for row in ALL.all(c)] == [("a", "of a"), ("b", "of b"), ("c", "of c")]
        assert VALUE.one(c, name="b").value == VALUE.value(c, name="b") == "of b"
        assert VALUE.first(c, name="z") is VALUE.value(c, name="z") is None
        assert sorted(SOME.column(c)) == ["a", "c"]
        assert NONE.all(c) == []
        with pytest.raises(NoResultFound):
            VALUE.one(c, name="z")
        with pytest.raises(MultipleResultsFound):
            ALL.one(c)


def test_a_change_answers_what_it_changed(store: Store) -> None:
    store.write(put)
    assert store.write(lambda c: tuple(CHANGE.one(c, name="a", value="new"))) == ("a", "new")
    assert store.write(lambda c: CHANGE.all(c, name="z", value="new")) == []


def test_a_truth_is_a_truth_and_what_is_not_given_is_null(store: Store) -> None:
    """One engine keeps truths as numbers."""
    row = {"name": "n", "kinds": "[]", "establishments": "[]", "created_at": "t"}
    store.write(lambda c: PUT_CLIENT.run(c, id="C", consent_authority=True, audit_reader=False, **row))
    with store.read() as c:
        (found,) = CLIENTS.all(c)
    assert found.consent_authority is True
    assert found.recipient is None


def test_a_value_that_is_missing_or_unknown_is_an_error_and_never_a_null(store: Store) -> None:
    with store.read() as c:
        with pytest.raises(KeyError, match="name"):
            VALUE.all(c)
        with pytest.raises(StoreError, match="no place"):
            VALUE.all(c, name="a", other="b")
        with pytest.raises(StoreError, match="one_of"):
            Statement(select(installation.c.name).where(installation.c.name.in_(["a"]))).all(c)


def test_an_error_is_what_sqlalchemy_raises_without_the_values(store: Store) -> None:
    store.write(put)

    def again(c: Connection) -> None:
        PUT.run(c, name="d", value="")
        PUT.run(c, name="a", value="SECRETVALUE")

    with pytest.raises(IntegrityError) as raised:
        store.write(again)
    seen: BaseException | None = raised.value
    while seen is not None:
        assert "SECRETVALUE" not in f"{seen!r} {seen}"
        seen = seen.__cause__
    assert names(store) == ["a", "b", "c"]
    with pytest.raises(IntegrityError):
        store.write(lambda c: PUT.many(c, [{"name": "e", "value": ""}, {"name": "a", "value": ""}]))
    assert names(store) == ["a", "b", "c"]


def test_a_snapshot_takes_no_change(store: Store) -> None:
    with store.read() as c, pytest.raises(DBAPIError, match=r"read-?only"):
        PUT.run(c, name="a", value="")
    assert names(store) == []
