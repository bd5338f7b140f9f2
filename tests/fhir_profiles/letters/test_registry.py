"""The registries of letters and profiles: every module states what it must, and a module that does not is refused."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_profiles import letters, profiles
from fhir_profiles.letters import HANDING_OVER, LETTERS, letter_in
from fhir_profiles.profiles import PROFILES, profile_in
from fhir_profiles.profiles.checking.spec import Profile
from fhir_profiles.render import WIRES
from fhir_profiles.shapes import Event


def module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(f"somewhere.{name}")
    for key, value in members.items():
        setattr(made, key, value)
    return made


def modules_of(package: ModuleType) -> set[str]:
    return {path.stem for path in Path(str(package.__file__)).parent.glob("*.py")} - {"__init__"}


def test_every_letter_is_found_and_states_its_facts_events_and_wires() -> None:
    assert {name.replace("-", "_") for name in LETTERS} == modules_of(letters)
    assert set(LETTERS) == {
        "handover",
        "gp-copy",
        "persons-handover",
        "persons-transfer",
        "prescription-copy",
        "correction",
        "write-back",
        "report",
        "reception-notice",
        "transfer",
        "notice-of-withdrawal",
        "harm-disclosure",
        "assessment",
        "care-plan-update",
        "engagement",
        "community-record",
        "acct-contribution",
        "mandatory-test-referral",
        "referral",
        "probation-summary",
        "indicators",
    }
    for letter in LETTERS.values():
        assert letter.required
        assert letter.events
        assert set(letter.every_wire) <= WIRES


def test_the_agreed_events_wires_and_order() -> None:
    table = {name: (letter.events, letter.default_wire, letter.whole_picture) for name, letter in LETTERS.items()}
    assert table == {
        "handover": ((Event.RELEASE, Event.RELEASE_UNCLEAR), "fhir-document", True),
        "gp-copy": ((Event.RELEASE, Event.RELEASE_UNCLEAR), "fhir-document", True),
        "persons-handover": ((Event.RELEASE, Event.RELEASE_UNCLEAR), "fhir-document", True),
        "persons-transfer": ((Event.TRANSFER,), "fhir-document", True),
        "prescription-copy": ((Event.PRESCRIPTION,), "fhir-message", False),
        "correction": ((Event.RELEASE_CANCELLED,), "fhir-message", False),
        "write-back": ((Event.CONTACT,), "fhir-message", False),
        "reception-notice": ((Event.RECEPTION,), "fhir-message", False),
        "transfer": ((Event.TRANSFER,), "fhir-document", True),
        "assessment": ((Event.ASSESSMENT, Event.TEST_RESULT), "fhir-message", False),
        "care-plan-update": ((Event.CARE_PLAN, Event.PRESCRIPTION), "fhir-message", False),
        "engagement": ((Event.ENGAGEMENT,), "fhir-message", False),
        "community-record": ((Event.COMMUNITY_RECORD,), "fhir-message", False),
        "acct-contribution": ((Event.ACCT_REVIEW,), "fhir-message", False),
        "mandatory-test-referral": ((Event.MANDATORY_POSITIVE,), "fhir-message", False),
        "referral": ((Event.REFERRAL,), "fhir-message", False),
        "probation-summary": (
            (Event.CARE_PLAN, Event.COMMUNITY_RECORD, Event.CONSENT, Event.CONTACT, Event.RECORD),
            "fhir-message",
            False,
        ),
        "report": ((Event.TEST_RESULT,), "fhir-collection", False),
        "indicators": ((Event.QUARTER_OVER,), "fhir-collection", False),
        "harm-disclosure": ((Event.HARM_TEST,), "fhir-message", False),
        "notice-of-withdrawal": ((Event.WITHDRAWAL,), "fhir-message", True),
    }


def test_only_a_letter_that_hands_the_care_over_has_to_be_confirmed() -> None:
    """A practice or a pharmacy that does not confirm a copy is no reason to wake anybody."""
    assert frozenset({"handover", "transfer"}) == HANDING_OVER


@pytest.mark.parametrize("change", [{"required": ()}, {"events": ()}, {"wires": ()}])
def test_a_letter_without_its_lists_is_no_letter(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be stated"):
        replace(LETTERS["handover"], **change)


def test_a_required_fact_is_stated_once() -> None:
    facts = LETTERS["handover"].required
    with pytest.raises(ValueError, match="twice"):
        replace(LETTERS["handover"], required=(*facts, facts[0]))


def test_a_letter_module_without_a_letter_or_of_another_name_is_refused() -> None:
    assert letter_in(module("handover", LETTER=LETTERS["handover"])) is LETTERS["handover"]
    with pytest.raises(TypeError, match="states no LETTER"):
        letter_in(module("handover"))
    with pytest.raises(ValueError, match="is named handover"):
        letter_in(module("postcard", LETTER=LETTERS["handover"]))


def test_every_profile_has_a_module_and_a_definition_beside_it() -> None:
    folder = Path(str(profiles.__file__)).parent
    assert {profile.name.replace("-", "_") for profile in PROFILES.values()} == modules_of(profiles)
    assert {path.stem for path in folder.glob("*.json")} == modules_of(profiles)


def test_every_definition_says_what_it_derives_from() -> None:
    uk_core = {"ServiceRequest", "Bundle", "Composition", "MedicationRequest", "Communication", "MessageHeader"}
    for url, profile in PROFILES.items():
        definition = profile.definition
        assert definition["url"] == url
        assert definition["derivation"] == "constraint"
        base = definition["baseDefinition"]
        if profile.resource_type in uk_core:
            assert base == f"https://fhir.hl7.org.uk/StructureDefinition/UKCore-{profile.resource_type}"
        else:
            assert base == f"http://hl7.org/fhir/StructureDefinition/{profile.resource_type}"


def test_a_profile_module_that_does_not_fit_is_refused() -> None:
    notice = next(profile for profile in PROFILES.values() if profile.name == "notice")
    assert profile_in(module("notice", PROFILE=notice, build=print)) is notice
    with pytest.raises(TypeError, match="no build"):
        profile_in(module("notice", PROFILE=notice))
    with pytest.raises(ValueError, match="differs"):
        profile_in(module("other", PROFILE=notice, build=print))
    with pytest.raises(ValueError, match="another type"):
        profile_in(module("notice", PROFILE=Profile(name="notice", resource_type="Basic"), build=print))


@pytest.mark.parametrize("url", PROFILES)
def test_a_definition_is_a_valid_structure_definition(url: str) -> None:
    model = get_fhir_model_class("StructureDefinition")
    definition = PROFILES[url].definition
    model.model_validate(definition)
    with pytest.raises(ValueError, match="kind"):
        model.model_validate({**definition, "kind": None})
