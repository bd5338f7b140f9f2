"""Golden letters: the bytes of each letter of the whole synthetic file. `python -m tests.fhir_profiles.letters.test_golden` writes them again.

A difference here is a change in what recipients get: look at it before writing the golden file again.
"""

from pathlib import Path

import pytest

from fhir_profiles.compose import LETTERS, compose, compose_report
from fhir_profiles.fhir_json import decode
from fhir_profiles.profiles import PROFILES
from fhir_profiles.render import render
from tests.fhir_profiles.letters.files import AS_OF, HEADING, REPORTS, case

FOLDER = Path(__file__).parent / "golden"


def body_of(name: str) -> bytes:
    bundle = compose_report(REPORTS[name]).bundle if name in REPORTS else compose(name, *case(name), AS_OF).bundle
    return render(bundle, LETTERS[name].default_wire, HEADING).body + b"\n"


@pytest.mark.parametrize("name", LETTERS)
def test_the_letter_is_as_agreed_byte_for_byte(name: str) -> None:
    assert body_of(name) == (FOLDER / f"{name}.json").read_bytes()


def test_there_is_a_golden_letter_for_every_letter_and_no_other() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(LETTERS)


@pytest.mark.parametrize("name", LETTERS)
def test_a_golden_bundle_keeps_every_profile_that_it_claims(name: str) -> None:
    bundle = decode((FOLDER / f"{name}.json").read_bytes())
    claims = 0
    for resource in (bundle, *(entry["resource"] for entry in bundle["entry"])):
        for url in resource.get("meta", {}).get("profile", ()):
            claims += 1
            assert PROFILES[url].check(resource) == ()
    assert claims


if __name__ == "__main__":
    for letter in LETTERS:
        (FOLDER / f"{letter}.json").write_bytes(body_of(letter))
