"""How an answer looks over HTTP. One function makes every error, so that no other text can reach a caller."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from adapters.contract import Answer
from fhir_profiles.fhir_json import encode
from fhir_profiles.shapes import Issue
from gateway.errors import RULES, SEND_AGAIN, Fault, operation_outcome
from gateway.failpoints import pass_point
from gateway.scopes import scope_text
from gateway.steps.acknowledge import FHIR_CONTENT_TYPE, RETRY_AFTER_SECONDS


def refusal(fault: Fault, issues: Sequence[Issue] = (), headers: Mapping[str, str] | None = None) -> Response:
    """The OperationOutcome of a fault with its status, and the headers that its status asks for."""
    more = dict(headers or {})
    if fault is Fault.UNAUTHENTICATED:
        more["WWW-Authenticate"] = 'Bearer realm="throughgate"'
    if fault in SEND_AGAIN:
        more["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if fault in (Fault.TOO_LARGE, Fault.TOO_SLOW):
        more["Connection"] = "close"
    return fhir_json(operation_outcome(fault, issues), RULES[fault].status, more)


def challenge(fault: Fault, permission: str) -> dict[str, str]:
    """RFC 6750: what a bearer would need that it has not."""
    if fault is not Fault.FORBIDDEN or not permission:
        return {}
    scope = scope_text({permission})
    return {"WWW-Authenticate": f'Bearer realm="throughgate", error="insufficient_scope", scope="{scope}"'}


def fhir_json(resource: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A FHIR resource."""
    return Response(encode(resource), status, dict(headers or {}), media_type=FHIR_CONTENT_TYPE)


def plain_json(document: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A document that is no FHIR resource."""
    return Response(json.dumps(document), status, dict(headers or {}), media_type="application/json")


class _Acknowledgement(Response):
    """... whose bytes are with the socket when it has been sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)
        pass_point("acknowledge.after")


def sent(answer: Answer) -> Response:
    """A gateway's answer as it is. Further acknowledgements that are owed cannot travel here and are left out."""
    return _Acknowledgement(answer.body, answer.status, dict(answer.headers), media_type=answer.content_type)
