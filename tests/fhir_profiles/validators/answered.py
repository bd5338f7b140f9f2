"""What the gateway itself answers in FHIR: custody, refusals, responses, what it can do, what it defines, and the pages of its audit feed.

Asked of the functions that the routes call, with no server: the bytes are those that a caller gets.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from fhir_profiles.definitions import DEFINITIONS
from fhir_profiles.fhir_json import decode
from fhir_profiles.peek_fhir import peek_fhir
from fhir_profiles.shapes import Channel, Envelope, Issue, Json, Severity
from gateway.api.ports import Intake
from gateway.api.routes import ROUTES
from gateway.audit_feed import Page
from gateway.clients import Client
from gateway.errors import RULES, Fault
from gateway.settings import Settings
from gateway.steps.acknowledge import Names, fhir_custody, fhir_rejected, fhir_response
from tests.fhir_profiles.fhir_message import golden_pairs
from tests.fhir_profiles.validators.running import Judged
from tests.gateway.receive.line import settings

NAMES = Names(
    accept_id="0123456789ABCDEFGHJK",
    application_id="1123456789ABCDEFGHJK",
    time="2026-01-15T12:00:00+00:00",
    message_id="2123456789ABCDEFGHJK",
)
AUDITOR = Client(
    id="auditor",
    name="auditor",
    kinds=(),
    establishments=(),
    recipient=None,
    consent_authority=False,
    audit_reader=True,
)
OF_A_MESSAGE = frozenset({400, 403, 409, 413, 422, 425, 503})
"""The statuses that a message is refused with: BaRS has a code for each of these."""
FOUND = Issue(
    severity=Severity.ERROR, code="required", path="Bundle.entry[0].resource.status", text="an element that is required"
)


@dataclass(frozen=True)
class Answering:
    """As much of the gateway as these routes ask."""

    settings: Settings
    events: Sequence[Json]

    async def audit_page(self, after: int, count: int) -> Page:
        return Page(events=tuple(self.events[:count]), last=after + count, more=False, only_taking=False)


def asked(gateway: Answering, path: str, query: str = "") -> Json:
    """The answer to a GET, by the route that the path has."""
    (route,) = (each for each in ROUTES if each.method == "GET" and each.path == path)
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [],
        "path_params": {},
    }

    async def ask() -> Response:
        return await route.serve(cast("Intake", gateway), Request(scope), AUDITOR)

    return decode(bytes(asyncio.run(ask()).body))


def pages(events: Sequence[Json]) -> Iterator[tuple[str, Json]]:
    """What it can do, the definitions of each type and one of them by its address, an address that is none, and the audit feed."""
    gateway = Answering(settings(), events)
    yield "metadata", asked(gateway, "/fhir/metadata")
    for name, definitions in DEFINITIONS.items():
        yield f"search: {name}", asked(gateway, f"/fhir/{name}")
        one = next(iter(definitions.values()))
        yield f"search: one {name}", asked(gateway, f"/fhir/{name}", f"url={one['url']}")
        yield f"search: no {name}", asked(gateway, f"/fhir/{name}", "url=https://nowhere.example/definition")
    yield "audit feed", asked(gateway, "/fhir/AuditEvent")
    yield "audit feed, nothing new", asked(Answering(settings(), ()), "/fhir/AuditEvent")


def answers(events: Sequence[Json]) -> Iterator[Judged]:
    """Each of these answers, in both dialects where there are two."""
    for bars in (False, True):
        way = ", BaRS" if bars else ""
        for fault in (None, *(each for each in Fault if not bars or RULES[each].status in OF_A_MESSAGE)):
            for issues in ((), (FOUND,)) if fault is Fault.UNREADABLE else ((),):
                answer = fhir_custody(NAMES, fault=fault, issues=issues, bars=bars)
                name = f"answer: {fault or 'custody'}{', with a place' if issues else ''}{way}"
                yield Judged(name=name, resource=decode(answer.body))
        seen = peek_fhir(Channel(name="golden", format="fhir"), golden_pairs.sources()[0].read_bytes())
        assert isinstance(seen, Envelope)
        response = fhir_response(seen, NAMES, endpoint="https://gateway.example/fhir", bars=bars)
        yield Judged(name=f"answer: response{way}", resource=decode(response.body))
        yield Judged(name=f"answer: response, rejected{way}", resource=decode(fhir_rejected(response).body))
    yield from (Judged(name=name, resource=resource) for name, resource in pages(events))
