"""Every change of state, in one place: checked against MOVES, with its ledger entry in the same transaction.

No other module may write `message.state` or `delivery.state` of a row that exists (a test reads the syntax trees).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, Integer, Text, bindparam, func, select, update

from gateway.among import Several, among
from gateway.ledger import Entry, record_all
from gateway.parts import Parts
from gateway.states import DELIVERY_MOVES, DELIVERY_OPEN, DELIVERY_START, MESSAGE_MOVES, DeliveryState, MessageState
from gateway.store.locks import held
from gateway.store.schema import delivery, message, sealed
from gateway.store.statement import Statement

LedgerFacts = Mapping[str, str | int | bool]

SUBJECT: Final = "subject"
"""The fact that says whose an entry is, to who has the person's key: a commitment over the entry's own random id."""
MESSAGE_ENDED = frozenset({MessageState.RELEASED, MessageState.REJECTED})

_MESSAGES: Final = Several(
    held(
        select(
            message.c.id, message.c.state, message.c.step, message.c.body_id, message.c.answer_id, message.c.person_id
        )
        .where(among(message.c.id))
        .order_by(message.c.id)
    ),
    message.c.id,
)
_MOVE_MESSAGE: Final = Statement(
    update(message)
    .where(message.c.id == bindparam("message_id"))
    .values(
        state=bindparam("state"), reason=bindparam("reason"), step=bindparam("step"), ended_at=bindparam("ended_at")
    )
)
_NOTE_MESSAGE: Final = Statement(
    update(message).where(message.c.id == bindparam("message_id")).values(step=bindparam("step"))
)
_DELIVERIES: Final = Several(
    held(
        select(delivery.c.id, delivery.c.state, delivery.c.step, delivery.c.sealed_id)
        .where(among(delivery.c.id))
        .order_by(delivery.c.id)
    ),
    delivery.c.id,
)
_MOVE_DELIVERY: Final = Statement(
    update(delivery)
    .where(delivery.c.id == bindparam("delivery_id"))
    .values(
        state=bindparam("state"),
        reason=bindparam("reason"),
        step=bindparam("step"),
        attempts=delivery.c.attempts + bindparam("begun", type_=Integer),
        due_at=func.coalesce(bindparam("due_at", type_=Text), delivery.c.due_at),
        ended_at=bindparam("ended_at"),
    )
)
_START_DELIVERY: Final = Statement.insert(delivery)
_STEP_OF_DELIVERY: Final = Statement(
    update(delivery)
    .where(delivery.c.id == bindparam("delivery_id"))
    .values(step=delivery.c.step + 1)
    .returning(delivery.c.step)
)
_START_RETENTION: Final = Statement(
    update(sealed).where(sealed.c.id == bindparam("sealed_id")).values(ends_at=bindparam("ends_at"))
)


@dataclass(frozen=True, kw_only=True)
class ToEnter:
    """An entry of a chain to make: see `enter`."""

    chain: str
    step: int
    event: str
    facts: LedgerFacts
    person_id: str | None = None


class IllegalMove(Exception):
    """A move that `states.py` does not list: a defect of ours, never of a message."""

    def __init__(self, what: str, old: str, new: str) -> None:
        super().__init__(f"{what}: {old} -> {new} is not a move")


@dataclass(frozen=True, kw_only=True)
class MessageMove:
    """The next state of a message: see `move_message`."""

    message_id: str
    to: MessageState
    reason: str | None = None
    facts: LedgerFacts = field(default_factory=dict)


def move_message(
    c: Connection,
    parts: Parts,
    message_id: str,
    to: MessageState,
    *,
    reason: str | None = None,
    facts: LedgerFacts | None = None,
) -> None:
    """Give a message its next state. Raises `IllegalMove`."""
    move_messages(c, parts, (MessageMove(message_id=message_id, to=to, reason=reason, facts=facts or {}),))


def move_messages(c: Connection, parts: Parts, moves: Sequence[MessageMove]) -> None:
    """`move_message` for several, each once."""
    now = parts.now()
    rows = {row.id: row for row in _MESSAGES.of(c, [each.message_id for each in moves])}
    changes: list[Mapping[str, object]] = []
    entries: list[ToEnter] = []
    ended: list[tuple[str, str | None]] = []
    for each in moves:
        row = rows[each.message_id]
        if each.to not in MESSAGE_MOVES[MessageState(row.state)]:
            raise IllegalMove("message", row.state, each.to)
        ends = each.to in MESSAGE_ENDED
        change = {
            "state": each.to.value,
            "reason": each.reason,
            "step": row.step + 1,
            "ended_at": now if ends else None,
        }
        changes.append({"message_id": row.id, **change})
        if ends:
            ended += (("body", row.body_id), ("answer", row.answer_id))
        facts = {**each.facts, **_reason(each.reason)}
        entries.append(
            ToEnter(chain=row.id, step=row.step + 1, event=each.to.value, facts=facts, person_id=row.person_id)
        )
    # INVARIANT: a change of state and its ledger entry are one transaction (DESIGN section 2, rule 7).
    _MOVE_MESSAGE.many(c, changes)
    _start_retention(c, parts, ended)
    enter_all(c, parts, entries)


def move_delivery(
    c: Connection,
    parts: Parts,
    delivery_id: str,
    to: DeliveryState,
    *,
    reason: str | None = None,
    facts: LedgerFacts | None = None,
    due_at: str | None = None,
) -> None:
    """Give a delivery its next state; `sending` is another attempt. `due_at`: when it is looked at next. Raises `IllegalMove`."""
    move = Move(delivery_id=delivery_id, to=to, reason=reason, facts=facts or {}, due_at=due_at)
    move_deliveries(c, parts, (move,))


@dataclass(frozen=True, kw_only=True)
class Move:
    """The next state of a delivery: see `move_delivery`."""

    delivery_id: str
    to: DeliveryState
    reason: str | None = None
    facts: LedgerFacts
    due_at: str | None = None


def move_deliveries(c: Connection, parts: Parts, moves: Sequence[Move]) -> None:
    """`move_delivery` for several, one after the other."""
    now = parts.now()
    rows = {row.id: row for row in _DELIVERIES.of(c, [each.delivery_id for each in moves])}
    states = {name: DeliveryState(row.state) for name, row in rows.items()}
    steps = {name: row.step for name, row in rows.items()}
    changes: list[Mapping[str, object]] = []
    entries: list[ToEnter] = []
    ended: list[tuple[str, str | None]] = []
    for each in moves:
        name, is_open = each.delivery_id, each.to in DELIVERY_OPEN
        if each.to not in DELIVERY_MOVES[states[name]]:
            raise IllegalMove("delivery", states[name], each.to)
        states[name] = each.to
        steps[name] += 1
        change = {"state": each.to.value, "reason": each.reason, "step": steps[name], "due_at": each.due_at}
        begun = {"begun": int(each.to is DeliveryState.SENDING), "ended_at": None if is_open else now}
        changes.append({"delivery_id": name, **change, **begun})
        if not is_open:
            ended.append(("letter", rows[name].sealed_id))
        facts = {**each.facts, **_reason(each.reason)}
        entries.append(ToEnter(chain=name, step=steps[name], event=each.to.value, facts=facts))
    _MOVE_DELIVERY.many(c, changes)
    _start_retention(c, parts, ended)
    enter_all(c, parts, entries)


@dataclass(frozen=True, kw_only=True)
class Start:
    """A delivery to insert: its columns, `id` and `state` among them, and what the first entry of its chain says."""

    values: Mapping[str, object]
    facts: LedgerFacts


def start_deliveries(c: Connection, parts: Parts, starts: Sequence[Start]) -> None:
    """Insert deliveries, each in one of the states that a delivery may start in, with the first entry of its chain."""
    now = parts.now()
    rows: list[Mapping[str, object]] = []
    entries: list[ToEnter] = []
    for each in starts:
        values = each.values
        state = DeliveryState(str(values["state"]))
        if state not in DELIVERY_START:
            raise IllegalMove("delivery", "-", state)
        ended = None if state in DELIVERY_OPEN else now
        rows.append({**values, "step": 1, "attempts": 0, "created_at": now, "ended_at": ended})
        reason, person_id = values.get("reason"), values.get("person_id")
        entries.append(
            ToEnter(
                chain=str(values["id"]),
                step=1,
                event=state.value,
                facts={**each.facts, **_reason(str(reason) if reason else None)},
                person_id=str(person_id) if person_id else None,
            )
        )
    _START_DELIVERY.many(c, rows)
    enter_all(c, parts, entries)


def note_message(c: Connection, parts: Parts, message_id: str, event: str, *facts: LedgerFacts) -> None:
    """Entries in a message's chain that are no change of state (a decision, a registration), one for each of `facts`."""
    note_messages(c, parts, event, {message_id: facts})


def note_messages(c: Connection, parts: Parts, event: str, facts: Mapping[str, Sequence[LedgerFacts]]) -> None:
    """The same for several messages: `facts` by the message."""
    steps = {row.id: row.step for row in _MESSAGES.of(c, facts)}
    # INVARIANT: an entry is of a message that is there: one that is not is KeyError, and nothing is written of any.
    entries = [
        ToEnter(chain=each, step=steps[each] + at, event=event, facts=one)
        for each, said in facts.items()
        for at, one in enumerate(said, start=1)
    ]
    _NOTE_MESSAGE.many(
        c, [{"message_id": each, "step": steps[each] + len(said)} for each, said in facts.items() if said]
    )
    enter_all(c, parts, entries)


def note_delivery(c: Connection, parts: Parts, delivery_id: str, event: str, facts: LedgerFacts) -> None:
    """An entry in a delivery's chain that is not a change of state (decided again, released by a person)."""
    step = _STEP_OF_DELIVERY.one(c, delivery_id=delivery_id).step
    enter(c, parts, delivery_id, step, event, facts)


def _start_retention(c: Connection, parts: Parts, ended: Sequence[tuple[str, str | None]]) -> None:
    """INVARIANT: the clock of retention starts when a person or a receipt ends a thing, never before. `ended` are (category, sealed id)."""
    ends_at = {category: parts.after(days=parts.settings.retention.days(category)) for category in dict(ended)}
    rows = [{"sealed_id": sealed_id, "ends_at": ends_at[category]} for category, sealed_id in ended if sealed_id]
    _START_RETENTION.many(c, rows)


def _reason(reason: str | None) -> dict[str, str | int | bool]:
    return {"reason": reason} if reason else {}


def enter(
    c: Connection,
    parts: Parts,
    chain: str,
    step: int,
    event: str,
    facts: LedgerFacts,
    *,
    person_id: str | None = None,
) -> None:
    """One entry of a chain. `person_id`: whom the chain is about, said once, at its beginning or when that is known."""
    enter_all(c, parts, [ToEnter(chain=chain, step=step, event=event, facts=facts, person_id=person_id)])


def enter_all(c: Connection, parts: Parts, entries: Sequence[ToEnter]) -> None:
    """`enter` for several at once: the keys of those whom they are about are looked up once."""
    now = parts.now()
    people = dict.fromkeys(entry.person_id for entry in entries if entry.person_id is not None)
    commitments = parts.keys.commitments_of(c, people) if people else {}
    made = []
    for each in entries:
        entry_id, facts = parts.ids.entry(), each.facts
        if each.person_id is not None:
            # INVARIANT: with the person's key every chain about a person is found in the ledger itself, whatever the tables say; without
            # it no two entries can be linked (gateway/subject/scan.py)
            facts = {**facts, SUBJECT: commitments[each.person_id](entry_id.encode(), SUBJECT.encode())}
        made.append(Entry(id=entry_id, chain=each.chain, step=each.step, event=each.event, at=now, facts=facts))
    record_all(c, made)
