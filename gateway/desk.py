"""The desk: what waits for a person, harm first; letting it go or ending it, with a reason; and telling people that something waits.

Who is told gets ids and a code, never content. A reason is sealed: only its id stands in the ledger. Nothing here MUST ever decide by
itself: a person's word resolves what is not known, it never overrides a dissent.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection, bindparam, func, select, update

from gateway.among import Several, among
from gateway.errors import ThroughgateError
from gateway.failpoints import around, pass_point
from gateway.instants import from_text, to_text
from gateway.journeys.tasks import NOTICE, OPERATOR, TASKS, end_tasks
from gateway.log import Code, log
from gateway.moves import LedgerFacts, ToEnter, enter_all, move_delivery, move_message, note_delivery, note_message
from gateway.parts import Parts, Told
from gateway.recipients import Recipient
from gateway.states import DeliveryState, MessageState
from gateway.steps.kept import KeptUnread, open_kept
from gateway.steps.letters import Done, release_message
from gateway.steps.reasons import seal_reason
from gateway.steps.reconsider import LetGo, reconsider, sealed_of
from gateway.steps.standing import DeliveryRow, delivery_row
from gateway.steps.unconfirmed import BY_PERSON, CODES, NEVER
from gateway.store.locks import held as row_lock
from gateway.store.locks import hold_delivery, hold_message
from gateway.store.schema import delivery, ledger_entry, message, task
from gateway.store.statement import Statement

D = DeliveryState
M = MessageState
WAITING_DELIVERIES = (D.HELD.value, D.PARKED.value, D.AMBIGUOUS.value)
WAITING_MESSAGES = (M.HELD.value, M.PARKED.value)
TELL_AGAIN_SECONDS = 15.0
"""A person who could not be told is told again within a minute, however often it failed."""

MARKED_WITHIN_SECONDS = 0.25
"""What people were told is kept for several together, and not later: whoever dies before it tells them again."""

_LAST_STEPS: Final = Several(
    select(ledger_entry.c.chain, func.max(ledger_entry.c.step).label("last"))
    .where(among(ledger_entry.c.chain))
    .group_by(ledger_entry.c.chain),
    ledger_entry.c.chain,
)
_TOLD: Final = Several(
    update(task)
    .where(among(task.c.id), task.c.told_at.is_(None))
    .values(told_at=bindparam("told_at"))
    .returning(task.c.id),
    task.c.id,
)
_UNTOLD: Final = Statement(
    select(task)
    .where(task.c.tell, task.c.told_at.is_(None), task.c.ended_at.is_(None), task.c.due_at <= bindparam("now"))
    .order_by(task.c.created_at)
    .limit(50)
)


class DeskError(ThroughgateError):
    """The desk cannot do this: the text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class HeldItem:
    """One thing that waits. `harm` 0 is the worst; `role` is who settles it, `todo` the sentence of its reason."""

    kind: str
    id: str
    state: str
    reason: str
    letter: str
    recipient_class: str
    since: str
    age_seconds: int
    harm: int
    role: str
    todo: str


@dataclass(frozen=True, kw_only=True)
class TaskItem:
    """One open task, as ids and codes. Empty text where there is no such id; `told_at` is None for what is only listed, or not told yet."""

    id: str
    role: str
    code: str
    todo: str
    message: str
    delivery: str
    agreement: str
    """`name:date` for a date of an agreement."""
    told_at: str | None
    since: str
    age_seconds: int


def held(parts: Parts) -> tuple[HeldItem, ...]:
    """Everything that waits for a person: harm first, then the oldest."""
    with parts.store.read() as c:
        letters = c.execute(select(delivery).where(delivery.c.state.in_(WAITING_DELIVERIES))).all()
        messages = c.execute(select(message).where(message.c.state.in_(WAITING_MESSAGES))).all()
    items = [_delivery_item(parts, row) for row in letters] + [_message_item(parts, row) for row in messages]
    return tuple(sorted(items, key=lambda item: (item.harm, item.since, item.id)))


def harm_of(row: DeliveryRow) -> int:
    """What it can do that this letter has not arrived: 0, the worst, where somebody may be without care."""
    return 3 if not row.person_id else 0 if _is_picture(row) else 2


def _is_picture(row: DeliveryRow) -> bool:
    return bool(row.whole_picture) and row.letter != NOTICE


def _delivery_item(parts: Parts, row: DeliveryRow) -> HeldItem:
    picture = _is_picture(row)
    if row.state == D.PARKED and row.reason == "restored":
        code: str | None = "handover-restored" if picture else "letter-restored"
    else:
        code = {D.AMBIGUOUS: "delivery-ambiguous", D.PARKED: "delivery-parked"}.get(D(row.state), row.reason)
    return _item(
        parts,
        "delivery",
        row,
        letter=row.letter,
        recipient_class=row.recipient_class,
        harm=harm_of(row),
        code=code,
        since=row.created_at,
    )


def _message_item(parts: Parts, row: DeliveryRow) -> HeldItem:
    code = row.reason if row.state == M.HELD else "message-restored" if row.reason == "restored" else "message-parked"
    return _item(parts, "message", row, letter="", recipient_class="", harm=1, code=code, since=row.received_at)


def _item(
    parts: Parts,
    kind: str,
    row: DeliveryRow,
    *,
    letter: str,
    recipient_class: str,
    harm: int,
    code: str | None,
    since: str,
) -> HeldItem:
    known = TASKS.get(code or "")
    return HeldItem(
        kind=kind,
        id=row.id,
        state=row.state,
        reason=row.reason or "",
        letter=letter,
        recipient_class=recipient_class,
        since=since,
        age_seconds=_age(parts, since),
        harm=harm,
        role=known.role if known else OPERATOR,
        todo=known.text if known else "see `throughgate journey`",
    )


def _age(parts: Parts, since: str) -> int:
    return int((parts.clock() - from_text(since)).total_seconds())


def release_held(parts: Parts, some_id: str, *, reason: str, by: str, recipient: str | None = None) -> str:
    """Let a held or parked message or letter go on; the state that it has then. `recipient`: whom a person names, `has_to_be_named`.

    Raises DeskError when there is nothing to release, or still nobody to send it to.
    """
    with parts.store.read() as c:
        letter = delivery_row(c, some_id)
        one = c.execute(select(message).where(message.c.id == some_id)).one_or_none()
    if letter is not None:
        return _release_letter(parts, letter, reason=reason, by=by, recipient=recipient)
    if one is None or one.state not in WAITING_MESSAGES:
        raise DeskError("no message or letter with this id is held or parked: `throughgate held` lists what waits")
    with around("held-released"):
        parts.store.write(lambda c: _note(c, parts, one, "held-released", reason=reason, by=by))
    done = release_message(parts, some_id, by_person=True)
    after_release(parts, done)
    with parts.store.read() as c:
        return str(c.execute(select(message.c.state).where(message.c.id == some_id)).scalar_one())


def after_release(parts: Parts, done: Done) -> None:
    """What a message changed for the person's other letters is looked at before anything else happens."""
    if done.stale and done.person_id is not None:
        reconsider(parts, done.person_id)


def _release_letter(parts: Parts, row: DeliveryRow, *, reason: str, by: str, recipient: str | None) -> str:
    if row.state in (D.PARKED, D.AMBIGUOUS):
        with around("unparked"):
            parts.store.write(lambda c: _send_again(c, parts, row.id, reason=reason, by=by))
    elif row.state == D.HELD:
        _require_read(parts, row)
        assert row.person_id is not None
        word = LetGo(delivery_id=row.id, recipient=_named(parts, row, recipient), reason=reason, by=by)
        reconsider(parts, row.person_id, word)
    else:
        raise DeskError("this letter is neither held nor parked nor ambiguous: `throughgate journey` shows where it is")
    with parts.store.read() as c:
        after = delivery_row(c, row.id)
        assert after is not None
        return str(after.state)


def _named(parts: Parts, row: DeliveryRow, recipient: str | None) -> Recipient | None:
    """Whom a person names for a letter that found nobody, or that is about somebody flagged sensitive; else None."""
    if recipient is None:
        if row.recipient is None:
            raise DeskError("nobody was found for this letter: name the recipient with --recipient, or reject it")
        # INVARIANT: a flagged record goes to nobody whom the person who lets it go has not named themselves.
        if has_to_be_named(parts, row.id):
            raise DeskError(
                "the person's record is flagged sensitive: name the recipient with --recipient, or reject it"
            )
        return None
    named = parts.recipients.get(recipient)
    if named is None or named.recipient_class != row.recipient_class or row.letter not in named.letters:
        raise DeskError("this recipient does not take this letter: `throughgate check` prints who takes what")
    if row.letter == NOTICE and row.recipient != named.id:
        raise DeskError("a notice of withdrawal goes to who had the letters, and to nobody else")
    return named


def _require_read(parts: Parts, row: DeliveryRow) -> None:
    """A held letter is decided again from what was kept with it. Raises DeskError where that cannot be read."""
    with parts.store.read() as c:
        try:
            open_kept(c, parts.keys, sealed_of(c, row.decision_id), of=row.decision_id)
        except KeptUnread as error:
            raise DeskError(f"{error}; `throughgate replay` of its message makes another, or reject it") from None


def has_to_be_named(parts: Parts, delivery_id: str) -> bool:
    """Has whoever lets this held letter go to name its recipient: nobody was found, or the person's record is flagged sensitive?"""
    with parts.store.read() as c:
        row = delivery_row(c, delivery_id)
        if row is None or row.state != D.HELD:
            return False
        try:
            kept = open_kept(c, parts.keys, sealed_of(c, row.decision_id), of=row.decision_id)
        except KeptUnread:
            return True  # nobody knows whether the record was flagged: it cannot be let go (`_require_read`)
    return row.recipient is None or kept.decision.unplaced is not None


def reject_held(parts: Parts, some_id: str, *, reason: str, by: str) -> str:
    """End what waits: a held letter is withheld, a parked one recalled, a message rejected. The state that it has then."""

    def work(c: Connection) -> str:
        hold_delivery(c, some_id)
        hold_message(c, some_id)
        row = delivery_row(c, some_id)
        if row is not None and row.state in (D.HELD.value, D.PARKED.value):
            _note(c, parts, row, "held-rejected", reason=reason, by=by)
            to = D.WITHHELD if row.state == D.HELD else D.RECALLED
            move_delivery(c, parts, some_id, to, reason="rejected-by-person")
            end_tasks(c, parts, delivery_id=some_id)
            return to.value
        one = c.execute(select(message).where(message.c.id == some_id)).one_or_none()
        if one is None or one.state not in WAITING_MESSAGES:
            raise DeskError("no message or letter with this id is held or parked: `throughgate held` lists what waits")
        _note(c, parts, one, "held-rejected", reason=reason, by=by)
        move_message(c, parts, some_id, M.REJECTED, reason="rejected-by-person")
        end_tasks(c, parts, message_id=some_id)
        return M.REJECTED.value

    with around("held-rejected"):
        return parts.store.write(work)


def _send_again(c: Connection, parts: Parts, delivery_id: str, *, reason: str, by: str) -> None:
    """A parked letter is queued, an ambiguous one is due at once; both go out under the id that they have."""
    hold_delivery(c, delivery_id)
    row = delivery_row(c, delivery_id)
    if row is None or row.state not in (D.PARKED.value, D.AMBIGUOUS.value):
        raise DeskError("this letter does not wait any more: `throughgate journey` shows where it is")
    if row.reason == "seal-broken":
        raise DeskError("the letter in the store is not the one that was decided: reject it, then find out why")
    if row.state == D.AMBIGUOUS and row.recipient not in parts.outbounds:
        raise DeskError("this letter lies in its recipient's mailbox: ask the recipient to collect it again")
    _note(c, parts, row, "held-released", reason=reason, by=by)
    c.execute(update(delivery).where(delivery.c.id == delivery_id).values(due_at=parts.now()))
    if row.state == D.PARKED:
        # INVARIANT: what its recipient collects waits for it: nobody sends it
        move_delivery(c, parts, delivery_id, D.QUEUED if row.recipient in parts.outbounds else D.WAITING)
    end_tasks(c, parts, delivery_id=delivery_id)


def say_delivered(parts: Parts, delivery_id: str, *, reason: str, by: str) -> str:
    """The recipient was asked and has the letter: it is delivered, and not sent again. The state that it has then.

    Raises DeskError for a letter that never went out, or whose fate is known.
    """

    def work(c: Connection) -> str:
        hold_delivery(c, delivery_id)
        row = delivery_row(c, delivery_id)
        if row is None or row.state not in (D.PARKED.value, D.AMBIGUOUS.value):
            raise DeskError("no letter with this id is parked or ambiguous: `throughgate held` lists what waits")
        # INVARIANT: nothing arrived that was not sent.
        if row.attempts == 0:
            raise DeskError("this letter never went out, so nobody has it: release it or reject it")
        facts = {"note": seal_reason(c, parts, row.person_id, reason=reason, by=by)}
        move_delivery(c, parts, delivery_id, D.DELIVERED, reason=BY_PERSON, facts=facts)
        c.execute(update(delivery).where(delivery.c.id == delivery_id).values(due_at=NEVER))
        end_tasks(c, parts, delivery_id=delivery_id)
        return D.DELIVERED.value

    with around("said-delivered"):
        return parts.store.write(work)


def _note(c: Connection, parts: Parts, row: DeliveryRow, event: str, *, reason: str, by: str) -> None:
    """Who, and why, sealed; the ledger has the id of what was sealed."""
    note = note_delivery if "decision_id" in row._fields else note_message
    note(c, parts, row.id, event, {"note": seal_reason(c, parts, row.person_id, reason=reason, by=by)})


# ── tasks: what people were asked to do ──


def tasks(parts: Parts) -> tuple[TaskItem, ...]:
    """Every open task, oldest first."""
    with parts.store.read() as c:
        rows = c.execute(select(task).where(task.c.ended_at.is_(None)).order_by(task.c.created_at, task.c.id)).all()
    return tuple(
        TaskItem(
            id=row.id,
            role=row.role,
            code=row.code,
            todo=TASKS[row.code].text if row.code in TASKS else "see `throughgate journey`",
            message=row.message_id or "",
            delivery=row.delivery_id or "",
            agreement=row.agreement or "",
            told_at=row.told_at,
            since=row.created_at,
            age_seconds=_age(parts, row.created_at),
        )
        for row in rows
    )


def end_task(parts: Parts, task_id: str, *, reason: str, by: str) -> None:
    """A person has done what a task asks. What still waits is settled itself, and its tasks end with it: DeskError for those."""

    def work(c: Connection) -> None:
        row = c.execute(row_lock(select(task).where(task.c.id == task_id))).one_or_none()
        if row is None or row.ended_at is not None:
            raise DeskError("no open task has this id: `throughgate task` lists them")
        about = _about(c, row)
        # INVARIANT: a task is never ticked off while the letter or message that it is about still waits.
        if about is not None and about.state in (*WAITING_DELIVERIES, *WAITING_MESSAGES):
            raise DeskError(f"{about.id} still waits: settle it with `throughgate held`, and its tasks end with it")
        note = seal_reason(c, parts, about.person_id if about is not None else None, reason=reason, by=by)
        ended = {task_id}
        codes = CODES.get(about.letter, ()) if about is not None and row.delivery_id is not None else ()
        if row.code in codes and about is not None and about.state == D.DELIVERED:
            # Somebody has spoken to the recipient: what a reply would have said is known, and is not asked for again.
            settled = {"reason": BY_PERSON, "due_at": NEVER}
            c.execute(update(delivery).where(delivery.c.id == about.id).values(**settled))
            same = (task.c.delivery_id == about.id, task.c.code.in_(codes), task.c.ended_at.is_(None))
            ended |= set(c.execute(row_lock(select(task.c.id).where(*same))).scalars())
        for each in sorted(ended):
            c.execute(update(task).where(task.c.id == each).values(ended_at=parts.now()))
        _enter(c, parts, sorted(ended), "task-ended", {"note": note})

    with around("task-ended"):
        parts.store.write(work)


def _about(c: Connection, row: DeliveryRow) -> DeliveryRow | None:
    """The letter or message of a task."""
    if row.delivery_id is not None:
        hold_delivery(c, row.delivery_id)
        return delivery_row(c, row.delivery_id)
    return c.execute(select(message).where(message.c.id == row.message_id)).one_or_none()


def _enter(c: Connection, parts: Parts, task_ids: Sequence[str], event: str, facts: LedgerFacts) -> None:
    """An entry in each task's own chain. The tasks' rows are held by who calls."""
    last = {row.chain: row.last for row in _LAST_STEPS.of(c, task_ids)}
    enter_all(
        c, parts, [ToEnter(chain=each, step=last.get(each, 0) + 1, event=event, facts=facts) for each in task_ids]
    )


def _told(row: DeliveryRow) -> Told:
    return Told(code=row.code, role=row.role, task=row.id, message=row.message_id or "", delivery=row.delivery_id or "")


async def tell(parts: Parts) -> int:
    """Tell people what has not been told. How many were told. What fails is told again, soon; a task that ended is not told."""
    if parts.teller is None:
        return 0
    with parts.store.read() as c:
        rows = _UNTOLD.all(c, now=parts.now())
    told: list[str] = []
    marked, at = 0, asyncio.get_running_loop().time()
    for row in rows:
        pass_point("tell.before")
        try:
            await parts.teller(_told(row))
        except Exception as error:  # noqa: BLE001  whatever the way of telling raised, the person has not been told
            log(Code.TELL_FAILED, task=row.id, error=type(error).__name__)
            again = to_text(parts.clock() + timedelta(seconds=min(2.0**row.tell_attempts, TELL_AGAIN_SECONDS)))
            with around("tell-later"):
                await parts.store.write_async(partial(_tell_later, task_id=row.id, again=again))
            continue
        pass_point("tell.after")
        told.append(row.id)
        if asyncio.get_running_loop().time() - at >= MARKED_WITHIN_SECONDS:
            await _mark(parts, told[marked:])
            marked, at = len(told), asyncio.get_running_loop().time()
    if told[marked:]:
        await _mark(parts, told[marked:])
    return len(told)


async def _mark(parts: Parts, told: Sequence[str]) -> None:
    with around("told"):
        await parts.store.write_async(partial(_mark_told, parts=parts, task_ids=told))


def _tell_later(c: Connection, *, task_id: str, again: str) -> None:
    c.execute(update(task).where(task.c.id == task_id).values(tell_attempts=task.c.tell_attempts + 1, due_at=again))


def _mark_told(c: Connection, *, parts: Parts, task_ids: Sequence[str]) -> None:
    _enter(c, parts, [row.id for row in _TOLD.of(c, task_ids, told_at=parts.now())], "told", {})
