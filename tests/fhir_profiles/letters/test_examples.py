"""The served examples: each letter through its shipped agreement, on its usual wire. `python -m tests.fhir_profiles.letters.test_examples` writes them."""

import re
from pathlib import Path

import pytest

from fhir_profiles import examples
from fhir_profiles.compose import LETTERS
from fhir_profiles.definitions import DEFINITIONS
from fhir_profiles.definitions.guide import profiles_of
from fhir_profiles.examples import EXAMPLES, example
from fhir_profiles.fhir_json import decode, encode
from fhir_profiles.profiles import PROFILES
from fhir_profiles.render import render
from tests.fhir_profiles.letters.files import HEADING, case
from tests.fhir_profiles.letters.test_through_the_gate import minimised

FOLDER = Path(str(examples.__file__)).parent


def body_of(letter: str) -> bytes:
    bundle = decode(render(minimised(letter, *case(letter)), LETTERS[letter].default_wire, HEADING).body)
    return encode({**bundle, "id": f"example-{letter}"}) + b"\n"


@pytest.mark.parametrize("letter", LETTERS)
def test_an_example_is_what_its_recipient_gets(letter: str) -> None:
    assert (FOLDER / f"{letter}.json").read_bytes() == body_of(letter)


def test_there_is_an_example_of_every_letter_and_profile_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(LETTERS)
    kept = {name for each in EXAMPLES for name in profiles_of(example(each))}
    assert kept == {profile.name for profile in PROFILES.values()}


@pytest.mark.parametrize("letter", LETTERS)
def test_a_letter_keeps_a_profile_of_its_own(letter: str) -> None:
    """Beside those of every letter: what its header, its notice and its envelope are."""
    assert set(profiles_of(example(f"example-{letter}"))) - {"notice", "letter-header", "handover-document"}


def test_the_guide_lists_every_definition_and_example_once() -> None:
    (guide,) = DEFINITIONS["ImplementationGuide"].values()
    listed = [each["reference"]["reference"] for each in guide["definition"]["resource"]]
    made = {f"{name}/{each}" for name, ids in DEFINITIONS.items() for each in ids if name != "ImplementationGuide"}
    assert sorted(listed) == sorted(made | {f"Bundle/{each}" for each in EXAMPLES})


def test_an_example_is_about_nobody() -> None:
    """INVARIANT: an NHS number that stands in one is of the range that is never given out."""
    numbered = re.compile(rb'"system":"https://fhir.nhs.uk/Id/nhs-number","value":"(\d+)"')
    found = {number for each in EXAMPLES for number in numbered.findall(encode(example(each)))}
    assert found
    assert all(number.startswith(b"999") for number in found)
    with pytest.raises(KeyError):
        example("handover")


if __name__ == "__main__":
    for each in LETTERS:
        (FOLDER / f"{each}.json").write_bytes(body_of(each))
