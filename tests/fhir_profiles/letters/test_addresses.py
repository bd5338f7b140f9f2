"""Which addresses a letter of care names: where the person goes on release, never a refuge and never where somebody still looks for them."""

from typing import Any

import pytest

from fhir_profiles.compose import compose
from fhir_profiles.letters import LETTERS
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import AS_OF, CONTEXT, REPORTS, named, patient, prescription

HOME = {"use": "home", "line": ["1 Example Street"], "postalCode": "LS1 1ZZ"}
OTHER_HOME = {"use": "home", "line": ["2 Example Street"], "postalCode": "LS2 2ZZ"}
MOVED_OUT = {"use": "home", "line": ["3 Former Street"], "period": {"start": "2020-01-01", "end": "2025-01-01"}}
FORMER = {"use": "old", "line": ["4 Former Street"]}
REFUGE = {"use": "temp", "line": ["5 Refuge Street"]}
WORK = {"use": "work", "line": ["6 Work Street"]}
UNSAID = {"line": ["7 Unsaid Street"], "postalCode": "LS7 7ZZ"}
ALSO_UNSAID = {"line": ["8 Unsaid Street"]}
UNSAID_ENDED = {"line": ["9 Unsaid Street"], "period": {"end": "2025-01-01"}}
ADDRESSED = ("handover", "gp-copy", "prescription-copy", "transfer", "referral")


def told(letter: str, *addresses: Json) -> list[Json]:
    file = [patient(address=list(addresses)), prescription()]
    found: list[Json] = (
        named(compose(letter, file, CONTEXT, AS_OF).bundle).get("Patient/patient", {}).get("address", [])
    )
    return found


@pytest.mark.parametrize("letter", ADDRESSED)
@pytest.mark.parametrize(
    ("addresses", "leave"),
    [
        ((HOME,), [HOME]),
        ((REFUGE, HOME, FORMER, WORK, MOVED_OUT), [HOME]),
        ((HOME, OTHER_HOME), [HOME, OTHER_HOME]),
        ((UNSAID,), [UNSAID]),
        ((HOME, UNSAID), [HOME]),
        ((UNSAID, ALSO_UNSAID), []),
        ((UNSAID, UNSAID_ENDED, REFUGE), [UNSAID]),
        ((REFUGE,), []),
        ((FORMER, MOVED_OUT), []),
        ((), []),
    ],
)
def test_only_where_the_person_goes_is_named(letter: str, addresses: tuple[Json, ...], leave: list[Json]) -> None:
    assert told(letter, *addresses) == leave


@pytest.mark.parametrize("odd", [None, "somewhere", 7, [], [None], ["1 Example Street"], {"use": "home"}])
def test_an_odd_address_gives_a_letter_without_it(odd: Any) -> None:
    whole = named(compose("handover", [patient(address=odd)], CONTEXT, AS_OF).bundle)["Patient/patient"]
    assert whole.get("address", []) == ([odd] if isinstance(odd, dict) else [])


@pytest.mark.parametrize("letter", sorted(set(LETTERS) - {*ADDRESSED, *REPORTS}))
def test_a_letter_that_says_only_who_it_is_names_no_address(letter: str) -> None:
    """Whatever is not on the list above."""
    assert told(letter, HOME, UNSAID) == []
