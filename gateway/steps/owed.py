"""The rows of answers that senders asked to be told later: an answer is owed from the transaction that takes custody, once a message.

It is the only writer of `owed_answer`; every move is one of `states.py` and has its ledger entry in the same transaction, in the answer's own
chain. It MUST NOT hold what an answer says: that is kept, sealed, with the message's acknowledgement.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from gateway.ledger import record
from gateway.parts import Parts
from gateway.states import ANSWER_MOVES, ANSWER_OPEN, AnswerState
from gateway.store.locks import held
from gateway.store.schema import owed_answer
from gateway.store.statement import Statement

A = AnswerState
_EVENT: Final = "answer"
_INSERT: Final = Statement.insert(owed_answer)
_OF_MESSAGE: Final = Statement(
    select(owed_answer.c.id, owed_answer.c.state, owed_answer.c.attempts, owed_answer.c.step).where(
        owed_answer.c.message_id == bindparam("message_id")
    )
)


@dataclass(frozen=True, kw_only=True)
class Owed:
    """One row, held to the end of its transaction."""

    id: str
    message_id: str
    state: AnswerState
    attempts: int
    step: int
    due_at: str


def owe(c: Connection, parts: Parts, *, answer_id: str, message_id: str) -> None:
    """The sender of this message is owed an answer of its own; owed again when it repeats its message, and never twice at once."""
    before = _OF_MESSAGE.first(c, message_id=message_id)
    if before is None:
        now = parts.now()
        _INSERT.run(
            c,
            id=answer_id,
            message_id=message_id,
            state=A.QUEUED.value,
            step=1,
            attempts=0,
            due_at=now,
            created_at=now,
        )
        _enter(c, parts, answer_id, 1, {"state": A.QUEUED.value, "message": message_id})
    elif A(before.state) not in ANSWER_OPEN:
        # INVARIANT: the same message again has no second effect: its answer goes again under the same id, with the same bytes.
        owed = hold_owed(c, str(before.id))
        if owed is not None and owed.state not in ANSWER_OPEN:
            move_owed(c, parts, owed, A.QUEUED, code="asked-again", due_at=parts.now())


def hold_owed(c: Connection, answer_id: str) -> Owed | None:
    """The row as it is now; nobody else moves it until this transaction ends."""
    row = c.execute(held(select(owed_answer).where(owed_answer.c.id == answer_id))).first()
    if row is None:
        return None
    return Owed(
        id=row.id,
        message_id=row.message_id,
        state=A(row.state),
        attempts=row.attempts,
        step=row.step,
        due_at=row.due_at,
    )


def move_owed(
    c: Connection, parts: Parts, owed: Owed, to: AnswerState, *, code: str | None = None, due_at: str | None = None
) -> None:
    """Give an answer its next state; `sending` is another attempt. ValueError for a move that `states.py` does not list."""
    if to not in ANSWER_MOVES[owed.state]:
        raise ValueError(f"answer: {owed.state} -> {to} is not a move")
    now = parts.now()
    sending = to is A.SENDING
    attempts, step = owed.attempts + int(sending), owed.step + 1
    values: dict[str, object] = {
        "state": to.value,
        "code": code,
        "step": step,
        "attempts": attempts,
        "due_at": due_at or owed.due_at,
        "ended_at": None if to in ANSWER_OPEN else now,
        **({"intent_at": now} if sending else {}),
    }
    c.execute(update(owed_answer).where(owed_answer.c.id == owed.id).values(**values))
    # INVARIANT: a change of state and its ledger entry are one transaction (DESIGN section 2, rule 7).
    facts: dict[str, str | int | bool] = {"state": to.value, "attempt": attempts}
    _enter(c, parts, owed.id, step, {**facts, "code": code} if code else facts)


def _enter(c: Connection, parts: Parts, chain: str, step: int, facts: dict[str, str | int | bool]) -> None:
    record(c, entry_id=parts.ids.entry(), chain=chain, step=step, event=_EVENT, at=parts.now(), facts=facts)
