"""Every shared HL7 v2 sample: the committed table of events x released, held, rejected, and how much of each event's fields is carried."""

import csv
from collections import Counter

import pytest

from fhir_profiles.hl7v2 import parse
from gateway.trying import try_message
from tests.fhir_profiles.mappings.sample_table import TABLE, measured, messages
from tests.samples import samples_folder

FLOOR_PERCENT = 85.0
"""Of every event that is read: mapped to a FHIR path, or minimised by a named rule (docs/minimised-at-intake.md)."""


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.samples
def test_every_sample_becomes_what_it_became() -> None:
    """A change of one message's fate, or of a field's, is a change of this table."""
    assert measured(samples_folder()) == TABLE.read_text("utf-8")


def below_the_floor(table: list[dict[str, str]]) -> list[str]:
    return [
        f"{row['folder']} {row['event']}"
        for row in table
        if row["carried_percent"] and float(row["carried_percent"]) < FLOOR_PERCENT
    ]


def test_every_event_that_is_read_reaches_the_floor() -> None:
    table = rows()
    assert below_the_floor(table) == []
    assert sum(bool(row["carried_percent"]) for row in table) >= 22


def test_an_event_below_the_floor_is_seen() -> None:
    """Sabotage: one event that loses its fields is named."""
    table = rows()
    table[0]["carried_percent"] = "84.9"
    assert below_the_floor(table) == ["fhir-converter ADT^A01"]


def test_every_kind_of_the_samples_is_listed_once() -> None:
    names = [(row["folder"], row["event"]) for row in rows()]
    assert len(names) == len(set(names)) == 62


@pytest.mark.samples
def test_one_of_every_row_goes_through_try() -> None:
    """The first message of each kind of each folder the whole way: its outcome is one of its row's, no exception, and every field has one fate."""
    table = {(row["folder"], row["event"]): row for row in rows()}
    tried: set[tuple[str, str]] = set()
    for row, body in messages(samples_folder()):
        if row in tried:
            continue
        tried.add(row)
        found = try_message(body)
        said = found["message"]
        assert int(table[row][said["outcome"]]) > 0, row
        assert "exception" not in {issue["code"] for issue in said["issues"]}, row
        if said["outcome"] == "rejected":
            assert any(issue["severity"] == "fatal" and issue["text"] for issue in said["issues"]), row
        else:
            places = Counter(path for path, _ in parse(body).values())
            assert Counter(field["source"] for field in found["fields"]) == places, row
    assert tried == set(table)
