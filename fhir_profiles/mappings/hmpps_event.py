"""HMPPS domain events: received, released, merged, booking moved, cell move, alerts. It must never take an event for a release by its name alone.

`prisoner.released` is said of court, absence, transfer, death, escape and merges too. What it means is read from the reason and, where that is
RELEASED, from the movement's own reason code by the table that PV1-36 has; without a code it may be a release: the handover leaves, provisional.
A release of the feed that tells at once can be reversed for 45 minutes (`fhir_profiles/movements.py`): its handover is provisional too.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from fhir_profiles import movements, systems
from fhir_profiles.fhir_json import FhirJsonError, decode
from fhir_profiles.fhir_message import text_of
from fhir_profiles.hmpps import SENDER, HmppsEvent, event_of, leaves, prison_number
from fhir_profiles.ids import PATIENT_ID, PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings.adt_a03 import EVENTS as EVENT_OF_DISPOSITION
from fhir_profiles.mappings.minimised import rule_of, rules
from fhir_profiles.mappings.reading import collection
from fhir_profiles.shapes import (
    Channel,
    Event,
    Fate,
    Field,
    Hold,
    HoldCode,
    Issue,
    Json,
    PersonIdentifier,
    Severity,
    Translation,
)
from fhir_profiles.tasks import TASKS
from fhir_profiles.terminology import disposition, disposition_display

_ABSENT: Final = {
    "SENT_TO_COURT": Event.COURT,
    "TEMPORARY_ABSENCE_RELEASE": Event.TEMPORARY_ABSENCE,
    "TRANSFERRED": Event.TRANSFER,
}
"""Reasons of `prisoner.released` that are no release, whatever else it says."""
_READMITTED: Final = frozenset({"READMISSION", "READMISSION_SWITCH_BOOKING"})
"""Back on a booking that had ended: a recall, or a release that is undone."""
_ARRIVED: Final = frozenset({"ADMISSION", "NEW_ADMISSION", "TRANSFERRED"}) | _READMITTED
_BACK: Final = frozenset({"RETURN_FROM_COURT", "TEMPORARY_ABSENCE_RETURN", "POST_MERGE_ADMISSION"})
"""Reasons of `prisoner.received`: what begins a stay, and what goes on with one."""
_ALERTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "HA": "ACCT open",
        "HA1": "ACCT post closure",
        "HA2": "ACCT closed",
        "HC": "Self harm in custody",
        "HS": "Self harm in the community",
        "SH": "Self harm",
    }
)
"""Alerts of the type self-harm (HMPPS alert codes, February 2024): the only type that is care's own; security's are nobody's here."""
_ALERT_STATUS: Final = {
    "person.alert.created": "active",
    "person.alert.inactivated": "inactive",
    "person.alert.deleted": "entered-in-error",
}
_TRANSPORT: Final = "transport"
_CUSTODY: Final = "custody"
_NOT_MAPPED: Final = "no mapping for this element; it stays in the original message"


class _Reading:
    """One event while it is being translated."""

    def __init__(self, channel: Channel, event: HmppsEvent) -> None:
        self.channel = channel
        self.event = event
        self.carried: dict[str, str] = {"eventType": "Translation.events"}
        self.left: dict[str, str] = {}
        self.issues: list[Issue] = []
        self.persons = event.persons()
        self.absorbed: tuple[PersonIdentifier, ...] = ()
        self.hold = _identity(self.persons)
        patient: Json = {"resourceType": "Patient", "id": PATIENT_ID}
        known = [each for each in self.persons if each.valid]
        if known and self.hold is None:
            patient["identifier"] = [{"system": systems.PRISON_NUMBER, "value": known[0].value}]
        for place in event.number_places():
            self.carried[place] = "Patient.identifier.value"
            if place.startswith("personReference"):
                self.carried[place.replace(".value", ".type")] = "Patient.identifier.system"
        self.resources: list[Json] = [patient]
        self.occurred = self._moment()

    def said(self, name: str, *, to: str) -> str:
        """Read a member of additionalInformation that goes to `to`."""
        value = text_of(self.event.information.get(name))
        if value:
            self.carried[f"additionalInformation.{name}"] = to
        return value

    def leave(self, name: str, *, rule: str) -> None:
        """Say by which rule of `minimised.toml` a member of additionalInformation is not carried."""
        self.left[f"additionalInformation.{name}"] = rules()[rule].reason

    def warn(self, path: str, text: str) -> None:
        self.issues.append(Issue(severity=Severity.WARNING, code="value", path=path, text=text))

    def _moment(self) -> str | None:
        written = text_of(self.event.content.get("occurredAt"))
        if not written:
            return None
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.warn("occurredAt", "this is not a real date and time with an offset, and was left out")
            return None
        self.carried["occurredAt"] = "Translation.occurred"
        return moment.isoformat()

    def fields(self) -> tuple[Field, ...]:
        """Give one entry for every leaf of the event and of its envelope."""
        around = {name: value for name, value in self.event.envelope.items() if name != "Message"}
        found = []
        for path in leaves(self.event.content):
            to, rule = self.carried.get(path), rule_of(f"HmppsEvent.{path}")
            why = self.left.get(path) or (rule.reason if rule is not None else "")
            if to is not None:
                found.append(Field(source=path, fate=Fate.MAPPED, path=to))
            elif why:
                found.append(Field(source=path, fate=Fate.MINIMISED, reason=why))
            else:
                found.append(Field(source=path, fate=Fate.RESIDUAL, reason=_NOT_MAPPED))
        reason = rules()[_TRANSPORT].reason
        found += [Field(source=f"SNS.{path}", fate=Fate.MINIMISED, reason=reason) for path in leaves(around)]
        return tuple(found)


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one event. Never raises; bytes that cannot be read are held."""
    try:
        event = event_of(decode(body))
    except FhirJsonError:
        hold = Hold(code=HoldCode.UNREADABLE_CONTENT, path="", text="this is no event that can be read")
        return Translation(bundle=collection(()), events=(), persons=(), fields=(), hold=hold)
    reading = _Reading(channel, event)
    read = _READERS.get(event.name, _record)
    events = read(reading)
    tasks = tuple(TASKS[each.value] for each in events if each is Event.RELEASE_UNCLEAR)
    return Translation(
        bundle=collection(reading.resources),
        events=events,
        persons=reading.persons,
        fields=reading.fields(),
        issues=tuple(reading.issues),
        hold=reading.hold,
        tasks=tasks,
        establishment=event.establishment,
        occurred=reading.occurred,
        absorbed=reading.absorbed,
    )


def _identity(persons: tuple[PersonIdentifier, ...]) -> Hold | None:
    if len(persons) > 1:
        text = "two different prison numbers: the event may be about two people"
        return Hold(code=HoldCode.TWO_PEOPLE, path=persons[1].path, text=text)
    if not any(each.valid for each in persons):
        return Hold(
            code=HoldCode.NO_PERSON, path="additionalInformation.nomsNumber", text="no prison number whose form holds"
        )
    return None


def _released(reading: _Reading) -> tuple[Event, ...]:
    # INVARIANT: death, escape, merge, court, absence and transfer are no release (messaging finding 5, domain section 6).
    reason = reading.said("reason", to="Translation.events").upper()
    code = reading.said("nomisMovementReasonCode", to="Translation.events")
    away = _ABSENT.get(reason)
    meaning = disposition(code, reading.channel.dispositions)
    event = away or EVENT_OF_DISPOSITION[meaning]
    if event is Event.RELEASE and reading.event.at_once:
        event = Event.RELEASE_UNCLEAR  # INVARIANT: what can still be reversed is never told as certain
    stay = _stay(reading, "finished" if away not in {Event.COURT, Event.TEMPORARY_ABSENCE} else "onleave")
    if stay is not None:
        if reading.event.at_once:
            stay["meta"] = {"tag": [movements.REVERSIBLE]}
        if reading.occurred is not None and stay["status"] == "finished":
            stay["period"] = {"end": reading.occurred}
        if code:
            source = {"system": systems.LOCAL_CODE + "nomis-movement-reason", "code": " ".join(code.split())}
            display = disposition_display(code)
            reading.said("nomisMovementReasonCode", to="Encounter.hospitalization.dischargeDisposition")
            concept = {"coding": [source | ({"display": display} if display else {})], "text": display or code}
            stay["hospitalization"] = {"dischargeDisposition": concept}
    if event is Event.RELEASE_UNCLEAR:
        text = "this does not say for certain that the person was released"
        reading.warn("additionalInformation.nomisMovementReasonCode", text)
    return (event,)


def _received(reading: _Reading) -> tuple[Event, ...]:
    reason = reading.said("reason", to="Translation.events").upper()
    reading.leave("nomisMovementReasonCode", rule=_CUSTODY)
    begins = reason in _ARRIVED
    if not begins and reason not in _BACK:
        reading.warn("additionalInformation.reason", "no reason that is known: nothing is begun by it")
    stay = _stay(reading, "in-progress" if begins or reason in _BACK else "unknown")
    if stay is not None and begins and reading.occurred is not None:
        stay["period"] = {"start": reading.occurred}
    if stay is not None and reason in _BACK:
        movements.known_to_go_on(stay, reading.occurred)
    if reason in _READMITTED:
        if stay is not None:
            stay["meta"] = {"tag": [movements.READMITTED]}
        return (Event.RECEPTION, Event.READMISSION)
    return (Event.RECEPTION,) if begins else (Event.RECORD,)


def _stay(reading: _Reading, status: str) -> Json | None:
    """Add the Encounter of the establishment that the event names; without one there is none."""
    agency = reading.event.establishment
    if agency is None:
        return None
    reading.said("prisonId", to="Encounter.serviceProvider")
    stay: Json = {
        "resourceType": "Encounter",
        "id": stable_id("Encounter", SENDER, "stay", agency),
        "status": status,
        "class": {"system": systems.ACT_CODE, "code": "IMP", "display": "inpatient encounter"},
        "subject": {"reference": PATIENT_REFERENCE},
        "serviceProvider": {"type": "Organization", "identifier": {"system": systems.AGENCY, "value": agency}},
    }
    reading.resources.append(stay)
    return stay


def _merged(reading: _Reading) -> tuple[Event, ...]:
    reading.said("reason", to="Translation.events")
    given_up = reading.said("removedNomsNumber", to="Translation.absorbed")
    number = prison_number(given_up, "additionalInformation.removedNomsNumber")
    if number.valid:
        reading.absorbed = (number,)
    elif reading.hold is None:
        text = "the number that is given up is no valid prison number: nothing was moved"
        reading.hold = Hold(code=HoldCode.MERGE_WAITS, path=number.path, text=text)
    return (Event.MERGE,)


def _moved(reading: _Reading) -> tuple[Event, ...]:
    """Hold it like ADT^A44: what moved with the booking does not say to which booking it belonged."""
    number = prison_number(
        reading.said("movedFromNomsNumber", to="Translation.absorbed"), "additionalInformation.movedFromNomsNumber"
    )
    reading.absorbed = (number,) if number.valid else ()
    text = "a booking moves from one record to another: nothing was moved; look at both records"
    reading.hold = reading.hold or Hold(code=HoldCode.TWO_PEOPLE, path=number.path, text=text)
    return ()


def _alert(reading: _Reading) -> tuple[Event, ...]:
    """Add the Flag of a self-harm alert. What an update changed is not in the event, and another type of alert is not care's own."""
    code = text_of(reading.event.information.get("alertCode")).upper()
    number = text_of(reading.event.information.get("alertUuid"))
    status = _ALERT_STATUS.get(reading.event.name)
    if code and code not in _ALERTS:
        reading.leave("alertCode", rule=_CUSTODY)
        reading.leave("alertUuid", rule=_CUSTODY)
    if code in _ALERTS and number and status is not None:
        reading.said("alertCode", to="Flag.code")
        reading.said("alertUuid", to="Flag.identifier")
        reading.resources.append(
            {
                "resourceType": "Flag",
                "id": stable_id("Flag", SENDER, number),
                "identifier": [{"system": systems.LOCAL_ID + "hmpps-alert", "value": number}],
                "status": status,
                "code": {
                    "coding": [{"system": systems.LOCAL_CODE + "hmpps-alert", "code": code, "display": _ALERTS[code]}],
                    "text": _ALERTS[code],
                },
                "subject": {"reference": PATIENT_REFERENCE},
            }
        )
    return (Event.RECORD,)


def _record(_reading: _Reading) -> tuple[Event, ...]:
    return (Event.RECORD,)


_READERS: Final[Mapping[str, Callable[[_Reading], tuple[Event, ...]]]] = MappingProxyType(
    {
        "prisoner.received": _received,
        "prisoner.released": _released,
        "prisoner.merged": _merged,
        "prisoner.booking.moved": _moved,
        **dict.fromkeys(
            (
                "person.alert.created",
                "person.alert.updated",
                "person.alert.inactivated",
                "person.alert.deleted",
            ),
            _alert,
        ),
    }
)
