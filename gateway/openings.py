"""Break-glass: what a message, a letter or a decision says, opened by one person for a purpose and a reason, once a second one has said yes.

For an hour, and each time with an entry that is committed before anything is shown. What was opened on one day is told to the IG officer
on the next. Nothing here MUST ever show content to anybody else than who asked, nor put any of it into a row, a log or an entry.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from gateway import names
from gateway.errors import ThroughgateError
from gateway.failpoints import around
from gateway.instants import LONDON, to_text
from gateway.journeys.tasks import add_tasks, task_of
from gateway.keys import SealedGone
from gateway.moves import enter
from gateway.parts import Parts
from gateway.steps.kept import is_bound
from gateway.steps.reasons import seal_reason
from gateway.store.locks import held, hold
from gateway.store.schema import decision, delivery, message, opening, staff
from gateway.store.statement import Statement

PURPOSES: Final[Mapping[str, str]] = {
    "came-out-wrong": "A message or a letter came out wrong",
    "safety": "A concern for the person's safety",
    "complaint": "A complaint or an incident about sharing",
    "subject-access": "The person asked what was shared about them",
    "legal-duty": "A court order or another legal duty",
}
WAITS_HOURS: Final = 8
"""How long a question waits for a second person."""
OPEN_MINUTES: Final = 60
MOST_A_DAY: Final = 20
"""Of one person."""
_NOBODYS: Final = "no message, letter or decision has this id"


class OpeningError(ThroughgateError):
    """It cannot be asked for, answered or opened: the text says why."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """One question. `about` is a message's, a letter's or a decision's id, `kind` says which; `opened_at` is when it was first looked at, `times` how often."""

    id: str
    kind: str
    about: str
    asked_by: str
    purpose: str
    asked_at: str
    settled_by: str | None
    approved: bool | None
    expires_at: str
    opened_at: str | None
    times: int
    state: str
    """`waits`, `unanswered`, `declined`, `open` or `ended`."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What was kept, byte for byte. `content_type` is a letter's; empty for a message, whose `form` is `hl7v2` or `fhir`, and for a decision,
    whose `form` is the name of its letter: its body is what gateway/steps/kept.py reads.
    """

    kind: str
    about: str
    form: str
    content_type: str
    body: bytes


def ask(
    parts: Parts, about: str, *, purpose: str, reason: str, staff_id: str, name: str, may_see_decisions: bool
) -> str:
    """Ask to see what this message, letter or decision says. The id of the question. OpeningError when it cannot be asked.

    INVARIANT: for who may not see why something was decided, a decision's id is nobody's.
    """
    if purpose not in PURPOSES:
        raise OpeningError("choose the purpose")
    if not reason.strip():
        raise OpeningError("say why: the second person reads it, and it is kept, sealed")
    made = parts.ids.entry()
    day = to_text(parts.clock() - timedelta(days=1))

    def work(c: Connection) -> None:
        _sweep(c, parts)
        kind, person_id, sealed_id = _thing(c, about)
        if kind == "decision" and not may_see_decisions:
            raise OpeningError(_NOBODYS)
        if sealed_id is None:
            raise OpeningError("what it says is not kept any more, or it never said anything")
        mine = (opening.c.asked_by == staff_id, opening.c.asked_at > day)
        if c.execute(select(func.count()).where(*mine)).scalar_one() >= MOST_A_DAY:
            raise OpeningError("this is more than one person may ask for in a day: ask a colleague")
        note = seal_reason(c, parts, person_id, reason=reason, by=name)
        c.execute(
            insert(opening).values(
                id=made,
                kind=kind,
                about=about,
                asked_by=staff_id,
                purpose=purpose,
                note_id=note,
                asked_at=parts.now(),
                expires_at=parts.after(seconds=3_600 * WAITS_HOURS),
                step=1,
            )
        )
        facts = {"staff": staff_id, "about": about, "purpose": purpose, "note": note}
        enter(c, parts, made, 1, "content-asked", facts, person_id=person_id)

    with around("opening-asked"):
        parts.store.write(work)
    return made


def settle(parts: Parts, opening_id: str, *, yes: bool, staff_id: str) -> None:
    """A second person's word. From a yes on, who asked may look for an hour. OpeningError when nothing waits for this person."""

    def work(c: Connection) -> None:
        row = c.execute(held(select(opening).where(opening.c.id == opening_id))).one_or_none()
        # INVARIANT: nobody opens what they asked for themselves, under whichever of their accounts, and an answer stands.
        if (
            row is None
            or row.approved is not None
            or row.expires_at <= parts.now()
            or _is_one(c, row.asked_by, staff_id)
        ):
            raise OpeningError("nothing waits here for you")
        ends = parts.after(seconds=60 * OPEN_MINUTES) if yes else parts.now()
        said = {"approved": yes, "settled_by": staff_id, "expires_at": ends, "step": 2}
        c.execute(update(opening).where(opening.c.id == opening_id).values(**said))
        enter(c, parts, opening_id, 2, "content-approved" if yes else "content-declined", {"staff": staff_id})

    with around("opening-settled"):
        parts.store.write(work)


def _is_one(c: Connection, asked_by: str, staff_id: str) -> bool:
    """Is this one person, by the names of the two accounts?"""
    known = {row.id: row.name for row in c.execute(select(staff).where(staff.c.id.in_((asked_by, staff_id))))}
    return asked_by == staff_id or names.is_same(known[asked_by], known[staff_id])


def look(parts: Parts, opening_id: str, *, staff_id: str) -> Content:
    """What it says, for who asked. OpeningError unless a second person said yes, and after the hour."""

    def work(c: Connection) -> Content:
        row = c.execute(held(select(opening).where(opening.c.id == opening_id))).one_or_none()
        if row is None or row.asked_by != staff_id or not row.approved or row.expires_at <= parts.now():
            raise OpeningError("this is not open for you")
        found = _content(c, parts, row.kind, row.about)
        step = row.step + 1
        seen = {"step": step, "opened_at": row.opened_at or parts.now()}
        c.execute(update(opening).where(opening.c.id == opening_id).values(**seen))
        enter(c, parts, opening_id, step, "content-opened", {"staff": staff_id, "about": row.about})
        return found

    # INVARIANT: that somebody looked is committed before they see anything.
    with around("opened"):
        return parts.store.write(work)


def one(parts: Parts, opening_id: str) -> Opening:
    """OpeningError when there is none."""
    with parts.store.read() as c:
        row = c.execute(select(opening).where(opening.c.id == opening_id)).one_or_none()
    if row is None:
        raise OpeningError("nobody asked under this id")
    return _opening(row, parts.now())


def reason_of(parts: Parts, opening_id: str) -> str:
    """Why it was asked for, for who answers; a sentence that says so where it is not kept any more."""
    with parts.store.read() as c:
        row = c.execute(select(opening.c.note_id).where(opening.c.id == opening_id)).one()
        try:
            return str(json.loads(parts.keys.unseal(c, row.note_id))["reason"])
        except SealedGone:
            return "(not kept any more)"


def listed(parts: Parts, most: int) -> tuple[Opening, ...]:
    """The newest questions first."""
    with parts.store.read() as c:
        rows = c.execute(select(opening).order_by(opening.c.asked_at.desc(), opening.c.id).limit(most)).all()
    return tuple(_opening(row, parts.now()) for row in rows)


def about(c: Connection, ids: Sequence[str], now: str) -> tuple[Opening, ...]:
    """The questions about these messages, letters and decisions, oldest first."""
    rows = c.execute(select(opening).where(opening.c.about.in_(ids)).order_by(opening.c.asked_at, opening.c.id))
    return tuple(_opening(row, now) for row in rows)


_UNTOLD: Final = Statement(
    select(opening.c.id).where(opening.c.opened_at < bindparam("midnight"), opening.c.told_at.is_(None)).limit(1)
)


def tell_of_yesterday(parts: Parts) -> int:
    """What was opened before today is told to the IG officer: one task for all of it. How many openings it is about."""
    midnight = to_text(parts.clock().astimezone(LONDON).replace(hour=0, minute=0, second=0, microsecond=0))
    untold = (opening.c.opened_at < midnight, opening.c.told_at.is_(None))
    with parts.store.read() as c:
        if _UNTOLD.first(c, midnight=midnight) is None:
            return 0

    def work(c: Connection) -> int:
        hold(c, "openings")
        told = c.execute(update(opening).where(*untold).values(told_at=parts.now())).rowcount
        if told:
            add_tasks(c, parts, (task_of("content-was-opened"),))
        return int(told)

    with around("openings-told"):
        return parts.store.write(work)


def _sweep(c: Connection, parts: Parts) -> None:
    """Questions go after the term of what people are asked to do, once the IG officer was told of them."""
    kept = to_text(parts.clock() - timedelta(days=parts.settings.retention.days("task")))
    done = or_(opening.c.opened_at.is_(None), opening.c.told_at.is_not(None))
    c.execute(delete(opening).where(opening.c.expires_at <= kept, done))


def _thing(c: Connection, about: str) -> tuple[str, str | None, str | None]:
    """Its kind, whose it is, and what is sealed of it. OpeningError for an id that is nobody's."""
    row = c.execute(select(message.c.person_id, message.c.body_id).where(message.c.id == about)).one_or_none()
    if row is not None:
        return "message", row.person_id, row.body_id
    letter = c.execute(select(delivery.c.person_id, delivery.c.sealed_id).where(delivery.c.id == about)).one_or_none()
    if letter is not None:
        return "letter", letter.person_id, letter.sealed_id
    decided = c.execute(select(decision.c.person_id, decision.c.sealed_id).where(decision.c.id == about)).one_or_none()
    if decided is None:
        raise OpeningError(_NOBODYS)
    return "decision", decided.person_id, decided.sealed_id


def _content(c: Connection, parts: Parts, kind: str, about: str) -> Content:
    _, _, sealed_id = _thing(c, about)
    try:
        if sealed_id is None:
            raise OpeningError("what it says is not kept any more")
        body = parts.keys.unseal(c, sealed_id)
    except SealedGone:
        raise OpeningError("what it says is not kept any more") from None
    if kind == "decision":
        is_bound(c, sealed_id, of=about)
    if kind == "message":
        form = c.execute(select(message.c.format).where(message.c.id == about)).scalar_one()
        return Content(kind=kind, about=about, form=str(form), content_type="", body=body)
    if kind == "decision":
        form = c.execute(select(decision.c.letter).where(decision.c.id == about)).scalar_one()
        return Content(kind=kind, about=about, form=str(form), content_type="", body=body)
    letter = c.execute(select(delivery.c.wire, delivery.c.content_type).where(delivery.c.id == about)).one()
    return Content(
        kind=kind, about=about, form=str(letter.wire or ""), content_type=str(letter.content_type or ""), body=body
    )


def _opening(row: Any, now: str) -> Opening:
    over = row.expires_at <= now
    state = {None: "unanswered" if over else "waits", False: "declined", True: "ended" if over else "open"}[
        row.approved
    ]
    return Opening(
        id=row.id,
        kind=row.kind,
        about=row.about,
        asked_by=row.asked_by,
        purpose=row.purpose,
        asked_at=row.asked_at,
        settled_by=row.settled_by,
        approved=row.approved,
        expires_at=row.expires_at,
        opened_at=row.opened_at,
        times=max(0, row.step - 2),
        state=state,
    )
