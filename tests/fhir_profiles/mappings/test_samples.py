"""The shared HL7 v2 samples: what can be read gets its meaning, and the rest a clear refusal."""

from collections import Counter
from pathlib import Path

import pytest

from fhir_profiles.hl7v2 import parse
from fhir_profiles.peek_hl7v2 import peek_hl7v2
from fhir_profiles.shapes import Channel, Envelope
from fhir_profiles.translate import translate
from gateway.commands.message_files import read_messages
from tests.fhir_profiles.mappings.test_field_ledger import unaccounted
from tests.samples import samples_folder

pytestmark = pytest.mark.samples
CHANNEL = Channel(name="samples", format="hl7v2")


def files(folder: str) -> list[Path]:
    return sorted(Path(samples_folder(), "hl7v2", folder).iterdir())


def test_simhospital_admissions_and_results_all_have_a_meaning() -> None:
    """All 300: a Patient with identifiers and at least one more resource."""
    counts: Counter[str] = Counter()
    for body in read_messages(files("simhospital")[0]):
        envelope = peek_hl7v2(CHANNEL, body)
        assert isinstance(envelope, Envelope)
        translation = translate(CHANNEL, body)
        assert translation.hold is None, translation.issues
        kinds = [entry["resource"]["resourceType"] for entry in translation.bundle["entry"]]
        patient = translation.bundle["entry"][0]["resource"]
        assert kinds[0] == "Patient"
        assert len(patient["identifier"]) >= 2
        assert set(kinds) & {"Encounter", "Observation", "DocumentReference"}
        assert unaccounted(parse(body), translation.fields) == []
        counts[envelope.kind] += 1
    assert counts == {"ADT^A01": 110, "MDM^T02": 2, "ORU^R01": 188}


def test_other_samples_are_translated_or_refused_by_name() -> None:
    """No message breaks the reading; every supported one is accounted for to the last field and gives valid FHIR."""
    seen: Counter[str] = Counter()
    for body in (path.read_bytes() for path in files("fhir-converter")):
        envelope = peek_hl7v2(CHANNEL, body)
        if isinstance(envelope, Envelope):
            translation = translate(CHANNEL, body)
            assert unaccounted(parse(body), translation.fields) == []
            assert translation.hold is not None  # not one has a number of an English person
            assert translation.hold.code.value in {"no-person", "two-people", "merge-waits"}
        seen[type(envelope).__name__] += 1
    assert seen["Envelope"] == 27
    assert sum(seen.values()) == len(files("fhir-converter"))
