"""Takes a request's body and headers within limits. It MUST NOT read more than the limit, and MUST NOT understand a body."""

import asyncio
import re
from typing import Final

from starlette.requests import ClientDisconnect, Request

from fhir_profiles.shapes import Issue, Severity
from gateway.errors import RULES, Fault, RequestError
from gateway.settings import Limits

FHIR_TYPES: Final = frozenset({"application/fhir+json", "application/json"})
EVENT_TYPES: Final = frozenset({"application/json", "text/plain"})
"""SNS posts its envelope as `text/plain`."""
HL7_TYPES: Final = frozenset({"application/hl7-v2+er7", "x-application/hl7-v2+er7", "text/plain"})
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_GUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PARAMETER_NAME: Final = re.compile(r"[A-Za-z_:.-]{1,40}")
_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,16}")
_JSON_FORMATS: Final = frozenset({"json", "application/json", "application/fhir+json", "text/json"})
_ACCEPTED: Final = frozenset({"*/*", "application/*", *FHIR_TYPES})


async def read_body(request: Request, types: frozenset[str], limits: Limits, maximum: int | None = None) -> bytes:
    """The whole body, of one of these media types, uncompressed, in size and in time. Raises RequestError."""
    most = limits.max_body_bytes if maximum is None else min(maximum, limits.max_body_bytes)
    if media_type(request.headers.get("Content-Type", "")) not in types:
        raise RequestError(Fault.MEDIA_TYPE_UNSUPPORTED)
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise RequestError(Fault.ENCODING_UNSUPPORTED)
    declared = request.headers.get("Content-Length", "0")
    if declared.isdigit() and int(declared[:20]) > most:
        raise RequestError(Fault.TOO_LARGE)
    try:
        async with asyncio.timeout(limits.http_read_seconds):
            return await _collect(request, most)
    except TimeoutError:
        raise RequestError(Fault.TOO_SLOW) from None
    except ClientDisconnect:
        raise RequestError(Fault.REQUEST_INVALID) from None


async def _collect(request: Request, maximum: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        # INVARIANT: the limit holds while reading, whatever length was declared.
        if len(body) > maximum:
            raise RequestError(Fault.TOO_LARGE)
    return bytes(body)


def media_type(header: str) -> str:
    """`application/fhir+json` of `application/fhir+json; charset=utf-8`. Another character set than UTF-8 is no type that is taken."""
    kind, _, parameters = header.partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters, re.IGNORECASE)
    kind = kind.strip().lower()
    if charset and kind in FHIR_TYPES and charset[1].lower() not in ("utf-8", "utf8"):
        return ""
    return kind


def require_json_accepted(request: Request) -> None:
    """Only JSON is served. Raises RequestError (`not-acceptable`)."""
    accept = request.headers.get("Accept", "*/*")
    offered = {one.partition(";")[0].strip().lower() for one in accept.split(",")}
    if not offered & _ACCEPTED:
        raise RequestError(Fault.NOT_ACCEPTABLE)
    if (
        request.query_params.get("_format", "json").partition(";")[0].strip().lower().replace(" ", "+")
        not in _JSON_FORMATS
    ):
        raise RequestError(Fault.NOT_ACCEPTABLE)


def require_parameters(request: Request, allowed: frozenset[str]) -> None:
    """Unknown and repeated query parameters are refused, never ignored. Raises RequestError, which names it where it has the form of
    a parameter's name (letters, `_`, `-`, `:`, `.`: never a number), and quotes no value.
    """
    given = [name for name, _ in request.query_params.multi_items()]
    unknown = [name for name in given if name not in allowed] or [name for name in given if given.count(name) > 1]
    if unknown:
        named = f"`{unknown[0]}`" if _PARAMETER_NAME.fullmatch(unknown[0]) else "a query parameter"
        known = ", ".join(sorted(allowed)) or "none"
        text = f"{named} is not known here or is given twice; known, once each: {known}"
        raise RequestError(Fault.REQUEST_INVALID, invalid(text))


def idempotency_key(request: Request) -> str | None:
    """The Idempotency-Key header, if it has the form of one. Raises RequestError when it has not."""
    value = request.headers.get("Idempotency-Key")
    if value is not None and not _IDEMPOTENCY_KEY.fullmatch(value):
        raise RequestError(Fault.REQUEST_INVALID, invalid("Idempotency-Key is 1 to 255 visible ASCII characters"))
    return value


def whole_number(request: Request, name: str, least: int, most: int, otherwise: int | None = None) -> int:
    """The query parameter of that name within its limits; `otherwise` (or `least`) where it is not given. Raises RequestError."""
    value = request.query_params.get(name)
    if value is None:
        return least if otherwise is None else otherwise
    if not _WHOLE_NUMBER.fullmatch(value) or not least <= int(value) <= most:
        raise RequestError(Fault.REQUEST_INVALID, invalid(f"{name} is a whole number from {least} to {most}"))
    return int(value)


def guid(request: Request, name: str) -> str | None:
    """The header of that name where it is a GUID, in lower case: nothing else of it is kept, because it could be anything."""
    value = request.headers.get(name, "")
    return value.lower() if _GUID.fullmatch(value) else None


def invalid(text: str) -> Issue:
    """An issue of an invalid request."""
    return Issue(severity=Severity.ERROR, code=RULES[Fault.REQUEST_INVALID].issue, path="", text=text)
