"""Who calls, proven by a bearer, and whether this client may call this route at all. What it may send is compared at the register."""

import asyncio
import re
from enum import StrEnum
from typing import Final, Literal

from starlette.requests import Request

from gateway.api.ports import Intake
from gateway.clients import Client, authenticate
from gateway.errors import AccessError, Fault, RequestError
from gateway.patience import CERTIFICATE
from gateway.settings import is_loopback

_BEARER: Final = re.compile(r"[Bb]earer +([A-Za-z0-9._~+/=-]{1,512})")


_PASSED_ON: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


class Access(StrEnum):
    """Who may call a route."""

    PUBLIC = "public"
    LOCAL = "local"
    CLIENT = "client"


Caller = Client | Literal["public"]


async def caller_of(gateway: Intake, request: Request, access: Access, permission: str) -> Caller:
    """The caller of a route. Raises AccessError: `unauthenticated` without a good bearer, `forbidden` when it does not hold `permission`.

    A bearer's permissions are never more than what its client is registered for (`gateway.clients.authenticate`).
    """
    if access is Access.LOCAL and not is_local(request):
        raise RequestError(Fault.NOT_FOUND)
    if access is not Access.CLIENT:
        return "public"
    client = await _authenticated(gateway, request)
    # INVARIANT: deny by default: a route that names no permission serves nobody.
    if not permission or permission not in client.permissions:
        raise AccessError(Fault.FORBIDDEN)
    return client


def is_local(request: Request) -> bool:
    """Does a process of this machine ask, for itself? What a proxy passes on comes from elsewhere, whatever it says of its origin."""
    return (
        request.client is not None
        and is_loopback(request.client.host)
        and not any(name in request.headers for name in _PASSED_ON)
    )


async def _authenticated(gateway: Intake, request: Request) -> Client:
    headers = request.headers.getlist("Authorization")
    match = _BEARER.fullmatch(headers[0]) if len(headers) == 1 else None
    if match is None:
        raise AccessError(Fault.UNAUTHENTICATED)
    return await asyncio.to_thread(_look_up, gateway, match[1], shown_certificate(gateway, request))


def shown_certificate(gateway: Intake, request: Request) -> str | None:
    """What the client's bearer is bound to; None where this door is not mutual TLS. AccessError for a client that shows none where it is."""
    if not gateway.settings.http_mutual():
        return None
    shown: str | None = getattr(request.state, CERTIFICATE, None)
    if shown is None:
        raise AccessError(Fault.UNAUTHENTICATED)
    return shown


def _look_up(gateway: Intake, bearer: str, certificate: str | None) -> Client:
    with gateway.store.read() as c:
        return authenticate(c, bearer, gateway.now(), certificate=certificate)
