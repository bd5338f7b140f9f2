"""`try`: the same receive, release and close in a gateway in memory that keeps nothing and sends nothing; answers the shapes of DESIGN 6.

Ids and naming keys are fixed, so the same question has the same answer. This module MUST NOT decide, minimise or render by itself.
"""

import asyncio
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, or_, select

from adapters.contract import Arrival
from consent.shapes import Vote
from fhir_profiles import fhir_json
from fhir_profiles.peek import peek
from fhir_profiles.shapes import Envelope, Field, Issue, PersonIdentifier, Refusal, Severity, Translation
from fhir_profiles.translate import translate
from gateway.activation import CATEGORY
from gateway.clients import Client, find
from gateway.consents.given import as_message
from gateway.journeys.tasks import TASKS
from gateway.pipeline import Gateway
from gateway.settings import ChannelSettings, read_settings
from gateway.states import DeliveryState, MessageState
from gateway.steps import close, deliver
from gateway.steps.contributions import counting
from gateway.steps.field_ways import FieldWay, LetterWays, counted
from gateway.steps.identify import identify
from gateway.steps.kept import Kept, read_kept
from gateway.steps.letters import release_message
from gateway.steps.receive import Received, receive
from gateway.steps.reconsider import reconsider
from gateway.store.schema import agreement as signed
from gateway.store.schema import client, decision, delivery, message, task
from gateway.wiring import build_for_try, copy_register

Json = dict[str, Any]
OUTCOMES = {
    MessageState.RELEASED: "released",
    MessageState.HELD: "held",
    MessageState.REJECTED: "rejected",
    MessageState.PARKED: "held",
    MessageState.RECEIVED: "held",
}
NOBODY = "try"
_SENDER = {
    "fhir-message": "MessageHeader.source.endpoint",
    "fhir-response": "MessageHeader.source.endpoint",
    "fhir-bundle": "Bundle.meta.source",
    "fhir-resource": "meta.source",
    "hmpps-event": "eventType",
}


def try_message(
    body: bytes,
    *,
    config: Path | None = None,
    history: Sequence[bytes] = (),
    consents: Sequence[bytes] = (),
    as_of: str | None = None,
) -> Json:
    """What would become of one message. `history` came before it; `consents` are on record, as from a consent authority."""
    gate = _gate(config, as_of)
    try:
        issues = _history(gate, history)
        channel, looked = _looked(gate, body)
        if consents and isinstance(looked, Envelope):
            issues += _register(gate, consents, looked.persons)
        received = _take(gate, body)
        translation = translate(channel.shape(_client(gate, channel, looked)), body) if received.accepted else None
        return _shape(gate, looked, received, translation, issues)
    finally:
        gate.store.close()


def try_close(bodies: Iterable[bytes], *, as_of: str | None = None, config: Path | None = None) -> Json:
    """The calendar reports that these messages would make: with `as_of` those due by then, else one for every month that was counted in."""
    gate = _gate(config, as_of)
    try:
        _history(gate, tuple(bodies))
        if as_of is not None:
            due = [(agreement, place, period) for agreement, place, period in close.due_periods(gate)]
        else:
            due = [
                (agreement, place, period)
                for agreement in counting(gate)
                for place, period in close.counted_months(gate, agreement.name)
            ]
        reports = [close.close_period(gate, *each) for each in due]
        return {"reports": [_report(each) for each in reports if each is not None]}
    finally:
        gate.store.close()


def _gate(config: Path | None, as_of: str | None) -> Gateway:
    gate = build_for_try(config, as_of=as_of)
    gate.store.write(partial(_put_in_force, gate=gate))
    if config is not None:
        copy_register(read_settings(config), gate)
    return gate


def _put_in_force(c: Connection, *, gate: Gateway) -> None:
    """In this store, which ends with the try, every agreement that it was made for stands: the door asks the store, as everywhere."""
    note = gate.keys.seal(c, category=CATEGORY, plaintext=b"try", person_id=None, now=gate.now())
    said = {
        "sealed_id": note,
        "proposed_by": "try",
        "proposed_at": gate.now(),
        "approved_by": "try",
        "approved_at": gate.now(),
    }
    rows = [
        {"id": gate.ids.entry(), "name": each.name, "digest": each.digest, **said} for each in gate.agreements.values()
    ]
    if rows:
        c.execute(insert(signed), rows)


def _history(gate: Gateway, bodies: Sequence[bytes]) -> list[Json]:
    """Take what came before, in order. What was a duplicate is said, and not counted twice."""
    issues = []
    for number, body in enumerate(bodies, start=1):
        received = _take(gate, body)
        if received.duplicate:
            text = f"message {number} of the history was received before: it is not counted twice"
            issues.append(_issue(Severity.INFORMATION, "duplicate", "", text))
        elif not received.accepted:
            text = f"message {number} of the history would be refused: it is left out"
            issues.append(_issue(Severity.WARNING, "incomplete", "", text))
        _let_leave(gate)
    return issues


def _let_leave(gate: Gateway) -> None:
    """The letters of the history have left and arrived: only so is a release that is cancelled now corrected, and not just recalled."""
    open_states = (DeliveryState.QUEUED.value, DeliveryState.WAITING.value)
    with gate.store.read() as c:
        rows = c.execute(
            select(delivery.c.id, delivery.c.state, delivery.c.recipient)
            .where(delivery.c.state.in_(open_states))
            .order_by(delivery.c.sequence)
        ).all()
    for row in rows:
        collected = row.state == DeliveryState.WAITING
        if isinstance(deliver.open_at_door(gate, row.id, collected=collected), deliver.Shut):
            continue
        if collected:
            deliver.acknowledge_collected(gate, row.id, row.recipient)
        else:
            sent = deliver.Sent(result=deliver.Result.DELIVERED, code="history")
            (waiting,) = deliver.write_receipts(gate, (deliver.Ended(delivery_id=row.id, number=1, sent=sent),))
            if isinstance(waiting, Exception):
                raise waiting


def _take(gate: Gateway, body: bytes) -> Received:
    """One message through the inbox and, when it is new, through RELEASE."""
    channel, looked = _looked(gate, body)
    received = asyncio.run(
        receive(
            gate,
            Arrival(
                channel=channel.name,
                client=_client(gate, channel, looked),
                body=body,
                content_type="application/octet-stream",
            ),
        )
    )
    if received.accepted and not received.duplicate and received.message_id is not None:
        for failed in identify(gate).failed:
            raise failed[1]
        done = release_message(gate, received.message_id)
        if done.stale and done.person_id is not None:
            reconsider(gate, done.person_id)
    return received


def _looked(gate: Gateway, body: bytes) -> tuple[ChannelSettings, Envelope | Refusal]:
    form: Literal["fhir", "hl7v2"] = "fhir" if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")) else "hl7v2"
    fitting = [each for each in gate.settings.channels if each.format == form and gate.register_checked]
    looked = peek(gate.settings.http_channel(NOBODY, form).shape(NOBODY), body)
    for channel in fitting:
        if isinstance(looked, Envelope) and looked.sender in channel.senders:
            return channel, looked
    return gate.settings.http_channel(NOBODY, form), looked


def _client(gate: Gateway, channel: ChannelSettings, looked: Envelope | Refusal) -> str:
    """The registered client that may send this, when there is a register: in `try` nothing proves who sends."""
    if not gate.register_checked or not isinstance(looked, Envelope):
        return NOBODY
    with gate.store.read() as c:
        names = [channel.client, *c.execute(select(client.c.name).order_by(client.c.name)).scalars()]
        for name in names:
            found = find(c, name)
            if found is not None and _fits(found, looked):
                return str(name)
    return NOBODY


def _fits(found: Client, looked: Envelope) -> bool:
    return found.may_send(looked.kind) and (
        looked.establishment is None or looked.establishment in found.establishments
    )


def _register(gate: Gateway, consents: Sequence[bytes], persons: Sequence[PersonIdentifier]) -> list[Json]:
    """Consents on record, as messages of a consent authority about the same person."""
    issues = []
    checked, gate.register_checked = gate.register_checked, False
    for number, text in enumerate(consents, start=1):
        try:
            given = as_message(fhir_json.decode(text), persons, number)
        except fhir_json.FhirJsonError as error:
            issues.append(_issue(Severity.ERROR, "structure", error.place, f"consent {number}: {error.text}"))
            continue
        if given.about_others:
            said = f"consents {number}: {given.about_others} of them about another person do not count"
            issues.append(_issue(Severity.WARNING, "incomplete", "", said))
        received = _take(gate, fhir_json.encode(given.message))
        with gate.store.read() as c:
            row = c.execute(
                select(message.c.state, message.c.reason).where(message.c.id == received.message_id)
            ).one_or_none()
        if row is None or row.state != MessageState.RELEASED:
            why = row.reason if row is not None else "it was refused"
            issues.append(_issue(Severity.ERROR, "invalid", "", f"consent {number} does not count: {why}"))
    gate.register_checked = checked
    return issues


def _shape(
    gate: Gateway,
    looked: Envelope | Refusal,
    received: Received,
    translation: Translation | None,
    issues: list[Json],
) -> Json:
    """The answer of `try --json`."""
    with gate.store.read() as c:
        row = c.execute(select(message).where(message.c.id == received.message_id)).one_or_none()
        state = MessageState(row.state) if row is not None and received.accepted else MessageState.REJECTED
        own = row.id if row is not None and received.accepted and not received.duplicate else None
        brought = [entry["resource"] for entry in translation.bundle.get("entry", ())] if translation else []
        fields = translation.fields if translation else ()
        decided = _decided(c, gate, own, brought) if own else []
        decisions = [each for one in decided for each in _decisions(c, gate, one, fields)]
        tasks = _tasks(c, own) if own else []
    return {
        "message": {
            "kind": looked.kind,
            "event": translation.events[0].value
            if translation and translation.events
            else getattr(looked, "event", ""),
            "events": [event.value for event in translation.events] if translation else [],
            "subject": _subject(translation.persons if translation else getattr(looked, "persons", ())),
            "outcome": OUTCOMES[state],
            "issues": [*issues, *_issues(gate, looked, received, translation, row.reason if row is not None else None)],
        },
        "bundle": translation.bundle if translation else None,
        "fields": [
            {
                "source": each.source,
                "fate": each.fate.value,
                "path": each.path,
                "reason": each.reason,
                "recipients": [_way(one, way) for one in decided if (way := one.ways.of(each)) is not None],
            }
            for each in fields
        ],
        "decisions": decisions,
        "tells": [{"to": each["for"], "code": each["code"], "text": each["text"]} for each in tasks if each["tell"]],
        "tasks": [{"for": each["for"], "code": each["code"], "text": each["text"]} for each in tasks],
    }


def _subject(persons: Sequence[PersonIdentifier]) -> Json | None:
    valid = [{"system": each.system, "value": each.value} for each in persons if each.valid]
    return {"identifiers": valid} if valid else None


def _issues(
    gate: Gateway, looked: Envelope | Refusal, received: Received, translation: Translation | None, reason: str | None
) -> list[Json]:
    found: list[Issue] = list(received.issues)
    found += [each for each in (translation.issues if translation else ()) if each not in found]
    issues = [_issue(each.severity, each.code, each.path, each.text) for each in found]
    if translation is not None and translation.hold is not None:
        hold = translation.hold
        issues.append(_issue(Severity.ERROR, hold.code.value, hold.path, hold.text))
    elif received.accepted and reason is not None:
        issues.append(
            _issue(Severity.ERROR, reason, "", TASKS[reason].text if reason in TASKS else "a person has to look")
        )
    if received.duplicate:
        text = "the same message came before: its stored acknowledgement is answered again and nothing is done twice"
        issues.append(_issue(Severity.INFORMATION, "duplicate", "", text))
    if not gate.register_checked:
        path = _SENDER.get(looked.kind, "MSH-3")
        text = f"sender {looked.sender or '(none)'}: the register was not asked; with --config it is"
        issues.append(_issue(Severity.INFORMATION, "informational", path, text))
    return issues


def _issue(severity: Severity, code: str, path: str, text: str) -> Json:
    return {"severity": severity.value, "code": code, "path": path, "text": text}


@dataclass(frozen=True, kw_only=True)
class _Decided:
    """One decision about a message's letter: its row, what was kept with it, and the ways of the message's fields into the letter."""

    row: Row[tuple[object, ...]]
    kept: Kept
    ways: LetterWays


def _decided(c: Connection, gate: Gateway, message_id: str, brought: Sequence[Json]) -> list[_Decided]:
    rows = c.execute(
        select(decision)
        .outerjoin(delivery, delivery.c.decision_id == decision.c.id)
        .where(decision.c.message_id == message_id)
        .order_by(delivery.c.sequence.is_(None), delivery.c.sequence, decision.c.letter, decision.c.id)
    ).all()
    found = []
    for row in rows:
        kept = read_kept(gate.keys.unseal(c, row.sealed_id))
        found.append(_Decided(row=row, kept=kept, ways=LetterWays(brought, kept)))
    return found


def _way(decided: _Decided, way: FieldWay) -> Json:
    row = decided.row
    who = {"recipient": row.recipient, "class": row.recipient_class, "letter": row.letter}
    return {**who, "outcome": way.outcome, "rule": way.rule}


def _decisions(c: Connection, gate: Gateway, decided: _Decided, fields: Sequence[Field]) -> list[Json]:
    """One decision's part of the answer; one that is counted in several cells has a part for each."""
    row, kept = decided.row, decided.kept
    letter = c.execute(select(delivery).where(delivery.c.decision_id == row.id)).one_or_none()
    one = {
        "recipient": row.recipient,
        "class": row.recipient_class,
        "agreement": row.agreement,
        "letter": row.letter,
        "outcome": row.outcome,
        "reasons": [{"rule": each.rule, "text": each.text} for each in kept.decision.reasons],
        "released": _released(c, gate, letter),
        "counted": None,
        "withheld": _withheld(kept),
        "fields": counted(decided.ways.of(field) for field in fields),
        "missing": list(kept.missing),
        "state": letter.state if letter is not None else None,
    }
    cells = [{"report": each.report, "period": each.period, "cell": each.cell} for each in kept.counted]
    return [{**one, "counted": cell} for cell in cells] or [one]


def _withheld(kept: Kept) -> list[Json]:
    """What did not leave and by which rule; where nothing leaves, the resources that were not permitted."""
    back = (vote for vote in kept.decision.votes if vote.vote is not Vote.PERMIT)
    by_vote = [] if kept.withheld else [(vote.resource, vote.rule) for vote in back]
    return [{"path": path, "rule": rule} for path, rule in (*kept.withheld, *by_vote)]


def _released(c: Connection, gate: Gateway, letter: Row[tuple[object, ...]] | None) -> Json | None:
    if letter is None or letter.sealed_id is None:
        return None
    body = gate.keys.unseal(c, letter.sealed_id)
    paper = letter.content_type == "application/pdf"
    text = b64encode(body).decode("ascii") if paper else body.decode("utf-8", "replace")
    return {"wire": letter.wire, "content_type": letter.content_type, "body": text}


def _tasks(c: Connection, message_id: str) -> list[Json]:
    own = select(delivery.c.id).where(delivery.c.message_id == message_id).scalar_subquery()
    rows = c.execute(
        select(task).where(or_(task.c.message_id == message_id, task.c.delivery_id.in_(own))).order_by(task.c.id)
    ).all()
    return [{"for": row.role, "code": row.code, "text": TASKS[row.code].text, "tell": bool(row.tell)} for row in rows]


def _report(made: close.Report) -> Json:
    return {
        "report": made.report,
        "establishment": made.establishment,
        "period": made.period,
        "cells": [{"group": each.group, "tested": each.tested, "shown": each.shown} for each in made.cells],
        "risk_percent": asdict(made.risk),
        "carried": list(made.carried),
        "dropped": list(made.dropped),
        **({"figures": dict(made.figures)} if made.figures else {}),
    }
