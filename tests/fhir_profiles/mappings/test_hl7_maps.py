"""HL7's own v2-to-FHIR concept maps: every table of codes that we translate by agrees with them, or stands in the list with its reason."""

import pytest

from fhir_profiles.mappings import observation
from tests.fhir_profiles.mappings.hl7_maps import AS_SENT, COMPARED, NO_MAP, differences, listed, ours, tables_of_ours
from tests.samples import samples_folder


@pytest.mark.samples
def test_every_code_means_what_hl7_says_or_is_listed_with_its_reason() -> None:
    """Of every field, every code of HL7's map and every code of ours; a row of the list that is no difference any more fails too."""
    assert sorted(differences(samples_folder())) == sorted(listed())


def test_every_difference_has_a_reason() -> None:
    assert listed()
    assert [row for row, reason in listed().items() if len(reason.split()) < 6] == []


def test_what_the_list_says_of_ours_is_so() -> None:
    """Also where HL7's maps are not at hand."""
    asked = {each.field: each for each in COMPARED}
    rows = [(field, code, said) for field, code, _, said in listed() if code != AS_SENT]
    assert [(field, code) for field, code, said in rows if ours(asked[field], code) != said] == []
    assert len(rows) >= 70


def test_every_table_of_ours_is_compared_or_says_why_not() -> None:
    """A new table of codes fails until it is either."""
    compared = {table for each in COMPARED for table in each.tables if table != "observation._FLAGS"}
    assert compared | set(NO_MAP) == tables_of_ours()
    assert not compared & set(NO_MAP)
    assert all(len(reason.split()) >= 3 for reason in NO_MAP.values())


@pytest.mark.samples
def test_a_code_that_means_something_else_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: one word of one table, changed or lost."""
    (results,) = (each for each in COMPARED if each.field == "OBX-11")
    before = differences(samples_folder(), [results])
    monkeypatch.setitem(observation.STATUSES, "C", "final")
    assert set(differences(samples_folder(), [results])) - set(before) == {("OBX-11", "C", "corrected", "final")}
    monkeypatch.delitem(observation.STATUSES, "C")
    assert set(differences(samples_folder(), [results])) - set(before) == {("OBX-11", "C", "corrected", "")}


def test_a_table_that_nobody_compares_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: the guard finds a table by its being one."""
    assert "observation.STATUSES" in tables_of_ours()
    monkeypatch.delattr(observation, "STATUSES")
    assert "observation.STATUSES" not in tables_of_ours()
