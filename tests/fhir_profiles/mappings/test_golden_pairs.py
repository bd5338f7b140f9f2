"""Every mapping has golden pairs, and goes on meaning the same."""

import json
from pathlib import Path

import pytest

from fhir_profiles.mappings import MAPPINGS
from fhir_profiles.peek_hl7v2 import KINDS, peek_hl7v2
from fhir_profiles.shapes import Envelope
from fhir_profiles.translate import translate as whole_translation
from fhir_profiles.validate import invalid, validate
from tests.fhir_profiles.mappings.golden_pairs import CHANNEL, rendered, sources, translate


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_a_message_means_what_it_meant(source: Path) -> None:
    expected = source.with_suffix(".json").read_text("utf-8")
    assert json.loads(rendered(translate(source.read_bytes()))) == json.loads(expected)


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_what_a_mapping_makes_is_valid(source: Path) -> None:
    """Before and after Provenance and labels: R4, references that resolve, dates that exist."""
    translation = translate(source.read_bytes())
    assert not invalid(validate(translation.bundle))
    finished = whole_translation(CHANNEL, source.read_bytes())
    assert finished.hold == translation.hold
    assert all("security" in entry["resource"].get("meta", {}) for entry in finished.bundle["entry"][:1])


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_there_is_one_patient_and_references_stay_inside(source: Path) -> None:
    resources = [entry["resource"] for entry in translate(source.read_bytes()).bundle["entry"]]
    assert [each["id"] for each in resources if each["resourceType"] == "Patient"] == ["patient"]
    names = {f"{each['resourceType']}/{each['id']}" for each in resources}
    assert len(names) == len(resources)
    assert set(_references(resources)) <= names


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [found for each in value.values() for found in _references(each)]
    return [found for each in value for found in _references(each)] if isinstance(value, list) else []


def test_no_mapping_is_without_golden_pairs() -> None:
    """A mapping that nobody has written down would fail here."""
    kinds = set()
    for source in sources():
        envelope = peek_hl7v2(CHANNEL, source.read_bytes())
        assert isinstance(envelope, Envelope)
        kinds.add(envelope.kind)
    assert kinds == set(KINDS)
    fhir = {
        "fhir-message",
        "fhir-response",
        "fhir-bundle",
        "fhir-resource",
        "hmpps-event",
    }  # tests/fhir_profiles/fhir_message and tests/fhir_profiles/hmpps have theirs
    assert set(KINDS) | fhir == set(MAPPINGS)
