"""Pages about opened content: the question, the second person's answer, what it says for an hour, and the list of all of it.

Who may ask and what is entered is `gateway.openings`'s. Only the last page of this module shows what was kept, as text.
"""

import contextlib
from typing import Any, Final

import msgspec

from consent.document import Table
from gateway import openings
from gateway.console import staff
from gateway.console.asking import Ask, Elsewhere, NotTaken, NotThere, Page
from gateway.console.beside import FieldValues, values_of
from gateway.console.staff import Role
from gateway.openings import PURPOSES, Content, Opening, OpeningError
from gateway.steps.kept import KeptUnread, read_kept

LISTED: Final = 100
OF_DECISIONS: Final = frozenset({Role.IG_OFFICER, Role.CLINICAL_SAFETY, Role.CALDICOTT_GUARDIAN})
"""Who may ask to see a decision by value: of those who may ask at all, whoever may see why it was decided."""
STATES: Final = {
    "waits": "waits for a second person",
    "unanswered": "nobody answered",
    "declined": "declined",
    "open": "open",
    "ended": "ended",
}
_JSON: Final = "json"


def opened(ask: Ask) -> Page:
    """GET /console/opened: who asked to see what a message, a letter or a decision says, and whether it was looked at."""
    found = openings.listed(ask.gateway, ask.most(LISTED))
    with ask.gateway.store.read() as c:
        known = staff.names(c)
    rows = [_listed(each, known, ask) for each in found]
    columns = ("asked_at", "by", "kind", "about", "purpose", "second", "state", "opened_at", "times")
    heads = ("Asked", "By", "What", "Id", "Purpose", "Second person", "State", "First opened", "Times opened")
    return Page(
        template="opened.html",
        values={
            "rows": rows,
            "about": ask.form.get("about", ""),
            "purposes": PURPOSES,
            "typed": {name: ask.form.get(name, "") for name in ("purpose", "reason")},
        },
        table=Table(
            caption="Opened content", columns=heads, rows=tuple(tuple(row[name] for name in columns) for row in rows)
        ),
    )


def _listed(each: Opening, known: dict[str, str], ask: Ask) -> dict[str, Any]:
    mine = each.asked_by == ask.member.id
    return {
        "id": each.id,
        "asked_at": each.asked_at,
        "by": known[each.asked_by],
        "kind": each.kind,
        "about": each.about,
        "purpose": PURPOSES.get(each.purpose, each.purpose),
        "second": known[each.settled_by] if each.settled_by else "",
        "state": STATES[each.state],
        "opened_at": each.opened_at or "",
        "times": str(each.times),
        "leads": (mine and each.state in ("waits", "open")) or (each.state == "waits" and not mine),
    }


def ask_to_open(ask: Ask) -> Elsewhere:
    """POST /console/opened: a message's, a letter's or a decision's id, a purpose, a reason."""
    said = {name: ask.form.get(name, "") for name in ("purpose", "reason")}
    who = {"staff_id": ask.member.id, "name": ask.member.name}
    may = ask.member.role in OF_DECISIONS
    made = openings.ask(ask.gateway, ask.form.get("about", ""), **said, **who, may_see_decisions=may)
    return Elsewhere(path=f"/console/opened/{made}")


def one_opening(ask: Ask) -> Page:
    """GET /console/opened/{id}: for who asked, how it stands; for who else may say yes, the question."""
    found = _found(ask)
    with ask.gateway.store.read() as c:
        known = staff.names(c)
    mine = found.asked_by == ask.member.id
    waits = found.state == "waits"
    values = {
        **_listed(found, known, ask),
        "mine": mine,
        "asks": waits and not mine,
        "open": mine and found.state == "open",
        "expires_at": found.expires_at,
        "reason": openings.reason_of(ask.gateway, found.id) if waits and not mine else "",
    }
    return Page(template="opening.html", values=values, about=found.id)


def answer(ask: Ask) -> Elsewhere:
    """POST /console/opened/{id}: the second person's word."""
    said = ask.form.get("answer")
    if said not in ("yes", "no"):
        raise NotTaken("Choose whether it may be opened.")
    openings.settle(ask.gateway, _found(ask).id, yes=said == "yes", staff_id=ask.member.id)
    return Elsewhere(path="/console/opened")


def content(ask: Ask) -> Page:
    """GET /console/opened/{id}/content: what it says, for who asked, each time with an entry before it."""
    found = _found(ask)
    try:
        seen = openings.look(ask.gateway, found.id, staff_id=ask.member.id)
    except OpeningError:
        raise NotThere("it is not open for this person") from None
    except KeptUnread as error:
        raise NotThere(str(error)) from None
    if seen.kind == "decision":
        values = {"opening": found, "letter": seen.form, "fields": _fields(seen)}
        return Page(template="side_by_side.html", values=values, about=found.id)
    return Page(template="content.html", values={"opening": found, "lines": _lines(seen)}, about=found.id)


def _fields(seen: Content) -> tuple[FieldValues, ...]:
    try:
        return values_of(read_kept(seen.body))
    except KeptUnread as error:
        raise NotThere(str(error)) from None


def _lines(seen: Content) -> list[str]:
    """What was kept, as lines of text; of what is no text, that it is none."""
    if seen.content_type.startswith("application/pdf"):
        return ["(not text)"]
    body = seen.body
    if seen.form == "fhir" or _JSON in seen.content_type:
        with contextlib.suppress(msgspec.MsgspecError):  # then it is shown as it is
            body = msgspec.json.format(body, indent=2)
    return body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _found(ask: Ask) -> Opening:
    try:
        return openings.one(ask.gateway, ask.path["id"])
    except OpeningError as error:
        raise NotThere(str(error)) from None
