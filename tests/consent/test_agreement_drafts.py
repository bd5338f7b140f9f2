"""The agreements of flows whose letter is not built: complete, true to their examples, and never in force."""

from pathlib import Path

import pytest

from consent.agreement_file import FLOWS, OF_ITS_OWN, AgreementError, check_examples, read_agreement
from consent.extracts import LETTER as EXTRACT
from consent.paths import compile_paths, permits
from consent.purposes import ACT_REASON, covers
from consent.shapes import Agreement, Coding, Outcome
from consent.ternary import Match
from fhir_profiles.letters import LETTERS
from gateway import wiring
from gateway.errors import SettingsError
from tests.consent.made import AGREEMENTS

DRAFTS = {
    path.stem: read_agreement(path.read_text("utf-8"), path.stem) for path in sorted((AGREEMENTS / "drafts").glob("*"))
}
BUILT = {path.stem: read_agreement(path.read_text("utf-8"), path.stem) for path in sorted(AGREEMENTS.glob("*.toml"))}
EVERY = {**BUILT, **DRAFTS}
CLINICAL = (
    "Observation.valueCodeableConcept.coding.code",
    "MedicationRequest.medicationCodeableConcept.coding.code",
    "Condition.code.coding.code",
    "CarePlan.description",
)


def may(agreement: Agreement, path: str) -> bool:
    return permits(compile_paths(agreement.paths), path)


def test_every_flow_has_its_agreement() -> None:
    assert {each.flow for each in EVERY.values()} == set(FLOWS)
    assert not set(BUILT) & set(DRAFTS)


def test_a_draft_is_a_draft_for_want_of_its_letter() -> None:
    """Whoever builds the letter takes the file out of the drafts; whoever drops a letter puts it back."""
    assert all(each.draft and each.letter not in LETTERS for each in DRAFTS.values())
    assert all(not each.draft and each.letter in {*LETTERS, EXTRACT} for each in BUILT.values())


@pytest.mark.parametrize("name", DRAFTS)
def test_a_draft_is_complete_and_its_examples_hold(name: str) -> None:
    agreement = DRAFTS[name]
    results = check_examples(agreement)
    assert [f"{item.name}: {item.text}" for item in results if not item.passed] == []
    assert any(example.stays for example in agreement.examples)
    assert all(len(item.why) > 20 for item in agreement.fields)
    care = agreement.without_consent == "implied"
    assert agreement.undecidable == ("hold" if care else "withhold")
    if agreement.regime != "anonymous":
        unasked = next(example for example in agreement.examples if not example.consents)
        assert (unasked.expect is Outcome.RELEASE) == care, "what holds where nobody asked is an example"


@pytest.mark.parametrize("name", ["board-report", "ndtms"])
def test_a_draft_is_never_in_force(name: str, tmp_path: Path) -> None:
    """INVARIANT: nothing is made under a draft, also where somebody takes the mark away."""
    file = tmp_path / f"{name}.toml"
    text = (AGREEMENTS / "drafts" / f"{name}.toml").read_text("utf-8")
    file.write_text(text, "utf-8")
    with pytest.raises(SettingsError) as told:
        wiring.read_agreements(tmp_path)
    assert (told.value.file, told.value.key) == (str(file), "draft")
    file.write_text("\n".join(line for line in text.splitlines() if not line.startswith("draft =")), "utf-8")
    with pytest.raises(SettingsError) as told:
        wiring.read_agreements(tmp_path)
    assert told.value.key == "letter"


def test_an_agreement_that_nothing_starts_is_not_in_force(tmp_path: Path) -> None:
    text = (AGREEMENTS / "handover.toml").read_text("utf-8").replace('"release-unclear"', '"released-perhaps"')
    (tmp_path / "handover.toml").write_text(text, "utf-8")
    with pytest.raises(SettingsError, match="no such event: released-perhaps") as told:
        wiring.read_agreements(tmp_path)
    assert told.value.key == "events"


@pytest.mark.parametrize("flow", ["", "F0", "F22", "f6"])
def test_a_flow_is_one_of_the_catalogue(flow: str) -> None:
    text = (AGREEMENTS / "correction.toml").read_text("utf-8").replace('flow = "F6"', f'flow = "{flow}"')
    with pytest.raises(AgreementError) as told:
        read_agreement(text, "x")
    assert told.value.key == "flow"


def test_routes_that_are_easily_confused_stay_apart() -> None:
    """Requirements section 2: what each may never carry, and on whose word it goes."""
    named, nobody = BUILT["harm-disclosure"], BUILT["report"]
    assert (named.recipient_class, nobody.recipient_class) == ("prison-security", "prison-security")
    assert named.regime == "uk-gdpr"
    assert named.without_consent == "harm-test"
    assert nobody.regime == "anonymous"
    assert named.letter != nobody.letter
    assert not {path.split(".")[0] for path in nobody.paths} & {path.split(".")[0] for path in named.paths} - {
        "Organization"
    }
    ndtms = DRAFTS["ndtms"]
    assert all(purpose.code == "ndtms" for purpose in ndtms.purpose)
    assert ndtms.identifier_systems == ("pseudonym:https://fhir.nhs.uk/Id/nhs-number",), "never the prison number"
    assert not may(ndtms, "Patient.name.family")
    # INVARIANT: who agreed to care, or to its co-ordination, has agreed to nothing else.
    care = Coding(system=ACT_REASON, code="TREAT")
    for each in EVERY.values():
        if each.without_consent == "nothing" and each.regime != "anonymous":
            assert all(covers(care, purpose) is Match.NO for purpose in each.purpose), each.name
    for name in ("family-contact", "probation-summary", "board-report", "acct-contribution"):
        assert not [path for path in CLINICAL if may(EVERY[name], path)], name
    assert not may(BUILT["evaluation-extract"], "Patient.birthDate")
    assert not may(EVERY["care-plan-update"], "QuestionnaireResponse.item.text")
    for name in ("mandatory-test-referral", "intelligence", "acct-contribution", "board-report", "probation-summary"):
        assert EVERY[name].identifier_systems == ("https://throughgate.example/id/prison-number",), name


@pytest.mark.parametrize(
    "name", ["mandatory-test-referral", "intelligence", "harm-disclosure", "board-report", "probation-summary"]
)
def test_offence_data_has_its_article_10_condition(name: str) -> None:
    assert EVERY[name].text["article_10"]
    assert EVERY[name].text["unsure"], "the condition is for the deploying organisation to settle"


def test_who_is_not_asked_outside_care_gets_nothing() -> None:
    care = {"care-team", "community-provider", "gp", "pharmacy", "receiving-prison", "safer-custody"}
    for each in EVERY.values():
        asked = OF_ITS_OWN.get(each.letter, "implied" if each.recipient_class in care else "nothing")
        assert each.without_consent == asked, each.name
