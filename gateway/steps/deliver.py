"""DELIVER: the door, the receipt, and what is tried again when.

`open_at_door` is the only constructor of `Letter`: seal, digest and decision are checked, then the versions of consent, agreement,
recipient and link in the very transaction that commits the intent. Bytes are sent with no transaction open. What is not known is
`ambiguous`, never assumed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update

from adapters.contract import DUPLICATE, Letter
from consent.shapes import Outcome
from fhir_profiles.letters import HANDING_OVER, referral
from fhir_profiles.shapes import Task
from gateway.activation import stands
from gateway.failpoints import around, pass_point
from gateway.instants import to_text
from gateway.journeys.file import hold_people
from gateway.journeys.tasks import NOTICE, add_tasks, end_tasks_of, task_of
from gateway.keys import SealedError
from gateway.log import Code, log
from gateway.moves import Move, move_deliveries, move_delivery
from gateway.parts import Parts
from gateway.states import DeliveryState
from gateway.steps.release import LEAVES, mark
from gateway.steps.standing import (
    DeliveryRow,
    InFront,
    all_in_front,
    all_moved_since,
    behind_all,
    delivery_row,
    delivery_rows,
    hold_deliveries,
    is_superseded,
    people_of,
)
from gateway.steps.unconfirmed import look_again_at
from gateway.store.away import is_away
from gateway.store.in_one import write_in_one
from gateway.store.locks import held, hold_delivery
from gateway.store.schema import attempt, decision, delivery
from gateway.store.statement import Statement, one_of

D = DeliveryState
SENDABLE = frozenset({D.QUEUED, D.AMBIGUOUS})
COLLECTABLE = frozenset({D.WAITING, D.SENDING, D.AMBIGUOUS})
LATE_SECONDS = 2.0
"""How much later than the send timeout a `sending` counts as left by a crash: the receipt of a send that ended in time is written by then."""

_BEGIN_ATTEMPT: Final = Statement.insert(attempt)
_END_ATTEMPT: Final = Statement(
    update(attempt)
    .where(attempt.c.delivery_id == bindparam("delivery_id"), attempt.c.number == bindparam("number"))
    .values(outcome=bindparam("outcome"), code=bindparam("code"), ended_at=bindparam("ended_at"))
)
_OLD: Final = select(delivery.c.id).where(
    delivery.c.state == D.WAITING.value, delivery.c.created_at <= bindparam("before")
)
_ONE_OLD: Final = Statement(_OLD.limit(1))


class Shut(StrEnum):
    """Why the door stays shut."""

    NOT_NOW = "not-now"  # ended, in another's hands, not due, or behind another letter
    MOVED = "moved"  # decided under versions that hold no more: back to RELEASE
    BROKEN = "broken"  # not the letter that was decided: parked


class Result(StrEnum):
    """What one send came to."""

    DELIVERED = "delivered"
    AMBIGUOUS = "ambiguous"
    TRANSIENT = "transient"
    REFUSED = "refused"


_MAY_HAVE_BROUGHT_IT: Final = Statement(
    select(attempt.c.number)
    .join(delivery, delivery.c.id == attempt.c.delivery_id)
    .join(decision, decision.c.id == delivery.c.decision_id)
    .where(
        attempt.c.delivery_id == bindparam("delivery_id"),
        attempt.c.number < bindparam("number"),
        attempt.c.outcome.is_(None) | (attempt.c.outcome == Result.AMBIGUOUS.value),
        attempt.c.code.is_distinct_from(DUPLICATE),
        attempt.c.intent_at >= decision.c.decided_at,
    )
    .limit(1)
)
"""An attempt of which nobody knows the outcome, made since the letter was decided as it is now."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The outcome of one attempt. `code` is the adapter's closed code."""

    result: Result
    code: str
    retry_after_seconds: float | None = None
    confirmed: bool = False
    """The answer was a reply of the recipient that it has taken this very letter."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A letter whose intent is committed: attempt `number` may send it now."""

    letter: Letter
    number: int


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What attempt `number` of a delivery came to."""

    delivery_id: str
    number: int
    sent: Sent


def open_at_door(parts: Parts, delivery_id: str, *, collected: bool = False) -> Letter | Shut:
    """Check a letter and commit the intent to send it, or say why not. `collected`: its recipient stands at the mailbox."""
    (opened,) = open_at_doors(parts, (delivery_id,), collected=collected)
    if isinstance(opened, Exception):
        raise opened
    return opened.letter if isinstance(opened, Opened) else opened


def open_at_doors(
    parts: Parts, delivery_ids: Sequence[str], *, collected: bool = False
) -> list[Opened | Shut | Exception]:
    """The same for several: looked at in one snapshot, their intents committed together. What one of them raises is its own."""
    found, genuine = _look_at(parts, tuple(dict.fromkeys(delivery_ids)), collected=collected)
    for each in [one for one, what in found.items() if what is Shut.BROKEN]:
        with around("park-broken"):
            parts.store.write(partial(_park_broken, parts=parts, delivery_id=each))
    checkpoint = parts.ledger.latest()
    pass_point("door.before-commit")
    rows = [row for row, _ in genuine]
    shuts = write_in_one(parts.store, partial(_commit_intents, parts=parts, collected=collected), rows)
    for (row, body), shut in zip(genuine, shuts, strict=True):
        if shut is not None:
            found[row.id] = shut
            continue
        letter = Letter(
            delivery_id=row.id,
            recipient=row.recipient,
            wire=row.wire,
            content_type=row.content_type,
            body=body,
            checkpoint=checkpoint,
            conversation=_conversation(parts, row),
        )
        found[row.id] = Opened(letter=letter, number=row.attempts + 1)
    pass_point("door.after-commit")
    # INVARIANT: an id that comes twice in one turn is opened for the first of them alone: one intent, one send.
    return [found.pop(each, Shut.NOT_NOW) for each in delivery_ids]


def _look_at(
    parts: Parts, delivery_ids: Sequence[str], *, collected: bool
) -> tuple[dict[str, Opened | Shut | Exception], list[tuple[DeliveryRow, bytes]]]:
    """Those that may go on, with their bytes, all from one snapshot; what becomes of the others."""
    open_states = COLLECTABLE if collected else SENDABLE
    try:
        with parts.store.read() as c:
            rows = {
                row.id: row
                for row in delivery_rows(c, delivery_ids).values()
                if DeliveryState(row.state) in open_states
            }
            sealed = parts.keys.sealed_rows(c, [row.sealed_id for row in rows.values() if row.sealed_id is not None])
    except Exception as error:  # noqa: BLE001  it is one letter's, and the others go on
        if len(delivery_ids) == 1 or is_away(error):
            return dict.fromkeys(delivery_ids, error), []
        alone = [_look_at(parts, (each,), collected=collected) for each in delivery_ids]
        found = {each: what for some, _ in alone for each, what in some.items()}
        return found, [each for _, some in alone for each in some]
    shut: dict[str, Opened | Shut | Exception] = {}
    genuine: list[tuple[DeliveryRow, bytes]] = []
    for each in delivery_ids:
        try:
            if each not in rows:
                shut[each] = Shut.NOT_NOW
            elif (body := _genuine_body(parts, rows[each], sealed)) is None:
                shut[each] = Shut.BROKEN
            else:
                genuine.append((rows[each], body))
        except Exception as error:  # noqa: BLE001  one letter that cannot be opened must not stop the others
            shut[each] = error
    return shut, genuine


def _conversation(parts: Parts, row: DeliveryRow) -> str:
    """A referral, its updates and its end are one conversation with a provider (Booking and Referral: the same X-Correlation-ID).

    INVARIANT: nothing else has one. Of letters without a name it would say which are about one person.
    """
    if row.letter != referral.LETTER.name or row.person_id is None:
        return ""
    return parts.keys.index("conversation", f"{row.recipient}|{row.person_id}").hex()


def _genuine_body(parts: Parts, row: DeliveryRow, sealed: Mapping[str, Any]) -> bytes | None:
    """INVARIANT: bytes leave only when seal, digest and a decision that lets them leave agree."""
    if row.sealed_id is None or row.mac is None or row.recipient is None or Outcome(row.outcome) not in LEAVES:
        return None
    if not parts.keys.verify_seal_mac(row.mac, "letter", row.id, row.recipient, row.decision_id, row.digest):
        return None
    try:
        body = parts.keys.unsealed(row.sealed_id, sealed)
    except SealedError:
        return None
    return body if hashlib.sha256(body).hexdigest() == row.digest else None


def _park_broken(c: Connection, *, parts: Parts, delivery_id: str) -> None:
    hold_delivery(c, delivery_id)
    row = delivery_row(c, delivery_id)
    if row is None or DeliveryState(row.state) not in (SENDABLE | COLLECTABLE):
        return
    log(Code.DOOR_REFUSED, delivery=delivery_id)
    move_delivery(c, parts, delivery_id, D.PARKED, reason="seal-broken")
    add_tasks(c, parts, (task_of("seal-broken"),), delivery_id=delivery_id)


def _commit_intents(c: Connection, rows: Sequence[DeliveryRow], *, parts: Parts, collected: bool) -> list[Shut | None]:
    """None where the intent is written; else why the door stays shut."""
    standing = _stand(c, parts, rows, collected=collected)
    shuts: list[Shut | None] = []
    intents: list[Mapping[str, object]] = []
    moves: list[Move] = []
    touched: set[tuple[str | None, str]] = set()
    for seen in rows:
        its, pair = standing, (seen.person_id, seen.recipient)
        if pair in touched:  # whether it is behind is asked when the one before it moves
            move_deliveries(c, parts, moves)
            moves = []
            its = _stand(c, parts, (seen,), collected=collected)
        touched.add(pair)
        row = its.rows.get(seen.id)
        shut = _why_shut(c, parts, seen, its, collected=collected)
        shuts.append(shut)
        if shut is not None or row is None:
            continue
        number = row.attempts + 1
        if DeliveryState(row.state) is D.SENDING:
            again = Sent(result=Result.AMBIGUOUS, code="opened-again")
            _end_attempts(c, parts, (Ended(delivery_id=row.id, number=row.attempts, sent=again),))
        facts = {"attempt": number, "decision": row.decision_id, "mark": mark(parts, row.digest)}
        moves.append(Move(delivery_id=row.id, to=D.SENDING, facts=facts))
        intents.append({"delivery_id": row.id, "number": number, "intent_at": parts.now()})
    move_deliveries(c, parts, moves)
    # INVARIANT: attempt, digest and decision are committed before the first byte is sent.
    _BEGIN_ATTEMPT.many(c, intents)
    return shuts


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Deliveries as they are now, and what of them is another than when they were decided, which must wait, and which agreements stand, by name and digest."""

    rows: Mapping[str, DeliveryRow]
    moved: Mapping[str, str | None]
    in_front: Mapping[str, InFront | None]
    agreements: Mapping[tuple[str, str], bool]


def _stand(c: Connection, parts: Parts, seen: Sequence[DeliveryRow], *, collected: bool) -> Standing:
    # INVARIANT: two workers never send one delivery at once, and nobody registers a consent between this look and the intent.
    hold_people(c, [row.person_id for row in seen if row.person_id is not None])
    hold_deliveries(c, [row.id for row in seen])
    rows = delivery_rows(c, [row.id for row in seen])
    now = tuple(rows.values())
    people = people_of(c, now)
    return Standing(
        rows=rows,
        moved=all_moved_since(c, parts, now, people),
        in_front=all_in_front(c, parts, now, people, collected=collected),
        agreements={
            each: stands(c, *each) for each in dict.fromkeys((row.agreement, row.agreement_digest) for row in now)
        },
    )


def _why_shut(c: Connection, parts: Parts, seen: DeliveryRow, standing: Standing, *, collected: bool) -> Shut | None:
    """Why the door stays shut for a delivery as it is now; None where it opens."""
    row = standing.rows.get(seen.id)
    if row is None or row.step != seen.step or row.mac != seen.mac:
        return Shut.NOT_NOW
    if is_superseded(c, row):
        _retire_superseded(c, parts, row)
        return Shut.NOT_NOW
    if (not collected and row.due_at > parts.now()) or standing.in_front[row.id] is not None:
        return Shut.NOT_NOW
    # INVARIANT: no intent is committed under versions that hold no more (DESIGN section 2, rule 4).
    stays = standing.moved[row.id] is None and standing.agreements[row.agreement, row.agreement_digest]
    return None if stays else Shut.MOVED


def _retire_superseded(c: Connection, parts: Parts, row: DeliveryRow) -> None:
    """A newer whole picture holds everything that this one did."""
    state = DeliveryState(row.state)
    if state in (D.QUEUED, D.WAITING):
        move_delivery(c, parts, row.id, D.RECALLED, reason="superseded")
    elif state is D.AMBIGUOUS:
        move_delivery(c, parts, row.id, D.PARKED, reason="superseded")


def write_receipts(parts: Parts, ended: Sequence[Ended]) -> list[tuple[str, ...] | Exception]:
    """Commit what attempts came to, and what follows from it; for each the letters that may have waited behind it."""
    pass_point("receipt.before-commit")
    waiting = write_in_one(parts.store, partial(_receipts, parts=parts), ended)
    pass_point("receipt.after-commit")
    return waiting


def _receipts(c: Connection, ended: Sequence[Ended], *, parts: Parts) -> list[tuple[str, ...]]:
    ids = [each.delivery_id for each in ended]
    hold_deliveries(c, ids)
    ended = [_in_the_light_of_earlier(c, each) for each in ended]
    _end_attempts(c, parts, ended)
    arrived: list[Arrived] = []
    rows = delivery_rows(c, ids)
    for each in ended:
        row = rows.pop(each.delivery_id, None) or delivery_row(c, each.delivery_id)  # as the one before has left it
        if row is not None and _take_receipt(c, parts, row, each):
            arrived.append(Arrived(row=row, number=each.number, sent=each.sent))
    _deliver(c, parts, arrived)
    waiting = behind_all(c, ids)
    return [waiting[each] for each in ids]


def _in_the_light_of_earlier(c: Connection, ended: Ended) -> Ended:
    """That a recipient has this id already is an arrival where an earlier attempt of ours, with these very bytes, may have brought it.

    INVARIANT: else it stays ambiguous, and a person asks: another letter, or another sender's, may have the id there.
    """
    if ended.sent.code != DUPLICATE or ended.sent.result is not Result.AMBIGUOUS:
        return ended
    earlier = _MAY_HAVE_BROUGHT_IT.first(c, delivery_id=ended.delivery_id, number=ended.number)
    if earlier is None:
        return ended
    sent = Sent(result=Result.DELIVERED, code=DUPLICATE)
    return Ended(delivery_id=ended.delivery_id, number=ended.number, sent=sent)


def _take_receipt(c: Connection, parts: Parts, row: DeliveryRow, ended: Ended) -> bool:
    """Whether the recipient has it by this. What else an attempt can come to is written here."""
    sent, state = ended.sent, DeliveryState(row.state)
    if state is not D.SENDING or row.attempts != ended.number:
        # the answer may have come after we had given up waiting
        return sent.result is Result.DELIVERED and state in (D.AMBIGUOUS, D.PARKED)
    match sent.result:
        case Result.DELIVERED:
            return True
        case Result.REFUSED:
            log(Code.DELIVERY_REFUSED, delivery=row.id, recipient=row.recipient, reason=sent.code)
            move_delivery(c, parts, row.id, D.REFUSED, reason=sent.code, facts={"attempt": ended.number})
            add_tasks(c, parts, refused_tasks(row.letter), delivery_id=row.id)
        case Result.TRANSIENT:
            send_again(c, parts, row, D.QUEUED, sent)
        case Result.AMBIGUOUS:
            send_again(c, parts, row, D.AMBIGUOUS, sent)
    return False


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A letter that its recipient has by attempt `number`."""

    row: DeliveryRow
    number: int
    sent: Sent


def _deliver(c: Connection, parts: Parts, arrived: Sequence[Arrived]) -> None:
    moves: list[Move] = []
    for each in arrived:
        facts: dict[str, str | int | bool] = {"attempt": each.number, "code": each.sent.code}
        due_at = look_again_at(parts, each.row)
        moves.append(Move(delivery_id=each.row.id, to=D.DELIVERED, facts=facts, due_at=due_at))
        if each.sent.confirmed:
            moves.append(Move(delivery_id=each.row.id, to=D.CONFIRMED, facts={"code": each.sent.code}))
    move_deliveries(c, parts, moves)
    end_tasks_of(c, parts, [each.row.id for each in arrived])


def refused_tasks(letter: str) -> tuple[Task, ...]:
    """Who hears that a letter was refused: the operator, for a handover the clinical lead too, and of a notice who tells it by hand."""
    care = (task_of("handover-refused"),) if letter in HANDING_OVER else ()
    by_hand = (task_of(NOTICE),) if letter == NOTICE else ()
    return (task_of("delivery-refused"), *care, *by_hand)


def send_again(c: Connection, parts: Parts, row: DeliveryRow, state: DeliveryState, sent: Sent) -> None:
    """Try again later with the same idempotency key, or park after the limit. An ambiguous one is told at once."""
    limit = parts.settings.delivery.attempts
    parked = row.attempts % limit == 0
    if state is D.AMBIGUOUS:
        log(Code.DELIVERY_AMBIGUOUS, delivery=row.id, recipient=row.recipient, reason=sent.code)
        add_tasks(c, parts, (task_of("delivery-ambiguous"),), delivery_id=row.id)
    if parked:
        log(Code.DELIVERY_PARKED, delivery=row.id, recipient=row.recipient, reason=sent.code)
        reason = "ambiguous" if state is D.AMBIGUOUS else "attempts"
        move_delivery(c, parts, row.id, D.PARKED, reason=reason, facts={"attempt": row.attempts, "code": sent.code})
        add_tasks(c, parts, (task_of("delivery-parked"),), delivery_id=row.id)
        return
    log(Code.DELIVERY_RETRIED, delivery=row.id, recipient=row.recipient, reason=sent.code, attempt=row.attempts)
    seconds = backoff_seconds(parts, row.id, row.attempts, sent.retry_after_seconds)
    due_at = parts.after(seconds=seconds)
    move_delivery(c, parts, row.id, state, reason=sent.code, facts={"attempt": row.attempts}, due_at=due_at)


def backoff_seconds(parts: Parts, delivery_id: str, number: int, retry_after_seconds: float | None) -> float:
    """How long to wait after attempt `number`: doubling, spread over its upper half by the delivery's id, and never sooner than asked."""
    settings = parts.settings.delivery
    longest = min(settings.backoff_seconds * 2.0 ** ((number - 1) % settings.attempts), settings.backoff_max_seconds)
    spread = hashlib.sha256(f"{delivery_id}/{number}".encode()).digest()[0] / 255
    asked = min(retry_after_seconds or 0, settings.retry_after_max_seconds)
    return max(longest * (0.5 + spread / 2), asked)


def _end_attempts(c: Connection, parts: Parts, ended: Sequence[Ended]) -> None:
    now = parts.now()
    _END_ATTEMPT.many(
        c,
        [
            {
                "delivery_id": each.delivery_id,
                "number": each.number,
                "outcome": each.sent.result.value,
                "code": each.sent.code,
                "ended_at": now,
            }
            for each in ended
        ],
    )


def acknowledge_collected(parts: Parts, delivery_id: str, recipient: str) -> bool:
    """The recipient says that it has the letter. True again when it says so twice; False when it was never collected."""
    with around("collected"):
        return parts.store.write(lambda c: _acknowledge(c, parts, delivery_id, recipient))


def _acknowledge(c: Connection, parts: Parts, delivery_id: str, recipient: str) -> bool:
    hold_delivery(c, delivery_id)
    row = delivery_row(c, delivery_id)
    if row is None or row.recipient != recipient or row.attempts == 0:
        return False
    state = DeliveryState(row.state)
    if state in (D.DELIVERED, D.CONFIRMED):
        return True
    if state not in (D.SENDING, D.AMBIGUOUS, D.PARKED):
        return False
    sent = Sent(result=Result.DELIVERED, code="acknowledged")
    _end_attempts(c, parts, (Ended(delivery_id=delivery_id, number=row.attempts, sent=sent),))
    _deliver(c, parts, (Arrived(row=row, number=row.attempts, sent=sent),))
    return True


@lru_cache(maxsize=8)
def _late(boxes: tuple[str, ...]) -> Statement:
    """What was sent too long ago, by whether its recipient collects. A process has one set of mailboxes, so that this is built once."""
    collected = one_of(delivery.c.recipient, boxes or ("",))  # nobody's name: where nobody collects, all is pushed
    return Statement(
        select(delivery.c.id, delivery.c.recipient)
        .join(attempt, (attempt.c.delivery_id == delivery.c.id) & (attempt.c.number == delivery.c.attempts))
        .where(delivery.c.state == D.SENDING.value)
        .where(
            (collected & (attempt.c.intent_at <= bindparam("fetched")))
            | (~collected & (attempt.c.intent_at <= bindparam("pushed")))
        )
    )


def time_out_sending(parts: Parts) -> tuple[str, ...]:
    """`sending` without a receipt in time is `ambiguous`: a crash left it, or a mailbox letter was not acknowledged."""
    settings = parts.settings.delivery
    boxes = tuple(each.id for each in parts.recipients.values() if each.adapter == "mailbox")
    now = parts.clock()
    pushed = to_text(now - timedelta(seconds=settings.send_timeout_seconds + LATE_SECONDS))
    fetched = to_text(now - timedelta(seconds=settings.mailbox_acknowledge_seconds))
    with parts.store.read() as c:
        rows = _late(boxes).all(c, fetched=fetched, pushed=pushed)
    for row in rows:
        with around("time-out"):
            parts.store.write(lambda c: _time_out(c, parts, row.id, collected=row.recipient in boxes))  # noqa: B023  used at once
    return tuple(row.id for row in rows)


def _time_out(c: Connection, parts: Parts, delivery_id: str, *, collected: bool) -> None:
    hold_delivery(c, delivery_id)
    row = delivery_row(c, delivery_id)
    if row is None or DeliveryState(row.state) is not D.SENDING:
        return
    sent = Sent(result=Result.AMBIGUOUS, code="not-acknowledged" if collected else "no-receipt")
    _end_attempts(c, parts, (Ended(delivery_id=delivery_id, number=row.attempts, sent=sent),))
    if not collected:
        send_again(c, parts, row, D.AMBIGUOUS, sent)
        return
    move_delivery(c, parts, delivery_id, D.AMBIGUOUS, reason=sent.code, facts={"attempt": row.attempts})
    add_tasks(c, parts, (task_of("not-acknowledged"),), delivery_id=delivery_id)


def expire_uncollected(parts: Parts) -> int:
    """A letter that nobody collected in time ends, and a person is told."""
    before = to_text(parts.clock() - timedelta(days=parts.settings.delivery.expire_days))

    def work(c: Connection) -> int:
        ids = list(c.execute(held(_OLD), {"before": before}).scalars())
        for delivery_id in ids:
            log(Code.DELIVERY_EXPIRED, delivery=delivery_id)
            move_delivery(c, parts, delivery_id, D.EXPIRED, reason="not-collected")
            add_tasks(c, parts, (task_of("delivery-expired"),), delivery_id=delivery_id)
        return len(ids)

    with parts.store.read() as c:
        if _ONE_OLD.first(c, before=before) is None:
            return 0
    with around("expire"):
        return parts.store.write(work)
