"""Letting go in an emergency what consents do not: who did it, for whose sake, who else looked at it, and by when.

Two kinds that never become one another (issue "Change of mind, and emergencies"). *Vital interest*, to someone who gives care: one
clinician, at once; somebody else confirms it afterwards. *Harm test*, to anyone else: two people of different roles, before anything
leaves. Both end within hours and are reviewed. An override is never recorded as a consent, and MUST NOT let out more than its agreement
names: it goes through the same gate as every letter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update

from consent.shapes import Override, OverrideKind
from fhir_profiles.profiles.harm_disclosure import LETTER as HARM
from gateway import names
from gateway.errors import ThroughgateError
from gateway.failpoints import around
from gateway.instants import from_text, to_text
from gateway.journeys.tasks import add_tasks, task_of
from gateway.log import Code, log
from gateway.moves import enter
from gateway.parts import Parts
from gateway.recipients import Recipient
from gateway.steps.disclosure import ask_for
from gateway.steps.overridden import NotOverridden, overridable, release_overridden
from gateway.steps.reasons import seal_reason
from gateway.steps.reconsider import LOOKED_AT, reconsider
from gateway.store.away import is_away
from gateway.store.locks import hold
from gateway.store.schema import delivery, override, task
from gateway.store.statement import Statement, one_of

K = OverrideKind


class Limb(StrEnum):
    """Whose harm (specification A 5.12 names two)."""

    PERSON = "harm-to-the-person"
    OTHERS = "harm-to-others"


class Role(StrEnum):
    """In which role somebody acts."""

    CLINICIAN = "clinician"
    CLINICAL_LEAD = "clinical-lead"
    IG_OFFICER = "ig-officer"
    CALDICOTT_GUARDIAN = "caldicott-guardian"
    SAFEGUARDING_LEAD = "safeguarding-lead"


CLINICAL: Final = frozenset({Role.CLINICIAN, Role.CLINICAL_LEAD})


class OverrideError(ThroughgateError):
    """An act that cannot be done: the text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Somebody, in a role, with a reason. The reason is sealed."""

    by: str
    role: Role
    reason: str


@dataclass(frozen=True, kw_only=True)
class Given:
    """One override as it stands. `letter` is what went under it; None before anything did. Instants as the store writes them."""

    id: str
    kind: OverrideKind
    limb: Limb
    delivery: str
    recipient: str
    given_by: str
    given_at: str
    until: str
    second_by: str | None
    letter: str | None
    reviewed_by: str | None
    ended_at: str | None


def give(
    parts: Parts, delivery_id: str, recipient: str, kind: OverrideKind, limb: Limb, actor: Actor, *, tell_person: bool
) -> Given:
    """Let a withheld letter go (vital interest), or ask a second person to (harm test). `tell_person`: False only where it is unsafe.

    Raises OverrideError or NotOverridden; nothing is written then.
    """
    _require_person(actor)
    named = parts.recipients.get(recipient)
    if named is None:
        raise OverrideError("name a recipient that `throughgate check` prints: --recipient")
    if kind is K.VITAL_INTEREST and actor.role not in CLINICAL:
        raise OverrideError("only a clinician can say that a life or health is at stake")
    made = parts.ids.entry()
    values = {
        "id": made,
        "kind": kind.value,
        "limb": limb.value,
        "delivery_id": delivery_id,
        "recipient": recipient,
        "given_by": _name(actor),
        "given_role": actor.role.value,
        "given_at": parts.now(),
        "tell_person": tell_person,
        "until": parts.after(seconds=parts.settings.overrides.hours * 3_600),
        "step": 1,
    }

    def write(c: Connection, letter_id: str | None) -> None:
        hold(c, "overrides")
        if kind is K.HARM_TEST:
            _require_not_barred(c, parts, actor)
        _require_only_one(c, parts, delivery_id, recipient)
        c.execute(insert(override).values(**values, letter_id=letter_id))
        note = seal_reason(c, parts, _person(c, delivery_id), reason=actor.reason, by=_name(actor))
        facts = {"kind": kind.value, "limb": limb.value, "delivery": delivery_id, "recipient": recipient, "note": note}
        told = {**facts, "role": actor.role.value, "letter": letter_id or ""}
        enter(c, parts, made, 1, "overridden", told, person_id=_person(c, delivery_id))
        if letter_id is None:
            add_tasks(c, parts, (task_of("override-to-agree"),), delivery_id=delivery_id)
        else:
            _tell(c, parts, letter_id, kind, tell_person=tell_person)

    if kind is K.VITAL_INTEREST:
        release_overridden(parts, delivery_id, named, Override(kind=kind, until=str(values["until"])), write)
    else:
        _ask(parts, delivery_id, named, write)
    with parts.store.read() as c:
        return _one(c, made)


def ask(parts: Parts, message_id: str, recipient: str, limb: Limb, actor: Actor, *, tell_person: bool) -> Given:
    """Ask a second person to let a message's positive tests be told to a named recipient (specification A 5.12). OverrideError, NotOverridden.

    INVARIANT: the letter is made withheld, and the first word is only asked for: nothing leaves before a second person of another role.
    """
    _require_person(actor)
    named = parts.recipients.get(recipient)
    if named is None:
        raise OverrideError("name a recipient that `throughgate check` prints: --recipient")
    with parts.store.read() as c:
        _require_not_barred(c, parts, actor)
        of_message = select(override.c.id).join(delivery, delivery.c.id == override.c.delivery_id)
        same = (delivery.c.message_id == message_id, delivery.c.letter == HARM, override.c.recipient == recipient)
        if c.execute(of_message.where(*same, override.c.ended_at.is_(None)).limit(1)).first() is not None:
            raise OverrideError(
                "a disclosure of this message to this recipient is asked for already: `throughgate override`"
            )
    letter = ask_for(parts, message_id, named, limb=limb.value, unsafe_to_tell=not tell_person)
    return give(parts, letter, recipient, K.HARM_TEST, limb, actor, tell_person=tell_person)


def _ask(parts: Parts, delivery_id: str, named: Recipient, write: Any) -> None:
    def work(c: Connection) -> None:
        row = overridable(c, parts, delivery_id, named)
        agreement = parts.agreements[row.agreement]
        if agreement.without_consent in ("implied", "duty") or agreement.regime == "anonymous":
            raise NotOverridden("a harm test is for who gives no care, and for what names somebody")
        write(c, None)

    with around("override-asked"):
        parts.store.write(work)


def second(parts: Parts, override_id: str, actor: Actor) -> Given:
    """Another person's word: it confirms a vital interest, and lets go what a harm test asks for. OverrideError, NotOverridden."""
    _require_person(actor)
    with parts.store.read() as c:
        given = _one(c, override_id)
    if given.kind is K.VITAL_INTEREST:
        with around("override-confirmed"):
            parts.store.write(lambda c: _second(c, parts, override_id, actor, None))
    else:
        named = parts.recipients.get(given.recipient)
        if named is None:
            raise OverrideError("the recipient that was named is not there any more")
        release_overridden(
            parts,
            given.delivery,
            named,
            Override(kind=given.kind, until=given.until),
            lambda c, letter_id: _second(c, parts, override_id, actor, letter_id),
        )
    with parts.store.read() as c:
        return _one(c, override_id)


def _second(c: Connection, parts: Parts, override_id: str, actor: Actor, letter_id: str | None) -> None:
    """INVARIANT: nobody seconds what they gave; for a harm test it is another role too, and nothing has left before."""
    hold(c, "overrides")
    row = _row(c, override_id)
    if row.second_by is not None:
        raise OverrideError("a second person has said so already")
    if names.is_same(row.given_by, actor.by):
        raise OverrideError("another person than the one who gave it has to say so")
    if row.reviewed_by is not None and names.is_same(row.reviewed_by, actor.by):
        raise OverrideError("who reviewed it had no part in it, and takes none now")
    if row.kind == K.HARM_TEST:
        if row.ended_at is not None or parts.now() >= row.until:
            raise OverrideError("its time is over: ask again")
        if row.given_role == actor.role:
            raise OverrideError("for a harm test the second person has another role")
        _require_not_barred(c, parts, actor)
    said = {"second_by": _name(actor), "second_role": actor.role.value, "second_at": parts.now()}
    letter = letter_id or row.letter_id
    c.execute(update(override).where(override.c.id == override_id).values(**said, letter_id=letter))
    note = seal_reason(c, parts, _person(c, row.delivery_id), reason=actor.reason, by=_name(actor))
    facts = {"role": actor.role.value, "letter": letter, "note": note}
    enter(c, parts, override_id, _next_step(c, override_id), "override-seconded", facts)
    _end(c, parts, (row.delivery_id, letter), "override-to-agree", "override-to-confirm", "override-unconfirmed")
    if letter_id is not None:
        _tell(c, parts, letter_id, K.HARM_TEST, tell_person=row.tell_person)


def review(parts: Parts, override_id: str, actor: Actor) -> Given:
    """Somebody who had no part in it has looked at what was done. Raises OverrideError."""
    _require_person(actor)

    def work(c: Connection) -> None:
        hold(c, "overrides")
        row = _row(c, override_id)
        if row.letter_id is None or row.reviewed_at is not None:
            raise OverrideError("nothing left under it, or it was reviewed already")
        if any(names.is_same(each, actor.by) for each in (row.given_by, row.second_by) if each is not None):
            raise OverrideError("somebody who had no part in it reviews it")
        now = parts.now()
        said = {"reviewed_by": _name(actor), "reviewed_at": now, "ended_at": now}
        c.execute(update(override).where(override.c.id == override_id).values(**said))
        note = seal_reason(c, parts, _person(c, row.delivery_id), reason=actor.reason, by=_name(actor))
        facts = {"role": actor.role.value, "note": note}
        enter(c, parts, override_id, _next_step(c, override_id), "override-reviewed", facts)
        _end(c, parts, (row.letter_id,), "override-to-review", "override-unreviewed", "override-given")

    with around("override-reviewed"):
        parts.store.write(work)
    with parts.store.read() as c:
        return _one(c, override_id)


def listed(parts: Parts) -> tuple[Given, ...]:
    """Every override, newest first."""
    with parts.store.read() as c:
        rows = c.execute(select(override).order_by(override.c.given_at.desc(), override.c.id)).all()
    return tuple(_given(row) for row in rows)


def of_letters(c: Connection, ids: Sequence[str]) -> tuple[Given, ...]:
    """The overrides of these letters, and those under which one of them went, oldest first."""
    of = or_(override.c.delivery_id.in_(ids), override.c.letter_id.in_(ids))
    return tuple(_given(row) for row in c.execute(select(override).where(of).order_by(override.c.given_at)))


# ── clocks ──

_TO_LOOK_AFTER: Final = Statement(
    select(override).where(
        or_(
            override.c.ended_at.is_(None),
            # a review does not say that somebody else confirmed it
            and_(override.c.letter_id.is_not(None), override.c.second_at.is_(None)),
        )
    )
)
_LATE: Final = Statement(
    select(delivery.c.person_id)
    .where(delivery.c.leaves_by <= bindparam("now"), one_of(delivery.c.state, [state.value for state in LOOKED_AT]))
    .distinct()
)


def look_after(parts: Parts) -> None:
    """What is over is over: nothing more leaves under it, and what nobody confirmed or reviewed in time goes to the Caldicott guardian."""
    with parts.store.read() as c:
        rows = _TO_LOOK_AFTER.all(c)
        people = _LATE.column(c, now=parts.now()) if rows else ()
    for person_id in people:
        try:
            reconsider(parts, person_id)
        except Exception as error:
            if is_away(error):
                raise
            log(
                Code.SWEEP_FAILED, error=type(error).__name__
            )  # the door stays shut for this letter, and the others are looked at
    for row in rows:
        if _due(parts, row):
            with around("override-overdue"):
                parts.store.write(lambda c: _raise_due(c, parts, row.id))  # noqa: B023  used at once


def _due(parts: Parts, row: Any) -> tuple[str, ...]:
    """What is due now and was never raised: `ended`, or codes of tasks."""
    now, told = parts.now(), (row.told_overdue or "").split()
    if row.letter_id is None:
        return ("ended",) if now >= row.until else ()
    found = []
    if row.second_at is None and now >= _later(row.given_at, parts.settings.overrides.confirm_hours):
        found.append("override-unconfirmed")
    if row.reviewed_at is None and now >= _later(row.given_at, parts.settings.overrides.review_hours):
        found.append("override-unreviewed")
    return tuple(code for code in found if code not in told)


def _raise_due(c: Connection, parts: Parts, override_id: str) -> None:
    hold(c, "overrides")
    row = _row(c, override_id)
    for code in _due(parts, row):
        if code == "ended":
            c.execute(update(override).where(override.c.id == override_id).values(ended_at=parts.now()))
            enter(c, parts, override_id, _next_step(c, override_id), "override-ended", {})
            _end(c, parts, (row.delivery_id,), "override-to-agree")
            continue
        told = " ".join(filter(None, (_row(c, override_id).told_overdue, code)))
        c.execute(update(override).where(override.c.id == override_id).values(told_overdue=told))
        enter(c, parts, override_id, _next_step(c, override_id), "override-overdue", {"code": code})
        add_tasks(c, parts, (task_of(code),), delivery_id=row.letter_id)


def _later(given_at: str, hours: float) -> str:
    return to_text(from_text(given_at) + timedelta(hours=hours))


# ── who may, and what is written ──


def _require_not_barred(c: Connection, parts: Parts, actor: Actor) -> None:
    """INVARIANT: who has an override that was not reviewed in time takes no part in a harm test; in a vital interest, always."""
    open_ones = c.execute(select(override).where(override.c.letter_id.is_not(None), override.c.reviewed_at.is_(None)))
    limit = parts.settings.overrides.review_hours
    for row in open_ones:
        if names.is_same(row.given_by, actor.by) and parts.now() >= _later(row.given_at, limit):
            raise OverrideError(
                "an override of this person was not reviewed in time: until it is, they start no harm test"
            )


def _require_only_one(c: Connection, parts: Parts, delivery_id: str, recipient: str) -> None:
    same = (override.c.delivery_id == delivery_id, override.c.recipient == recipient, override.c.ended_at.is_(None))
    if c.execute(select(override.c.id).where(*same, override.c.until > parts.now()).limit(1)).first() is not None:
        raise OverrideError("an override of this letter for this recipient stands already: `throughgate override`")


def _require_person(actor: Actor) -> None:
    if not names.is_name(actor.by):
        raise OverrideError("say who acts: --by and the person's name")
    if not actor.reason.strip():
        raise OverrideError("a reason is needed: --reason")


def _name(actor: Actor) -> str:
    return names.as_written(actor.by)


def _tell(c: Connection, parts: Parts, letter_id: str, kind: OverrideKind, *, tell_person: bool) -> None:
    codes = ["override-given", "override-to-review"]
    codes += ["override-to-confirm"] if kind is K.VITAL_INTEREST else []
    codes += ["tell-the-person"] if tell_person else []
    add_tasks(c, parts, map(task_of, codes), delivery_id=letter_id)


def _end(c: Connection, parts: Parts, letters: tuple[str | None, ...], *codes: str) -> None:
    about = task.c.delivery_id.in_([each for each in letters if each is not None])
    mine = (about, task.c.code.in_(codes), task.c.ended_at.is_(None))
    c.execute(update(task).where(*mine).values(ended_at=parts.now()))


def _person(c: Connection, delivery_id: str) -> str | None:
    return c.execute(select(delivery.c.person_id).where(delivery.c.id == delivery_id)).scalar()


def _next_step(c: Connection, override_id: str) -> int:
    counted = update(override).where(override.c.id == override_id).values(step=override.c.step + 1)
    return int(c.execute(counted.returning(override.c.step)).scalar_one())


def _row(c: Connection, override_id: str) -> Any:
    row = c.execute(select(override).where(override.c.id == override_id)).one_or_none()
    if row is None:
        raise OverrideError("no override has this id: `throughgate override` lists them")
    return row


def _one(c: Connection, override_id: str) -> Given:
    return _given(_row(c, override_id))


def _given(row: Any) -> Given:
    return Given(
        id=row.id,
        kind=K(row.kind),
        limb=Limb(row.limb),
        delivery=row.delivery_id,
        recipient=row.recipient,
        given_by=row.given_by,
        given_at=row.given_at,
        until=row.until,
        second_by=row.second_by,
        letter=row.letter_id,
        reviewed_by=row.reviewed_by,
        ended_at=row.ended_at,
    )
