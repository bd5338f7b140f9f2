"""What waits for a person, harm first, and what was recalled or refused lately. Each way to end a wait is a step that the desk has.

It decides nothing: the desk does what its own rules allow, keeps the reason sealed and writes the entry.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from consent.document import Table
from gateway import desk
from gateway.console import emergencies
from gateway.console.asking import Ask, Elsewhere, NotTaken, NotThere, Page
from gateway.console.harm import HARM, Waits, in_order, of_their_own
from gateway.console.staff import Role
from gateway.desk import HeldItem, TaskItem
from gateway.instants import from_text
from gateway.journeys.tasks import CALDICOTT_GUARDIAN, CLINICAL_LEAD, IG_OFFICER, OPERATOR
from gateway.states import DeliveryState
from gateway.steps.unconfirmed import UNCONFIRMED
from gateway.store.schema import delivery

D = DeliveryState
WHO_SETTLES: Final[Mapping[str, Role]] = {
    CLINICAL_LEAD: Role.CLINICAL_SAFETY,
    OPERATOR: Role.OPERATOR,
    IG_OFFICER: Role.IG_OFFICER,
    CALDICOTT_GUARDIAN: Role.CALDICOTT_GUARDIAN,
}
"""Whose work a task's role is."""
LATELY: Final = 50


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One way to end a wait: its word in the form, its button, what happens, and the states in which it can be."""

    word: str
    button: str
    text: str
    states: tuple[str, ...]
    act: Callable[[Ask, str, str], str]


def _release(ask: Ask, some_id: str, reason: str) -> str:
    named = ask.form.get("recipient") or None
    return desk.release_held(ask.gateway, some_id, reason=reason, by=ask.member.name, recipient=named)


def _reject(ask: Ask, some_id: str, reason: str) -> str:
    return desk.reject_held(ask.gateway, some_id, reason=reason, by=ask.member.name)


def _delivered(ask: Ask, some_id: str, reason: str) -> str:
    return desk.say_delivered(ask.gateway, some_id, reason=reason, by=ask.member.name)


CHOICES: Final = (
    Choice(
        word="release",
        button="Let it go on",
        text="It is decided again under today's consents and goes on. A recorded refusal still stops it.",
        states=(D.HELD, D.PARKED, D.AMBIGUOUS),
        act=_release,
    ),
    Choice(
        word="delivered",
        button="It has arrived",
        text="You asked the recipient and it has the letter. It is not sent again.",
        states=(D.PARKED, D.AMBIGUOUS),
        act=_delivered,
    ),
    Choice(
        word="reject",
        button="End it",
        text="Nothing leaves and it does not come back. Somebody has to hand over in another way.",
        states=(D.HELD, D.PARKED),
        act=_reject,
    ),
)


def work(ask: Ask) -> Page:
    """GET /console/work: everything that waits in one order, and what came back lately: harm first, then age, which each says."""
    held = desk.held(ask.gateway)
    tasks = of_their_own(desk.tasks(ask.gateway), held)
    with ask.gateway.store.read() as c:
        came_back = _came_back(c, ask)
    overrides = emergencies.open_ones(ask)
    waiting = in_order(held, tasks, overrides)
    late = sum(each.code in UNCONFIRMED for each in tasks)
    return Page(
        template="work.html",
        table=_table(waiting, came_back),
        values={
            "waiting": [(each, _age(ask, each.since)) for each in waiting],
            "harm": HARM,
            "held": len(held),
            "unconfirmed": late,
            "overrides": len(overrides),
            "tasks": len(tasks) - late,
            "came_back": came_back,
            "whose": _whose,
        },
    )


def _table(waiting: Sequence[Waits], back: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        (each.kind, each.id, each.state, each.reason, each.since, each.why, _whose(each), each.todo) for each in waiting
    ]
    rows += [
        (
            *("came back", row["id"], row["state"], row["reason"] or "", row["ended_at"] or row["created_at"]),
            *(HARM[row["harm"]], "", ""),
        )
        for row in back
    ]
    columns = ("What", "Id", "State", "Reason", "Since", "Harm", "Whose work", "What to do")
    return Table(caption="What waits for a person", columns=columns, rows=tuple(rows))


def _whose(item: HeldItem | TaskItem | Waits) -> str:
    return WHO_SETTLES[item.role].value if item.role in WHO_SETTLES else item.role


def _came_back(c: Connection, ask: Ask) -> list[dict[str, Any]]:
    rows = [
        row
        for state in (D.REFUSED, D.RECALLED, D.EXPIRED)
        for row in c.execute(
            select(delivery)
            .where(delivery.c.state == state.value)
            .order_by(delivery.c.due_at.desc(), delivery.c.sequence.desc())
            .limit(LATELY)
        )
    ]
    newest = sorted(rows, key=lambda row: row.ended_at or row.created_at, reverse=True)[:LATELY]
    return [
        {**row._mapping, "age": _age(ask, row.ended_at or row.created_at), "harm": desk.harm_of(row)}  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
        for row in sorted(newest, key=lambda row: (desk.harm_of(row), row.ended_at or row.created_at))
    ]


def _age(ask: Ask, since: str) -> float:
    return (ask.gateway.clock() - from_text(since)).total_seconds()


def item(ask: Ask) -> Page:
    """GET /console/work/{id}: one thing that waits, and what this person may do with it."""
    found = _item(ask)
    choices = [each for each in CHOICES if found.state in each.states and _may(ask, found)]
    return Page(
        template="item.html",
        values={
            "item": found,
            "harm": HARM,
            "whose": _whose(found),
            "choices": choices if found.kind == "delivery" else [each for each in choices if each.word != "delivered"],
            "recipients": _takers(ask, found),
            "reason": ask.form.get("reason", ""),
        },
        about=found.id,
    )


def settle(ask: Ask) -> Elsewhere:
    """POST /console/work/{id}: one of the choices, with a reason."""
    found = _item(ask)
    choice = next((each for each in CHOICES if each.word == ask.form.get("choice")), None)
    if choice is None or found.state not in choice.states:
        raise NotTaken("Choose what is to be done.")
    if not _may(ask, found):
        raise NotTaken(f"This is for somebody with the role {_whose(found)}.")
    choice.act(ask, found.id, _reason(ask))
    return Elsewhere(path=f"/console/{'letters' if found.kind == 'delivery' else 'messages'}/{found.id}")


def task(ask: Ask) -> Page:
    """GET /console/tasks/{id}: one open task."""
    found = _task(ask)
    values = {"task": found, "whose": _whose(found), "may": _may(ask, found), "reason": ask.form.get("reason", "")}
    return Page(template="task.html", values=values, about=found.id)


def end_task(ask: Ask) -> Elsewhere:
    """POST /console/tasks/{id}: somebody has done it."""
    found = _task(ask)
    if not _may(ask, found):
        raise NotTaken(f"This is for somebody with the role {_whose(found)}.")
    desk.end_task(ask.gateway, found.id, reason=_reason(ask), by=ask.member.name)
    return Elsewhere(path="/console/work")


def _item(ask: Ask) -> HeldItem:
    found = next((each for each in desk.held(ask.gateway) if each.id == ask.path["id"]), None)
    if found is None:
        raise NotThere("nothing waits under this id")
    return found


def _task(ask: Ask) -> TaskItem:
    found = next((each for each in desk.tasks(ask.gateway) if each.id == ask.path["id"]), None)
    if found is None:
        raise NotThere("no open task has this id")
    return found


def _may(ask: Ask, found: HeldItem | TaskItem) -> bool:
    """INVARIANT: whose work it is alone settles it."""
    return _whose(found) == ask.member.role.value


def _reason(ask: Ask) -> str:
    reason = ask.form.get("reason", "").strip()
    if not reason:
        raise NotTaken("Say why: the reason is kept, sealed.")
    return reason


def _takers(ask: Ask, found: HeldItem) -> list[str]:
    """Whom a person can name, where they have to."""
    if found.kind != "delivery" or not desk.has_to_be_named(ask.gateway, found.id):
        return []
    return sorted(
        each.id
        for each in ask.gateway.recipients.values()
        if each.recipient_class == found.recipient_class and found.letter in each.letters
    )
