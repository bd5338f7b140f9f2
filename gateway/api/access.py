"""Who calls, proven by a bearer, and whether this client may call this route at all. What it may send is compared at the register."""

import asyncio
import re
from enum import StrEnum
from typing import Final, Literal

from starlette.requests import Request

from gateway.api.ports import Intake
from gateway.clients import Client, authenticate
from gateway.errors import AccessError, Fault

_BEARER: Final = re.compile(r"[Bb]earer +([A-Za-z0-9._~+/=-]{1,512})")


class Access(StrEnum):
    """Who may call a route."""

    PUBLIC = "public"
    SENDS_HL7 = "sends-hl7v2"
    SENDS_FHIR = "sends-fhir"
    COLLECTS = "collects"


Caller = Client | Literal["public"]


async def caller_of(gateway: Intake, request: Request, access: Access) -> Caller:
    """The caller of a route. Raises AccessError: `unauthenticated` without a good bearer, `forbidden` for another kind of client."""
    if access is Access.PUBLIC:
        return "public"
    client = await _authenticated(gateway, request)
    if not _may(client, access):
        raise AccessError(Fault.FORBIDDEN)
    return client


async def _authenticated(gateway: Intake, request: Request) -> Client:
    headers = request.headers.getlist("Authorization")
    match = _BEARER.fullmatch(headers[0]) if len(headers) == 1 else None
    if match is None:
        raise AccessError(Fault.UNAUTHENTICATED)
    return await asyncio.to_thread(_look_up, gateway, match[1])


def _look_up(gateway: Intake, bearer: str) -> Client:
    with gateway.store.read() as c:
        return authenticate(c, bearer, gateway.now())


def _may(client: Client, access: Access) -> bool:
    fhir = "fhir-message" in client.kinds
    match access:
        case Access.SENDS_FHIR:
            return fhir
        case Access.SENDS_HL7:
            return len(client.kinds) > int(fhir)
        case Access.COLLECTS:
            return client.recipient is not None
        case Access.PUBLIC:
            return True
