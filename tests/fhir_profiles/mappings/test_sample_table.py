"""Every shared HL7 v2 sample: the committed table of events x released, held, rejected, and how much of each event's fields is carried."""

import csv

import pytest

from tests.fhir_profiles.mappings.sample_table import TABLE, measured
from tests.samples import samples_folder

FLOOR_PERCENT = 80.0
BELOW_THE_FLOOR = frozenset(
    {
        ("simhospital", "ORU^R01"),
        *(
            ("fhir-converter", event)
            for event in (
                "ADT^A01",
                "ADT^A02",
                "ADT^A03",
                "ADT^A04",
                "ADT^A08",
                "ADT^A11",
                "ADT^A13",
                "ADT^A40",
                "ORU^R01",
                "RDE^O11",
            )
        ),
    }
)
"""What is not reached, said openly. fhir-converter fills every optional field of American billing (insurance, guarantor, procedure): an
English prison sends none of it, and carrying it would serve nobody. A result restates the stay (PV1) and numbers its segments (OBX-1,
NTE-1): an admission carries the stay, and an order that a list has needs no number."""


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
    assert [
        row["event"] for row in rows() if row["carried_percent"] and float(row["carried_percent"]) >= FLOOR_PERCENT
    ] == ["ADT^A01"]


def test_every_kind_of_the_samples_is_listed_once() -> None:
    names = [(row["folder"], row["event"]) for row in rows()]
    assert len(names) == len(set(names)) == 62
