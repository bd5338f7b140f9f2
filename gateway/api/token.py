"""POST /oauth2/token: client credentials by a signed assertion. Errors are RFC 6749's words and a fixed sentence, never what was sent."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.access import Caller, shown_certificate
from gateway.api.answers import plain_json
from gateway.api.documents import audiences
from gateway.api.ports import Intake
from gateway.api.reading import read_body
from gateway.errors import RULES, AccessError, RequestError
from gateway.log import Code, log
from gateway.refusals import UNKNOWN, What
from gateway.scopes import ScopeError, requested
from gateway.smart.assertion import AssertionRefused
from gateway.smart.grant import grant

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_FORM_BYTES: Final = 16_384
MAX_FIELDS: Final = 20
FORM_TYPES: Final = frozenset({"application/x-www-form-urlencoded"})
_OTHER_PROOFS: Final = ("client_secret", "code", "refresh_token", "assertion", "username", "password")
_SENTENCES: Final = {
    "invalid_request": "send a form with grant_type, scope, client_assertion_type and client_assertion, once each, and no other proof",
    "unsupported_grant_type": "only client_credentials with a signed assertion is served",
    "invalid_client": "the assertion does not prove a registered client",
    "invalid_scope": "ask for system scopes that this client is registered for, such as system/Bundle.c",
}


_NO_CERTIFICATE: Final = "this door is mutual TLS: show the client certificate to which the bearer will be bound"
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="throughgate"'}


class _OAuthError(Exception):
    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


async def oauth_token(gateway: Intake, request: Request, _caller: Caller) -> Response:
    """The token endpoint of SMART Backend Services."""
    try:
        return await _granted(gateway, await _form(gateway, request), shown_certificate(gateway, request))
    except AccessError:
        return plain_json({"error": "invalid_client", "error_description": _NO_CERTIFICATE}, 401, _CHALLENGE)
    except _OAuthError as error:
        document = {"error": error.code, "error_description": _SENTENCES[error.code]}
        return plain_json(document, error.status, _CHALLENGE if error.status == 401 else {})


async def _form(gateway: Intake, request: Request) -> dict[str, str]:
    """The form's fields, each once. Another way to prove a client beside the assertion is an error, never a second chance."""
    if "Authorization" in request.headers:
        raise _OAuthError("invalid_request")
    try:
        body = await read_body(request, FORM_TYPES, gateway.settings.limits, MAX_FORM_BYTES)
    except RequestError as error:
        status = RULES[error.fault].status
        raise _OAuthError("invalid_request", status if status in (408, 413) else 400) from None
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise _OAuthError("invalid_request") from None
    form = dict(pairs)
    if len(form) != len(pairs) or any(name in form for name in _OTHER_PROOFS):
        raise _OAuthError("invalid_request")
    return form


async def _granted(gateway: Intake, form: dict[str, str], certificate: str | None) -> Response:
    if not form.get("grant_type"):
        raise _OAuthError("invalid_request")
    if form["grant_type"] != "client_credentials":
        raise _OAuthError("unsupported_grant_type")
    assertion = form.get("client_assertion", "")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not assertion:
        raise _OAuthError("invalid_request")
    try:
        asked = requested(form.get("scope", ""))
    except ScopeError:
        asked = None
    try:
        given = await grant(
            gateway, assertion, audiences=audiences(gateway.settings), permissions=asked, certificate=certificate
        )
    except AssertionRefused as error:
        # INVARIANT: one answer for every reason; the reason itself is for the log and, counted, for the ledger.
        log(Code.ACCESS_REFUSED, route="oauth-token", reason=error.reason.value)
        gateway.refusals.count(What.ASSERTION, error.client or UNKNOWN, error.reason.value)
        raise _OAuthError("invalid_client", 401) from None
    if given is None:
        raise _OAuthError("invalid_scope")
    return plain_json(
        {"access_token": given.bearer, "token_type": "bearer", "expires_in": given.seconds, "scope": given.scope}
    )
