"""What one person would be in an extract for an evaluator: a small labelled Bundle that consent decides and minimises, and its row afterwards.

It is no letter: no wire carries it, and nobody receives it but as a row among others (consent/extracts.py). It must never hold a name, a number but the one
that a pseudonym stands for, an address, free text, a day, or anything of the file beside what is listed here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, as_text, identifier_value, of_type, well_formed
from fhir_profiles.label import label_bundle
from fhir_profiles.letters.parts.labels_of_ours import RESTRICTED
from fhir_profiles.medicines import contents_of
from fhir_profiles.movements import place_of
from fhir_profiles.shapes import Json

AGE_BAND: Final = "https://throughgate.example/extension/age-band"
TOLD: Final = systems.LOCAL_CODE + "evaluation"
TYPES: Final = (
    "Patient",
    "Encounter",
    "Medication",
    "MedicationRequest",
    "MedicationStatement",
    "MedicationAdministration",
)
"""What of a file has to be opened for a row."""
NOT_KNOWN: Final = "not-known"
_GENDERS: Final = frozenset({"male", "female", "other", "unknown"})
_MONTH: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])(?![0-9])")
_FIRST_BAND, _LAST_BAND = 20, 60


@dataclass(frozen=True, kw_only=True)
class InContact:
    """What the store knows of a person in the quarter: its months (`2026-01`), the month of the first contact, the establishment of the last,
    and the best that became of their handovers: `in-time`, `late`, `unconfirmed`, or `none`.
    """

    months: tuple[str, ...]
    month: str
    establishment: str
    handover: str


def compose_row(resources: Sequence[Json], contact: InContact) -> Json | None:
    """The labelled Bundle of one person; None where the file has no Patient with an NHS number."""
    file = well_formed(resources)
    patient = next(iter(of_type(file, "Patient")), {})
    number = identifier_value(patient.get("identifier"), systems.NHS_NUMBER)
    if not number:
        return None
    told = {
        "reception": ("yes" if _was_received(file, contact.months) else "no", RESTRICTED),
        "handover": (contact.handover, RESTRICTED),
        "treatment": _treatment(file),
    }
    made = (
        _patient(patient, number, contact.months[0]),
        _episode(contact),
        *(_observation(name, value, labels) for name, (value, labels) in told.items()),
    )
    entries = [{"resource": each} for each in made]
    return label_bundle({"resourceType": "Bundle", "type": "collection", "entry": entries}, composed=True)


def cells_of(bundle: Json | None) -> Mapping[str, str]:
    """The cells of a row from what was left of its Bundle; what did not leave has none."""
    resources = [as_object(each.get("resource")) for each in as_objects((bundle or {}).get("entry"))]
    cells = dict(_cells(resources))
    return {name: value for name, value in cells.items() if value}


def _patient(patient: Json, number: str, month: str) -> Json:
    gender = as_text(patient.get("gender"))
    made: Json = {
        "resourceType": "Patient",
        "id": "patient",
        "identifier": [{"system": systems.NHS_NUMBER, "value": number}],
        "gender": gender if gender in _GENDERS else "unknown",
        "extension": [{"url": AGE_BAND, "valueCode": age_band(as_text(patient.get("birthDate")), month)}],
    }
    # INVARIANT: a record that is flagged sensitive is decided as one.
    return {**made, "meta": patient["meta"]} if "meta" in patient else made


def age_band(born: str, month: str) -> str:
    """Ten years, as of the beginning of a month: `under-20`, `20-29` ... `60-and-over`; `not-known` without a month of birth."""
    written = _MONTH.match(born)
    if written is None:
        return NOT_KNOWN
    age = int(month[:4]) - int(written[1]) - (written[2] >= month[5:7])
    if age < _FIRST_BAND:
        return "under-20"
    return "60-and-over" if age >= _LAST_BAND else f"{age // 10 * 10}-{age // 10 * 10 + 9}"


def _episode(contact: InContact) -> Json:
    return {
        "resourceType": "EpisodeOfCare",
        "id": "episode",
        "meta": RESTRICTED,
        "status": "finished",
        "patient": {"reference": "Patient/patient"},
        "managingOrganization": {"identifier": {"system": systems.AGENCY, "value": contact.establishment}},
        "period": {"start": contact.month},
    }


def _observation(name: str, value: str, labels: Json) -> Json:
    return {
        "resourceType": "Observation",
        "id": name,
        "meta": labels,
        "status": "final",
        "code": {"coding": [{"system": TOLD, "code": name}]},
        "subject": {"reference": "Patient/patient"},
        "valueCodeableConcept": {"coding": [{"system": TOLD, "code": value}]},
    }


def _was_received(file: Sequence[Json], months: tuple[str, ...]) -> bool:
    stays = (each for each in of_type(file, "Encounter") if place_of(each))
    return any(as_text(as_object(each.get("period")).get("start"))[:7] in months for each in stays)


def _treatment(file: Sequence[Json]) -> tuple[str, Json]:
    """The group that is treated by what was prescribed, as the file has it; with every label of the prescriptions that say so."""
    found: dict[str, list[Json]] = {"opioid-substitution": [], "other-medicine": []}
    for each in of_type(file, "MedicationRequest", "MedicationStatement", "MedicationAdministration"):
        contents = contents_of(each, file)
        if contents.treats or contents.substitute:
            found["opioid-substitution" if contents.substitute else "other-medicine"].append(each)
    value, because = next(((name, held) for name, held in found.items() if held), ("none-recorded", []))
    labels = [label for each in because for label in as_objects(as_object(each.get("meta")).get("security"))]
    least: list[Json] = RESTRICTED["security"]
    return value, {"security": [*least, *(label for label in labels if label not in least)]}


def _cells(resources: Sequence[Json]) -> Iterator[tuple[str, str]]:
    for patient in of_type(resources, "Patient"):
        yield "pseudonym", next((as_text(each.get("value")) for each in as_objects(patient.get("identifier"))), "")
        yield "sex", as_text(patient.get("gender"))
        bands = (each for each in as_objects(patient.get("extension")) if each.get("url") == AGE_BAND)
        yield "age_band", next((as_text(each.get("valueCode")) for each in bands), "")
    for episode in of_type(resources, "EpisodeOfCare"):
        place = as_object(as_object(episode.get("managingOrganization")).get("identifier"))
        yield "month", as_text(as_object(episode.get("period")).get("start"))
        yield "establishment", as_text(place.get("value"))
    for each in of_type(resources, "Observation"):
        yield _code(each.get("code")), _code(each.get("valueCodeableConcept"))


def _code(concept: object) -> str:
    return next((as_text(each.get("code")) for each in as_objects(as_object(concept).get("coding"))), "")
