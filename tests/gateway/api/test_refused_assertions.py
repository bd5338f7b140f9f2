"""Refused client assertions are counted in the ledger: a client and minute at a time, so that nobody fills it; never anything of what was sent."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from gateway.refusals import Refusals, Refused, What
from gateway.smart.keys import add_keys
from gateway.steps.refused import enter_refusals
from gateway.store.schema import ledger_entry
from tests.gateway.api.conftest import Http
from tests.gateway.api.test_token import CANARY, token
from tests.gateway.smart.signer import assertion, both_keys, form


@pytest.fixture
def keyed(http: Http) -> Http:
    add_keys(http.line.parts, "zfg-ehr", both_keys())
    return http


def refused(http: Http) -> list[dict[str, Any]]:
    """The facts of every entry about a refusal."""
    with http.line.store.read() as c:
        entries = [json.loads(body) for body in c.execute(select(ledger_entry.c.body)).scalars()]
    return [entry["facts"] for entry in entries if entry["event"] == "access-refused"]


async def test_a_flood_is_one_entry_a_client_and_minute(keyed: Http) -> None:
    """Fifty of nobody, thirty in the name of a client whose key they have not: two entries, with their numbers."""
    for number in range(50):
        await token(keyed, data=form(f"{CANARY}.{number}.x"))
    other = assertion(aud="https://elsewhere.example/token")
    for _ in range(30):
        await token(keyed, data=form(other))
    assert enter_refusals(keyed.line.parts) == 2
    assert refused(keyed) == [
        {"what": "assertion", "client": "unknown", "reason": "encoding", "count": 50},
        {"what": "assertion", "client": "zfg-ehr", "reason": "audience", "count": 30},
    ]
    assert CANARY not in json.dumps(refused(keyed))


async def test_a_replay_names_its_client(keyed: Http) -> None:
    once = form(assertion())
    assert (await token(keyed, data=once))[0] == 200
    assert (await token(keyed, data=once))[0] == 401
    enter_refusals(keyed.line.parts)
    assert refused(keyed) == [{"what": "assertion", "client": "zfg-ehr", "reason": "replayed", "count": 1}]


def test_a_client_is_entered_once_a_minute_and_no_number_is_lost() -> None:
    refusals = Refusals()
    taken: list[Refused] = []
    for second in range(180):
        for _ in range(7):
            refusals.count(What.ASSERTION, "a", "signature")
        taken += refusals.take(f"2026-01-15T12:{second // 60:02}:{second % 60:02}.000000Z")
    taken += refusals.take("2026-01-15T12:03:00.000000Z")
    assert len(taken) == 4
    assert sum(each.count for each in taken) == 180 * 7
    assert refusals.take("2026-01-15T12:04:00.000000Z") == ()


async def test_what_the_store_does_not_take_is_counted_again(keyed: Http) -> None:
    await token(keyed, data=form("x.y.z"))

    def fails(_work: Any) -> Any:
        raise OSError("no disk")

    keyed.line.parts.store.write = fails  # type: ignore[method-assign,assignment]  # the store fails
    with pytest.raises(OSError, match="no disk"):
        enter_refusals(keyed.line.parts)
    assert [each.count for each in keyed.line.parts.refusals.take("2999-01-01T00:00")] == [1]
