"""What this gateway says about itself to Prometheus: counts, ages and depths by the closed vocabulary. Read from the store when asked.

No label names a person, a wing or anything that came in a message: every value is a state, an outcome, a role, a letter of the program, or a
channel of the settings. `METRICS` is the whole list; `deploy/alerts.yml` may use these and no others (tests compare).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from sqlalchemy import Connection, bindparam, case, func, literal_column, or_, select

from adapters.contract import Inbound
from adapters.discover import discover
from consent.shapes import Outcome
from fhir_profiles.letters import LETTERS
from gateway.instants import from_text, to_text
from gateway.journeys.tasks import TASKS
from gateway.ledger.entry import decode
from gateway.ledger.head import HeadFile, HeadMissing
from gateway.ledger.note import NoteError
from gateway.pressure import OPEN_DELIVERIES, OPEN_MESSAGES, unfinished
from gateway.settings import Settings
from gateway.states import AnswerState, DeliveryState, MessageState
from gateway.steps.deliver import Result
from gateway.steps.unconfirmed import BY_PERSON
from gateway.store import Store, compaction
from gateway.store.schema import (
    attempt,
    client,
    decision,
    delivery,
    ledger_entry,
    ledger_head,
    ledger_position,
    message,
    owed_answer,
    task,
)
from gateway.store.size import stored_bytes
from gateway.store.statement import Statement
from gateway.witnessing import last_witnessed, size_of

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LAG_SEEN: Final = 5_000
"""The ledger's lag is counted among its newest entries, no further than this."""
LETTERS_SEEN: Final = 10_000
"""The newest letters, whose fields and attempts are counted."""
UNCONFIRMED_AFTER: Final = timedelta(hours=24)
UNCONFIRMED_FOR: Final = timedelta(days=7)


class MetricParts(Protocol):
    """What reading them needs of a gateway's parts."""

    settings: Settings
    store: Store
    doors: dict[str, Inbound]

    def now(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """One look: a snapshot, the settings, the doors of this process, and the instant that ages count to."""

    c: Connection
    settings: Settings
    doors: Mapping[str, Inbound]
    now: str

    def age(self, since: str) -> float:
        """Seconds, never below zero."""
        return max(0.0, (from_text(self.now) - from_text(since)).total_seconds())

    def before(self, by: timedelta) -> str:
        """That much earlier, as the store writes it."""
        return to_text(from_text(self.now) - by)


Samples = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric: its help, its labels in order, and how it is read."""

    text: str
    labels: tuple[str, ...]
    read: Callable[[_Seen], Samples]


MESSAGE_STATES: Final = tuple(each.value for each in MessageState)
DELIVERY_STATES: Final = tuple(each.value for each in DeliveryState)
ANSWER_STATES: Final = tuple(each.value for each in AnswerState)
OUTCOMES: Final = tuple(each.value for each in Outcome)
RESULTS: Final = (*(each.value for each in Result), "unknown")
ROLES: Final = tuple(sorted({kind.role for kind in TASKS.values()}))
LIMITS: Final = ("unfinished_messages", "unfinished_deliveries", "store_bytes")


def closed_values(settings: Settings) -> Mapping[str, frozenset[str]]:
    """Every value that a label may have."""
    return {
        "state": frozenset(MESSAGE_STATES) | frozenset(DELIVERY_STATES) | frozenset(ANSWER_STATES),
        "outcome": frozenset(OUTCOMES) | frozenset(RESULTS),
        "letter": frozenset(LETTERS),
        "role": frozenset(ROLES),
        "limit": frozenset(LIMITS),
        "event": frozenset(word for adapter in discover().values() for word in adapter.counted),
        "channel": frozenset(channel.name for channel in settings.channels),
    }


def _by(seen: _Seen, column: Any, values: Iterable[str]) -> Samples:
    """How many rows have each of these values, none counts as `unknown`; a value that is not listed is left out."""
    return _counted(seen.c.execute(select(column, func.count()).group_by(column)), values)


def _counted(rows: Iterable[Any], values: Iterable[str]) -> Samples:
    found = {"unknown" if value is None else str(value): count for value, count in rows}
    return [((value,), found.get(value, 0)) for value in values]


def _oldest_messages(seen: _Seen) -> Samples:
    rows = seen.c.execute(
        select(message.c.state, func.min(message.c.received_at))
        .where(message.c.state.in_(OPEN_MESSAGES))
        .group_by(message.c.state)
    )
    found = {state: seen.age(since) for state, since in rows}
    return [((state,), found.get(state, 0.0)) for state in OPEN_MESSAGES]


def _oldest_deliveries(seen: _Seen) -> Samples:
    rows = seen.c.execute(
        select(delivery.c.letter, delivery.c.state, func.min(delivery.c.created_at))
        .where(delivery.c.state.in_(OPEN_DELIVERIES))
        .group_by(delivery.c.letter, delivery.c.state)
    )
    found = {(letter, state): seen.age(since) for letter, state, since in rows}
    return [((letter, state), found.get((letter, state), 0.0)) for letter in LETTERS for state in OPEN_DELIVERIES]


_UNCONFIRMED: Final = Statement(
    select(func.count()).where(
        literal_column("state") == literal_column("'delivered'"),  # in the very words of the index over these letters
        literal_column("letter") == literal_column("'handover'"),
        delivery.c.ended_at <= bindparam("after"),
        delivery.c.ended_at > bindparam("before"),
        delivery.c.reason.is_distinct_from(BY_PERSON),
    )
)
_NEWEST: Final = Statement(
    select(message.c.received_at)
    .where(
        message.c.channel == bindparam("channel"),
        or_(message.c.state != MessageState.REJECTED.value, message.c.step > 1),
    )
    .order_by(message.c.sequence.desc())
    .limit(1)
)
"""The last message of a channel that was not refused at the door: what a person rejected later had been taken."""


def _unconfirmed(seen: _Seen) -> Samples:
    after, before = seen.before(UNCONFIRMED_AFTER), seen.before(UNCONFIRMED_FOR)
    return [((), _UNCONFIRMED.value(seen.c, after=after, before=before))]


_NEWEST_LETTERS: Final = select(delivery.c.id).order_by(delivery.c.sequence.desc()).limit(LETTERS_SEEN).subquery()
_ATTEMPTS: Final = Statement(
    select(attempt.c.outcome, func.count())
    .select_from(_NEWEST_LETTERS.join(attempt, attempt.c.delivery_id == _NEWEST_LETTERS.c.id))
    .group_by(attempt.c.outcome)
)
"""Attempts have no index of their outcomes, and there are more of them than of anything else."""


def _attempts(seen: _Seen) -> Samples:
    return _counted(_ATTEMPTS.all(seen.c), RESULTS)


def _fields_withheld(seen: _Seen) -> Samples:
    """Of what was composed for letters that were decided; of one that waits for a person nobody can say yet."""
    newest = (seen.c.execute(select(func.max(delivery.c.sequence))).scalar() or 0) - LETTERS_SEEN
    stayed = delivery.c.state.in_((DeliveryState.WITHHELD.value, DeliveryState.RECALLED.value))
    rows = seen.c.execute(
        select(
            delivery.c.letter,
            func.sum(decision.c.fields_composed),
            func.sum(case((stayed, 0), else_=decision.c.fields_left)),
        )
        .join(decision, decision.c.id == delivery.c.decision_id)
        .where(
            delivery.c.sequence > newest,
            or_(decision.c.outcome != Outcome.HOLD.value, stayed),
            decision.c.fields_composed > 0,
        )
        .group_by(delivery.c.letter)
    )
    found = {letter: 1 - left / composed for letter, composed, left in rows}
    return [((letter,), found.get(letter, 0.0)) for letter in LETTERS]


def _silence(seen: _Seen) -> Iterator[tuple[tuple[str, ...], float]]:
    """Since the last message that was not refused; since its client was registered where there was none."""
    for channel in seen.settings.channels:
        last = _NEWEST.value(seen.c, channel=channel.name)
        began = last or seen.c.execute(select(client.c.created_at).where(client.c.name == channel.client)).scalar()
        if began is not None:
            yield (channel.name,), seen.age(began)


def _tasks(seen: _Seen) -> Samples:
    rows = seen.c.execute(select(task.c.role, func.count()).where(task.c.ended_at.is_(None)).group_by(task.c.role))
    found = {str(role): count for role, count in rows}
    return [((role,), found.get(role, 0)) for role in ROLES]


def _untold(seen: _Seen) -> Samples:
    oldest = seen.c.execute(
        select(func.min(task.c.created_at)).where(
            task.c.tell, task.c.told_at.is_(None), task.c.ended_at.is_(None), task.c.due_at <= seen.now
        )
    ).scalar()
    return [((), seen.age(oldest) if oldest else 0.0)]


_UNSIGNED: Final = (
    select(ledger_entry.c.body)
    .join(ledger_position, ledger_position.c.entry_id == ledger_entry.c.id)
    .where(ledger_position.c.position >= bindparam("signed"))
    .order_by(ledger_position.c.position)
    .limit(LAG_SEEN)
)
_NEW: Final = (
    select(ledger_entry.c.id, ledger_entry.c.sequence, ledger_entry.c.body)
    .order_by(ledger_entry.c.sequence.desc())
    .limit(LAG_SEEN)
    .subquery()
)
_UNPLACED: Final = (
    select(_NEW.c.body)
    .select_from(_NEW.outerjoin(ledger_position, ledger_position.c.entry_id == _NEW.c.id))
    .where(ledger_position.c.entry_id.is_(None))
    .order_by(_NEW.c.sequence)
)


def _unsigned(seen: _Seen) -> Sequence[bytes]:
    """Entries that no signed head holds, the oldest first.

    INVARIANT: the head file says what is signed: a ledger whose head cannot be written any more is behind, though its entries get positions.
    """
    try:
        signed = size_of(HeadFile(seen.settings.gateway.head_file).read())
    except (HeadMissing, ValueError, OSError):
        signed = 0
    placed = seen.c.execute(_UNSIGNED, {"signed": signed}).scalars().all()
    return [*placed, *seen.c.execute(_UNPLACED).scalars()][:LAG_SEEN]


def _lag(seen: _Seen) -> Samples:
    return [((), len(_unsigned(seen)))]


def _unsigned_seconds(seen: _Seen) -> Samples:
    return [((), max((seen.age(decode(body)["at"]) for body in _unsigned(seen)[:1]), default=0.0))]


def _unwitnessed(seen: _Seen) -> Samples:
    """Without a witness 0: there is nothing to wait for. One that never spoke counts from the first head."""
    if seen.settings.witness is None:
        return [((), 0.0)]
    try:
        last = last_witnessed(seen.settings, from_text(seen.now))
    except NoteError:
        last = None
    if last is not None:
        return [((), float(last.age_seconds))]
    first = seen.c.execute(select(func.min(ledger_head.c.signed_at))).scalar()
    return [((), seen.age(first) if first else 0.0)]


def _remnants(seen: _Seen) -> Samples:
    asked_for = compaction.asked(seen.c)
    return [((), seen.age(compaction.since(asked_for)) if asked_for else 0.0)]


def _doors(seen: _Seen) -> Iterator[tuple[tuple[str, ...], float]]:
    for channel, door in seen.doors.items():
        yield from (((channel, word), number) for word, number in door.counted().items())


def _used(seen: _Seen) -> Samples:
    limits = seen.settings.limits
    used = {
        "unfinished_messages": unfinished(seen.c, message.c.state, OPEN_MESSAGES, limits.unfinished_messages),
        "unfinished_deliveries": unfinished(seen.c, delivery.c.state, OPEN_DELIVERIES, limits.unfinished_deliveries),
        "store_bytes": stored_bytes(seen.c),
    }
    return [((name,), value / getattr(limits, name)) for name, value in used.items()]


METRICS: Final[Mapping[str, Metric]] = {
    "throughgate_messages": Metric(
        text="Messages kept, by state.",
        labels=("state",),
        read=lambda seen: _by(seen, message.c.state, MESSAGE_STATES),
    ),
    "throughgate_deliveries": Metric(
        text="Letters, by state.",
        labels=("state",),
        read=lambda seen: _by(seen, delivery.c.state, DELIVERY_STATES),
    ),
    "throughgate_answers": Metric(
        text="Answers that senders asked to be told later, by state.",
        labels=("state",),
        read=lambda seen: _by(seen, owed_answer.c.state, ANSWER_STATES),
    ),
    "throughgate_decisions": Metric(
        text="Decisions, by outcome.", labels=("outcome",), read=lambda seen: _by(seen, decision.c.outcome, OUTCOMES)
    ),
    "throughgate_attempts": Metric(
        text="Attempts to send the newest 10000 letters, by outcome; unknown while one runs.",
        labels=("outcome",),
        read=_attempts,
    ),
    "throughgate_message_oldest_seconds": Metric(
        text="Age of the oldest message that has not ended, by state; 0 where there is none.",
        labels=("state",),
        read=_oldest_messages,
    ),
    "throughgate_delivery_oldest_seconds": Metric(
        text="Age of the oldest letter that has not ended, by letter and state; 0 where there is none.",
        labels=("letter", "state"),
        read=_oldest_deliveries,
    ),
    "throughgate_handovers_unconfirmed": Metric(
        text="Handovers delivered 1 to 7 days ago that the recipient has not confirmed.",
        labels=(),
        read=_unconfirmed,
    ),
    "throughgate_fields_withheld_ratio": Metric(
        text="Share of the fields composed for the newest 10000 letters that did not leave, by letter; 0 where there is none.",
        labels=("letter",),
        read=_fields_withheld,
    ),
    "throughgate_channel_silence_seconds": Metric(
        text="Seconds since the last message that was taken, by channel.", labels=("channel",), read=_silence
    ),
    "throughgate_door_events": Metric(
        text="What a listener of this process has seen since it was opened, by channel.",
        labels=("channel", "event"),
        read=_doors,
    ),
    "throughgate_tasks": Metric(text="Open tasks, by who does them.", labels=("role",), read=_tasks),
    "throughgate_untold_oldest_seconds": Metric(
        text="Age of the oldest task that a person should have been told of and was not.", labels=(), read=_untold
    ),
    "throughgate_ledger_lag_entries": Metric(
        text="Ledger entries that no signed head holds yet, up to 5000.", labels=(), read=_lag
    ),
    "throughgate_ledger_unsigned_seconds": Metric(
        text="Age of the oldest ledger entry that no signed head holds yet; 0 where all are held.",
        labels=(),
        read=_unsigned_seconds,
    ),
    "throughgate_ledger_unwitnessed_seconds": Metric(
        text="Seconds since the witness cosigned last; 0 where there is no witness.", labels=(), read=_unwitnessed
    ),
    "throughgate_erased_in_files_seconds": Metric(
        text="Seconds since the oldest erasure of which remnants can still be in the database's files; 0 where there is none.",
        labels=(),
        read=_remnants,
    ),
    "throughgate_limit_used_ratio": Metric(
        text="Share of a declared limit that is used; at 1 nothing new is taken.", labels=("limit",), read=_used
    ),
}


class _FromStore(Collector):
    def __init__(self, seen: _Seen) -> None:
        self._seen = seen

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, metric in METRICS.items():
            family = GaugeMetricFamily(name, metric.text, labels=metric.labels)
            for values, number in metric.read(self._seen):
                family.add_metric(values, number)
            yield family


def look(parts: MetricParts, names: Iterable[str]) -> Mapping[str, tuple[tuple[tuple[str, ...], float], ...]]:
    """Some metrics as (label values, number), of one snapshot. KeyError for one that there is not."""
    with parts.store.read() as c:
        seen = _Seen(c=c, settings=parts.settings, doors=parts.doors, now=parts.now())
        return {name: tuple(METRICS[name].read(seen)) for name in names}


def exposition(parts: MetricParts) -> bytes:
    """Every metric as Prometheus reads it, of one snapshot. Reads whole tables: for a thread, and once in some seconds."""
    with parts.store.read() as c:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_FromStore(_Seen(c=c, settings=parts.settings, doors=parts.doors, now=parts.now())))
        return generate_latest(registry)
