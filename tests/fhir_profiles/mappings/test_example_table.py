"""Every shared example of BaRS, PDS, UK Core and HMPPS: the committed table, every field accounted for, and none that crashes `try`."""

import csv
from collections import Counter

import pytest

from fhir_profiles.mappings import fhir_carry
from fhir_profiles.peek import peek
from fhir_profiles.shapes import Refusal
from fhir_profiles.translate import translate
from gateway.trying import try_message
from tests.fhir_profiles.mappings.example_table import TABLE, channel, examples, measured, places
from tests.fhir_profiles.mappings.test_sample_table import below_the_floor
from tests.samples import samples_folder

LISTED = ("booking-", "servicerequest-", "person.", "prison-", "prisoner-")
"""Messages and events that the product takes by name; a single resource of UK Core is no event, and has a row without a floor."""


def listed() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["event"].startswith(LISTED)]


@pytest.mark.samples
def test_every_example_becomes_what_it_became() -> None:
    """A change of one example's fate, or of a field's, is a change of this table."""
    assert measured(samples_folder()) == TABLE.read_text("utf-8")


def test_every_listed_event_that_is_read_reaches_the_floor() -> None:
    table = listed()
    assert below_the_floor(table) == []
    assert sum(bool(row["carried_percent"]) for row in table) == 10


def test_an_event_below_the_floor_is_seen() -> None:
    """Sabotage: one event that loses its fields is named."""
    table = listed()
    table[0]["carried_percent"] = "84.9"
    assert below_the_floor(table) == ["bars-examples booking-request"]


def unaccounted(body: bytes) -> list[str]:
    """The places of an example that have no entry in the field ledger, or more than one."""
    entries, wanted = Counter(field.source for field in translate(channel(body), body).fields), Counter(places(body))
    return sorted(((entries - wanted) + (wanted - entries)).keys())


@pytest.mark.samples
def test_every_field_has_one_fate_and_try_says_so() -> None:
    """No exception, and the sum of the fates is every field; of each event that is read, and each way to be refused, one goes the whole way through `try`."""
    tried: set[tuple[str, str]] = set()
    read = 0
    for name, event, body in examples(samples_folder()):
        looked = peek(channel(body), body)
        refused = isinstance(looked, Refusal)
        if not refused:
            read += 1
            assert unaccounted(body) == [], (name, event)
            assert "exception" not in {issue.code for issue in translate(channel(body), body).issues}, (name, event)
        kind = (name, looked.code.value if isinstance(looked, Refusal) else event)
        if kind in tried:
            continue
        tried.add(kind)
        found = try_message(body)
        said = found["message"]
        assert (said["outcome"] == "rejected") is refused
        assert "exception" not in {issue["code"] for issue in said["issues"]}, (name, event)
        assert sorted(field["source"] for field in found["fields"]) == ([] if refused else sorted(places(body)))
        if refused:
            assert any(issue["severity"] == "fatal" and issue["text"] for issue in said["issues"])
    assert read >= 100
    assert len(tried) >= 41


@pytest.mark.samples
def test_a_field_without_a_fate_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: the walk of the test finds what a ledger that is blind to one name leaves out."""
    body = next(
        body for name, event, body in examples(samples_folder()) if (name, event) == ("pds-examples", "Patient")
    )
    assert unaccounted(body) == []
    taken = fhir_carry.Carrier._mapped
    monkeypatch.setattr(
        fhir_carry.Carrier,
        "_mapped",
        lambda self, source, path: None if source.endswith("birthDate") else taken(self, source, path),
    )
    assert unaccounted(body) == ["Patient.birthDate"]
