"""`throughgate decide`: the shapes of DESIGN section 6, what may be left out, and that nothing left out widens an answer."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhir_profiles.systems import WITHDRAWN_EXTENSION
from gateway.__main__ import app
from gateway.deciding import QuestionError, decide_question

ODS = "https://fhir.nhs.uk/Id/ods-organization-code"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
SUBJECT = {"subject": {"reference": "Patient/p"}}
PATIENT = {"resourceType": "Patient", "id": "p"}
PLAN = {"resourceType": "CarePlan", "id": "plan", "title": "Substance misuse care plan", **SUBJECT}


def labelled(resource_id: str, *codes: str) -> dict[str, Any]:
    security = [{"system": ACT_CODE, "code": code} for code in codes]
    return {"resourceType": "Observation", "id": resource_id, "meta": {"security": security}, **SUBJECT}


def consent(*, denies: str = "", to: str = "", **more: Any) -> dict[str, Any]:
    """A permit for everybody in the IHE PCF dialect, with a denial of one label or of one recipient."""
    nested: dict[str, Any] = {"type": "deny"}
    if denies:
        nested["securityLabel"] = [{"system": ACT_CODE, "code": denies}]
    if to:
        role = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}
        nested["actor"] = [{"role": role, "reference": {"reference": to}}]
    scope = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]}
    return {
        "resourceType": "Consent",
        "id": "c1",
        "meta": {"versionId": "3"},
        "status": "active",
        "scope": scope,
        "patient": {"reference": "Patient/p"},
        "dateTime": "2026-01-02",
        "provision": {"type": "permit", **({"provision": [nested]} if denies or to else {})},
        **more,
    }


def question(**more: Any) -> dict[str, Any]:
    return {
        "as_of": "2026-01-15T12:00:00Z",
        "recipient": {"identifiers": [{"system": ODS, "value": "Y00002"}], "class": "community-provider", "roles": []},
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}],
        "action": {"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "disclose"},
        "consents": [consent()],
        "directory": [],
        "resources": [PATIENT, labelled("one", "SUD")],
        **more,
    }


def answer(**more: Any) -> dict[str, Any]:
    return decide_question(json.dumps(question(**more)).encode())


def by_id(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["id"]: (one["outcome"], one["rule"]) for one in found["resources"]}


def test_the_shape_of_an_answer() -> None:
    found = answer(consents=[consent(denies="SUD")])
    assert found["outcome"] == "deny"
    assert found["resources"][1] == {
        "id": "one",
        "type": "Observation",
        "outcome": "deny",
        "consent": "c1",
        "version": "3",
        "provision": "provision.provision[0]",
        "rule": "consent-deny",
    }
    assert by_id(found)["p"] == ("permit", "consent-permit")
    assert found["lint"] == []


def test_a_denied_label_denies_what_carries_it_and_nothing_else() -> None:
    found = answer(
        consents=[consent(denies="HIV")], resources=[PATIENT, labelled("one", "SUD"), labelled("two", "HIV")]
    )
    assert by_id(found) == {
        "p": ("permit", "consent-permit"),
        "one": ("permit", "consent-permit"),
        "two": ("deny", "consent-deny"),
    }


def test_labels_are_made_where_there_are_none() -> None:
    """A substance misuse plan that nobody labelled is denied by its label; the same plan labelled as something else is read as it is."""
    other = {**PLAN, "id": "labelled", "meta": {"security": [{"system": ACT_CODE, "code": "HIV"}]}}
    found = by_id(answer(consents=[consent(denies="SUD")], resources=[PATIENT, PLAN, other]))
    assert found["plan"] == ("deny", "consent-deny")
    assert found["labelled"] == ("permit", "consent-permit")


@pytest.mark.parametrize(("default", "expected"), [("permit", ("permit", "implied")), ("deny", ("deny", "no-consent"))])
def test_the_default_holds_where_no_consent_speaks(default: str, expected: tuple[str, str]) -> None:
    assert set(by_id(answer(consents=[], default=default)).values()) == {expected}


def test_an_absent_default_denies() -> None:
    assert answer(consents=[])["outcome"] == "deny"


def test_a_denial_of_somebody_who_cannot_be_found_holds() -> None:
    found = answer(consents=[consent(to="Organization/nobody-knows")])
    assert found["outcome"] == "hold"
    assert by_id(found)["one"] == ("hold", "undecidable")
    assert [remark["code"] for remark in found["lint"]] == ["dangling-actor"]
    assert {remark["consent"] for remark in found["lint"]} == {"c1"}


def test_the_directory_says_who_an_actor_is() -> None:
    elsewhere = {
        "resourceType": "Organization",
        "id": "nobody-knows",
        "identifier": [{"system": ODS, "value": "Y00009"}],
    }
    assert answer(consents=[consent(to="Organization/nobody-knows")], directory=[elsewhere])["outcome"] == "permit"
    named = {**elsewhere, "identifier": [{"system": ODS, "value": "Y00002"}]}
    assert answer(consents=[consent(to="Organization/nobody-knows")], directory=[named])["outcome"] == "deny"


def test_a_consent_after_the_moment_does_not_count() -> None:
    assert answer(as_of="2026-01-01T00:00:00Z")["outcome"] == "deny"


@pytest.mark.parametrize("name", ["purpose", "action", "directory"])
def test_what_is_left_out_widens_nothing(name: str) -> None:
    """Beside each of them stands a consent that only it could make a permit of."""
    narrow = consent()
    narrow["provision"] |= {
        "purpose": question()["purpose"],
        "action": [{"coding": [question()["action"]]}],
        "actor": [
            {
                "role": {"coding": [{"system": ACT_CODE.replace("ActCode", "ParticipationType"), "code": "IRCP"}]},
                "reference": {"reference": "Organization/this"},
            }
        ],
    }
    this = {"resourceType": "Organization", "id": "this", "identifier": [{"system": ODS, "value": "Y00002"}]}
    whole = question(consents=[narrow], directory=[this])
    assert decide_question(json.dumps(whole).encode())["outcome"] == "permit"
    del whole[name]
    assert decide_question(json.dumps(whole).encode())["outcome"] == "deny"


def test_resources_of_several_people_are_never_permitted_together() -> None:
    found = answer(
        consents=[],
        default="permit",
        resources=[PATIENT, {**PATIENT, "id": "q"}],
    )
    assert (found["outcome"], [reason["rule"] for reason in found["reasons"]]) == ("hold", ["several-people"])


def test_nothing_asked_is_denied() -> None:
    found = answer(resources=[], default="permit")
    assert (found["outcome"], [reason["rule"] for reason in found["reasons"]]) == ("deny", ["nothing-asked"])


def test_what_is_not_understood_stays_back() -> None:
    odd = {**labelled("odd", "SUD"), "modifierExtension": [{"url": "https://example.org/not", "valueBoolean": True}]}
    assert by_id(answer(resources=[PATIENT, odd]))["odd"] == ("deny", "not-understood")


@pytest.mark.parametrize(
    "broken",
    [
        {"as_of": "2026-01-15"},
        {"as_of": 7},
        {"recipient": []},
        {"recipient": {"roles": "all"}},
        {"purpose": "TREAT"},
        {"action": []},
        {"consents": {}},
        {"consents": [PATIENT]},
        {"consents": [7]},
        {"resources": [{}]},
        {"directory": ["Organization/1"]},
        {"default": "allow"},
        {"default": []},
        {"consent": []},
    ],
)
def test_a_question_that_cannot_be_read_is_refused_and_not_quoted(broken: dict[str, Any]) -> None:
    with pytest.raises(QuestionError) as refused:
        answer(**broken)
    assert "TREAT" not in str(refused.value)
    assert "allow" not in str(refused.value)


@pytest.mark.parametrize("name", ["as_of", "recipient", "consents", "resources"])
def test_what_must_be_there(name: str) -> None:
    asked = question()
    del asked[name]
    with pytest.raises(QuestionError, match=f"{name}: missing"):
        decide_question(json.dumps(asked).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"as_of": 1, "as_of": 2}'])
def test_bytes_that_are_no_question(body: bytes) -> None:
    with pytest.raises(QuestionError):
        decide_question(body)


@pytest.mark.parametrize(
    ("word", "more"),
    [
        ("50 consents", {"consents": [consent() for _ in range(51)]}),
        ("200 resources", {"resources": [PATIENT] * 201}),
        (
            "200 provisions",
            {"consents": [consent(provision={"type": "permit", "provision": [{"type": "deny"}] * 201})]},
        ),
        ("1000 codes", {"resources": [labelled("one", *("SUD" for _ in range(1001)))]}),
    ],
)
def test_a_question_from_a_stranger_has_bounds(word: str, more: dict[str, Any]) -> None:
    body = json.dumps(question(**more)).encode()
    with pytest.raises(QuestionError, match=f"at most {word}"):
        decide_question(body, bounded=True)
    assert decide_question(body)["resources"]


def test_an_ordinary_question_is_within_bounds() -> None:
    body = json.dumps(question()).encode()
    assert decide_question(body, bounded=True) == decide_question(body)


def test_malformed_fhir_is_answered_and_permits_nothing() -> None:
    """Whatever shape FHIR content has, there is an answer."""
    wild = [{"resourceType": "Consent", "id": "c1", "status": "active", "scope": 7, "provision": [[]], "meta": []}]
    found = answer(consents=wild, resources=[{**PATIENT, "meta": "none"}, {"resourceType": "Observation", "meta": []}])
    assert found["outcome"] != "permit"
    assert len(found["resources"]) == 2


def test_the_command_exits_0_with_an_answer_and_2_without_a_question(tmp_path: Path) -> None:
    file = tmp_path / "question.json"
    file.write_text(json.dumps(question(consents=[consent(to="Organization/nobody-knows")])), "utf-8")
    as_json = CliRunner().invoke(app, ["decide", str(file), "--json"])
    assert as_json.exit_code == 0
    assert json.loads(as_json.stdout)["outcome"] == "hold"
    for_people = CliRunner().invoke(app, ["decide", str(file)])
    assert for_people.stdout.startswith("hold\n")
    assert "Observation/one: undecidable (c1 3 provision.provision[0])" in for_people.stdout
    assert "lint        c1: dangling-actor" in for_people.stdout
    file.write_text("{}", "utf-8")
    refused = CliRunner().invoke(app, ["decide", str(file)])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "as_of: missing" in refused.stderr
    assert CliRunner().invoke(app, ["decide", str(tmp_path / "none.json")]).exit_code == 2


def test_what_the_person_took_back_is_a_dissent_here_as_on_the_line() -> None:
    """R4 has no reason for a status: that it was the person's act is a code, or our extension, and both count here too."""
    before = consent(meta={"versionId": "1"})
    said = {"url": WITHDRAWN_EXTENSION, "valueBoolean": True}
    later = {"status": "inactive", "dateTime": "2026-01-09"}
    for taken, found in ((consent(**later, extension=[said]), "deny"), (consent(**later), "permit")):
        assert by_id(answer(consents=[before, taken], default="permit"))["one"][0] == found
    assert by_id(answer(consents=[before, consent(**later, extension=[said])], default="permit"))["one"][1] == "dissent"


def test_a_yes_on_terms_that_nobody_would_keep_is_no_plain_yes() -> None:
    """As on the line (docs/decisions/0044): the terms of what permits, and what the resource itself asks for; what is done anyway asks for nothing."""
    label = {"system": ACT_CODE, "code": "NORDSCLCD"}
    on_terms = consent(provision={"type": "permit", "securityLabel": [label]})
    assert by_id(answer(consents=[on_terms]))["one"] == ("hold", "obligation")
    assert by_id(answer(consents=[on_terms], resources=[PATIENT]))["p"] == ("hold", "obligation")
    assert by_id(answer(resources=[PATIENT, labelled("one", "SUD", "NORDSCLCD")]))["one"] == ("hold", "obligation")
    assert by_id(answer(resources=[PATIENT, labelled("one", "SUD", "MINEC")]))["one"] == ("permit", "consent-permit")
    several = [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": code} for code in ("TREAT", "HRESCH")
    ]
    assert by_id(answer(consents=[on_terms], purpose=several))["one"] == ("hold", "obligation")
