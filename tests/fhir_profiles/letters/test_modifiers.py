"""No letter loses what would make a resource say something else before its agreement is asked (docs/decisions/0059)."""

from copy import deepcopy
from typing import Final

import pytest

from consent.modifiers import MODIFIERS
from fhir_profiles.compose import LETTERS, compose
from fhir_profiles.elements import name_of
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import AS_OF, case, resources_in

TURNED: Final[dict[str, Json]] = {
    "Patient": {"active": False, "deceasedDateTime": "2026-01-03"},
    "Organization": {"active": False},
    "Medication": {"status": "inactive"},
    "Location": {"status": "suspended"},
    "RelatedPerson": {"active": False},
}
OURS: Final = {("Organization", "active"), ("ServiceRequest", "intent"), ("MedicationRequest", "intent")}
"""The establishment of a letter is written from the register, and a copy or a referral of ours has an intent of its own."""


@pytest.mark.parametrize("letter", sorted(name for name, each in LETTERS.items() if each.about_a_person))
def test_a_resource_keeps_its_modifiers_in_every_letter(letter: str) -> None:
    file, context = case(letter)
    turned = [deepcopy(each) | TURNED.get(each["resourceType"], {}) for each in file]
    filed = {name_of(each): each for each in turned}
    kept = 0
    for each in resources_in(compose(letter, turned, context, AS_OF).bundle):
        before = filed.get(name_of(each), {})
        for name in MODIFIERS.get(each["resourceType"], {}).keys() & before.keys():
            own = (each["resourceType"], name) in OURS and name in each
            assert own or each.get(name) == before[name], f"{name_of(each)}: {name}"
            kept += 1
    assert kept, "a letter about a person has its Patient"
