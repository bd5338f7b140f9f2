"""A person flagged sensitive: every letter of every wire, let go by a person to whom they named, and no place of theirs in the bytes.

One canary for each place that could say where the person is or who near them gives care (consent.md section 4 F19, F26, F41, F50, F51, F54,
B9, V1). The same letters without the flag hold them: without that control the test would say nothing.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from pypdf import PdfReader

from consent.agreement_file import read_agreement
from consent.decide import decide
from consent.minimise import minimise
from consent.sensitive import NOT_NAMED, unplaced, without_words
from consent.shapes import Decision, Facts, Outcome, Override, OverrideKind, Party, Request
from fhir_profiles import systems
from fhir_profiles.compose import LETTERS, compose
from fhir_profiles.fhir_json import decode
from fhir_profiles.render import render
from fhir_profiles.shapes import Heading, Json, LetterContext, Severity
from fhir_profiles.validate import validate
from gateway.steps.release import DIRECTORY, UNNAMED_SENDER, places_of
from tests.consent.made import fhir_consent, notice, provision, registered
from tests.fhir_profiles.letters.files import AS_OF, CONTEXT, HEADING, case, resources_in
from tests.fhir_profiles.letters.test_through_the_gate import AGREEMENTS, NAMING

BY_TWO = Override(kind=OverrideKind.HARM_TEST, until="9999-12-31T00:00:00+00:00")
CANARIES: Mapping[str, str] = {
    "establishment": "HMP Qvxfell",
    "establishment as people say it": "Qvxfell",
    "agency": "QVX",
    "its telephone": "07700 900001",
    "sender": "Qvxhealth Trust",
    "sender's code": "QVS01",
    "sender's address": "https://qvxgate.example/fhir",
    "street": "1 Qvxhome Street",
    "city": "Qvxton",
    "postcode": "QV1 1ZZ",
    "person's telephone": "07700 900002",
    "practice": "Qvxsurgery",
    "practice's code": "QVG01",
    "pharmacy": "Qvxpharmacy",
    "pharmacy's street": "2 Qvxpill Lane",
    "pharmacy's code": "QVP01",
    "provider": "Qvxrecovery",
    "provider's area": "Qvxshire",
    "provider's telephone": "07700 900003",
    "place of an appointment": "Qvxhouse",
    "who gives care": "Qvxnurse",
    "their telephone": "07700 900004",
    "team": "Qvxteam",
    "kin's address": "3 Qvxkin Road",
    "who recorded it": "Qvxservice",
}
OWN = "Exampleton Own Service"
DOSES = ("40 ml once a day", "35 ml once a day", "40.00")


def place(kind: str, name: str, code: str, **more: Any) -> Json:
    identifier = [{"system": systems.ODS, "value": code}] if code else []
    labelled = {"meta": {"security": [{"system": systems.CONFIDENTIALITY, "code": "N"}]}}
    return {
        "resourceType": kind,
        **labelled,
        **({"identifier": identifier} if identifier else {}),
        "name": name,
        **more,
    }


def telecom(number: str) -> Json:
    return {"telecom": [{"system": "phone", "value": number}]}


def planted(name: str, code: str) -> tuple[list[Json], LetterContext]:
    """The file of a letter with a canary in each place; the Patient's confidentiality is `code`."""
    file, context = case(name)
    can = CANARIES
    added: list[Json] = [
        place("Organization", can["practice"], can["practice's code"], id="surgery"),
        place("Organization", can["pharmacy"], can["pharmacy's code"], id="pills", address=[{"line": [can["pharmacy's street"]]}]),
        place("Organization", OWN, "Y00002", id="own"),
        place("Location", can["place of an appointment"], "", id="house", address={"text": can["place of an appointment"]}),
    ]  # fmt: skip
    made = [_planted(each, code) for each in file]
    words = {
        "establishment": can["agency"],
        "establishment_name": f"{can['establishment']} (example)",
        "establishment_telephone": can["its telephone"],
        "recorded_by": can["who recorded it"],
    }
    told = {"resourceType": "Patient", "id": "patient", **_person(code), "identifier": file[0]["identifier"]}
    return [*made, *added], replace(context, **words, known_as=json.dumps(told))  # type: ignore[arg-type]  # words are texts


def _person(code: str) -> Json:
    can = CANARIES
    return {
        "meta": {"security": [{"system": systems.CONFIDENTIALITY, "code": code}]},
        "name": [{"use": "official", "family": "Example", "given": ["Alex"]}],
        "address": [{"use": "home", "line": [can["street"]], "city": can["city"], "postalCode": can["postcode"]}],
        **telecom(can["person's telephone"]),
        "generalPractitioner": [
            {"identifier": {"system": systems.ODS, "value": can["practice's code"]}, "display": can["practice"]}
        ],
        "contact": [{"name": {"family": "Kin"}, "address": {"line": [can["kin's address"]]}}],
    }


def _planted(resource: Json, code: str) -> Json:
    can, kind, own = CANARIES, resource["resourceType"], resource["id"]
    made = dict(resource)
    if kind == "Patient":
        nominated = {"identifier": {"system": systems.ODS, "value": can["pharmacy's code"]}}
        pharmacy = [{"url": systems.UK_CORE_NOMINATED_PHARMACY, "valueReference": nominated}]
        made |= {**_person(code), "extension": pharmacy}
    elif kind == "Organization":
        made |= {
            "name": can["provider"],
            **telecom(can["provider's telephone"]),
            "address": [{"city": can["provider's area"]}],
        }
    elif kind == "Practitioner":
        made |= {"name": [{"family": can["who gives care"]}], **telecom(can["their telephone"])}
    elif kind == "CareTeam":
        desk = {"display": f"{can['team']} desk, {can['its telephone']}"}
        made |= {
            "name": can["team"],
            "participant": [*resource["participant"], {"member": desk}],
            **telecom(can["its telephone"]),
        }
    elif kind == "Appointment":
        house = {"reference": "Location/house", "display": can["place of an appointment"]}
        actors = [house, {"display": can["place of an appointment"]}, {"display": OWN}]
        made["participant"] = [*resource["participant"], *({"actor": each, "status": "accepted"} for each in actors)]
        made |= {"comment": f"at {can['place of an appointment']}", "description": f"Ask for {can['who gives care']}"}
    elif kind == "Encounter":
        made["location"] = [{"location": {"display": can["establishment"]}}]
        made["serviceProvider"] = {
            "display": can["establishment"],
            "identifier": {"system": systems.AGENCY, "value": can["agency"]},
        }
    elif kind == "MedicationRequest" and own == "methadone":
        written = f"40 ml once a day, supervised, at {can['pharmacy'].upper()}, {can['postcode'].replace(' ', '')}"
        made["dosageInstruction"] = [{**resource["dosageInstruction"][0], "text": written}]
        made["note"] = [
            {
                "text": f"Started at {can['establishment as people say it']}, call {can['its telephone'].replace(' ', '')}"
            }
        ]
        number = "24F5DA-{}-7EFE6Z".format(can["practice's code"])
        made["identifier"] = [{"system": "https://fhir.nhs.uk/Id/prescription-order-number", "value": number}]
    return made


def decided(name: str, code: str, *, named: bool = True) -> tuple[Json, Decision]:
    file, context = planted(name, code)
    agreement = read_agreement((AGREEMENTS / f"{name}.toml").read_text("utf-8"), name)
    bundle = compose(name, file, context, AS_OF).bundle
    facts = Facts(
        resources=tuple(resources_in(bundle)),
        consents=registered(fhir_consent(provision("permit")), notice()) if name == "probation-summary" else (),
        directory=tuple(each for each in file if each["resourceType"] in DIRECTORY),
        places=places_of(file, context),
    )
    own = Party(identifiers=((systems.ODS, "Y00002"),), recipient_class=agreement.recipient_class)
    request = Request(
        recipient=own,
        purpose=agreement.purpose,
        action=agreement.action,
        letter=name,
        as_of=AS_OF,
        person_released=True,
        recipient_named=named,
        override=BY_TWO if agreement.without_consent == "harm-test" else None,
    )
    return bundle, decide(request, facts, agreement)


def texts(body: bytes, content_type: str) -> str:
    if content_type != "application/pdf":
        return body.decode()
    reader = PdfReader(io.BytesIO(body))
    return "\n".join(page.extract_text() for page in reader.pages) + str(reader.metadata)


def found_in(text: str) -> Iterator[str]:
    plain = re.sub(r"\s+", "", text).lower()
    return (site for site, canary in CANARIES.items() if canary.replace(" ", "").lower() in plain)


def faults(left: Json, heading: Heading, name: str) -> set[str]:
    """What is no FHIR in a letter: what was taken out of it breaks nothing that was whole."""
    issues = validate(decode(render(left, LETTERS[name].wires[0], heading).body))
    return {each.text for each in issues if each.severity is Severity.ERROR}


ON_PAPER = ("handover", "prescription-copy")
"""A sheet takes long to print, and is made from the same text as hl7v2."""
ABOUT_A_PERSON = sorted(name for name, kind in LETTERS.items() if kind.about_a_person)


def test_no_place_of_a_flagged_person_is_in_any_letter_on_any_wire() -> None:
    seen, wires = set[str](), set[str]()
    sender = {
        "sender_ods": CANARIES["sender's code"],
        "sender_name": CANARIES["sender"],
        "sender_endpoint": CANARIES["sender's address"],
    }
    heading = replace(HEADING, **sender, destination_name=OWN)
    unnamed = replace(heading, sender_ods="", sender_name=UNNAMED_SENDER, sender_endpoint="")
    for name in ABOUT_A_PERSON:
        control, plain = decided(name, "N")
        seen |= set(found_in(json.dumps(control, default=str)))
        bundle, decision = decided(name, "R")
        assert decision.outcome in (Outcome.RELEASE, Outcome.REDUCE), name
        left = minimise(bundle, decision, NAMING).bundle
        assert not list(found_in(json.dumps(left, default=str))), name
        for wire in (each for each in LETTERS[name].every_wire if each != "pdf" or name in ON_PAPER):
            rendered = render(left, wire, unnamed)
            text = texts(rendered.body, rendered.content_type)
            assert (name, wire, list(found_in(text))) == (name, wire, [])
            wires.add(wire)
        openly = minimise(control, plain, NAMING).bundle
        assert faults(left, unnamed, name) <= faults(openly, heading, name), name
        seen |= set(found_in(texts(render(openly, LETTERS[name].wires[0], heading).body, "")))
    assert seen == CANARIES.keys()
    assert {"pdf", "hl7v2", "hl7v2-oru", "fhir-document", "fhir-message", "fhir-collection"} <= wires


def test_what_a_clinician_has_to_act_on_is_in_the_letter_and_whom_to_ask() -> None:
    bundle, decision = decided("handover", "R")
    left = json.dumps(minimise(bundle, decision, NAMING).bundle, default=str)
    for needed in (
        *DOSES,
        "9990000026",
        "1985-05-05",
        "Penicillin",
        "Risk of self-harm",
        "2026-01-16T10:00:00+00:00",
        "supervised",
        OWN,
    ):
        assert needed in left, needed
    assert "Whoever let this letter go to you knows how they are to be reached" in left
    assert "No telephone number of the establishment is set" not in left
    assert "at not named in this letter" in left


@pytest.mark.parametrize("code", ["R", "V"])
def test_nothing_leaves_where_a_person_has_let_it_go_and_named_nobody(code: str) -> None:
    for name in ABOUT_A_PERSON:
        _, decision = decided(name, code, named=False)
        assert decision.outcome in (Outcome.HOLD, Outcome.WITHHOLD), name
        assert "sensitive-person" in {reason.rule for reason in decision.reasons}, name
    assert CONTEXT.establishment_name not in CANARIES.values()


def test_a_place_that_is_a_word_takes_no_date_no_dose_and_no_advice() -> None:
    """Nor what an organisation's contact is for; the same names where they can only be places go (sabotage: Fellgate does)."""
    flagged = {
        "resourceType": "Patient",
        "id": "p",
        "meta": {"security": [{"system": systems.CONFIDENTIALITY, "code": "R"}]},
        "address": [{"city": "March"}, {"city": "Reading"}, {"city": "Deal"}, {"city": "Fellgate"}],
    }
    prison = {
        "resourceType": "Organization",
        "id": "o",
        "alias": ["HMP Send"],
        "contact": [{"purpose": {"text": "Methadone"}}],
    }
    hidden = unplaced([flagged], (prison,), Party(identifiers=(), recipient_class="community-provider"))
    assert hidden is not None
    for kept in (
        "Last dose 14 March 2026, 40 ml",
        "Blood pressure reading 150/95",
        "Deal with withdrawal first",
        "Methadone 40 ml once a day",
        "Send to A&E at once if drowsy",
    ):
        assert without_words("text", kept, hidden.words) == kept
    for place_told in ("seen at HMP Send", "back to Fellgate", "back to FELLGATE"):
        assert without_words("text", place_told, hidden.words).endswith(NOT_NAMED.lower())
