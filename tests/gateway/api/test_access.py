"""The matrix of every route x who calls, made from the application itself: a route that is not listed here fails."""

import asyncio
import json
from typing import Any

import pytest
from starlette import routing
from starlette.requests import Request

from gateway.api import create_app
from gateway.api.access import Access, is_local
from gateway.api.routes import ROUTES, Route
from gateway.clients import end_client
from gateway.errors import AccessError
from tests.builders import adt_a01, fhir_message
from tests.gateway.api.conftest import LETTER, Http, Line
from tests.gateway.receive.line import make_parts
from tests.gateway.test_deciding import question

ID = LETTER.delivery_id
HL7 = {"Content-Type": "application/hl7-v2+er7"}
FHIR = {"Content-Type": "application/fhir+json"}

OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "weight"},
    "subject": {"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}},
    "extension": [
        {
            "url": "https://throughgate.example/extension/establishment",
            "valueIdentifier": {"system": "https://throughgate.example/id/agency", "value": "ZFG"},
        }
    ],
}

EVENT = {
    "eventType": "prison-offender-events.prisoner.released",
    "occurredAt": "2026-01-15T12:00:00Z",
    "additionalInformation": {"nomsNumber": "A1234BC", "prisonId": "ZFG", "reason": "RELEASED"},
}

# route: (path asked, more of the request, clients that may, status for them, clients that may not)
SENDERS = ("zfg-ehr", "two-prisons")
MATRIX: dict[tuple[str, str], tuple[str, dict[str, Any], tuple[str, ...], int, tuple[str, ...]]] = {
    ("POST", "/hl7v2"): ("/hl7v2", {"data": adt_a01(), "headers": HL7}, SENDERS, 200, ("pharmacy",)),
    ("POST", "/fhir/$process-message"): (
        "/fhir/$process-message",
        {"data": fhir_message(), "headers": FHIR},
        SENDERS,
        200,
        ("pharmacy", "tests-only"),
    ),
    ("POST", "/fhir"): (
        "/fhir",
        {"data": json.dumps(OBSERVATION).encode(), "headers": FHIR},
        SENDERS,
        202,
        ("pharmacy", "tests-only"),
    ),
    ("POST", "/fhir/Consent/$decide"): (
        "/fhir/Consent/$decide",
        {"data": json.dumps(question()).encode(), "headers": FHIR},
        ("authority",),
        200,
        ("zfg-ehr", "tests-only", "pharmacy"),
    ),
    ("POST", "/events/hmpps"): (
        "/events/hmpps",
        {"data": json.dumps(EVENT).encode(), "headers": {"Content-Type": "application/json"}},
        SENDERS,
        202,
        ("pharmacy",),
    ),
    ("GET", "/fhir/AuditEvent"): (
        "/fhir/AuditEvent",
        {},
        ("audit-store",),
        200,
        ("zfg-ehr", "authority"),
    ),
    ("GET", "/mailbox"): ("/mailbox", {}, ("pharmacy",), 200, ("zfg-ehr", "tests-only")),
    ("GET", "/mailbox/{id}"): (f"/mailbox/{ID}", {}, ("pharmacy",), 200, ("zfg-ehr", "tests-only")),
    ("PUT", "/mailbox/{id}/acknowledged"): (
        f"/mailbox/{ID}/acknowledged",
        {},
        ("pharmacy",),
        204,
        ("zfg-ehr", "tests-only"),
    ),
}
PUBLIC = {
    ("GET", "/fhir/metadata"): 200,
    ("GET", "/fhir/StructureDefinition"): 200,
    ("GET", "/fhir/StructureDefinition/{id}"): 404,
    ("GET", "/fhir/MessageDefinition"): 200,
    ("GET", "/fhir/MessageDefinition/{id}"): 404,
    ("GET", "/fhir/Bundle/{id}"): 404,
    ("GET", "/fhir/ImplementationGuide"): 200,
    ("GET", "/fhir/ImplementationGuide/{id}"): 404,
    ("GET", "/fhir/OperationDefinition"): 200,
    ("GET", "/fhir/OperationDefinition/{id}"): 404,
    ("GET", "/.well-known/smart-configuration"): 200,
    ("GET", "/fhir/.well-known/smart-configuration"): 200,
    ("POST", "/oauth2/token"): 400,
    ("GET", "/metrics"): 200,
    ("GET", "/health/live"): 200,
    ("GET", "/health/ready"): 200,
}
BAD_BEARERS: tuple[dict[str, str], ...] = (
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer tg_" + "0" * 64},
    {"Authorization": "Basic dXNlcjpwYXNz"},
    {"Authorization": "Bearer a b"},
    {"Authorization": "Bearer " + "x" * 5_000},
    {"Authorization": "Bearer ' OR '1'='1"},
)


def served() -> set[tuple[str, str]]:
    """Every method and path that the application answers."""
    app = create_app(Line(make_parts()))
    found = set()
    for route in app.routes:
        assert isinstance(route, routing.Route), f"{route} is not of the route table"
        found |= {(method, route.path) for method in route.methods or ()}
    return found


def test_every_route_is_in_this_matrix_and_no_other() -> None:
    assert served() == set(MATRIX) | set(PUBLIC)


def test_only_the_public_ones_are_public() -> None:
    assert {(route.method, route.path) for route in ROUTES if route.access is not Access.CLIENT} == set(PUBLIC)


def test_sabotage_an_unlisted_route_fails_the_matrix() -> None:
    app = create_app(Line(make_parts()))
    app.add_api_route("/backdoor", lambda: None, methods=["GET"])
    found = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, routing.Route)
        for method in route.methods or ()
    }
    assert found != set(MATRIX) | set(PUBLIC)


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.access is Access.CLIENT], ids=lambda route: route.name
)
async def test_sabotage_a_route_that_was_made_public_by_mistake_still_serves_nobody(route: Route) -> None:
    """Every handler asks for its client itself."""
    request = Request({"type": "http", "method": route.method, "path": route.path, "headers": [], "query_string": b""})
    with pytest.raises(AccessError):
        await route.serve(Line(make_parts()), request, "public")


@pytest.mark.parametrize("route", MATRIX, ids=" ".join)
async def test_nobody_without_a_good_bearer(http: Http, route: tuple[str, str]) -> None:
    path, more, *_ = MATRIX[route]
    for headers in BAD_BEARERS:
        request = {**more, "headers": {**more.get("headers", {}), **headers}}
        status, answered, body = await http.ask(route[0], path, **request)
        assert status == 401, headers
        assert answered["www-authenticate"].startswith("Bearer")
        assert json.loads(body)["issue"][0]["code"] == "login"
    assert http.line.arrivals == []


@pytest.mark.parametrize("route", MATRIX, ids=" ".join)
async def test_the_right_client_may_and_another_may_not(http: Http, route: tuple[str, str]) -> None:
    path, more, allowed, good, refused = MATRIX[route]
    for client in allowed:
        request = {**more, "headers": {**more.get("headers", {}), **http.bearer(client)}}
        assert (await http.ask(route[0], path, **request))[0] == good, client
    before = len(http.line.arrivals)
    for client in refused:
        request = {**more, "headers": {**more.get("headers", {}), **http.bearer(client)}}
        status, _, body = await http.ask(route[0], path, **request)
        assert status == 403, client
        assert json.loads(body)["issue"][0]["code"] == "forbidden"
    assert len(http.line.arrivals) == before


@pytest.mark.parametrize("route", PUBLIC, ids=" ".join)
async def test_public_routes_answer_anybody(http: Http, route: tuple[str, str]) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        status, _, _ = await http.ask(*route, headers=headers)
        assert status == PUBLIC[route]


async def test_a_client_sends_only_its_kinds(http: Http) -> None:
    """`tests-only` may call /hl7v2 but not with an admission."""
    status, _, body = await http.ask("POST", "/hl7v2", data=adt_a01(), headers={**HL7, **http.bearer("tests-only")})
    assert status == 403
    assert b"MSA|AR|" in body


async def test_a_client_sends_only_for_its_establishments(http: Http) -> None:
    status, _, body = await http.ask("POST", "/hl7v2", data=adt_a01(), headers={**HL7, **http.bearer("elsewhere")})
    assert status == 403
    assert b"204^Unknown key identifier" in body


async def test_an_expired_bearer_and_an_ended_client_are_nobody(http: Http) -> None:
    headers = http.bearer("pharmacy")
    assert (await http.ask("GET", "/mailbox", headers=headers))[0] == 200
    http.line.parts.clock.pass_seconds(600)
    assert (await http.ask("GET", "/mailbox", headers=headers))[0] == 401
    headers = http.bearer("pharmacy")
    http.line.store.write(lambda c: end_client(c, http.line.parts, "pharmacy"))
    assert (await http.ask("GET", "/mailbox", headers=headers))[0] == 401


async def test_a_bearer_in_the_address_is_not_looked_at(http: Http) -> None:
    assert (await http.ask("GET", f"/mailbox?access_token={http.token('pharmacy')}"))[0] == 401


async def test_two_authorizations_are_none(http: Http) -> None:
    good = f"Bearer {http.token('pharmacy')}"
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(f"GET /mailbox HTTP/1.1\r\nHost: x\r\nAuthorization: {good}\r\nAuthorization: {good}\r\n\r\n".encode())
    assert b" 401 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_who_calls_is_known_before_a_body_is_read(http: Http) -> None:
    """Without a bearer the answer comes although the body never does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(b"POST /hl7v2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n")
    async with asyncio.timeout(0.4):
        assert b" 401 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
async def test_metrics_are_for_this_machine_alone(http: Http, header: str) -> None:
    """What a proxy passes on is somebody else's question, even when it says that it comes from here."""
    assert (await http.ask("GET", "/metrics"))[0] == 200
    status, _, body = await http.ask("GET", "/metrics", headers={header: "127.0.0.1"})
    assert status == 404
    assert json.loads(body)["issue"][0]["code"] == "not-found"


@pytest.mark.parametrize(
    ("client", "local"),
    [
        (("127.0.0.1", 1), True),
        (("::1", 1), True),
        (("192.0.2.1", 1), False),
        (("localhost.example", 1), False),
        (None, False),
    ],
)
def test_who_counts_as_this_machine(client: tuple[str, int] | None, local: bool) -> None:
    request = Request({"type": "http", "method": "GET", "path": "/metrics", "headers": [], "client": client})
    assert is_local(request) is local
