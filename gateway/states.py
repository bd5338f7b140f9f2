"""The states of a message, of a delivery and of an owed answer, and every move between them, as data.

The diagram in `docs/states.md` is generated from here and compared in the tests. A move that is not listed MUST NOT happen.
"""

from enum import StrEnum


class MessageState(StrEnum):
    RECEIVED = "received"
    RELEASED = "released"
    HELD = "held"
    REJECTED = "rejected"
    PARKED = "parked"


class DeliveryState(StrEnum):
    QUEUED = "queued"
    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    WITHHELD = "withheld"
    HELD = "held"
    RECALLED = "recalled"
    AMBIGUOUS = "ambiguous"
    PARKED = "parked"
    EXPIRED = "expired"


class AnswerState(StrEnum):
    """Of an answer that a sender asked to be told later, as a message of its own. The words are a delivery's, and mean the same."""

    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    REFUSED = "refused"
    AMBIGUOUS = "ambiguous"
    PARKED = "parked"


M = MessageState
D = DeliveryState
A = AnswerState

MESSAGE_START = frozenset({M.RECEIVED, M.REJECTED})
MESSAGE_MOVES: dict[MessageState, frozenset[MessageState]] = {
    M.RECEIVED: frozenset({M.RELEASED, M.HELD, M.PARKED}),
    M.HELD: frozenset({M.RELEASED, M.HELD, M.REJECTED, M.PARKED}),
    M.PARKED: frozenset({M.RELEASED, M.HELD, M.REJECTED}),
    M.RELEASED: frozenset(),
    M.REJECTED: frozenset(),
}

DELIVERY_START = frozenset({D.QUEUED, D.WAITING, D.WITHHELD, D.HELD})
DELIVERY_MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    D.QUEUED: frozenset({D.SENDING, D.RECALLED, D.PARKED, D.EXPIRED}),
    D.WAITING: frozenset({D.SENDING, D.RECALLED, D.PARKED, D.EXPIRED}),
    D.SENDING: frozenset({D.SENDING, D.DELIVERED, D.REFUSED, D.AMBIGUOUS, D.QUEUED, D.PARKED}),
    D.AMBIGUOUS: frozenset({D.SENDING, D.DELIVERED, D.CONFIRMED, D.REFUSED, D.PARKED}),
    D.DELIVERED: frozenset({D.CONFIRMED, D.REFUSED, D.QUEUED, D.PARKED}),
    D.PARKED: frozenset({D.QUEUED, D.WAITING, D.DELIVERED, D.RECALLED, D.EXPIRED}),
    D.HELD: frozenset({D.QUEUED, D.WAITING, D.WITHHELD, D.RECALLED, D.EXPIRED}),
    D.CONFIRMED: frozenset(),
    D.REFUSED: frozenset(),
    D.WITHHELD: frozenset(),
    D.RECALLED: frozenset(),
    D.EXPIRED: frozenset(),
}

ANSWER_START = frozenset({A.QUEUED})
ANSWER_MOVES: dict[AnswerState, frozenset[AnswerState]] = {
    A.QUEUED: frozenset({A.SENDING, A.PARKED}),
    A.SENDING: frozenset({A.DELIVERED, A.REFUSED, A.AMBIGUOUS, A.QUEUED, A.PARKED}),
    A.AMBIGUOUS: frozenset({A.SENDING, A.DELIVERED, A.PARKED}),
    A.DELIVERED: frozenset({A.QUEUED}),
    A.REFUSED: frozenset({A.QUEUED}),
    A.PARKED: frozenset({A.QUEUED, A.DELIVERED}),
}
"""Back to `queued`: the sender repeated its message, and gets the same answer again."""
ANSWER_OPEN = frozenset({A.QUEUED, A.SENDING, A.AMBIGUOUS})

DELIVERY_RECALLABLE = frozenset({D.QUEUED, D.WAITING, D.PARKED, D.HELD})
"""Has not left, as far as the state tells: what recall ends. `sending` and `ambiguous` count as received."""

DELIVERY_OPEN = frozenset({D.QUEUED, D.WAITING, D.SENDING, D.AMBIGUOUS, D.PARKED, D.HELD})
"""Not ended: never swept by retention, and its successors wait for it."""
