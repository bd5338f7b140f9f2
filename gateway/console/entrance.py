"""The doors that need no session: a one-time link, and the log-in. Whatever was wrong at the log-in is one sentence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import segno

from gateway.console import staff, totp
from gateway.console.staff import StaffError
from gateway.pipeline import Gateway

WRONG: Final = "The name, the password or the code is wrong, or the account is locked for a quarter of an hour."
NOT_PROVEN: Final = "Your organisation's log-in is not there now, was not finished here in time, or did not prove who you are strongly enough. Begin again."
NO_ACCOUNT: Final = "You have no account here. Ask the operator for one, with your subject:"
OLD_LINK: Final = "This link has been used or is too old. Ask for another: it is made with `throughgate staff add`."


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A page, or the cookie of a session that began."""

    template: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    cookie: str | None = None


Serve = Callable[[Gateway, Mapping[str, str], Mapping[str, str]], Shown]
"""(gateway, path, form) -> page."""


def log_in_page(gateway: Gateway, _path: Mapping[str, str], _form: Mapping[str, str]) -> Shown:
    """GET /console/log-in."""
    return refused_at_log_in(gateway, "", 200)


def log_in(gateway: Gateway, _path: Mapping[str, str], form: Mapping[str, str]) -> Shown:
    """POST /console/log-in."""
    code = form.get("code", "").replace(" ", "")
    cookie = staff.log_in(gateway, form.get("name", "").strip(), form.get("password", ""), code)
    return refused_at_log_in(gateway, WRONG, 422) if cookie is None else Shown(cookie=cookie)


def enrol_page(gateway: Gateway, path: Mapping[str, str], _form: Mapping[str, str]) -> Shown:
    """GET /console/begin/{link}: looking at it does not use it."""
    return _enrol(gateway, path["link"], "")


def enrol(gateway: Gateway, path: Mapping[str, str], form: Mapping[str, str]) -> Shown:
    """POST /console/begin/{link}."""
    if form.get("password") != form.get("again"):
        return _enrol(gateway, path["link"], "The two passwords differ.")
    try:
        code = form.get("code", "").replace(" ", "")
        cookie = staff.enrol(gateway, path["link"], form.get("password", ""), code)
    except StaffError as error:
        return _enrol(gateway, path["link"], _sentence(str(error)))
    return _enrol(gateway, path["link"], "") if cookie is None else Shown(cookie=cookie)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def refused_at_log_in(gateway: Gateway, refused: str, status: int) -> Shown:
    """The log-in once more, with what was wrong."""
    values = {"refused": refused, "provider": gateway.settings.console.oidc is not None}
    return Shown(template="log_in.html", values=values, status=status)


def _enrol(gateway: Gateway, link: str, refused: str) -> Shown:
    with gateway.store.read() as c:
        invited = staff.invited(c, gateway, link)
    if invited is None:
        return refused_at_log_in(gateway, OLD_LINK, 404)
    address = totp.address(invited.secret, account=invited.name, issuer=f"Throughgate {gateway.settings.sender.ods}")
    values = {
        "refused": refused,
        "name": invited.name,
        "role": invited.role.value,
        "secret": totp.base32(invited.secret),
        "modules": [[bool(dark) for dark in row] for row in segno.make(address, micro=False).matrix],
        "shortest": staff.SHORTEST_PASSWORD,
    }
    return Shown(template="begin.html", values=values, status=422 if refused else 200)


OPEN: Final[tuple[tuple[str, str, Serve], ...]] = (
    ("/console/log-in", "GET", log_in_page),
    ("/console/log-in", "POST", log_in),
    ("/console/begin/{link}", "GET", enrol_page),
    ("/console/begin/{link}", "POST", enrol),
)
"""Every route that needs no session."""
