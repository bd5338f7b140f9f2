"""How the gateway is: silence of feeds, age of what has not ended, attempts, how far the ledger is signed. Numbers and closed words only."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from consent.document import Table
from gateway.console.asking import Ask, Page
from gateway.instants import from_text
from gateway.ledger.note import NoteError
from gateway.metrics import look
from gateway.store.schema import attempt, delivery, ledger_head, ledger_position
from gateway.witnessing import Witnessed, last_witnessed

LONG_SILENCE: Final = 86_400.0
LONG_LAG: Final = 1_000.0
NEARLY_FULL: Final = 0.8
SILENCE: Final = "throughgate_channel_silence_seconds"
OLDEST_MESSAGES: Final = "throughgate_message_oldest_seconds"
OLDEST_LETTERS: Final = "throughgate_delivery_oldest_seconds"
UNTOLD: Final = "throughgate_untold_oldest_seconds"
UNCONFIRMED: Final = "throughgate_handovers_unconfirmed"
LAG: Final = "throughgate_ledger_lag_entries"
USED: Final = "throughgate_limit_used_ratio"
REMNANTS: Final = "throughgate_erased_in_files_seconds"
NAMES: Final = (SILENCE, OLDEST_MESSAGES, OLDEST_LETTERS, UNTOLD, UNCONFIRMED, LAG, REMNANTS, USED)

NEWEST: Final = 10_000
"""Letters whose attempts are counted."""
_LETTERS: Final = select(delivery.c.id).order_by(delivery.c.sequence.desc()).limit(NEWEST).subquery()
_ATTEMPTS: Final = (
    select(attempt.c.outcome, func.count().label("attempts"))
    .select_from(_LETTERS.join(attempt, attempt.c.delivery_id == _LETTERS.c.id))
    .group_by(attempt.c.outcome)
)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """The newest signed head of the ledger."""

    size: int
    root: str
    at: str
    age: float


def health(ask: Ask) -> Page:
    """GET /console/health."""
    seen = look(ask.gateway, NAMES)
    with ask.gateway.store.read() as c:
        signed, positions = _signed(c, ask)
        attempts = _attempts(c)
    only = {name: seen[name][0][1] for name in (UNTOLD, UNCONFIRMED, LAG, REMNANTS)}
    table = Table(
        caption="How the gateway is",
        columns=("Measure", "Of", "Value"),
        rows=(
            *((name, " ".join(labels), f"{number:g}") for name in NAMES for labels, number in seen[name]),
            *((f"attempts of the newest {NEWEST} letters", outcome, str(count)) for outcome, count in attempts),
        ),
    )
    return Page(
        template="health.html",
        table=table,
        values={
            "silence": [(labels[0], number, number > LONG_SILENCE) for labels, number in seen[SILENCE]],
            "oldest": [
                (" ".join(labels), number)
                for name in (OLDEST_MESSAGES, OLDEST_LETTERS)
                for labels, number in seen[name]
                if number
            ],
            "attempts": attempts,
            "newest": NEWEST,
            "used": [(labels[0], number, number > NEARLY_FULL) for labels, number in seen[USED]],
            "untold": only[UNTOLD],
            "unconfirmed": int(only[UNCONFIRMED]),
            "lag": int(only[LAG]),
            "behind": only[LAG] > LONG_LAG,
            "remnants": only[REMNANTS],
            "signed": signed,
            "positions": positions,
            "witness": ask.gateway.settings.witness is not None,
            "witnessed": _witnessed(ask),
        },
    )


def _attempts(c: Connection) -> list[tuple[str, int]]:
    """How attempts to send the newest letters ended: what is wrong now, and no page reads every attempt that there ever was."""
    return sorted((row.outcome or "unknown", int(row.attempts)) for row in c.execute(_ATTEMPTS))


def _witnessed(ask: Ask) -> Witnessed | None:
    """What the witness said last; None without one, before its first word, or when that was changed: then it is late."""
    try:
        return last_witnessed(ask.gateway.settings, ask.gateway.clock())
    except NoteError:
        return None


def _signed(c: Connection, ask: Ask) -> tuple[Signed | None, int]:
    positions = c.execute(select(func.max(ledger_position.c.position))).scalar()
    row = c.execute(select(ledger_head).order_by(ledger_head.c.size.desc()).limit(1)).one_or_none()
    entries = 0 if positions is None else int(positions) + 1
    if row is None:
        return None, entries
    age = (ask.gateway.clock() - from_text(row.signed_at)).total_seconds()
    return Signed(size=row.size, root=row.root.hex(), at=row.signed_at, age=age), entries
