"""`try`: the shapes of DESIGN section 6, the same answer to the same question, and nothing kept."""

import json
from pathlib import Path

import pytest

from gateway import wiring
from gateway.settings import read_settings
from gateway.store.schema import message
from gateway.trying import try_close, try_message
from tests.builders import (
    METHADONE,
    OPIATES,
    Assay,
    adt_a01,
    adt_a03,
    adt_a40,
    care_plan,
    consent,
    fhir_message,
    medication_request,
    oru_r01,
    synthetic_person,
)
from tests.line import CLINICAL, EHR, make_installation, register_clients

AS_OF = "2026-01-20T12:00:00+00:00"


def plan(number: int = 1) -> bytes:
    return fhir_message(
        synthetic_person(number),
        resources=[care_plan(start="2026-01-02", description="plan")],
        message_id=f"PLAN-{number}",
    )


def test_the_members_of_the_answer() -> None:
    """Every member of the stable shape, with its type."""
    found = try_message(adt_a03(), history=[plan()], as_of=AS_OF)
    assert set(found) >= {"message", "bundle", "fields", "decisions", "tells", "tasks"}
    assert set(found["message"]) >= {"kind", "event", "subject", "outcome", "issues"}
    assert (found["message"]["kind"], found["message"]["event"], found["message"]["outcome"]) == (
        "ADT^A03",
        "release",
        "released",
    )
    decision, copy = found["decisions"]
    assert (copy["letter"], copy["class"]) == ("gp-copy", "gp")
    wanted = {"recipient", "class", "agreement", "letter", "outcome", "reasons", "released", "counted", "withheld"}
    assert set(decision) >= wanted
    assert set(decision["released"]) == {"wire", "content_type", "body"}
    assert (decision["outcome"], decision["counted"]) == ("release", None)
    assert all(set(each) == {"source", "fate", "path", "reason", "recipients"} for each in found["fields"])


def test_the_same_question_has_the_same_answer() -> None:
    """Fixed ids and naming keys."""
    assert try_message(adt_a03(), history=[plan()], as_of=AS_OF) == try_message(
        adt_a03(), history=[plan()], as_of=AS_OF
    )


def test_the_sender_is_named_and_any_processing_id_is_taken() -> None:
    """Without a register nobody is refused."""
    for processing_id in ("P", "T", "D"):
        found = try_message(adt_a01(processing_id=processing_id), as_of=AS_OF)
        assert found["message"]["outcome"] == "released"
        assert [each["severity"] for each in found["message"]["issues"] if "sender" in each["text"]] == ["information"]


def test_a_refusal_and_a_hold() -> None:
    """Rejected has issues with a place; held says why."""
    rejected = try_message(b"MSH|^~\\&|A|B|C|D|20260101||ZZZ^Z01|1|P|2.5.1\r", as_of=AS_OF)
    assert rejected["message"]["outcome"] == "rejected"
    assert [each["path"] for each in rejected["message"]["issues"] if each["severity"] in ("error", "fatal")]
    held = try_message(adt_a40(prior_prison_number="LOCAL-7"), as_of=AS_OF)
    assert held["message"]["outcome"] == "held"
    assert "merge-waits" in [each["code"] for each in held["message"]["issues"]]
    assert "merge-waits" in [each["code"] for each in held["tells"]]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\x00\xff", b"MSH"])
def test_junk_gets_a_clear_answer(body: bytes) -> None:
    """Never an exception."""
    assert try_message(body, as_of=AS_OF)["message"]["outcome"] == "rejected"


def test_a_resource_about_nobody_is_held() -> None:
    """A single resource can be read; whose it is cannot."""
    assert try_message(b'{"resourceType":"Patient"}', as_of=AS_OF)["message"]["outcome"] == "held"


def test_no_recipient_is_a_hold_with_nobody() -> None:
    """Recipient null, class known, told; the message itself is released."""
    found = try_message(adt_a03(synthetic_person(1, postcode="")), as_of=AS_OF)
    decision, _copy = found["decisions"]
    assert (decision["recipient"], decision["class"], decision["outcome"]) == (None, "community-provider", "hold")
    assert decision["released"] is None
    assert found["message"]["outcome"] == "released"
    assert "no-recipient" in [each["code"] for each in found["tells"]]


def test_consents_count_as_from_an_authority() -> None:
    """A bare Consent, a permit or a deny, about the message's person."""
    deny = consent(resource_id="c", at="2026-01-02T09:00:00+00:00", decision="deny")
    found = try_message(adt_a03(), consents=[_json(deny)], as_of=AS_OF)
    assert [each["outcome"] for each in found["decisions"]] == ["withhold", "withhold"]
    assert "withheld-by-consent" in [each["code"] for each in found["tells"]]
    permit = consent(resource_id="c", at="2026-01-02T09:00:00+00:00", decision="permit")
    permitted = try_message(adt_a03(), consents=[_json(permit)], as_of=AS_OF)["decisions"]
    assert [each["outcome"] for each in permitted] == ["release", "release"]


def test_a_consent_that_does_not_count_is_said() -> None:
    """Not JSON, and not a Consent that R4 knows."""
    found = try_message(adt_a03(), consents=[b"{", b'{"resourceType":"Consent","status":"nonsense"}'], as_of=AS_OF)
    texts = [each["text"] for each in found["message"]["issues"] if each["severity"] in ("error", "fatal")]
    assert any(text.startswith("consent 1") for text in texts)
    assert any(text.startswith("consent 2") for text in texts)


def test_a_duplicate_of_the_history_is_said_and_does_nothing() -> None:
    """The same inbox: issue code `duplicate`."""
    found = try_message(adt_a03(), history=[adt_a03()], as_of=AS_OF)
    assert "duplicate" in [each["code"] for each in found["message"]["issues"]]
    assert found["decisions"] == []
    twice = try_message(adt_a03(), history=[plan(), plan()], as_of=AS_OF)
    assert "duplicate" in [each["code"] for each in twice["message"]["issues"]]


def test_results_are_counted_one_decision_a_cell() -> None:
    """Each cell with its report, month and group; nothing is released."""
    assays = [
        Assay(code=OPIATES[0], text=OPIATES[1], result="positive"),
        Assay(code="14316-4", text="Benzodiazepines", result="negative"),
    ]
    found = try_message(oru_r01(assays=assays), history=[plan()], as_of=AS_OF)
    cells = [each["counted"] for each in found["decisions"] if each["outcome"] == "counted"]
    assert [cell["cell"] for cell in cells] == ["benzodiazepines", "opiates"]
    assert {cell["period"] for cell in cells} == {"2026-01"}
    assert all(each["released"] is None for each in found["decisions"])


def test_a_mandatory_test_is_not_counted() -> None:
    """Nothing is counted, and nobody gets it as a clinical result: it is a referral for the team."""
    found = try_message(oru_r01(purpose="mandatory"), history=[plan()], as_of=AS_OF)
    assert [(each["letter"], each["outcome"], each["counted"]) for each in found["decisions"]] == [
        ("mandatory-test-referral", "release", None),
        ("report", "withhold", None),
    ]


def test_a_test_without_a_purpose_is_a_task() -> None:
    found = try_message(oru_r01(purpose=""), history=[plan()], as_of=AS_OF)
    assert "purpose-unknown" in [each["code"] for each in found["tasks"]]


def test_a_prescription_for_the_nominated_pharmacy() -> None:
    """The pharmacy of the person's own record gets a copy."""
    request = medication_request(METHADONE, resource_id="rx", authored="2026-01-15", text="40 mg", category="discharge")
    found = try_message(fhir_message(resources=[request]), as_of=AS_OF)
    assert [(each["letter"], each["class"], each["outcome"]) for each in found["decisions"]] == [
        ("prescription-copy", "pharmacy", "release"),
        ("prescription-copy", "gp", "release"),
    ]
    assert "information only" in found["decisions"][0]["released"]["body"].lower()


def test_the_reports_that_messages_make() -> None:
    """Thirteen people: a cell is shown; every cell of the form is there; eleven are carried in the next month's."""
    bodies = [
        body for number in range(13) for body in (plan(number), _test(number, "positive" if number < 3 else "negative"))
    ]
    found = try_close([*bodies, *bodies[:2]])
    (report,) = found["reports"]
    assert (report["report"], report["establishment"], report["period"]) == ("report", "ZFG", "2026-01")
    assert len(report["cells"]) == 10
    (cell,) = [each for each in report["cells"] if each["group"] == "opiates"]
    assert (cell["tested"], cell["shown"]) == ("15", "seen")
    assert (report["carried"], report["dropped"]) == ([], [])
    few = try_close(bodies[:22])
    assert (few["reports"][0]["carried"], few["reports"][0]["dropped"]) == (["opiates"], [])


def test_a_report_is_made_on_its_day() -> None:
    """With --as-of: the eighth of the month after, and not before."""
    bodies = [body for number in range(9) for body in (plan(number), _test(number, "negative"))]
    assert try_close(bodies, as_of="2026-02-07T12:00:00+00:00") == {"reports": []}
    assert len(try_close(bodies, as_of="2026-02-08T12:00:00+00:00")["reports"]) == 1


def test_with_a_configuration_the_register_is_asked(tmp_path: Path) -> None:
    """No client, no message; a registered client's message passes, a processing id is still free."""
    config = make_installation(tmp_path, {"northfell": 9, "pharmacy": 9, "security": 9})
    refused = try_message(adt_a03(), config=config, as_of=AS_OF)
    assert refused["message"]["outcome"] == "rejected"
    with wiring.open_parts(read_settings(config)) as gateway:
        register_clients(gateway)
    assert {EHR, CLINICAL} <= set(wiring.registered_clients(read_settings(config)) or ())
    taken = try_message(adt_a03(processing_id="T"), config=config, as_of=AS_OF)
    assert (taken["message"]["outcome"], [each["recipient"] for each in taken["decisions"]]) == (
        "released",
        ["northfell"],
    )
    with wiring.open_parts(read_settings(config)) as gateway, gateway.store.read() as c:
        assert c.execute(message.select()).first() is None  # nothing is stored


def _test(number: int, result: str) -> bytes:
    return oru_r01(
        synthetic_person(number),
        assays=[Assay(code=OPIATES[0], text=OPIATES[1], result=result)],
        message_id=f"ORU-{number}",
        at="20260110100000+0000",
    )


def _json(resource: dict[str, object]) -> bytes:
    return json.dumps(resource).encode()
