"""The register: no client by default, bearers that are never kept, ended clients that are refused."""

import re
from typing import Any

import pytest
from sqlalchemy import select

from gateway.clients import ClientError, add_client, authenticate, end_client, find, issue_token
from gateway.errors import AccessError, Fault
from gateway.parts import Parts
from gateway.store import MemoryStore
from gateway.store.schema import client, ledger_entry, token
from tests.gateway.receive.line import PartsOfTests, make_parts


@pytest.fixture
def parts() -> Parts:
    return make_parts()


def caller(parts: Parts, bearer: str) -> str:
    with parts.store.read() as c:
        return authenticate(c, bearer, parts.now()).name


def refused(parts: Parts, bearer: str) -> bool:
    with parts.store.read() as c, pytest.raises(AccessError) as raised:
        authenticate(c, bearer, parts.now())
    assert bearer not in str(raised.value) or not bearer
    return raised.value.fault is Fault.UNAUTHENTICATED


def test_a_new_store_has_no_client() -> None:
    with MemoryStore.create().read() as c:
        assert c.execute(select(client)).all() == []
        assert c.execute(select(token)).all() == []


def test_a_bearer_names_its_client_until_it_expires(parts: PartsOfTests) -> None:
    bearer = issue_token(parts, "zfg-ehr", 60)
    assert caller(parts, bearer) == "zfg-ehr"
    parts.clock.pass_seconds(59)
    assert caller(parts, bearer) == "zfg-ehr"
    parts.clock.pass_seconds(1)
    assert refused(parts, bearer)


def test_a_bearer_is_256_random_bits_and_only_its_digest_is_kept(parts: Parts) -> None:
    bearers = {issue_token(parts, "zfg-ehr", 60) for _ in range(20)}
    assert len(bearers) == 20
    assert all(re.fullmatch(r"tg_[0-9a-f]{64}", bearer) for bearer in bearers)
    with parts.store.read() as c:
        kept = str(c.execute(select(token)).all()) + str(c.execute(select(ledger_entry)).all())
    assert not any(bearer in kept or bearer[3:] in kept for bearer in bearers)


@pytest.mark.parametrize("bearer", ["", "tg_", "tg_" + "0" * 64, "zfg-ehr", "' OR 1=1 --", "é" * 10])
def test_anything_else_is_refused(parts: Parts, bearer: str) -> None:
    issue_token(parts, "zfg-ehr", 60)
    assert refused(parts, bearer)


def test_an_ended_client_is_refused_whatever_it_shows(parts: Parts) -> None:
    bearer = issue_token(parts, "zfg-ehr", 60)
    assert parts.store.write(lambda c: end_client(c, parts, "zfg-ehr"))
    assert refused(parts, bearer)
    with parts.store.read() as c:
        assert find(c, "zfg-ehr") is None
    with pytest.raises(ClientError, match="ended"):
        issue_token(parts, "zfg-ehr", 60)
    with pytest.raises(ClientError, match="not used again"):
        add_client(parts, name="zfg-ehr", kinds=("ADT^A01",), establishments=("ZFG",))
    assert not parts.store.write(lambda c: end_client(c, parts, "zfg-ehr"))


@pytest.mark.parametrize("seconds", [0, -1, 86_401])
def test_a_bearer_is_short_lived(parts: Parts, seconds: int) -> None:
    with pytest.raises(ClientError, match="seconds"):
        issue_token(parts, "zfg-ehr", seconds)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"name": "New", "kinds": ("ADT^A01",), "establishments": ("ZFG",)}, "lower case"),
        ({"name": "new", "kinds": ("ADT",), "establishments": ("ZFG",)}, "no such kind"),
        ({"name": "new", "kinds": ("*",), "establishments": ("ZFG",)}, "no such kind"),
        ({"name": "new", "kinds": ("ADT^A01",), "establishments": ("*",)}, "no such establishment"),
        ({"name": "new", "kinds": ("ADT^A01",)}, "at least one establishment"),
        ({"name": "new"}, "kinds to send, a recipient"),
    ],
)
def test_nothing_is_registered_by_leaving_it_out(parts: Parts, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ClientError, match=says):
        add_client(parts, **asked)


def test_kinds_are_exact_or_a_whole_type(parts: Parts) -> None:
    add_client(parts, name="new", kinds=("ADT^*", "ORU^R01"), establishments=("ZFG",))
    with parts.store.read() as c:
        found = find(c, "new")
    assert found is not None
    assert found.may_send("ADT^A01")
    assert found.may_send("ORU^R01")
    assert not found.may_send("ORU^R02")
    assert not found.may_send("RDE^O11")
    assert not found.may_send("fhir-message")
    assert not found.consent_authority


def test_registering_and_issuing_are_in_the_ledger(parts: Parts) -> None:
    made = add_client(parts, name="new", kinds=("ADT^A01",), establishments=("ZFG",), consent_authority=True)
    issue_token(parts, "new", 60)
    with parts.store.read() as c:
        bodies = [row.body for row in c.execute(select(ledger_entry))]
    assert any(
        b'"client-added"' in body and made.encode() in body and b'"consent_authority":true' in body for body in bodies
    )
    assert any(b'"token-issued"' in body and made.encode() in body for body in bodies)
