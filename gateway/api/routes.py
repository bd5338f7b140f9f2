"""Every route, who may call it, and what it does. A route that is not a row of `ROUTES` does not exist."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from adapters.contract import CHECKPOINT, Arrival, in_header
from fhir_profiles.definitions import DEFINITIONS
from fhir_profiles.examples import EXAMPLES, example
from fhir_profiles.fhir_kinds import AS_MESSAGE, BY_ITSELF
from fhir_profiles.hmpps import KIND as HMPPS_EVENT
from gateway.api.access import Access, Caller
from gateway.api.answers import fhir_json, plain_json, refusal, sent
from gateway.api.capability import Interaction, capability_statement
from gateway.api.documents import base_address, smart_configuration
from gateway.api.ports import Intake
from gateway.api.reading import (
    EVENT_TYPES,
    FHIR_TYPES,
    HL7_TYPES,
    guid,
    idempotency_key,
    invalid,
    read_body,
    require_json_accepted,
    whole_number,
)
from gateway.api.token import oauth_token
from gateway.audit_feed import MOST as MOST_EVENTS
from gateway.clients import Client
from gateway.deciding import QuestionError, decide_question
from gateway.errors import AccessError, Fault, RequestError
from gateway.ledger import NotProvable
from gateway.metrics import CONTENT_TYPE, exposition
from gateway.settings import ChannelSettings
from gateway.states import MessageState
from gateway.steps.receive import Received

Serve = Callable[[Intake, Request, Caller], Awaitable[Response]]
MAX_QUESTION_BYTES: Final = 256 * 1024
_DELIVERY_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{20}")


@dataclass(frozen=True, kw_only=True)
class Route:
    """One row: method, path, who may call with which permission of SMART's (`Bundle.c`), which query parameters there are, what answers.

    `fhir` is what the row is in the CapabilityStatement; None for what FHIR has no word for.
    """

    method: str
    path: str
    access: Access
    permission: str
    parameters: frozenset[str]
    name: str
    serve: Serve
    fhir: Interaction | None = None


async def hl7v2(gateway: Intake, request: Request, caller: Caller) -> Response:
    """POST /hl7v2: one ER7 message; the answer is the HL7 acknowledgement."""
    client = _client(caller)
    body = await read_body(request, HL7_TYPES, gateway.settings.limits)
    received = await _receive(gateway, request, client, "hl7v2", body)
    return sent(received.answer)


async def process_message(gateway: Intake, request: Request, caller: Caller) -> Response:
    """POST /fhir/$process-message: 202 custody with `async`, and where an address is registered the response later, as a message of its own;
    without `async` 200 with the response message when it was released in time.
    """
    client = _client(caller)
    require_json_accepted(request)
    waits = not _asks_for_async(request, gateway.settings.http_channel(client.name, "fhir"))
    body = await read_body(request, FHIR_TYPES, gateway.settings.limits)
    received = await _receive(gateway, request, client, "fhir", body, AS_MESSAGE, later=not waits)
    if waits and received.accepted and received.processed and received.message_id:
        state = await gateway.settle_message(received.message_id, gateway.settings.limits.process_seconds)
        if state is MessageState.RELEASED:
            return sent(received.processed)
    return sent(received.answer)


async def fhir(gateway: Intake, request: Request, caller: Caller) -> Response:
    """POST /fhir: a collection, transaction or document Bundle, or one resource. 202 custody: what becomes of it is not told here."""
    client = _client(caller)
    require_json_accepted(request)
    body = await read_body(request, FHIR_TYPES, gateway.settings.limits)
    received = await _receive(gateway, request, client, "fhir", body, BY_ITSELF)
    return sent(received.answer)


async def decide(gateway: Intake, request: Request, caller: Caller) -> Response:
    """POST /fhir/Consent/$decide: what the consents of a question say of its resources. Nothing is stored, and nothing of ours is asked."""
    _client(caller)
    require_json_accepted(request)
    body = await read_body(request, FHIR_TYPES, gateway.settings.limits, MAX_QUESTION_BYTES)
    try:
        return plain_json(await asyncio.to_thread(decide_question, body, bounded=True))
    except QuestionError as error:
        raise RequestError(Fault.REQUEST_INVALID, invalid(str(error))) from None


async def hmpps(gateway: Intake, request: Request, caller: Caller) -> Response:
    """POST /events/hmpps: one HMPPS domain event, bare or in the SNS envelope of a queue. 202 custody."""
    client = _client(caller)
    require_json_accepted(request)
    body = await read_body(request, EVENT_TYPES, gateway.settings.limits)
    received = await _receive(gateway, request, client, "fhir", body, (HMPPS_EVENT,))
    return sent(received.answer)


def _asks_for_async(request: Request, channel: ChannelSettings) -> bool:
    # INVARIANT: no outbound address is ever taken from a request or a message: one that is named must be the one that is registered.
    registered = channel.answers.adapter_settings.get("url") if channel.answers is not None else None
    if "response-url" in request.query_params and request.query_params["response-url"] != registered:
        text = "response-url is not the address that is registered for this client: leave it out, or ask the operator to register it"
        raise RequestError(Fault.REQUEST_INVALID, invalid(text))
    value = request.query_params.get("async", "false")
    if value not in ("true", "false"):
        raise RequestError(Fault.REQUEST_INVALID, invalid("async is true or false"))
    return value == "true" or "respond-async" in request.headers.get("Prefer", "")


async def _receive(
    gateway: Intake,
    request: Request,
    client: Client,
    message_format: Literal["hl7v2", "fhir"],
    body: bytes,
    kinds: Collection[str] = (),
    *,
    later: bool = False,
) -> Received:
    channel = gateway.settings.http_channel(client.name, message_format)
    arrival = Arrival(
        channel=channel.name,
        client=client.name,
        body=body,
        content_type=request.headers.get("Content-Type", ""),
        idempotency_key=idempotency_key(request),
        request_id=guid(request, "X-Request-ID"),
        correlation_id=guid(request, "X-Correlation-ID"),
        kinds=tuple(sorted(kinds)),
        answer_later=later,
    )
    return await gateway.receive(arrival)


async def metadata(gateway: Intake, request: Request, _caller: Caller) -> Response:
    """GET /fhir/metadata: the CapabilityStatement."""
    require_json_accepted(request)
    served = [route.fhir for route in ROUTES if route.fhir is not None]
    return fhir_json(capability_statement(gateway.settings, base_address(gateway.settings), served))


async def definition_read(_gateway: Intake, request: Request, _caller: Caller) -> Response:
    """GET /fhir/StructureDefinition/{id} and the like: one definition of ours."""
    require_json_accepted(request)
    definition = DEFINITIONS[_definition_type(request)].get(str(request.path_params["id"]))
    if definition is None:
        raise RequestError(Fault.NOT_FOUND)
    return fhir_json(definition)


async def definition_search(gateway: Intake, request: Request, _caller: Caller) -> Response:
    """GET /fhir/StructureDefinition and the like: every definition of ours of that type, or the one with this `url`."""
    require_json_accepted(request)
    definition_type, asked = _definition_type(request), request.query_params.get("url")
    base = f"{base_address(gateway.settings)}/fhir/{definition_type}"
    entries = [
        {"fullUrl": f"{base}/{name}", "resource": definition, "search": {"mode": "match"}}
        for name, definition in DEFINITIONS[definition_type].items()
        if asked in (None, definition["url"])
    ]
    itself = base if asked is None else f"{base}?{urlencode({'url': asked})}"
    found = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(entries),
        "link": [{"relation": "self", "url": itself}],  # R4: a server says which search it answered
    }
    return fhir_json({**found, "entry": entries} if entries else found)


async def example_read(_gateway: Intake, request: Request, _caller: Caller) -> Response:
    """GET /fhir/Bundle/{id}: the example of a letter, and no other Bundle: nothing that was ever received or sent is looked for."""
    require_json_accepted(request)
    name = str(request.path_params["id"])
    if name not in EXAMPLES:
        raise RequestError(Fault.NOT_FOUND)
    return fhir_json(example(name))


def _definition_type(request: Request) -> str:
    return request.url.path.split("/")[2]


async def smart_of_fhir(gateway: Intake, request: Request, caller: Caller) -> Response:
    """GET /fhir/.well-known/smart-configuration: where SMART looks, below the FHIR address."""
    return await smart(gateway, request, caller)


async def smart(gateway: Intake, _request: Request, _caller: Caller) -> Response:
    """GET /.well-known/smart-configuration."""
    return plain_json(smart_configuration(gateway.settings))


async def mailbox_list(gateway: Intake, _request: Request, caller: Caller) -> Response:
    """GET /mailbox: ids and times."""
    items = await gateway.mailbox_list(_client(caller))
    return plain_json({"letters": [{"id": item.id, "queued_at": item.queued_at} for item in items]})


async def mailbox_open(gateway: Intake, request: Request, caller: Caller) -> Response:
    """GET /mailbox/{id}: the letter, checked at the door now. Recalled, expired, unknown and another's are the same 404."""
    letter = await gateway.mailbox_open(_client(caller), _delivery_id(request))
    if letter is None:
        raise RequestError(Fault.NOT_FOUND)
    return Response(letter.body, media_type=letter.content_type)


async def mailbox_acknowledge(gateway: Intake, request: Request, caller: Caller) -> Response:
    """PUT /mailbox/{id}/acknowledged: stored by the recipient. 204, and 204 again; with the ledger's signed head, for who keeps receipts."""
    if not await gateway.mailbox_acknowledge(_client(caller), _delivery_id(request)):
        raise RequestError(Fault.NOT_FOUND)
    return Response(status_code=204, headers={CHECKPOINT: in_header(await gateway.signed_head())})


def _delivery_id(request: Request) -> str:
    value = str(request.path_params["id"])
    if not _DELIVERY_ID.fullmatch(value):
        raise RequestError(Fault.NOT_FOUND)
    return value


async def audit_events(gateway: Intake, request: Request, caller: Caller) -> Response:
    """GET /fhir/AuditEvent: a page of the ledger in its order. `next` is always there: what it answers when asked later is what came since."""
    require_json_accepted(request)
    _client(caller)
    after, count = whole_number(request, "page", -1, 2**53), whole_number(request, "_count", 1, MOST_EVENTS, 1_000)
    try:
        page = await gateway.audit_page(after, count)
    except NotProvable:
        return refusal(Fault.STORE_UNAVAILABLE)  # no head is signed yet: it is a second's wait
    base = f"{base_address(gateway.settings)}/fhir/AuditEvent"
    links = {"self": after, "next": page.last}
    found = {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [
            {"relation": relation, "url": f"{base}?_count={count}&page={place}"} for relation, place in links.items()
        ],
    }
    entries = [
        {"fullUrl": f"{base}/{each['id']}", "resource": each, "search": {"mode": "match"}} for each in page.events
    ]
    return fhir_json({**found, "entry": entries} if entries else found, headers={"Cache-Control": "no-store"})


async def live(_gateway: Intake, _request: Request, _caller: Caller) -> Response:
    """GET /health/live: the process answers."""
    return plain_json({"status": "live"})


async def ready(gateway: Intake, _request: Request, _caller: Caller) -> Response:
    """GET /health/ready: messages can be taken."""
    if not await gateway.ready():
        return refusal(Fault.STORE_UNAVAILABLE)
    return plain_json({"status": "ready"})


async def metrics(gateway: Intake, _request: Request, _caller: Caller) -> Response:
    """GET /metrics: for Prometheus on this machine."""
    return Response(await asyncio.to_thread(exposition, gateway), media_type=CONTENT_TYPE)


def _client(caller: Caller) -> Client:
    """The client of a route that is not public. INVARIANT: no handler of such a route runs without one."""
    if caller == "public":
        raise AccessError(Fault.UNAUTHENTICATED)
    return caller


def _client_row(
    method: str,
    path: str,
    permission: str,
    serve: Serve,
    parameters: Collection[str] = frozenset(),
    fhir: Interaction | None = None,
) -> Route:
    return _row(method, path, serve, parameters, access=Access.CLIENT, permission=permission, fhir=fhir)


def _row(
    method: str,
    path: str,
    serve: Serve,
    parameters: Collection[str] = frozenset(),
    *,
    access: Access = Access.PUBLIC,
    permission: str = "",
    fhir: Interaction | None = None,
) -> Route:
    return Route(
        method=method,
        path=path,
        access=access,
        permission=permission,
        parameters=frozenset(parameters),
        name=serve.__name__.replace("_", "-"),
        serve=serve,
        fhir=fhir,
    )


def _definition_rows(definition_type: str) -> tuple[Route, ...]:
    path = f"/fhir/{definition_type}"
    searched = frozenset({"url"})
    return (
        _row("GET", path, definition_search, {*searched, "_format"}, fhir=Interaction(code="search-type", type=definition_type, parameters=searched)),
        _row("GET", path + "/{id}", definition_read, {"_format"}, fhir=Interaction(code="read", type=definition_type)),
    )  # fmt: skip


_PROCESS_MESSAGE: Final = Interaction(
    code="operation",
    name="process-message",
    definition="http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
    documentation=(
        "Bundle of type message; async=true answers 202 at once, and the response follows as a message of its own to the address that is "
        "registered for the sender, where one is. A response-url that is not that address is refused."
    ),
)
_DECIDE: Final = Interaction(
    code="operation",
    type="Consent",
    name="decide",
    definition="https://throughgate.example/OperationDefinition/consent-decide",
    documentation="What the consents of a question say of its resources, as JSON of a local shape. Nothing is stored or released.",
)
_AUDIT_EVENTS: Final = Interaction(
    code="search-type",
    type="AuditEvent",
    documentation="The ledger in its order, by `_count` and the link `next`, which is always there. For a client registered for it.",
)
_EXAMPLE: Final = Interaction(
    code="read",
    type="Bundle",
    documentation="The examples of the letters, about nobody, by the ids that the ImplementationGuide lists, and no other Bundle.",
)

ROUTES: Final = (
    _client_row("POST", "/hl7v2", "Binary.c", hl7v2),
    _client_row(
        "POST",
        "/fhir/$process-message",
        "Bundle.c",
        process_message,
        ("async", "response-url", "_format"),
        _PROCESS_MESSAGE,
    ),
    _client_row("POST", "/fhir", "Bundle.c", fhir, ("_format",)),
    _client_row("POST", "/fhir/Consent/$decide", "Consent.r", decide, ("_format",), _DECIDE),
    _client_row("POST", "/events/hmpps", "Binary.c", hmpps),
    _client_row("GET", "/mailbox", "Bundle.s", mailbox_list),
    _client_row("GET", "/mailbox/{id}", "Bundle.r", mailbox_open),
    _client_row("PUT", "/mailbox/{id}/acknowledged", "Bundle.u", mailbox_acknowledge),
    _client_row("GET", "/fhir/AuditEvent", "AuditEvent.s", audit_events, ("_count", "page", "_format"), _AUDIT_EVENTS),
    _row("GET", "/fhir/metadata", metadata, ("_format",)),
    *(row for definition_type in DEFINITIONS for row in _definition_rows(definition_type)),
    _row("GET", "/fhir/Bundle/{id}", example_read, {"_format"}, fhir=_EXAMPLE),
    _row("GET", "/fhir/.well-known/smart-configuration", smart_of_fhir),
    _row("GET", "/.well-known/smart-configuration", smart),
    _row("POST", "/oauth2/token", oauth_token),
    _row("GET", "/metrics", metrics, access=Access.LOCAL),
    _row("GET", "/health/live", live),
    _row("GET", "/health/ready", ready),
)
