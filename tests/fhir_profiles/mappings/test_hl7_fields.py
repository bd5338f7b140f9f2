"""HL7's own segment maps, field by field: what has a place in FHIR is carried or minimised here, or stands in the list with its reason."""

import pytest

from fhir_profiles.mappings import MAPPINGS, adt_a08
from fhir_profiles.shapes import Channel, Translation
from tests.fhir_profiles.mappings.hl7_fields import ALSO, PLACES, hl7_fields, left, listed
from tests.samples import samples_folder


@pytest.mark.samples
def test_every_field_that_hl7_maps_is_carried_or_listed_with_its_reason() -> None:
    """A row of the list that is carried by now fails too."""
    assert sorted(left(samples_folder())) == sorted(listed())
    assert sum(1 for _ in hl7_fields(samples_folder())) >= 277


def test_every_field_that_is_left_has_a_reason() -> None:
    assert len(listed()) <= 34
    assert [row for row, reason in listed().items() if len(reason.split()) < 5] == []


@pytest.mark.samples
def test_a_field_that_is_lost_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: a mapping that reads no allergies, and one that reads nothing."""

    def deaf(channel: Channel, body: bytes) -> Translation:
        return adt_a08.translate(channel, body.replace(b"\rIAM|", b"\rZAM|").replace(b"\rPV2|", b"\rZV2|"))

    monkeypatch.setitem(MAPPINGS, "ADT^A08", deaf)
    lost = {row[0] for row in left(samples_folder())} - {row[0] for row in listed()}
    assert {"IAM-3", "IAM-17", "PV2-22"} <= lost


def test_every_segment_that_hl7_maps_and_we_read_is_asked() -> None:
    assert set(ALSO) <= set(PLACES)
    assert {
        "AL1",
        "DG1",
        "IAM",
        "NK1",
        "OBR",
        "OBX",
        "ORC",
        "PD1",
        "PID",
        "PV1",
        "PV2",
        "RXA",
        "RXO",
        "RXR",
        "SPM",
        "TQ1",
        "TXA",
    } <= set(PLACES)
