"""From an assertion to a bearer: once, for what is registered, for five minutes, and not a moment after the client has ended."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.clients import ClientError, authenticate, end_client
from gateway.errors import AccessError
from gateway.keys.identifiers import SeededIds
from gateway.parts import Parts
from gateway.scopes import requested
from gateway.smart.assertion import AssertionRefused, Reason
from gateway.smart.grant import TOKEN_SECONDS, Grant, grant, sweep_credentials
from gateway.smart.keys import add_keys
from gateway.store import SqliteStore, open_store
from gateway.store.schema import assertion_used, client_key, ledger_entry, token
from tests.engines import database
from tests.gateway.receive.line import make_parts
from tests.gateway.smart.signer import BASE, INSTANT, TOKEN_URL, assertion, both_keys, ec_key, header, jwks, public


@pytest.fixture
def parts() -> Parts:
    made = make_parts()
    add_keys(made, "zfg-ehr", both_keys())
    return made


async def ask(parts: Parts, signed: str, scope: str | None = "system/*.cruds") -> Grant | None:
    asked = None if scope is None else requested(scope)
    return await grant(parts, signed, audiences=(BASE, TOKEN_URL), permissions=asked)


async def refused(parts: Parts, signed: str) -> Reason:
    with pytest.raises(AssertionRefused) as raised:
        await ask(parts, signed)
    return raised.value.reason


def rows(parts: Parts, table: Any) -> list[Any]:
    with parts.store.read() as c:
        return list(c.execute(select(table)))


async def test_a_bearer_for_what_is_registered(parts: Parts) -> None:
    given = await ask(parts, assertion())
    assert given is not None
    assert given.scope == "system/Binary.c system/Bundle.c"
    assert given.seconds == TOKEN_SECONDS == 300
    with parts.store.read() as c:
        caller = authenticate(c, given.bearer, parts.now())
    assert (caller.name, caller.permissions) == ("zfg-ehr", frozenset({"Binary.c", "Bundle.c"}))
    kept = str(rows(parts, token)) + str(rows(parts, ledger_entry)) + str(rows(parts, assertion_used))
    assert given.bearer not in kept
    assert given.bearer[3:] not in kept
    assert "a-jti-of-its-own" not in kept


async def test_it_ends_after_300_seconds(parts: Parts) -> None:
    given = await ask(parts, assertion())
    assert given is not None
    clock: Any = parts.clock
    clock.pass_seconds(299)
    with parts.store.read() as c:
        authenticate(c, given.bearer, parts.now())
    clock.pass_seconds(1)
    with parts.store.read() as c, pytest.raises(AccessError):
        authenticate(c, given.bearer, parts.now())


@pytest.mark.parametrize(
    ("scope", "given"),
    [
        ("system/Bundle.c", "system/Bundle.c"),
        ("system/Bundle.cruds", "system/Bundle.c"),
        ("system/Binary.c system/Patient.r", "system/Binary.c"),
        ("system/Patient.cruds", None),
        ("system/Bundle.r", None),
        (None, None),
    ],
)
async def test_granted_is_asked_for_and_registered(parts: Parts, scope: str | None, given: str | None) -> None:
    found = await ask(parts, assertion(), scope)
    assert (found.scope if found else None) == given
    assert len(rows(parts, token)) == (1 if given else 0)
    assert await refused(parts, assertion()) is Reason.REPLAYED  # used up either way


async def test_a_jti_is_used_once_by_each_client(parts: Parts) -> None:
    add_keys(parts, "two-prisons", jwks(public(ec_key(), "key-1")))
    assert await ask(parts, assertion())
    assert await refused(parts, assertion()) is Reason.REPLAYED
    assert await refused(parts, assertion(exp=INSTANT + 100)) is Reason.REPLAYED
    assert await ask(parts, assertion(iss="two-prisons", sub="two-prisons"))
    assert await ask(parts, assertion(jti="another-jti-of-its-own"))


async def test_one_of_a_hundred_wins_across_two_workers_and_a_restart(tmp_path: Path) -> None:
    """Two stores on one file, as two processes would have; then a third, after both have gone."""
    file = str(tmp_path / "throughgate.db")
    workers = [make_parts(SqliteStore.open(file))]
    add_keys(workers[0], "zfg-ehr", both_keys())
    second = make_parts()  # registers in a store of its own, then works on the first one's file
    second.store.close()
    second.store = SqliteStore.open(file)
    second.ids = SeededIds("second")
    workers.append(second)
    signed = assertion()
    answers = await asyncio.gather(*(ask(workers[number % 2], signed) for number in range(100)), return_exceptions=True)
    won = [one for one in answers if isinstance(one, Grant)]
    lost = [one for one in answers if isinstance(one, AssertionRefused) and one.reason is Reason.REPLAYED]
    assert (len(won), len(lost)) == (1, 99)
    for worker in workers:
        worker.store.close()
    second.store = SqliteStore.open(file)
    assert await refused(second, signed) is Reason.REPLAYED
    second.store.close()


async def test_what_is_over_is_swept_and_stays_refused(parts: Parts) -> None:
    signed = assertion()
    assert await ask(parts, signed)
    clock: Any = parts.clock
    clock.pass_seconds(240 + 30 + 59)
    parts.store.write(lambda c: sweep_credentials(c, parts.now()))
    assert len(rows(parts, assertion_used)) == 1
    assert rows(parts, token) == []
    clock.pass_seconds(1)
    parts.store.write(lambda c: sweep_credentials(c, parts.now()))
    assert rows(parts, assertion_used) == []
    assert await refused(parts, signed) is Reason.EXPIRED


async def test_an_end_is_at_once_for_bearers_and_keys(parts: Parts) -> None:
    given = await ask(parts, assertion())
    assert given is not None
    assert parts.store.write(lambda c: end_client(c, parts, "zfg-ehr"))
    with parts.store.read() as c, pytest.raises(AccessError):
        authenticate(c, given.bearer, parts.now())
    assert await refused(parts, assertion(jti="another-jti-of-its-own")) is Reason.CLIENT_UNKNOWN
    assert all(row.ended_at for row in rows(parts, client_key))
    with pytest.raises(ClientError, match="ended"):
        add_keys(parts, "zfg-ehr", both_keys())
    bodies = [row.body for row in rows(parts, ledger_entry)]
    assert sum(b'"client-ended"' in body for body in bodies) == 1
    assert sum(b'"client-key-added"' in body for body in bodies) == 2


async def test_a_client_that_ends_while_its_assertion_is_read_gets_nothing(parts: Parts) -> None:
    """The register is asked again in the transaction that issues."""
    store = parts.store

    class Ending:
        def read(self) -> Any:
            return store.read()

        async def write_async(self, work: Any) -> Any:
            await store.write_async(lambda c: end_client(c, parts, "zfg-ehr"))
            return await store.write_async(work)

        def write(self, work: Any) -> Any:
            return store.write(work)

    parts.store = Ending()  # type: ignore[assignment]  # a store in which somebody is faster
    assert await refused(parts, assertion()) is Reason.CLIENT_UNKNOWN
    assert rows(parts, token) == []


def test_a_kid_is_not_used_again(parts: Parts) -> None:
    with pytest.raises(ClientError, match="kid"):
        add_keys(parts, "zfg-ehr", jwks(public(ec_key("other"), "key-1")))
    with pytest.raises(ClientError, match="no client"):
        add_keys(parts, "nobody", both_keys())


async def test_another_clients_key_proves_nothing(parts: Parts) -> None:
    """Same kid, other key: each client has its own."""
    add_keys(parts, "two-prisons", jwks(public(ec_key("other"), "key-1")))
    assert await refused(parts, assertion(iss="two-prisons", sub="two-prisons")) is Reason.SIGNATURE


@pytest.mark.parametrize("signed", [assertion(iss="a\x00b", sub="a\x00b"), assertion({**header(), "kid": "a\x00b"})])
async def test_what_postgresql_takes_for_no_text_is_refused_there_too(signed: str) -> None:
    """A NUL in a name that is looked up: the database would raise, and anybody could have a 500 for it."""
    store = open_store(database().prepared())
    try:
        assert await refused(make_parts(store), signed) in (Reason.ISSUER, Reason.KID)
    finally:
        store.close()
