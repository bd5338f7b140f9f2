"""Serves the console's routes: who asks and what they may is known before a handler runs, and a view is in the ledger before it leaves.

Every answer says that no script runs, that nothing is loaded from elsewhere and that nothing is kept. It MUST NOT log or answer what a form
said.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway import looks
from gateway.api.access import is_local
from gateway.api.documents import base_address
from gateway.api.plain import PlainRoute
from gateway.api.reading import read_body
from gateway.console import entrance, staff
from gateway.console.asking import Answer, Ask, Elsewhere, NotThere, Page, Taken
from gateway.console.oidc import MINUTES, NotProven, Provider, known_as
from gateway.console.paper import pdf_of
from gateway.console.rendering import STYLE, STYLE_PATH, render
from gateway.console.routes import EXPORTS, FORM, MENU, ROUTES, Route
from gateway.console.staff import Member
from gateway.errors import RULES, Fault, RequestError, ThroughgateError
from gateway.ledger import record
from gateway.log import Code, log
from gateway.pipeline import Gateway
from gateway.spreadsheet import csv_of

P = ParamSpec("P")
T = TypeVar("T")

HOME: Final = "/console/"
BEGIN: Final = "/console/oidc/begin"
RETURN: Final = "/console/oidc/return"
"""Where an identity provider sends the browser back: what is registered there."""
FORM_TYPES: Final = frozenset({"application/x-www-form-urlencoded"})
MAX_FORM_BYTES: Final = 16_384
MAX_FIELDS: Final = 20
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_THREADS: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="console")


async def _apart(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """In a thread of the console's own.

    INVARIANT: no message and no letter waits for a thread behind pages, however many log-ins a stranger tries at once.
    """
    return await asyncio.wrap_future(_THREADS.submit(work, *arguments, **named))


def add_console(app: FastAPI, gateway: Gateway) -> None:
    """Add every route of the console to the application."""
    routes = app.router.routes
    routes.append(PlainRoute(STYLE_PATH, _style(gateway), "GET"))
    routes += [PlainRoute(path, _open(gateway, serve), method) for path, method, serve in entrance.OPEN]
    oidc = gateway.settings.console.oidc
    if oidc is not None:
        provider = Provider(gateway, oidc, f"{base_address(gateway.settings)}{RETURN}")
        routes.append(PlainRoute(BEGIN, _to_provider(gateway, provider), "GET"))
        routes.append(PlainRoute(RETURN, _from_provider(gateway, provider), "GET"))
    routes += [PlainRoute(route.path, _endpoint(gateway, route), route.method, route.name) for route in ROUTES]


def _style(gateway: Gateway) -> Callable[[Request], Awaitable[Response]]:
    async def style(request: Request) -> Response:
        try:
            _require_reachable(gateway, request)
        except RequestError:
            return _said(404)
        # its name says which bytes it is, so a browser need not ask again
        return Response(STYLE, 200, {**HEADERS, "Cache-Control": "max-age=604800, immutable"}, media_type="text/css")

    return style


def _open(gateway: Gateway, serve: entrance.Serve) -> Callable[[Request], Awaitable[Response]]:
    """A door that needs no session: a link's page, the log-in."""

    async def endpoint(request: Request) -> Response:
        try:
            _require_reachable(gateway, request)
            form = await _form(gateway, request)
            done = await _apart(serve, gateway, dict(request.path_params), form)
        except RequestError as error:
            return _said(RULES[error.fault].status)
        except Exception as error:  # noqa: BLE001 - the traceback of a stranger's error may hold what was typed: only its type is written
            log(Code.REQUEST_FAILED, route="console", error=type(error).__name__)
            return _said(500)
        if done.cookie is not None:
            answer = RedirectResponse(HOME, 303, HEADERS)
            _set_cookie(gateway, answer, done.cookie)
            return answer
        return _shown(done)

    return endpoint


def _to_provider(gateway: Gateway, provider: Provider) -> Callable[[Request], Awaitable[Response]]:
    """A log-in by the identity provider begins: this browser gets a random value, and goes there."""

    async def begin(request: Request) -> Response:
        try:
            _require_reachable(gateway, request)
            address, secret = await provider.begin()
        except RequestError as error:
            return _said(RULES[error.fault].status)
        except NotProven as error:
            return _not_proven(gateway, error)
        answer = RedirectResponse(address, 303, HEADERS)
        # lax: the provider sends the browser back here, and a strict one would not come with it
        secure = _is_under_tls(gateway)
        name = _asked_cookie(gateway)
        answer.set_cookie(name, secret, 60 * MINUTES, path="/", secure=secure, httponly=True, samesite="lax")
        return answer

    return begin


def _from_provider(gateway: Gateway, provider: Provider) -> Callable[[Request], Awaitable[Response]]:
    """The browser comes back: whoever the provider proved has a session, if the register of staff has them."""

    async def come_back(request: Request) -> Response:
        try:
            _require_reachable(gateway, request)
            subject = await provider.subject(request.cookies.get(_asked_cookie(gateway), ""), _once(request))
            cookie = await _apart(staff.begin_for, gateway, known_as(provider.settings, subject))
        except RequestError as error:
            return _said(RULES[error.fault].status)
        except NotProven as error:
            return _not_proven(gateway, error)
        except Exception as error:  # noqa: BLE001 - the traceback of a stranger's error may hold what the provider said: only its type is written
            log(Code.REQUEST_FAILED, route="console", error=type(error).__name__)
            return _said(500)
        if cookie is None:
            log(Code.ACCESS_REFUSED, route="console", reason="no-account")
            return _shown(entrance.refused_at_log_in(gateway, f"{entrance.NO_ACCOUNT} {subject}", 403))
        # a page, and no redirect: what follows one that another site began carries no strict cookie
        answer = _shown(entrance.Shown(template="logged_in.html"))
        _set_cookie(gateway, answer, cookie)
        answer.delete_cookie(_asked_cookie(gateway), path="/", secure=_is_under_tls(gateway), httponly=True)
        return answer

    return come_back


def _not_proven(gateway: Gateway, error: NotProven) -> Response:
    log(Code.ACCESS_REFUSED, route="console", reason=str(error))
    return _shown(entrance.refused_at_log_in(gateway, entrance.NOT_PROVEN, 422))


def _shown(done: entrance.Shown) -> Response:
    return _html(render(done.template, {**_frame(None, ""), **done.values}), done.status)


def _asked_cookie(gateway: Gateway) -> str:
    return f"{cookie_name(gateway)}-asked"


def _endpoint(gateway: Gateway, route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await _served(gateway, route, request)
        except RequestError as error:
            return _said(RULES[error.fault].status)
        except Exception as error:  # noqa: BLE001 - the traceback of a stranger's error may hold what was typed: only its type is written
            log(Code.REQUEST_FAILED, route="console", error=type(error).__name__)
            return _said(500)

    return endpoint


async def _served(gateway: Gateway, route: Route, request: Request) -> Response:
    _require_reachable(gateway, request)
    form = await _form(gateway, request)
    cookie = request.cookies.get(cookie_name(gateway), "")
    member = await _apart(staff.member_of, gateway, cookie)
    if member is None:
        return RedirectResponse(f"{HOME}log-in", 303, HEADERS)
    # INVARIANT: deny by default: a route serves the roles that it names, and its forms come from our own pages.
    forged = request.method == "POST" and not staff.is_forgery_token(cookie, form.get("token", ""))
    if forged or member.role not in route.roles:
        await _apart(_enter, gateway, member, "access-refused", route.name, "")
        return _said(403, member)
    if route.name == "log-out":
        await _apart(staff.log_out, gateway, member, cookie)
    ask = Ask(
        gateway=gateway,
        member=member,
        path=_path(request),
        query=_query(request, route),
        form=form,
        takes=route.takes,
    )
    return await _apart(_answered, route, ask, cookie)


def _answered(route: Route, ask: Ask, cookie: str) -> Response:
    refused = ""
    try:
        answer: Answer = route.serve(ask)
        if route.takes and isinstance(answer, Page):
            answer = _table_of(route, ask, answer)
    except NotThere:
        return _said(404, ask.member)
    except ThroughgateError as error:
        if route.again is None:
            raise
        try:
            refused, answer = _sentence(str(error)), route.again(ask)
        except NotThere:
            return _said(404, ask.member)
    if isinstance(answer, Elsewhere):
        return RedirectResponse(answer.path, 303, HEADERS)
    if isinstance(answer, Taken):
        # INVARIANT: what somebody takes away is in the ledger before it leaves.
        _enter(ask.gateway, ask.member, "exported", route.name, answer.about)
        headers = {**HEADERS, "Content-Disposition": f'attachment; filename="throughgate-{answer.name}"'}
        return Response(answer.body, 200, headers, media_type=answer.media_type)
    frame = {**_frame(ask.member, route.menu), "export": _export_of(route, ask, answer)}
    page = render(answer.template, {**frame, "token": staff.forgery_token(cookie), "refused": refused, **answer.values})
    # INVARIANT: what was looked at is in the ledger before it leaves.
    if answer.reason:
        who = {"by": ask.member.name, "staff_id": ask.member.id}
        looks.enter_look(ask.gateway, route.name, reason=answer.reason, about=answer.about, **who)
    else:
        _enter(ask.gateway, ask.member, answer.event, route.name, answer.about)
    return _html(page, 422 if refused else 200)


def _table_of(route: Route, ask: Ask, page: Page) -> Taken:
    """The table of a page, to take away. NotThere where the page has none for who asks, and for a form that there is not."""
    form, name = ask.query.get(FORM, "csv"), route.name.removeprefix("export-")
    if page.table is None or form not in ("csv", "pdf"):
        raise NotThere("there is no such table")
    if form == "csv":
        kind, body = "text/csv; charset=utf-8", csv_of(page.table)
    else:
        sender = ask.gateway.settings.sender.name
        kind, body = "application/pdf", pdf_of(page.table, author=sender, time=ask.gateway.now())
    return Taken(name=f"{name}.{form}", media_type=kind, body=body, about=page.about)


def _export_of(route: Route, ask: Ask, page: Page) -> str:
    """Where the page's table can be taken away, asked as the page was, up to the form; empty where there is none."""
    if page.table is None:
        return ""
    path = route.path.replace("/console/", EXPORTS, 1)
    for name, value in ask.path.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return f"{path}?{urlencode({**ask.query, FORM: ''})}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _enter(gateway: Gateway, member: Member, event: str, page: str, about: str) -> None:
    """One act of one person, in a chain of its own: nobody waits for anybody to have looked."""
    facts: Mapping[str, str] = {"staff": member.id, "page": page, **({"about": about} if about else {})}
    ids = gateway.ids
    gateway.store.write(
        lambda c: record(c, entry_id=ids.entry(), chain=ids.entry(), step=1, event=event, at=gateway.now(), facts=facts)
    )


def _frame(member: Member | None, menu: str) -> dict[str, object]:
    """What every page has around it."""
    items = [item for item in MENU if member is not None and member.role in item.roles]
    reach = {route.name for route in ROUTES if member is not None and member.role in route.roles}
    return {"member": member, "menu": items, "here": menu, "reach": reach, "token": "", "refused": "", "export": ""}


def _said(status: int, member: Member | None = None) -> Response:
    values = {**_frame(member, ""), "status": status}
    return _html(render("said.html", values), status)


def _html(text: str, status: int = 200) -> Response:
    return Response(text, status, HEADERS, media_type="text/html")


def _require_reachable(gateway: Gateway, request: Request) -> None:
    """INVARIANT: beyond this machine the console is there only where the installation says so. RequestError: there is nothing here."""
    if not gateway.settings.console.beyond_this_machine and not is_local(request):
        raise RequestError(Fault.NOT_FOUND)


def _path(request: Request) -> dict[str, str]:
    return {name: str(value) for name, value in request.path_params.items()}


def _query(request: Request, route: Route) -> dict[str, str]:
    """The known parameters, each at most once. RequestError for anything else."""
    given = _once(request)
    if any(name not in route.parameters for name in given):
        raise RequestError(Fault.REQUEST_INVALID)
    return given


def _once(request: Request) -> dict[str, str]:
    """The query, each name at most once. RequestError for anything else."""
    return _each_once(request.query_params.multi_items())


async def _form(gateway: Gateway, request: Request) -> dict[str, str]:
    """The fields of a form, each once, from a page of ours. RequestError for anything else; empty for a GET."""
    if request.method != "POST":
        return {}
    _require_same_origin(request)
    body = await read_body(request, FORM_TYPES, gateway.settings.limits, MAX_FORM_BYTES)
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise RequestError(Fault.REQUEST_INVALID) from None
    return _each_once(pairs)


def _each_once(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """By name. RequestError for a name that is there twice, and for a NUL, which no text of a database holds."""
    named = dict(pairs)
    if len(named) != len(pairs) or any("\0" in value for value in named.values()):
        raise RequestError(Fault.REQUEST_INVALID)
    return named


def _require_same_origin(request: Request) -> None:
    """INVARIANT: what another site makes a browser send is not looked at."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "same-origin")
    if site != "same-origin" or (origin is not None and urlsplit(origin).netloc != request.headers.get("Host")):
        raise RequestError(Fault.FORBIDDEN)


def cookie_name(gateway: Gateway) -> str:
    """A browser takes `__Host-` only under TLS, and then only from this very host."""
    return "__Host-throughgate" if _is_under_tls(gateway) else "throughgate-console"


def _is_under_tls(gateway: Gateway) -> bool:
    settings = gateway.settings
    return settings.tls is not None or settings.gateway.public_url.startswith("https:")


def _set_cookie(gateway: Gateway, answer: Response, cookie: str) -> None:
    answer.set_cookie(
        cookie_name(gateway), cookie, path="/", secure=_is_under_tls(gateway), httponly=True, samesite="strict"
    )
