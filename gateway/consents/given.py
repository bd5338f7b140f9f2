"""Consents given to `try`, as the message of a consent authority about the person of another message.

Whose a consent is, is said by an identifier, or by the Patient that came with it; only one that says neither is taken to be about the
person at hand. What is about somebody else is left out and counted. This module MUST NOT register or decide anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_profiles.shapes import Json, PersonIdentifier

BASE = "https://throughgate.example/try"
MADE_HERE = frozenset({"MessageHeader", "Patient"})


@dataclass(frozen=True, kw_only=True)
class Given:
    """The message, and how many of the consents given are about another person."""

    message: Json
    about_others: int


def as_message(given: Json, persons: Sequence[PersonIdentifier], number: int) -> Given:
    """Wrap one Consent, or the Consents of a Bundle with what they refer to. Entries keep their fullUrl, so that references are found."""
    entries = _objects(given.get("entry")) if given.get("resourceType") == "Bundle" else [{"resource": given}]
    own = {each.system: _plain(each.value) for each in persons if each.valid}
    patients = _patients(entries)
    kept: list[tuple[str, Json]] = []
    others = 0
    for entry in entries:
        resource = _object(entry.get("resource"))
        if resource.get("resourceType") in MADE_HERE:
            continue
        named: Json = {"id": f"given-{number}", **resource}
        if resource.get("resourceType") == "Consent":
            patient = _object(resource.get("patient"))
            if _is_about_another(_numbers_of(patient, patients), own):
                others += 1
                continue
            if "identifier" not in patient:
                named["patient"] = {"reference": "Patient/patient"}
        kept.append((str(entry.get("fullUrl") or _url(named)), named))
    header: Json = {
        "resourceType": "MessageHeader",
        "id": f"header-{number}",
        "eventCoding": {"system": "https://throughgate.example/code/event", "code": "consent"},
        "source": {"endpoint": BASE},
    }
    person: Json = {
        "resourceType": "Patient",
        "id": "patient",
        "identifier": [{"system": each.system, "value": each.value} for each in persons if each.valid],
    }
    message: Json = {
        "resourceType": "Bundle",
        "id": f"consents-{number}",
        "type": "message",
        "timestamp": "2000-01-01T00:00:00Z",
        "entry": [
            {"fullUrl": url, "resource": each} for url, each in ((_url(header), header), (_url(person), person), *kept)
        ],
    }
    return Given(message=message, about_others=others)


def _url(resource: Json) -> str:
    return f"{BASE}/{resource.get('resourceType')}/{resource.get('id')}"


def _patients(entries: Sequence[Json]) -> Mapping[str, Mapping[str, str]]:
    """The numbers of each Patient that came with the consents, by every name that a reference can use."""
    found: dict[str, Mapping[str, str]] = {}
    for entry in entries:
        resource = _object(entry.get("resource"))
        if resource.get("resourceType") == "Patient":
            numbers = _numbers(_objects(resource.get("identifier")))
            for name in (entry.get("fullUrl"), f"Patient/{resource.get('id')}"):
                found[str(name)] = numbers
    return found


def _numbers_of(patient: Json, patients: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """Whom a consent says that it is about: by its own identifier, else by the Patient that it refers to."""
    identifier = _object(patient.get("identifier"))
    return _numbers([identifier]) if identifier else patients.get(str(patient.get("reference")), {})


def _numbers(identifiers: Sequence[Json]) -> Mapping[str, str]:
    return {str(each.get("system")): _plain(str(each.get("value"))) for each in identifiers}


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _plain(value: str) -> str:
    return "".join(value.split()).replace("-", "").upper()


def _is_about_another(named: Mapping[str, str], own: Mapping[str, str]) -> bool:
    return any(named[system] != own[system] for system in named.keys() & own.keys())
