"""What the product does not carry is left out by a named rule, and no rule takes back what a mapping carries."""

import pytest

from fhir_profiles.mappings.minimised import Rule, by_place, rules
from fhir_profiles.shapes import Fate, Translation
from tests.fhir_profiles.mappings.golden_pairs import translate

PERSON = "9990000018^^^NHS^NH"
HEAD = "MSH|^~\\&|EHR|LEI|||20260301||ADT^A01|1|P|2.5\rEVN|A01\r"


def admission(pid: str, *more: str) -> Translation:
    return translate((HEAD + "\r".join((pid, "PV1|1|I", *more))).encode())


def fates(translation: Translation) -> dict[str, tuple[Fate, str]]:
    return {field.source: (field.fate, field.reason.partition(":")[0]) for field in translation.fields}


def test_what_no_purpose_needs_is_left_out_by_a_named_rule() -> None:
    """Canaries: in the ledger by rule, and in nothing that was made."""
    pid = f"PID|1||{PERSON}||Test^A|CANARY^B||M||CANARY|||||||CANARY^belief||CANARY-SSN|||||||CANARY"
    translation = admission(pid, "IN1|1|CANARY^plan", "GT1|1||CANARY", "CTI|CANARY")
    found = fates(translation)
    assert found["PID-6.1"] == (Fate.MINIMISED, "other-identities")
    assert found["PID-10"] == found["PID-17.1"] == found["PID-26"] == (Fate.MINIMISED, "origin-and-belief")
    assert found["IN1-2.1"] == found["GT1-3"] == (Fate.MINIMISED, "payment")
    assert found["CTI-1"] == (Fate.MINIMISED, "research")
    assert "CANARY" not in str(translation.bundle)


def test_a_rule_never_takes_back_what_a_mapping_carries() -> None:
    """PID-10 is in a rule, and carries the ethnic category of the NHS where a sender writes it there."""
    translation = admission(f"PID|1||{PERSON}||Test^A|||||A^White - British")
    assert fates(translation)["PID-10.1"][0] is Fate.MAPPED
    assert "EthnicCategory" in str(translation.bundle)


def test_of_staff_the_name_and_number_are_carried() -> None:
    translation = admission(f"PID|1||{PERSON}", "PV2|||||||||||||G1^Doe&van^Jo^^^Dr^DEGREE^^GMC^L^^^^WARD")
    found = fates(translation)
    assert [found[f"PV2-13.{part}"][0] for part in ("1", "2.1", "3", "6", "9")] == [Fate.MAPPED] * 5
    assert {found[f"PV2-13.{part}"] for part in ("2.2", "7", "10", "14")} == {(Fate.MINIMISED, "staff")}
    assert "DEGREE" not in str(translation.bundle)


def test_another_person_is_kept_out_by_a_rule() -> None:
    translation = admission(f"PID|1||{PERSON}", "PID|2||9990000026^^^NHS^NH||CANARY")
    assert translation.hold is not None
    assert fates(translation)["PID[2]-5"] == (Fate.MINIMISED, "one-person")
    assert "CANARY" not in str(translation.bundle)


def test_every_rule_says_what_and_why() -> None:
    for rule in rules().values():
        assert rule.because
        assert rule.why
        assert rule.fields or rule.parts, rule.name


@pytest.mark.parametrize("places", [("PID-3..x",), ("pid-3",), ("PID-0",), ("PID-3", "PID-3..5")])
def test_a_place_that_is_none_or_has_two_rules_is_refused(places: tuple[str, ...]) -> None:
    """Sabotage of the table."""
    broken = [
        Rule(name=f"r{index}", because="b", why="w", fields=(place,), parts="") for index, place in enumerate(places)
    ]
    with pytest.raises(ValueError, match=r"place|rules"):
        by_place(broken)
