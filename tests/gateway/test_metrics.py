"""Metrics: the closed vocabulary, right numbers, nobody in them, and alerts that name only what there is."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select, update

from adapters.mllp.inbound import MllpInbound
from adapters.mllp.settings import InboundSettings
from gateway.ledger import LedgerFault
from gateway.metrics import _ATTEMPTS, _NEWEST, _UNCONFIRMED, METRICS, closed_values, exposition
from gateway.parts import Parts
from gateway.steps.receive import receive
from gateway.store.schema import decision, ledger_entry, message
from gateway.store.statement import Statement
from tests.builders import adt_a01, adt_a03
from tests.gateway.receive.line import HL7_CHANNEL, arrival, make_parts
from tests.line import running

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
Sample = tuple[str, dict[str, str], float]


def samples(text: bytes) -> list[Sample]:
    return [
        (sample.name, dict(sample.labels), sample.value)
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    ]


def value(parts: Parts, name: str, **labels: str) -> float:
    found = [number for each, having, number in samples(exposition(parts)) if (each, having) == (name, labels)]
    assert len(found) == 1, (name, labels)
    return found[0]


def door() -> MllpInbound:
    """A listener that nobody has opened yet."""
    return MllpInbound(InboundSettings(channel=HL7_CHANNEL, client="c", port=0))


def assert_closed(parts: Parts) -> None:
    closed = closed_values(parts.settings)
    if not parts.doors:
        parts.doors[min(closed["channel"])] = door()
    seen = samples(exposition(parts))
    assert {name for name, _, _ in seen} == set(METRICS)
    for name, labels, _ in seen:
        assert tuple(labels) == METRICS[name].labels
        for label, word in labels.items():
            assert word in closed[label], (name, label)


def test_what_a_listener_has_seen_is_told_by_channel_and_word() -> None:
    parts, listener = make_parts(), door()
    parts.doors[HL7_CHANNEL] = listener
    listener.counts.too_large = 2
    assert value(parts, "throughgate_door_events", channel=HL7_CHANNEL, event="too_large") == 2
    assert value(parts, "throughgate_door_events", channel=HL7_CHANNEL, event="failures") == 0
    assert_closed(parts)


def test_every_word_that_an_alert_asks_a_listener_for_is_counted_by_one() -> None:
    asked = re.findall(r'throughgate_door_events\{event=~"([a-z_|]+)"\}', ALERTS)
    assert {word for each in asked for word in each.split("|")} <= closed_values(make_parts().settings)["event"]
    assert asked


async def test_what_was_taken_and_refused_and_how_long_a_feed_is_silent() -> None:
    parts = make_parts()
    clock: Any = parts.clock
    clock.pass_seconds(90)
    assert (
        value(parts, "throughgate_channel_silence_seconds", channel=HL7_CHANNEL) == 90
    )  # since its client was registered
    await receive(parts, arrival(adt_a01()))
    clock.pass_seconds(30)
    await receive(parts, arrival(b"nonsense"))
    assert value(parts, "throughgate_messages", state="received") == 1
    assert value(parts, "throughgate_messages", state="rejected") == 1
    assert value(parts, "throughgate_message_oldest_seconds", state="received") == 30
    assert value(parts, "throughgate_message_oldest_seconds", state="held") == 0
    assert value(parts, "throughgate_channel_silence_seconds", channel=HL7_CHANNEL) == 30  # nonsense is no sign of life
    assert value(parts, "throughgate_limit_used_ratio", limit="unfinished_messages") == 1 / 100_000
    with parts.store.read() as c:
        entries = len(c.execute(ledger_entry.select()).all())
    assert value(parts, "throughgate_ledger_lag_entries") == entries
    assert_closed(parts)


async def test_a_silent_feed_is_as_silent_when_retention_has_taken_its_last_answer() -> None:
    """Nor is every message of it read through to find out."""
    parts = make_parts()
    clock: Any = parts.clock
    clock.pass_seconds(90)
    await receive(parts, arrival(adt_a01()))
    taken = {"key_index": None, "answer_id": None, "bundle_index": None, "state": "released"}
    parts.store.write(lambda c: c.execute(update(message).values(taken)))
    clock.pass_seconds(30)
    await receive(parts, arrival(b"nonsense"))
    assert value(parts, "throughgate_channel_silence_seconds", channel=HL7_CHANNEL) == 30
    rejected_by_a_person = {"state": "rejected", "step": 4}
    parts.store.write(
        lambda c: c.execute(update(message).where(message.c.state == "released").values(rejected_by_a_person))
    )
    assert value(parts, "throughgate_channel_silence_seconds", channel=HL7_CHANNEL) == 30


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (_UNCONFIRMED, "COVERING INDEX ix_delivery_unconfirmed (letter=? AND state=? AND ended_at>"),
        (_NEWEST, "ix_message_channel (channel="),
    ],
)
def test_what_is_asked_at_every_look_reads_its_own_index(question: Statement, index: str) -> None:
    with make_parts().store.read() as c:
        asked = question._text(c)
        plan = c.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked.text}", ("",) * len(asked.order)).all()
    assert [index in row[3] for row in plan] == [True]


def test_attempts_are_found_by_their_letters_and_never_read_from_end_to_end() -> None:
    with make_parts().store.read() as c:
        asked = _ATTEMPTS._text(c).text
        plan = [row[3] for row in c.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", (10, 0)).all()]
    assert [step for step in plan if "attempt" in step] == [
        "SEARCH attempt USING INDEX sqlite_autoindex_attempt_1 (delivery_id=?)"
    ]


async def test_a_word_in_the_store_that_is_not_of_the_vocabulary_is_never_a_label() -> None:
    """Sabotage: a row whose kind, channel or reason holds a name."""
    parts = make_parts()
    await receive(parts, arrival(adt_a01()))
    parts.store.write(
        lambda c: c.execute(
            update(message).values(channel="Zebediah", reason="Zebediah", kind="Zebediah", client="Zebediah")
        )
    )
    assert b"Zebediah" not in exposition(parts)
    assert_closed(parts)


async def test_after_a_real_story_the_numbers_are_the_stores(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01())
        seen = samples(exposition(line.gateway))
        assert sum(number for name, _, number in seen if name == "throughgate_messages") == len(line.messages())
        assert sum(number for name, _, number in seen if name == "throughgate_deliveries") == len(line.deliveries())
        with line.gateway.store.read() as c:
            decided = len(c.execute(decision.select()).all())
        assert sum(number for name, _, number in seen if name == "throughgate_decisions") == decided
        await line.play(adt_a03())
        (row,) = [each for each in line.deliveries() if each.letter == "handover"]
        with line.gateway.store.read() as c:
            told = c.execute(select(decision).where(decision.c.id == row.decision_id)).one()
        assert 0 < told.fields_left < told.fields_composed
        share = value(line.gateway, "throughgate_fields_withheld_ratio", letter="handover")
        assert share == pytest.approx(1 - told.fields_left / told.fields_composed)
        assert_closed(line.gateway)
        text = exposition(line.gateway).decode()
        assert not re.search(r"[A-Z][0-9]{4}[A-Z]{2}|\b999[0-9]{7}\b", text)


async def test_a_ledger_that_is_not_signed_any_more_is_behind_though_its_entries_have_positions(tmp_path: Path) -> None:
    """The head file cannot be written, or does not continue: positions are given all the same, and only the log said so."""
    lag, age = "throughgate_ledger_lag_entries", "throughgate_ledger_unsigned_seconds"
    async with running(tmp_path) as line:
        await line.play(adt_a01())
        assert (value(line.gateway, lag), value(line.gateway, age)) == (0, 0)
        head = line.gateway.settings.gateway.head_file
        text = head.read_text("utf-8")
        head.write_text(text.replace("\n", "\nx", 1), "utf-8")
        await line.gateway._end_background()
        line.clock.advance(seconds=10)
        assert line.is_accepted(await line.send(adt_a03()))
        with pytest.raises(LedgerFault):
            line.gateway.ledger.advance()
        line.clock.advance(minutes=10)
        assert line.gateway.ledger.lag() == 0
        assert value(line.gateway, lag) > 0
        assert value(line.gateway, age) >= 600
        head.write_text(text, "utf-8")
        assert 600 <= value(line.gateway, age) < 620
        line.gateway.ledger.advance()
        assert (value(line.gateway, lag), value(line.gateway, age)) == (0, 0)


ALERTS = (DEPLOY / "alerts.yml").read_text("utf-8")
RUNBOOK = (DEPLOY / "runbook.md").read_text("utf-8")
TITLES = re.findall(r"^ +- alert: (\w+)$", ALERTS, re.MULTILINE)


def test_every_alert_has_a_section_that_begins_with_the_harm_and_no_section_is_without_one() -> None:
    sections = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections] == TITLES
    assert len(TITLES) == len(set(TITLES)) >= 15
    for section in sections:
        body = section.split("\n", 2)[2]
        assert body.startswith("**Harm:** "), section.splitlines()[0]
        assert body.index("**Harm:**") < body.index("**Look:**") < body.index("**Do:**")


def test_every_alert_names_only_metrics_labels_and_values_that_exist() -> None:
    closed = closed_values(make_parts().settings)
    expressions = re.findall(r"^ +expr: (.+)$", ALERTS, re.MULTILINE)
    assert len(expressions) == len(TITLES)
    for expression in expressions:
        for name, matchers in re.findall(r"\b(throughgate_\w+)(?:\{([^}]*)\})?", expression):
            assert name in METRICS, expression
            for label, operator, words in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', matchers):
                assert label in METRICS[name].labels, expression
                assert set(words.split("|") if operator == "=~" else [words]) <= closed[label], expression
        for grouped in re.findall(r"by \(([^)]*)\)", expression):
            assert set(grouped.split(", ")) <= {label for metric in METRICS.values() for label in metric.labels}
    for label in re.findall(r"\$labels\.(\w+)", ALERTS):
        assert label in closed


def test_sabotage_the_comparison_finds_a_metric_that_is_not_there() -> None:
    assert "throughgate_letters_lost" not in METRICS
    assert set(re.findall(r"\b(throughgate_\w+)", ALERTS)) - {"throughgate"} <= set(METRICS)


@pytest.mark.parametrize(
    "metric",
    ["throughgate_channel_silence_seconds", "throughgate_handovers_unconfirmed", "throughgate_ledger_unsigned_seconds"],
)
def test_what_must_have_an_alert_has_one(metric: str) -> None:
    assert metric in ALERTS
    for state in ("ambiguous", "parked", "held", "queued"):
        assert state in ALERTS
