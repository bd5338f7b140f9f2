"""Every shared HL7 v2 sample: the committed table of events x released, held, rejected, and how much of each event's fields is carried."""

import csv
from collections import Counter, defaultdict

import pytest

from fhir_profiles.hl7v2 import parse
from fhir_profiles.mappings import MAPPINGS
from fhir_profiles.peek_hl7v2 import peek_hl7v2
from gateway.trying import try_message
from tests.fhir_profiles.mappings import golden_pairs
from tests.fhir_profiles.mappings.sample_table import CARRIED, CHANNEL, TABLE, measured, messages
from tests.samples import samples_folder

LEAST_PERCENT = 80.0
"""Of every event that is listed, whatever shows it."""
FLOOR_PERCENT = 85.0
"""Of every event with a sample that is read: mapped to a FHIR path, or minimised by a named rule (docs/minimised-at-intake.md)."""


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


@pytest.mark.slow(seconds=15)
@pytest.mark.samples
def test_every_sample_goes_through_try() -> None:
    """The whole way: as many of each outcome as its row says, no exception, what is refused says why, and every field has one fate."""
    tried: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row, body in messages(samples_folder()):
        found = try_message(body)
        said = found["message"]
        tried[row][said["outcome"]] += 1
        assert "exception" not in {issue["code"] for issue in said["issues"]}, row
        if said["outcome"] == "rejected":
            assert any(issue["severity"] == "fatal" and issue["text"] for issue in said["issues"]), row
        else:
            places = Counter(path for path, _ in parse(body).values())
            assert Counter(field["source"] for field in found["fields"]) == places, row
    outcomes = ("released", "held", "rejected")
    assert {row: [counts[each] for each in outcomes] for row, counts in tried.items()} == {
        (row["folder"], row["event"]): [int(row[each]) for each in outcomes] for row in rows()
    }


def carried_of_listed() -> dict[str, float]:
    """Every event of HL7 v2 that is read -> how many of a hundred fields are carried, of its samples or, where there is none, of its golden pairs."""
    fates: dict[str, Counter[bool]] = {event: Counter() for event in MAPPINGS if "^" in event}
    for path in golden_pairs.sources():
        body = path.read_bytes()
        kind = peek_hl7v2(CHANNEL, body).kind
        assert kind is not None
        fates[kind].update(field.fate in CARRIED for field in golden_pairs.translate(body).fields)
    found = {event: 100 * counts[True] / max(counts.total(), 1) for event, counts in fates.items()}
    return found | {row["event"]: float(row["carried_percent"]) for row in rows() if row["carried_percent"]}


def test_every_listed_event_reaches_the_floor_with_a_sample_or_without() -> None:
    carried = carried_of_listed()
    assert {"ADT^A21", "ADT^A22", "ADT^A34", "ADT^A44", "OMP^O09", "RAS^O17", "RDE^O01"} <= set(carried)
    assert {event: percent for event, percent in carried.items() if percent < LEAST_PERCENT} == {}


def test_a_listed_event_without_a_sample_and_a_golden_pair_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: an event more is read, and nothing shows how."""
    monkeypatch.setitem(MAPPINGS, "ADT^Z99", MAPPINGS["ADT^A01"])
    assert carried_of_listed()["ADT^Z99"] < LEAST_PERCENT
