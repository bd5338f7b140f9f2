"""A message's meaning: labelled FHIR, what it means for the line, and the fate of every field. It must never raise, decide or find a person.

The mapping of the message's kind does the reading; here every result gets a Provenance (which system said it, in which message), its
security labels, and a check of what was made: a mapping whose own result is not valid R4 holds the message instead of spreading it.
"""

from dataclasses import replace
from typing import Final

from fhir_profiles import systems
from fhir_profiles.hl7_times import fhir_instant
from fhir_profiles.hl7v2 import Hl7Error, parse
from fhir_profiles.hmpps import KIND as HMPPS_EVENT
from fhir_profiles.ids import stable_id
from fhir_profiles.label import label_bundle
from fhir_profiles.mappings import MAPPINGS
from fhir_profiles.peek import peek
from fhir_profiles.prescription_advice import advice
from fhir_profiles.shapes import (
    Channel,
    Envelope,
    Event,
    Hold,
    HoldCode,
    Issue,
    Json,
    Refusal,
    Severity,
    Translation,
)
from fhir_profiles.tasks import TASKS
from fhir_profiles.validate import invalid, validate

_EMPTY: Final[Json] = {"resourceType": "Bundle", "type": "collection"}
_DATA_ABSENT_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_AGENT_TYPE: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_INVALID: Final = "what the mapping made of this message is not valid FHIR R4"


def translate(channel: Channel, body: bytes) -> Translation:
    """Give the meaning of one message. Total: what cannot be read, or breaks a mapping, is a Translation that is held, with issues."""
    try:
        return _translate(channel, body)
    except Exception as error:  # noqa: BLE001 - INVARIANT: one message that breaks a mapping is held; it stops no other
        text = f"the mapping failed on this message ({type(error).__name__}); it is a fault of ours"
        return _held((Issue(severity=Severity.FATAL, code="exception", path="", text=text),), text)


def _translate(channel: Channel, body: bytes) -> Translation:
    envelope = peek(channel, body)
    if isinstance(envelope, Refusal):
        return _held(envelope.issues, "the message cannot be read")
    mapping = MAPPINGS.get(envelope.kind)
    if mapping is None:
        return _held((), "no mapping for this kind of message")
    return _finished(_advised(mapping(channel, body)), envelope, _time_of_message(channel, body))


def _advised(translation: Translation) -> Translation:
    """Tell what a prescriber should hear of a prescription for supply outside; nothing about the letter depends on it."""
    if Event.PRESCRIPTION not in translation.events:
        return translation
    codes = advice([entry["resource"] for entry in translation.bundle.get("entry", ())])
    return replace(translation, tasks=(*translation.tasks, *(TASKS[code] for code in codes))) if codes else translation


def _held(issues: tuple[Issue, ...], text: str) -> Translation:
    path = issues[0].path if issues else ""
    hold = Hold(code=HoldCode.UNREADABLE_CONTENT, path=path, text=text)
    return Translation(bundle=dict(_EMPTY), events=(), persons=(), fields=(), issues=issues, hold=hold)


def _time_of_message(channel: Channel, body: bytes) -> str | None:
    """Give MSH-7 of an HL7 v2 message as an instant; a FHIR message says it in its Translation."""
    if channel.format != "hl7v2":
        return None
    try:
        return fhir_instant(parse(body).segments[0].raw_value(7).strip())
    except Hl7Error:
        return None


def _finished(translation: Translation, envelope: Envelope, sent: str | None) -> Translation:
    entries = translation.bundle.get("entry")
    if not entries:
        return translation
    provenance = _provenance([entry["resource"] for entry in entries], envelope, sent or translation.occurred)
    if translation.recorded_by is not None:
        enterer = {"coding": [{"system": _AGENT_TYPE, "code": "enterer"}]}
        provenance["agent"].append({"type": enterer, "who": translation.recorded_by})
    if translation.reason is not None:
        provenance["reason"] = [translation.reason]
    bundle = label_bundle({**translation.bundle, "entry": [*entries, {"resource": provenance}]})
    issues = validate(bundle)
    if invalid(issues):
        hold = Hold(code=HoldCode.UNREADABLE_CONTENT, path=issues[0].path, text=_INVALID)
        return replace(translation, bundle=bundle, issues=translation.issues + issues, hold=translation.hold or hold)
    return replace(translation, bundle=bundle)


def _provenance(resources: list[Json], envelope: Envelope, sent: str | None) -> Json:
    """Say which system said it, when and in which message (http://hl7.org/fhir/R4/provenance.html). One for each message."""
    resource: Json = {
        "resourceType": "Provenance",
        "id": stable_id("Provenance", envelope.sender, *envelope.key),
        "target": [{"reference": f"{one['resourceType']}/{one['id']}"} for one in resources],
    }
    if sent is not None and "T" in sent:
        resource["recorded"] = sent
    else:
        resource["_recorded"] = {"extension": [{"url": _DATA_ABSENT_EXTENSION, "valueCode": "unknown"}]}
    activity = _activity(envelope)
    if activity:
        resource["activity"] = activity
    resource["agent"] = [
        {
            "type": {"coding": [{"system": _AGENT_TYPE, "code": "assembler"}]},
            "who": {"identifier": {"system": systems.LOCAL_ID + "system", "value": envelope.sender}},
        }
    ]
    message = {"system": systems.LOCAL_ID + "message", "value": envelope.message_id}
    resource["entity"] = [{"role": "source", "what": {"identifier": message}}]
    return resource


def _activity(envelope: Envelope) -> Json:
    """Keep the event of the message as it was sent: table 0003 for HL7 v2; a FHIR event's coding, or its uri as text."""
    if envelope.kind == HMPPS_EVENT:
        return {"text": envelope.event}
    system, _, code = envelope.event.rpartition("|")
    if not envelope.kind.startswith("fhir-"):
        return {"coding": [{"system": systems.V2_TABLE + "0003", "code": envelope.event}]} if envelope.event else {}
    if not code or not envelope.event.count("|"):
        return {"text": envelope.event} if envelope.event else {}
    return {"coding": [{"system": system, "code": code} if system else {"code": code}]}
