"""The first page after the log-in: what waits, worst first, and where each question is answered."""

from typing import Final

from sqlalchemy import Connection, Table, func, select

from gateway import desk
from gateway.console.asking import Ask, Elsewhere, Page
from gateway.console.harm import HARM
from gateway.console.staff import Role
from gateway.store.schema import lookup, opening

_SETTLES: Final = (Role.IG_OFFICER, Role.CLINICAL_SAFETY, Role.CALDICOTT_GUARDIAN)


def home(ask: Ask) -> Page:
    """GET /console/."""
    waiting = desk.held(ask.gateway)
    counted = [(text, sum(1 for each in waiting if each.harm == harm)) for harm, text in enumerate(HARM)]
    with ask.gateway.store.read() as c:
        second = _to_settle(c, ask, lookup) if ask.member.role in _SETTLES else 0
        openings = _to_settle(c, ask, opening) if ask.member.role in _SETTLES else 0
    oldest = max((each.age_seconds for each in waiting), default=0)
    return Page(
        template="home.html",
        values={
            "counted": [each for each in counted if each[1]],
            "waiting": len(waiting),
            "oldest": oldest,
            "tasks": len(desk.tasks(ask.gateway)),
            "second": second,
            "openings": openings,
        },
    )


def _to_settle(c: Connection, ask: Ask, asked: Table) -> int:
    waits = (asked.c.approved.is_(None), asked.c.expires_at > ask.gateway.now(), asked.c.asked_by != ask.member.id)
    return int(c.execute(select(func.count()).where(*waits)).scalar_one())


def leave(_ask: Ask) -> Elsewhere:
    """POST /console/log-out: the session has ended when this is called."""
    return Elsewhere(path="/console/log-in")
