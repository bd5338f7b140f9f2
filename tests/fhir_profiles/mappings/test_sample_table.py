"""Every shared HL7 v2 sample: the committed table of events x released, held, rejected, and how much of each event's fields is carried."""

import csv

import pytest

from tests.fhir_profiles.mappings.sample_table import TABLE, measured
from tests.samples import samples_folder

FLOOR_PERCENT = 80.0
BELOW_THE_FLOOR = frozenset({("fhir-converter", "ADT^A01")})
"""What is not reached, said openly: one sample of an admission brings an order and a document, which no version of the standard puts there."""


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.samples
def test_every_sample_becomes_what_it_became() -> None:
    """A change of one message's fate, or of a field's, is a change of this table."""
    assert measured(samples_folder()) == TABLE.read_text("utf-8")


def test_the_floor_and_what_does_not_reach_it() -> None:
    """An event that reaches the floor stays there; one that comes to reach it leaves the list."""
    below = {
        (row["folder"], row["event"])
        for row in rows()
        if row["carried_percent"] and float(row["carried_percent"]) < FLOOR_PERCENT
    }
    assert below == BELOW_THE_FLOOR


def test_every_kind_of_the_samples_is_listed_once() -> None:
    names = [(row["folder"], row["event"]) for row in rows()]
    assert len(names) == len(set(names)) == 62
