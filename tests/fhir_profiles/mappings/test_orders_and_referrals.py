"""Laboratory orders and referrals: what each is, and what it must not be taken for."""

from typing import Any

import pytest

from fhir_profiles.shapes import Event, Translation
from tests.fhir_profiles.mappings.golden_pairs import translate

Json = dict[str, Any]
PID = "PID|1||9990000018^^^NHS^NH~A1234BC^^^NOMIS^PI||Example^Sam||19850713|M"


def message(kind: str, *lines: str) -> Translation:
    header = f"MSH|^~\\&|PRISON-EHR|LEI|TG|HUB|20260401110000||{kind}|ID-1|P|2.5.1"
    return translate("\r".join((header, *lines)).encode())


def of(translation: Translation, kind: str) -> list[Json]:
    found = [entry["resource"] for entry in translation.bundle["entry"]]
    return [each for each in found if each["resourceType"] == kind]


@pytest.mark.parametrize(
    ("orc", "status", "known"),
    [
        ("ORC|NW|T-1", "active", True),
        ("ORC|CA|T-1", "revoked", True),
        ("ORC|HD|T-1", "on-hold", True),
        ("ORC|SC|T-1|||CM", "completed", True),
        ("ORC|NW|T-1|||CA", "revoked", True),
        *((f"ORC|{control}|T-1|||IP", "revoked", True) for control in ("RU", "RQ", "CA")),
        ("ORC|HD|T-1|||SC", "on-hold", True),
        ("ORC|HD|T-1|||CM", "completed", True),
        ("ORC|ZZ|T-1", "unknown", False),
    ],
)
def test_how_an_order_stands(orc: str, status: str, *, known: bool) -> None:
    """The status counts over the control, but lets nothing stand that the control ends; a word that is in no table is an issue."""
    translation = message("OML^O21", PID, orc, "OBR|1|T-1||HCV^Hepatitis C antibody^L")
    assert [each["status"] for each in of(translation, "ServiceRequest")] == [status]
    assert [issue.path for issue in translation.issues] == ([] if known else ["ORC-1"])


def test_an_order_of_a_drug_test_is_no_result() -> None:
    """Nothing is counted, and its purpose stands on the order."""
    translation = message("OML^O21", PID, "ORC|NW|T-1", "OBR|1|T-1||DRUGS^Urine drug screen^L|||||||||compact")
    assert translation.events == (Event.RECORD,)
    assert not of(translation, "DiagnosticReport")
    assert not of(translation, "Observation")
    assert "compact" in str(of(translation, "ServiceRequest")[0]["category"])


def test_a_cancellation_supersedes_the_order_that_it_names() -> None:
    new, cancelled = (
        of(message("OML^O21", PID, f"ORC|{control}|T-1^EHR", "OBR|1|T-1^EHR||HCV^Hepatitis C^L"), "ServiceRequest")[0]
        for control in ("NW", "CA")
    )
    assert new["id"] == cancelled["id"]


def test_orders_of_a_second_person_are_not_mixed() -> None:
    other = PID.replace("9990000018", "9990000026").replace("A1234BC", "A9999AA")
    order = ("ORC|NW|T-1", "OBR|1|T-1||HCV^Hepatitis C^L")
    translation = message("OML^O21", PID, *order, other, "ORC|NW|T-2", "OBR|2|T-2||HIV^HIV^L")
    assert translation.hold is not None
    assert [each["code"]["text"] for each in of(translation, "ServiceRequest")] == ["Hepatitis C"]


def refer(rf1: str, *more: str) -> Translation:
    return message("REF^I12", rf1, "PRD|RP|Example^Pat^^^Dr||||||||Court Team", PID, *more)


@pytest.mark.parametrize(
    ("word", "status"), [("P", "active"), ("A", "active"), ("R", "revoked"), ("E", "revoked"), ("", "unknown")]
)
def test_how_a_referral_stands(word: str, status: str) -> None:
    assert [each["status"] for each in of(refer(f"RF1|{word}"), "ServiceRequest")] == [status]


def test_a_referral_starts_nothing() -> None:
    """A drug test that it quotes is filed as a test, and no event of a new result comes of it."""
    drug_test = (
        "OBR|1||L-9|DRUGS^Urine drug screen^L|||20260301||||||therapeutic",
        "OBX|1|ST|19295-5^Opiates^LN||Positive||||||F",
    )
    translation = refer("RF1|P", *drug_test)
    assert translation.events == (Event.RECORD,)
    assert len(of(translation, "Observation")) == 1
    assert of(translation, "ServiceRequest")[0]["supportingInfo"]


def test_a_referral_says_who_to_answer() -> None:
    translation = refer("RF1|P")
    request, role = of(translation, "ServiceRequest")[0], of(translation, "PractitionerRole")[0]
    assert request["requester"] == {"reference": f"PractitionerRole/{role['id']}"}
    assert (role["practitioner"]["display"], role["organization"]["display"]) == ("Dr Pat Example", "Court Team")


def test_a_note_after_the_visit_is_of_the_referral_and_not_of_the_last_result() -> None:
    translation = refer(
        "RF1|P", "OBR|1||L-9|HCV^HCV^L", "OBX|1|ST|HCV^HCV^L||Negative||||||F", "PV1|1|O", "NTE|1||Please see soon"
    )
    assert of(translation, "ServiceRequest")[0]["note"] == [{"text": "Please see soon"}]
    assert "note" not in of(translation, "Observation")[0]
