"""Take custody of what arrived, once: look at the bytes, compare with register and inbox, keep, and only then acknowledge.

A message that passes is kept as `received` with its bytes and its acknowledgement; one that does not is kept as `rejected` with a
digest and a code, no person, no bytes, and no claim on its id. What is found after this step never becomes a refusal. This module
MUST NOT read meaning: `fhir_profiles.peek` alone looks inside.
"""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row

from adapters.contract import Answer, Arrival
from fhir_profiles.fhir_kinds import AS_MESSAGE, BY_ITSELF, MESSAGE, RESPONSE
from fhir_profiles.hmpps import KIND as HMPPS_EVENT
from fhir_profiles.peek import peek
from fhir_profiles.shapes import Envelope, Issue, Refusal, RefusalCode, Severity
from gateway.clients import Client
from gateway.errors import Fault, Overloaded, fault_of, issues_of
from gateway.failpoints import pass_point
from gateway.keys import Thing
from gateway.ledger import Entry
from gateway.log import Code, log
from gateway.parts import Parts
from gateway.refusals import What
from gateway.settings import Category, ChannelSettings
from gateway.states import MessageState
from gateway.steps.acknowledge import Names, fhir_custody, fhir_response, hl7_answer, hl7_later
from gateway.steps.owed import owe
from gateway.steps.page import Page
from gateway.store.alike import Alike
from gateway.store.locks import hold

DRY_RUN_PROCESSING_IDS: Final = ("P", "T", "D")
_LARGE_BYTES: Final = 65_536
_PACKED: Final = msgspec.json.Encoder()
"""Bytes become base64."""
_TO_PROCESS: Final = "a Bundle of type message goes to POST /fhir/$process-message"
_TO_EVENTS: Final = "an HMPPS domain event goes to POST /events/hmpps, and nothing else does"
_TO_FHIR: Final = "only a Bundle of type message is taken here: other Bundles and single resources go to POST /fhir"
_KIND: Final = re.compile(r"[A-Z]{3}\^[A-Z][A-Z0-9][0-9]|fhir-(?:message|response|bundle|resource)|hmpps-event")
UNREADABLE: Final = "unreadable"
"""The kind of a message whose own has no such form."""


@dataclass(frozen=True, kw_only=True)
class Received:
    """What became of an arrival. `answer` says custody or refusal; `processed` is the response message of a FHIR message, to be sent
    in place of `answer` once the message was released, or the application acknowledgement that is owed as a message of its own.
    `message_id` is None when nothing could be kept.
    """

    answer: Answer
    message_id: str | None
    accepted: bool
    duplicate: bool = False
    processed: Answer | None = None
    fault: Fault | None = None
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Looked:
    """Everything that is known of an arrival before the transaction."""

    parts: Parts
    channel: ChannelSettings
    arrival: Arrival
    seen: Envelope | Refusal
    names: Names
    key_index: bytes | None
    body_index: bytes
    bundle_index: bytes | None


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    fault: Fault
    issues: tuple[Issue, ...]


async def receive(parts: Parts, arrival: Arrival) -> Received:
    """Take custody of one arrival. Never raises on data: a store that fails is an answer too. The answer may leave when this returns."""
    if len(arrival.body) > _LARGE_BYTES:  # reading it here would keep every other connection waiting
        looked = await asyncio.to_thread(_look, parts, arrival)
    else:
        looked = _look(parts, arrival)
    try:
        received = await parts.store.write_async(Alike(_keep_all, looked))
    except Overloaded:
        log(Code.OVERLOADED, channel=arrival.channel)
        return _unkept(looked, Fault.OVERLOADED)
    except Exception as error:  # noqa: BLE001 - whatever failed, nothing was kept and the sender has to hear that it should send again
        log(Code.STORE_FAILED, channel=arrival.channel, error=type(error).__name__)
        return _unkept(looked, Fault.STORE_UNAVAILABLE)
    # INVARIANT: nothing is acknowledged before an fsynced commit (DESIGN section 2, rule 1).
    pass_point("receive.after-commit")
    if received.fault and not parts.dry_run:
        log(
            Code.MESSAGE_REJECTED,
            message=received.message_id or "",
            channel=arrival.channel,
            reason=received.fault.value,
        )
        if received.message_id is None:
            parts.refusals.count(What.MESSAGE, arrival.client, received.fault.value)
    return received


def _unkept(looked: _Looked, fault: Fault) -> Received:
    """Nothing was kept; the answer names no message of ours, and asks to send the same again."""
    unnamed = replace(looked, names=replace(looked.names, message_id=""))
    answer = _refused(unnamed, _Verdict(fault=fault, issues=issues_of(fault)))
    return Received(answer=answer, message_id=None, accepted=False, fault=fault, issues=issues_of(fault))


def _look(parts: Parts, arrival: Arrival) -> _Looked:
    """Outside the transaction: read the envelope, make the indexes and the ids."""
    channel = parts.settings.channel(arrival.channel)
    seen = peek(channel.shape(arrival.client), arrival.body)
    if arrival.truncated:
        seen = _too_large(seen)
    key = _key_of(channel, arrival, seen) if isinstance(seen, Envelope) else ()
    return _Looked(
        parts=parts,
        channel=channel,
        arrival=arrival,
        seen=seen,
        names=Names(
            accept_id=parts.ids.delivery(),
            application_id=parts.ids.delivery(),
            time=parts.now(),
            message_id=parts.ids.entry(),
        ),
        key_index=parts.keys.index(f"message-key|{channel.format}", json.dumps(key)) if key else None,
        body_index=parts.keys.index("message-body", hashlib.sha256(arrival.body).hexdigest()),
        bundle_index=parts.keys.index("bundle-id", seen.key[0])
        if isinstance(seen, Envelope) and seen.kind in AS_MESSAGE
        else None,
    )


def _key_of(channel: ChannelSettings, arrival: Arrival, seen: Envelope) -> tuple[str, ...]:
    """The message key. Without ids of its own it is the client's: its Idempotency-Key, or else the digest of the bytes.

    In the dialect of BaRS a message is its X-Request-ID; without one there is no key, and the message is refused.
    """
    if channel.dialect == "bars" and seen.kind in AS_MESSAGE:
        return ("x-request-id", arrival.client, arrival.request_id) if arrival.request_id else ()
    if seen.kind not in BY_ITSELF:
        return seen.key
    if arrival.idempotency_key is not None:
        return ("idempotency-key", arrival.client, arrival.idempotency_key)
    return ("digest", arrival.client, *seen.key)


def _too_large(seen: Envelope | Refusal) -> Refusal:
    """INVARIANT: the beginning of a message is never taken for the message."""
    return Refusal(
        code=RefusalCode.TOO_LARGE,
        issues=issues_of(Fault.TOO_LARGE),
        kind=seen.kind,
        message_id=seen.message_id,
        sender=seen.sender,
        acknowledgement=seen.acknowledgement,
        accept_when=seen.accept_when,
        application_when=seen.application_when,
        processing_id=seen.processing_id,
        version=seen.version,
        sending_application=seen.sending_application,
        sending_facility=seen.sending_facility,
        receiving_application=seen.receiving_application,
        receiving_facility=seen.receiving_facility,
    )


def _keep_all(c: Connection, looked: Sequence[_Looked]) -> list[Received]:
    """The accepting transaction of those that came together, in their order. All are of one installation."""
    if any(isinstance(each.seen, Envelope) for each in looked):
        hold(c, "acceptance")  # INVARIANT: messages show themselves in the order of their numbers, whoever took them
    page = Page(c, looked[0].parts, [each.key_index for each in looked], [each.bundle_index for each in looked])
    received = [_keep(page, each) for each in looked]
    page.write()
    return received


def _keep(page: Page, looked: _Looked) -> Received:
    """Register, inbox, then keep as received or as rejected."""
    seen = looked.seen
    if isinstance(seen, Refusal):
        return _reject(page, looked, _Verdict(fault=fault_of(seen.code), issues=seen.issues))
    judged = _compare_with_register(page, looked, seen)
    if isinstance(judged, _Verdict):
        return _reject(page, looked, judged)
    before, other = page.before(looked.key_index, looked.bundle_index)
    if before is None and other is None:
        return _accept(page, looked, seen, judged)
    return _again(page, looked, before, other)


def _again(page: Page, looked: _Looked, before: Row[Any] | None, other: Row[Any] | None) -> Received:
    """`before` has the same message key, `other` only the same Bundle.id."""
    if looked.channel.dialect == "bars":
        return _again_in_bars(page, looked, before, other)
    if before is None:
        # Bundle.id seen under another MessageHeader.id: ids are never used again. The reverse is a message sent again, and is taken.
        return _reject(page, looked, _verdict(Fault.ID_REUSED, "Bundle.id"))
    if before.body_index != looked.body_index:
        return _reject(page, looked, _verdict(Fault.ID_REUSED, _key_path(looked.channel, looked.seen)))
    # INVARIANT: the same message again gets the stored acknowledgement, byte for byte, and has no second effect.
    stored = stored_answers(page.parts.keys.unseal(page.c, before.answer_id))
    if stored[1] is not None and _asks_later(looked):
        owe(page.c, page.parts, answer_id=looked.names.application_id, message_id=before.id)
    return Received(answer=stored[0], processed=stored[1], message_id=before.id, accepted=True, duplicate=True)


def _again_in_bars(page: Page, looked: _Looked, before: Row[Any] | None, other: Row[Any] | None) -> Received:
    """425 until the line has done with the message, then 409: what is held for a person says no more than what was released."""
    known = before or other
    if known is None or known.body_index != looked.body_index:
        # INVARIANT: `duplicate` reads as success there: it is said of what is here, byte for byte, and of nothing else.
        return _reject(page, looked, _verdict(Fault.IDS_REUSED, "" if before else "Bundle.id"))
    fault = Fault.UNDER_WAY if known.state == MessageState.RECEIVED else Fault.DUPLICATE
    answer = fhir_custody(replace(looked.names, message_id=known.id), fault=fault, issues=issues_of(fault), bars=True)
    return Received(answer=answer, message_id=known.id, accepted=True, duplicate=True)


def _compare_with_register(page: Page, looked: _Looked, seen: Envelope) -> str | _Verdict | None:
    """The establishment that the message is kept under (None only when the register is not asked), or why it is refused."""
    if looked.arrival.kinds and seen.kind not in looked.arrival.kinds:
        return _wrong_door(seen, looked.arrival.kinds)
    channel = looked.channel
    v2 = channel.format == "hl7v2"
    taken = DRY_RUN_PROCESSING_IDS if looked.parts.dry_run else channel.processing_ids
    if seen.processing_id not in taken:
        return _verdict(Fault.PROCESSING_ID_WRONG, "MSH-11" if v2 else "Bundle.meta.tag")
    if (
        channel.dialect == "bars"
        and seen.kind in AS_MESSAGE
        and not (looked.key_index and looked.arrival.correlation_id)
    ):
        return _verdict(Fault.IDS_MISSING, "")
    if not looked.parts.register_checked:
        return seen.establishment
    client = page.client(looked.arrival.client)
    return _verdict(Fault.CLIENT_UNKNOWN, "") if client is None else _registered(channel, client, seen)


def _registered(channel: ChannelSettings, client: Client, seen: Envelope) -> str | _Verdict | None:
    v2 = channel.format == "hl7v2"
    if seen.kind == RESPONSE:  # about a letter that this client's recipient got: no establishment of its own
        registered = client.recipient is not None and client.may_send(RESPONSE)
        return None if registered else _verdict(Fault.KIND_NOT_REGISTERED, "Bundle.entry[0].resource.response")
    only = client.establishments[0] if len(client.establishments) == 1 else None
    establishment = seen.establishment or only
    sender_fits = not channel.senders or seen.sender in channel.senders
    kind_fits = client.may_send(seen.kind) and (not channel.kinds or seen.kind in channel.kinds)
    # A merge, an alert and some releases name no prison: what is known of a person must not be lost for that.
    nowhere = seen.kind == HMPPS_EVENT and establishment is None
    checks = (
        (sender_fits, Fault.SENDER_UNKNOWN, "MSH-3" if v2 else "Bundle.entry[0].resource.source.endpoint"),
        (kind_fits, Fault.KIND_NOT_REGISTERED, "MSH-9" if v2 else "Bundle.type"),
        (establishment is not None or nowhere, Fault.ESTABLISHMENT_MISSING, ""),
        (establishment in client.establishments or nowhere, Fault.ESTABLISHMENT_NOT_REGISTERED, ""),
    )
    for fits, fault, path in checks:
        if not fits:
            return _verdict(fault, path)
    return establishment


def _verdict(fault: Fault, path: str) -> _Verdict:
    return _Verdict(fault=fault, issues=issues_of(fault, path=path))


def _wrong_door(seen: Envelope, kinds: tuple[str, ...]) -> _Verdict:
    """FHIR has two ways in: a message keeps its own ids, the other kinds have none; events have their own. `kinds` says which way this is."""
    text = _TO_PROCESS if seen.kind in AS_MESSAGE else _TO_FHIR
    if seen.kind == HMPPS_EVENT or HMPPS_EVENT in kinds:
        text = _TO_EVENTS
    issue = Issue(severity=Severity.ERROR, code="not-supported", path="Bundle.type", text=text)
    return _Verdict(fault=Fault.TYPE_UNSUPPORTED, issues=(issue,))


def _key_path(channel: ChannelSettings, seen: Envelope | Refusal) -> str:
    if channel.format == "hl7v2":
        return "MSH-10"
    return "" if seen.kind in BY_ITSELF or seen.kind == HMPPS_EVENT else "Bundle.id"


def _accept(page: Page, looked: _Looked, seen: Envelope, establishment: str | None) -> Received:
    """Keep the bytes and the acknowledgement. Retention starts when the message has ended, not now."""
    parts, names = looked.parts, looked.names
    parts.pressure.require_room(page.c, parts.settings.limits, parts.clock())
    processed: Answer | None = None
    if looked.channel.format == "hl7v2":
        both = looked.channel.application_acknowledgement == "same-connection"
        apart = looked.channel.answers is not None
        answer = hl7_answer(seen, names, both=both, apart=apart)
        processed = hl7_later(seen, names) if apart else None
    else:
        answer = fhir_custody(names)
        if seen.kind == MESSAGE:  # a reply is never replied to, and what is no message has no id to answer
            bars = looked.channel.dialect == "bars"
            processed = fhir_response(seen, names, endpoint=parts.settings.sender.endpoint, bars=bars)
    packed = _pack(answer, processed, looked.arrival)
    _enter(
        page,
        looked,
        state=MessageState.RECEIVED,
        kind=seen.kind,
        columns={
            "establishment": establishment,
            "key_index": looked.key_index,
            "bundle_index": looked.bundle_index,
        },
        things=(
            Thing(category=Category.BODY.value, plaintext=looked.arrival.body),
            Thing(category=Category.ANSWER.value, plaintext=packed),
        ),
        answer_id=names.application_id if processed is not None and _asks_later(looked) else None,
    )
    if seen.speaks_of_consent:
        page.name(names.message_id, seen.persons)
    return Received(answer=answer, processed=processed, message_id=names.message_id, accepted=True)


def _asks_later(looked: _Looked) -> bool:
    """Does the sender want its answer as a message of its own, and has it registered where to? An HL7 message that has one asked for it."""
    asks = looked.channel.format == "hl7v2" or looked.arrival.answer_later
    return asks and looked.channel.answers is not None and not looked.parts.dry_run


def _reject(page: Page, looked: _Looked, verdict: _Verdict) -> Received:
    """Keep that something was refused, and why: no bytes, no person, no claim on the message's id; of one sender no more than declared."""
    parts = looked.parts
    limits = parts.settings.limits
    parts.pressure.require_room(page.c, limits, parts.clock())
    # INVARIANT: who sends junk gets the same answer for ever, and fills the disk no further.
    if not parts.refusals.may_keep(page.c, looked.arrival.client, looked.names.time, limits.rejected_per_client_day):
        unnamed = replace(looked, names=replace(looked.names, message_id=""))
        return Received(
            answer=_refused(unnamed, verdict),
            message_id=None,
            accepted=False,
            fault=verdict.fault,
            issues=verdict.issues,
        )
    _enter(
        page,
        looked,
        state=MessageState.REJECTED,
        kind=looked.seen.kind if _KIND.fullmatch(looked.seen.kind) else UNREADABLE,
        reason=verdict.fault.value,
        columns={"ended_at": looked.names.time},
    )
    return Received(
        answer=_refused(looked, verdict),
        message_id=looked.names.message_id,
        accepted=False,
        fault=verdict.fault,
        issues=verdict.issues,
    )


def _refused(looked: _Looked, verdict: _Verdict) -> Answer:
    if looked.channel.format == "hl7v2":
        return hl7_answer(looked.seen, looked.names, fault=verdict.fault, issues=verdict.issues)
    bars = looked.channel.dialect == "bars"
    return fhir_custody(looked.names, fault=verdict.fault, issues=verdict.issues, bars=bars)


def _enter(
    page: Page,
    looked: _Looked,
    *,
    state: MessageState,
    kind: str,
    columns: Mapping[str, str | bytes | None],
    reason: str | None = None,
    things: Sequence[Thing] = (),
    answer_id: str | None = None,
) -> None:
    """The message's row and the first entry of its chain."""
    processing_id = looked.seen.processing_id if looked.seen.processing_id in DRY_RUN_PROCESSING_IDS else "unknown"
    message_id, now = looked.names.message_id, looked.names.time
    row = {
        "id": message_id,
        "body_index": looked.body_index,
        "client": looked.arrival.client,
        "channel": looked.channel.name,
        "format": looked.channel.format,
        "kind": kind,
        "processing_id": processing_id,
        "state": state.value,
        "reason": reason,
        "step": 1,
        "attempts": 0,
        "received_at": now,
        **columns,
    }
    facts: dict[str, str | int | bool] = {"kind": kind, "channel": looked.channel.name, "client": looked.arrival.client}
    if reason:
        facts["reason"] = reason
    entry_id = looked.parts.ids.entry()
    entry = Entry(id=entry_id, chain=message_id, step=1, event=state.value, at=now, facts=facts)
    page.keep(row, things, entry, answer_id=answer_id)


def _pack(answer: Answer, processed: Answer | None, arrival: Arrival) -> bytes:
    packed = [_packed(one) for one in (answer, processed) if one]
    named = {"X-Request-ID": arrival.request_id, "X-Correlation-ID": arrival.correlation_id}
    packed[0]["asked"] = {name: value for name, value in named.items() if value}
    return _PACKED.encode(packed)


def asked_as(stored: bytes) -> Mapping[str, str]:
    """X-Request-ID and X-Correlation-ID under which the message of a stored acknowledgement came, where it came with GUIDs."""
    return dict(json.loads(stored)[0].get("asked", {}))


def _packed(answer: Answer) -> dict[str, object]:
    bodies = (answer.body, *answer.then)
    return {"status": answer.status, "type": answer.content_type, "headers": dict(answer.headers), "bodies": bodies}


def stored_answers(stored: bytes) -> tuple[Answer, Answer | None]:
    """The acknowledgement of a message, and what is said of it in place of that, or later."""
    answers = [
        Answer(
            body=base64.b64decode(one["bodies"][0]),
            content_type=one["type"],
            status=one["status"],
            headers=one["headers"],
            then=tuple(base64.b64decode(body) for body in one["bodies"][1:]),
        )
        for one in json.loads(stored)
    ]
    return answers[0], answers[1] if len(answers) > 1 else None
