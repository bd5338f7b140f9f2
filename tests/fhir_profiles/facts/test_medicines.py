"""The table of other medicines: it fits the form, it repeats nothing, and what it does not know stays unknown."""

import tomllib
from pathlib import Path

import pytest

from fhir_profiles import medicines
from fhir_profiles.terminology import SUBSTANCE_GROUPS
from tests.fhir_profiles.letters.files import prescription, simple

TABLE = tomllib.loads((Path(medicines.__file__).parent / "medicines.toml").read_text("utf-8"))["medicine"]


def test_rows_name_groups_of_the_form_and_words_once() -> None:
    words = [word for row in TABLE for word in row["words"]]
    assert len(words) == len(set(words))
    assert {group for row in TABLE for key in ("explains", "may_explain") for group in row.get(key, ())} <= set(
        SUBSTANCE_GROUPS
    )
    assert all(word == word.lower().strip() for word in words)


@pytest.mark.parametrize("word", [word for row in TABLE for word in row["words"]])
def test_every_word_is_found_in_a_name(word: str) -> None:
    assert medicines.contents_of(prescription(medicine=f"{word.title()} 10mg tablets"), []).names


@pytest.mark.parametrize("name", ["", "Xylopranol", "Study drug A", "medication as charted"])
def test_what_no_row_knows_has_no_contents(name: str) -> None:
    contents = medicines.contents_of(prescription(medicine=name), [])
    assert contents.names == contents.explains == frozenset()
    assert not contents.substitute
    assert not contents.treats


def test_a_medicine_can_stand_in_a_resource_of_its_own() -> None:
    request = {**prescription(), "medicationReference": {"reference": "Medication/m"}}
    del request["medicationCodeableConcept"]
    held = simple("Medication", "m", ingredient=[{"itemCodeableConcept": {"text": "Methadone"}}])
    assert medicines.is_substitute(request, [held])
    assert not medicines.is_substitute(request, [])
    inside = {**request, "contained": [held], "medicationReference": {"reference": "#m"}}
    assert medicines.is_substitute(inside, [])
