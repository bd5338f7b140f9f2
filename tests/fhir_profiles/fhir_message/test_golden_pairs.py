"""What a FHIR message means stays what it was: synthetic messages and their meaning, side by side."""

import json
from pathlib import Path

import pytest

from fhir_profiles.fhir_json import decode
from fhir_profiles.validate import invalid, validate
from tests.fhir_profiles.fhir_message.golden_pairs import made, meaning_of, sources


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
def test_a_message_means_what_it_meant(source: Path) -> None:
    assert made(source) == meaning_of(source).read_text("utf-8")


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
def test_the_messages_themselves_are_valid(source: Path) -> None:
    assert not invalid(validate(decode(source.read_bytes())))


def test_there_is_a_pair_for_each_kind_of_content() -> None:
    assert [source.name.partition(".")[0] for source in sources()] == [
        "collection",
        "consent_and_plan",
        "document",
        "drug_test",
        "eps_cancellation",
        "eps_dispense",
        "eps_order",
        "not_known",
        "prescription",
        "referral",
        "reply",
        "resource",
        "transaction",
        "two_people",
    ]
    assert all(json.loads(meaning_of(source).read_text("utf-8")) for source in sources())
