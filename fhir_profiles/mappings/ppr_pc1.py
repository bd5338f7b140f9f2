"""PPR^PC1, problems of the problem list: a Condition for each PRB. It must never say that a problem is certain, or over, where the message does not.

A problem is named by its instance number (PRB-4), else by its code: an update supersedes what was said of it before.
"""

from dataclasses import dataclass, field
from typing import Final

from fhir_profiles import systems
from fhir_profiles.hl7_times import is_before
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.label import keep_labels
from fhir_profiles.mappings.adt_details import observations_of_message
from fhir_profiles.mappings.annotation import annotations
from fhir_profiles.mappings.confidential import labelled, labels_of_problem
from fhir_profiles.mappings.datatypes import coding, concept, establishment_extension, slug, words
from fhir_profiles.mappings.encounter import named_stay
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import Reading, open_message
from fhir_profiles.shapes import Channel, Event, HoldCode, Json, Translation

_TO: Final = "Condition"
_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/condition-category"
_LIFE_CYCLES: Final = {
    "ACTIVE": "active",
    "A": "active",
    "RECURRENCE": "recurrence",
    "RELAPSE": "relapse",
    "INACTIVE": "inactive",
    "I": "inactive",
    "REMISSION": "remission",
    "RESOLVED": "resolved",
    "R": "resolved",
}
"""PRB-14 is the sender's own table: the words of R4's clinical status, and their usual letters."""
_OVER: Final = frozenset({"inactive", "remission", "resolved"})
_CONFIRMATIONS: Final = {
    "CONFIRMED": "confirmed",
    "C": "confirmed",
    "DIFFERENTIAL": "differential",
    "PROVISIONAL": "provisional",
    "P": "provisional",
    "UNCONFIRMED": "unconfirmed",
    "REFUTED": "refuted",
    "RULED OUT": "refuted",
}
"""PRB-13 is the sender's own table too."""


@dataclass(kw_only=True)
class _Problem:
    """One PRB with the notes that follow it."""

    row: Row
    notes: list[Row] = field(default_factory=list)


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one PPR^PC1. Never raises; bytes that cannot be read are held. Problems after a second person's PID are not translated."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = named_stay(reading, to=_TO)
    made: dict[str, Json] = {}
    first_only = hold is not None and hold.code is HoldCode.TWO_PEOPLE
    occurred: str | None = None
    for problem in _problems(reading, first_only=first_only):
        acted = reading.date_time(problem.row, 2, to="Translation.occurred")
        if occurred is not None and acted != occurred:
            problem.row.residual(2, reason="another moment than the first action's; this problem is updated with it")
        occurred = occurred or acted
        condition = _condition(reading, problem, stay)
        if condition is not None:
            # INVARIANT: labels only rise, also of a problem that one message names twice.
            made[condition["id"]] = keep_labels(made.get(condition["id"], {}), condition)
    reading.resources += made.values()
    observations_of_message(reading, hold)
    return reading.finish((Event.RECORD,), occurred=occurred, hold=hold)


def _problems(reading: Reading, *, first_only: bool) -> list[_Problem]:
    found: list[_Problem] = []
    notes: list[Row] | None = None
    persons = 0
    for segment in reading.message.segments:
        row = reading.row(segment)
        persons += segment.name == "PID"
        if first_only and persons > 1 and segment.name != "PID":
            row.leave_by("one-person")
        elif segment.name == "PRB":
            found.append(_Problem(row=row))
            notes = found[-1].notes
        elif segment.name == "NTE" and notes is not None:
            notes.append(row)
        elif segment.name != "NTE":
            notes = None  # a note belongs to what it follows: not every note of a problem is one
    return found


def _condition(reading: Reading, problem: _Problem, stay: Json | None) -> Json | None:
    row = problem.row
    code = concept(row, 3, to=f"{_TO}.code")
    if code is None:
        reading.warn(row.place(3), "a problem that does not say what it is was left out")
        return None
    resource: Json = {
        "resourceType": _TO,
        "id": stable_id(_TO, reading.sender, *_name(row, code)),
        "meta": {"profile": [systems.UK_CORE + "UKCore-Condition"]},
    }
    if reading.establishment is not None:
        resource["extension"] = [establishment_extension(reading.establishment)]
    number = row.text(4, to=f"{_TO}.identifier.value")
    if number:
        namespace = row.text(4, 2, to=f"{_TO}.identifier.system")
        system = systems.LOCAL_ID + "problem" + (f"/{slug(namespace)}" if namespace else "")
        resource["identifier"] = [{"system": system, "value": number}]
    over = _statuses(reading, row, resource)
    resource["category"] = [{"coding": [coding(_CATEGORY, "problem-list-item", "Problem List Item")]}]
    resource["code"] = code
    resource["subject"] = {"reference": PATIENT_REFERENCE}
    if stay is not None:
        resource["encounter"] = stay
    _times(reading, row, resource, over=over)
    notes = [*_in_words(row, resource), *annotations(problem.notes, to=f"{_TO}.note")]
    if notes:
        resource["note"] = notes
    return labelled(resource, labels_of_problem(reading, row, 25, to=_TO))


def _name(row: Row, code: Json) -> tuple[str, ...]:
    if row.peek(4):
        return "problem", row.peek(4), row.peek(4, 2)
    first = code.get("coding", [{}])[0]
    return "problem-code", first.get("system", ""), first.get("code") or code["text"].lower()


def _statuses(reading: Reading, row: Row, resource: Json) -> bool:
    """Read how the problem stands (PRB-14) and how sure it is (PRB-13); a deletion (PRB-1 DE) was an error. Says whether it is over."""
    action = row.text(1, to=f"{_TO}.verificationStatus").upper()
    sure = next((found for part in (1, 2) if (found := _CONFIRMATIONS.get(row.peek(13, part).upper()))), None)
    if action == "DE":
        resource["verificationStatus"] = {"coding": [coding(_VERIFICATION, "entered-in-error")]}
        return False  # R4 con-5: what was entered in error has no clinical status
    stands = next((found for part in (1, 2) if (found := _LIFE_CYCLES.get(row.peek(14, part).upper()))), None)
    if stands is not None:
        row.mapped_field(14, to=f"{_TO}.clinicalStatus")
        resource["clinicalStatus"] = {"coding": [coding(_CLINICAL, stands)]}
    elif row.has(14):
        reading.warn(row.place(14), "how the problem stands is said in words that are not known: they are in its note")
    if sure is not None:
        row.mapped_field(13, to=f"{_TO}.verificationStatus")
        resource["verificationStatus"] = {"coding": [coding(_VERIFICATION, sure)]}
    elif row.has(13):
        reading.warn(
            row.place(13), "how sure the problem is, is said in words that are not known: they are in its note"
        )
    return stands in _OVER


def _in_words(row: Row, resource: Json) -> list[Json]:
    """INVARIANT: a word that no status holds is kept beside the problem: "excluded" that is lost leaves a diagnosis."""
    found = []
    for number, name, what in ((13, "verificationStatus", "how sure it is"), (14, "clinicalStatus", "how it stands")):
        if row.has(number) and name not in resource and _is_standing(resource):
            said = words(row, number, to=f"{_TO}.note.text")
            found += [{"text": f"{what}, as written: {said}"}] if said else []
    return found


def _is_standing(resource: Json) -> bool:
    return not any(
        each["code"] == "entered-in-error" for each in resource.get("verificationStatus", {}).get("coding", ())
    )


def _times(reading: Reading, row: Row, resource: Json, *, over: bool) -> None:
    """Read when it began (PRB-16, else the words of PRB-17), when it was recorded (PRB-7) and, where it is over, since when (PRB-9)."""
    began = reading.date_time(row, 16, to=f"{_TO}.onsetDateTime")
    if began is not None:
        resource["onsetDateTime"] = began
    else:
        words = row.text(17, to=f"{_TO}.onsetString")
        if words:
            resource["onsetString"] = words
    ended = reading.date_time(row, 9, to=f"{_TO}.abatementDateTime") if over else None
    if ended is not None and began is not None and is_before(ended, began):
        row.unsupported(9, reason="the end lies before the start")
        reading.warn(row.place(9), "the problem ended before it began: the end was left out")
    elif ended is not None:
        resource["abatementDateTime"] = ended
    recorded = reading.date_time(row, 7, to=f"{_TO}.recordedDate")
    if recorded is not None:
        resource["recordedDate"] = recorded
