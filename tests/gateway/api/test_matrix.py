"""Every route x every scope x own or other organisation, generated from the route table. What is not said here is denied.

The expectation is written out below and shares nothing with `gateway.scopes` or `gateway.clients`: a permission for each route, and for each
client what it was registered for.
"""

import json
from functools import partial

import pytest

from gateway.api.access import Access
from gateway.api.routes import ROUTES
from gateway.clients import add_client, find, insert_token
from tests.gateway.api.conftest import Http
from tests.gateway.api.test_access import MATRIX, PUBLIC

NEEDS = {
    ("POST", "/hl7v2"): "Binary.c",
    ("POST", "/events/hmpps"): "Binary.c",
    ("POST", "/fhir/$process-message"): "Bundle.c",
    ("POST", "/fhir"): "Bundle.c",
    ("POST", "/fhir/Consent/$decide"): "Consent.r",
    ("GET", "/fhir/AuditEvent"): "AuditEvent.s",
    ("GET", "/mailbox"): "Bundle.s",
    ("GET", "/mailbox/{id}"): "Bundle.r",
    ("PUT", "/mailbox/{id}/acknowledged"): "Bundle.u",
}
SENDER = frozenset({"Binary.c", "Bundle.c"})
BOX = frozenset({"Bundle.r", "Bundle.u", "Bundle.s"})
CLIENTS = {  # name: (what it is registered for, is what is asked for its own?)
    "zfg-ehr": (SENDER, True),
    "elsewhere": (SENDER, False),  # sends for another prison
    "tests-only": (frozenset({"Binary.c"}), False),  # another kind of message
    "pharmacy": (BOX, True),
    "another-pharmacy": (BOX, False),  # another recipient
    "both": (SENDER | BOX, True),
    "audit-store": (frozenset({"AuditEvent.s"}), True),
    "authority": (SENDER | {"Consent.r"}, True),
}
SCOPES = {  # the permissions of the bearer: what they open, written out
    "none": ((), frozenset()),
    "Binary.c": (("Binary.c",), {"Binary.c"}),
    "Bundle.c": (("Bundle.c",), {"Bundle.c"}),
    "Bundle.r": (("Bundle.r",), {"Bundle.r"}),
    "Bundle.s": (("Bundle.s",), {"Bundle.s"}),
    "Bundle.u": (("Bundle.u",), {"Bundle.u"}),
    "Bundle.rus": (("Bundle.r", "Bundle.u", "Bundle.s"), {"Bundle.r", "Bundle.u", "Bundle.s"}),
    "Bundle.cruds": (tuple(f"Bundle.{one}" for one in "cruds"), {"Bundle.c", "Bundle.r", "Bundle.u", "Bundle.s"}),
    "*.c": (("*.c",), {"Binary.c", "Bundle.c"}),
    "*.rs": (("*.r", "*.s"), {"Bundle.r", "Bundle.s", "Consent.r", "AuditEvent.s"}),
    "Consent.r": (("Consent.r",), {"Consent.r"}),
    "Consent.cuds": (tuple(f"Consent.{one}" for one in "cuds"), frozenset()),
    "AuditEvent.s": (("AuditEvent.s",), {"AuditEvent.s"}),
    "AuditEvent.crud": (tuple(f"AuditEvent.{one}" for one in "crud"), frozenset()),
    "*.d": (("*.d",), frozenset()),
    "*.cruds": (tuple(f"*.{one}" for one in "cruds"), SENDER | BOX | {"Consent.r", "AuditEvent.s"}),
    "Patient.cruds": (tuple(f"Patient.{one}" for one in "cruds"), frozenset()),
    "Binary.ruds": (tuple(f"Binary.{one}" for one in "ruds"), frozenset()),
}


def expected(route: tuple[str, str], scope: str, client: str) -> set[int]:
    registered, own = CLIENTS[client]
    if NEEDS[route] not in registered & set(SCOPES[scope][1]):
        return {403}
    if own:
        return {MATRIX[route][3]}
    if route == ("GET", "/mailbox"):
        return {200}  # its own list, which is empty: asserted below
    return {404} if "mailbox" in route[1] else {403}


def test_every_route_is_in_the_matrix_with_the_permission_that_it_asks_for() -> None:
    asked = {(route.method, route.path): route.permission for route in ROUTES if route.access is Access.CLIENT}
    assert asked == NEEDS
    assert {(route.method, route.path) for route in ROUTES} == set(NEEDS) | set(PUBLIC)


@pytest.mark.parametrize("route", NEEDS, ids=" ".join)
async def test_every_cell(http: Http, route: tuple[str, str]) -> None:
    parts = http.line.parts
    add_client(parts, name="another-pharmacy", recipient="another-pharmacy")
    with parts.store.read() as c:
        sender = find(c, "zfg-ehr")
    assert sender is not None
    add_client(parts, name="both", kinds=sender.kinds, establishments=("ZFG",), recipient="exampleton-pharmacy")
    path, more, *_ = MATRIX[route]
    cells = 0
    for client in CLIENTS:
        with parts.store.read() as c:
            owner = find(c, client)
        assert owner is not None
        for scope, (permissions, _) in SCOPES.items():
            bearer = parts.store.write(
                partial(insert_token, parts=parts, owner=owner, permissions=permissions, ttl_seconds=600)
            )
            headers = {**more.get("headers", {}), "Authorization": f"Bearer {bearer}"}
            status, _, body = await http.ask(route[0], path, **{**more, "headers": headers})
            assert status in expected(route, scope, client), (route, scope, client, status)
            if route == ("GET", "/mailbox") and status == 200 and not CLIENTS[client][1]:
                assert json.loads(body) == {"letters": []}
            cells += 1
    assert cells == len(CLIENTS) * len(SCOPES)


def test_sabotage_a_cell_that_should_be_open_is_expected_open() -> None:
    """The matrix does not only deny: each route has a cell in which it serves."""
    for route in NEEDS:
        assert any(expected(route, scope, client) == {MATRIX[route][3]} for scope in SCOPES for client in CLIENTS)
    cells = [expected(*cell) for cell in ((r, s, c) for r in NEEDS for s in SCOPES for c in CLIENTS)]
    assert len(cells) >= 400
    assert cells.count({403}) > len(cells) / 2
