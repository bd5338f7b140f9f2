"""What an HMPPS event means stays what it was: synthetic events and their meaning, side by side, every event that is read at least once."""

import json
from pathlib import Path

import pytest

from fhir_profiles.fhir_json import decode
from fhir_profiles.hmpps import event_of
from fhir_profiles.peek_hmpps import EVENTS
from tests.fhir_profiles.hmpps.golden_pairs import FOLDER, made, meaning_of, sources


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
def test_an_event_means_what_it_meant(source: Path) -> None:
    assert made(source) == meaning_of(source).read_text("utf-8")


def test_there_is_a_pair_for_each_event_and_no_half_of_one() -> None:
    assert {event_of(decode(source.read_bytes())).name for source in sources()} == set(EVENTS)
    assert {*sources(), *map(meaning_of, sources())} == set(FOLDER.iterdir())


def test_another_reason_means_another_thing(tmp_path: Path) -> None:
    """Sabotage: the pair is found out when the meaning moves."""
    content = json.loads((FOLDER / "died.event.json").read_text("utf-8"))
    content["additionalInformation"]["nomisMovementReasonCode"] = "CR"
    changed = tmp_path / "died.event.json"
    changed.write_text(json.dumps(content))
    assert made(changed) != (FOLDER / "died.meaning.json").read_text("utf-8")
