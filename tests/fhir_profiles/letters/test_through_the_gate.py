"""Every letter through its shipped agreement: what its recipient must have survives minimisation, and the claims still hold."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from consent.agreement_file import read_agreement
from consent.decide import decide
from consent.minimise import minimise
from consent.shapes import Decision, Facts, Naming, Override, OverrideKind, Party, Request
from fhir_profiles.compose import LETTERS, compose, compose_report
from fhir_profiles.fhir_json import decode, encode
from fhir_profiles.profiles import PROFILES
from fhir_profiles.render import render
from fhir_profiles.shapes import Json, LetterContext, Severity
from fhir_profiles.validate import validate
from tests.consent.made import fhir_consent, notice, provision, registered
from tests.fhir_profiles.letters.files import (
    AS_OF,
    CONTEXT,
    HEADING,
    REPORTS,
    case,
    patient,
    prescription,
    resources_in,
)

AGREEMENTS = Path(__file__).resolve().parents[3] / "consent" / "agreements"
NAMING = Naming(id_key=bytes(range(32)))
BY_TWO = Override(kind=OverrideKind.HARM_TEST, until="9999-12-31T00:00:00+00:00")
AGREED = registered(fhir_consent(provision("permit")), notice())


@cache
def released(name: str, *, marked: bool = False) -> Json:
    return through(name, *case(name), marked=marked)


def through(name: str, file: Sequence[Json], context: LetterContext = CONTEXT, *, marked: bool = False) -> Json:
    bundle = minimised(name, file, context, marked=marked)
    return decode(render(bundle, LETTERS[name].default_wire, HEADING).body)


def minimised(name: str, file: Sequence[Json], context: LetterContext = CONTEXT, *, marked: bool = False) -> Json:
    """What the shipped agreement lets out of a letter, before a wire writes it."""
    bundle, decision = decided(name, file, context)
    return minimise(bundle, replace(decision, withheld_marker=marked), NAMING).bundle


def decided(
    name: str, file: Sequence[Json], context: LetterContext = CONTEXT, under: str = ""
) -> tuple[Json, Decision]:
    """A letter as it is composed, and what a shipped agreement decides of it: the one of its own name, or another."""
    agreement = read_agreement((AGREEMENTS / f"{under or name}.toml").read_text("utf-8"), under or name)
    bundle = compose_report(REPORTS[name]).bundle if name in REPORTS else compose(name, file, context, AS_OF).bundle
    request = Request(
        recipient=Party(identifiers=(), recipient_class=agreement.recipient_class),
        purpose=agreement.purpose,
        action=agreement.action,
        letter=name,
        as_of=AS_OF,
        override=BY_TWO if agreement.without_consent == "harm-test" else None,
    )
    consents = AGREED if name == "probation-summary" else ()
    return bundle, decide(request, Facts(resources=tuple(resources_in(bundle)), consents=consents), agreement)


NEEDED = {
    "handover": (
        "9990000026", "Example", "1985-05-05", "LS1 1ZZ", "Y99001", "Example Surgery",
        "Methadone 1mg/ml oral solution", "36120711000001104", "40 ml once a day, supervised", "280.0", "Prescriber",
        '"value":40.00', "2026-01-15T08:05:00+00:00", '"code":"supervised"', "Sertraline 50mg tablets", "One each morning",
        "Buprenorphine 2mg sublingual tablets", '"end":"2026-01-01"', '"code":"screening"', '"code":"confirmatory"', '"code":"therapeutic"',
        "Presumptive: this is not a confirmatory result.", "Urine drug screen", "AUDIT total score", '"valueInteger":12',
        "Risk of self-harm: ACCT open", "Maintain on methadone; relapse prevention group weekly.", "Opioid dependence", "Penicillin",
        "Naloxone 1.8mg nasal spray", "Two sprays to take home", "35 ml once a day, from the community pharmacy", '"start":"2026-01-16"',
        "2026-01-16T10:00:00+00:00", "Exampleton Recovery, first appointment", "HMP Fellgate", "0113 496 0000", "2026-01-15T10:30:00+00:00",
        "No earlier message that is known to be about this person waits outside it.",
        "Hepatitis C test offered and accepted, result awaited",
        "QTc 462 ms, sinus rhythm", "ALT 61", '"text":"Smoker"', "Supplied, training given", "Interpreter for every appointment",
        "Nurse", "Sam Recovery", "Fellgate substance misuse desk, 0113 496 0001", "0113 496 0002", "FX001", "Polish, with an interpreter",
        '"text":"recovery-coordinator"', "stays in the register of the sending service",
    ),
    "assessment": (
        "9990000026", "Z0001AA", "Example", "1985-05-05", "HMP Fellgate", "0113 496 0000", "Recorded at HMP Fellgate. Forms: 1, results and scores: 2.",
        "Used heroin in the last month", "Daily until Friday", "2026-01-15T09:00:00+00:00", "AUDIT total score", '"valueInteger":12', "opiates",
        '"code":"positive"',
        '"code":"screening"', "Presumptive: this is not a confirmatory result.", "Urine drug screen", "Risk of self-harm: ACCT open",
        "never used as a mandatory test", "Polish, with an interpreter",
    ),
    "care-plan-update": (
        "9990000026", "Example", "1985-05-05", "HMP Fellgate", "0113 496 0000", "Maintain on methadone; relapse prevention group weekly.",
        "Stay with treatment after release", "Nurse", "Sam Recovery", "Exampleton Recovery", "Methadone 1mg/ml oral solution",
        "40 ml once a day, supervised", "Prescriptions that changed with it: 1.", "Risk of self-harm: ACCT open",
    ),
    "engagement": (
        "9990000026", "Z0001AA", "Example", "1985-05-05", "Told by Exampleton Recovery", "Appointments that were kept: 1",
        "contacts in which the person was seen: 1", "2026-01-14T10:00:00+00:00", '"status":"fulfilled"', "HMP Fellgate",
    ),
    "community-record": (
        "9990000026", "Z0001AA", "Example", "1985-05-05", "Told by Exampleton Recovery. Prescriptions: 1, doses given: 1", "Methadone 1mg/ml oral solution",
        "40 ml once a day, supervised", '"value":40.00', "2026-01-15T08:05:00+00:00", '"code":"supervised"', "Penicillin", "Risk of self-harm: ACCT open",
        "no authority to supply", "Prescriber",
    ),
    "acct-contribution": (
        "Z0001AA", "Example", "1985-05-05", "Anniversary on Friday is a trigger", "2026-01-15T11:00:00+00:00", "Risk of self-harm: ACCT open",
        "2026-01-16T10:00:00+00:00", "HMP Fellgate",
    ),
    "persons-handover": (
        "9990000026", "Example", "1985-05-05", "Methadone 1mg/ml oral solution", "How to take it: 40 ml once a day, supervised.",
        "from Friday 16 January 2026, 35 ml once a day", "How much: 40.00 ml (forty). When: Thursday 15 January 2026 at 08:05.", "FX001",
        "Friday 16 January 2026 at 10:00.", "Exampleton Recovery. Call 0113 496 0002.", "Example Surgery",
        "Your nurse: Nia Nurse.", "Your recovery worker: Sam Recovery.", "Ask first: Fellgate substance misuse desk, 0113 496 0001.",
        "Naloxone 1.8mg nasal spray. How to take it: Two sprays to take home.", "Supplied, training given", "Sertraline 50mg tablets",
        "HMP Fellgate. Call 0113 496 0000.", "Two doses on one day can kill.", "If you missed a dose, ask before you take more.",
        "This paper is yours.",
    ),
    "persons-transfer": (
        "9990000026", "Example", "1985-05-05", "Methadone 1mg/ml oral solution", "How to take it: 40 ml once a day, supervised.",
        "How much: 40.00 ml (forty). When: Thursday 15 January 2026 at 08:05.", "Your nurse: Nia Nurse.", "Your recovery worker: Sam Recovery.",
        "Ask first: Fellgate substance misuse desk, 0113 496 0001.", "Naloxone 1.8mg nasal spray", "Sertraline 50mg tablets",
        "HMP Fellgate. Call 0113 496 0000.", "Two doses on one day can kill.", "This paper is yours.", "Show it to the nurse here.",
    ),
    "probation-summary": (
        "Z0001AA", "Example", "1985-05-05", "HMP Fellgate", "0113 496 0000", '"resourceType":"CarePlan"', "Exampleton Recovery", "0113 496 0002",
        "2026-01-17T09:30:00+00:00", "because the person agreed", "says nothing against the person", "not for enforcement",
    ),
    "mandatory-test-referral": (
        "Z0001AA", "Example", "1985-05-05", "a mandatory drug test was positive", "Positive mandatory drug test", '"code":"mandatory"', "cocaine",
        '"code":"positive"', "2026-01-10T09:00:00+00:00", '"code":"mandatory-test-to-treatment"', "Nothing goes back to security", "HMP Fellgate",
    ),
    "referral": (
        "9990000026", "Example", "1985-05-05", "LS1 1ZZ", "REF-77", "Opioid dependence, release in two weeks", "Would like a morning appointment",
        "2026-01-14T09:00:00+00:00", '"intent":"plan"', '"code":"custody-to-community"', '"code":"new"', "Prescriber", "Methadone 1mg/ml oral solution",
        "40 ml once a day, supervised", '"value":40.00', "2026-01-15T08:05:00+00:00", "Risk of self-harm: ACCT open", "Opioid dependence", "Penicillin",
        "Maintain on methadone", "HMP Fellgate", "0113 496 0000", "Nurse", "Sam Recovery", "Fellgate substance misuse desk, 0113 496 0001",
        "QTc 462 ms, sinus rhythm", "Interpreter for every appointment",
    ),
    "transfer": (
        "9990000026", "Z0001AA", "Example", "1985-05-05", "Moved to another prison, from HMP Fellgate at 2026-01-15T10:30:00+00:00", "not released",
        "Transfer to another prison", "Methadone 1mg/ml oral solution", "36120711000001104", "40 ml once a day, supervised", "280.0", "Prescriber",
        "35 ml once a day, from the community pharmacy", '"start":"2026-01-16"', '"value":40.00', "2026-01-15T08:05:00+00:00", '"code":"supervised"',
        "Sertraline 50mg tablets", "One each morning", "Naloxone 1.8mg nasal spray", "Two sprays to take home", "Buprenorphine 2mg sublingual tablets",
        '"end":"2026-01-01"', '"code":"screening"', '"code":"confirmatory"', "Presumptive: this is not a confirmatory result.", "Urine drug screen",
        "AUDIT total score", '"valueInteger":12', "Risk of self-harm: ACCT open", "Maintain on methadone; relapse prevention group weekly.",
        "Opioid dependence", "Penicillin", "2026-01-16T10:00:00+00:00", "Exampleton Recovery, first appointment", "HMP Fellgate", "0113 496 0000",
        "Hepatitis C test offered and accepted, result awaited",
        "QTc 462 ms, sinus rhythm", "ALT 61", '"text":"Smoker"', "Interpreter for every appointment", "Nurse", "Sam Recovery",
        "Fellgate substance misuse desk, 0113 496 0001", "0113 496 0002", "Polish, with an interpreter",
        "No earlier message that is known to be about this person waits outside it.", "stays in the register of the sending service",
    ),
    "gp-copy": (
        "9990000026", "Example", "1985-05-05", "LS1 1ZZ", "Y99001", "Exampleton Recovery, first appointment", "2026-01-16T10:00:00+00:00",
        "Methadone 1mg/ml oral solution", "36120711000001104", "40 ml once a day, supervised", "Prescriber", "35 ml once a day, from the community pharmacy",
        '"value":40.00', "2026-01-15T08:05:00+00:00", '"code":"supervised"', "Sertraline 50mg tablets", "One each morning",
        "Buprenorphine 2mg sublingual tablets", '"end":"2026-01-01"', "Naloxone 1.8mg nasal spray", "Two sprays to take home",
        "Risk of self-harm: ACCT open", "Maintain on methadone; relapse prevention group weekly.", "Opioid dependence", "Penicillin",
        "QTc 462 ms, sinus rhythm", "Supplied, training given", "Interpreter for every appointment",
        "HMP Fellgate", "0113 496 0000", "2026-01-15T10:30:00+00:00", "a second supply can kill", "This is a copy for information",
        "Sam Recovery", "Fellgate substance misuse desk, 0113 496 0001", "FX001", "0113 496 0002",
        "No earlier message that is known to be about this person waits outside it.",
    ),
    "write-back": (
        "9990000026", "Z0001AA", "Example", "1985-05-05", "Recorded by Exampleton Recovery. Appointments: 1, contacts: 1, messages or calls: 1.",
        "2026-01-16T10:00:00+00:00", "Exampleton Recovery, first appointment", "Visit in prison by the recovery worker", "Sam Worker",
        "2026-01-14T10:40:00+00:00", "Agreed that the place is kept until Friday", "2026-01-13T15:00:00+00:00", "HMP Fellgate",
    ),
    "prescription-copy": (
        "Information only: not a prescription, not authority to supply.", "9990000026", "Example", "1985-05-05", "LS1 1ZZ",
        "Methadone 1mg/ml oral solution", "36120711000001104", "40 ml once a day, supervised", "280.0", "Prescriber", "2026-01-02",
        '"value":40.00', "2026-01-15T08:05:00+00:00", '"code":"supervised"', "HMP Fellgate", "0113 496 0000",
        '"value":120.00', "2026-01-14T16:00:00+00:00",
    ),
    "correction": (
        "0000000000000000000C", "is withdrawn", "in custody", "9990000026", "Example", "1985-05-05", "HMP Fellgate", "0113 496 0000",
    ),
    "reception-notice": (
        "9990000026", "Example", "1985-05-05", "came into custody: HMP Fellgate at 2026-01-15T10:30:00+00:00", "0113 496 0000",
        "the last dose given or collected", "Do not end a prescription", "Naloxone 1.8mg nasal spray", "Two sprays to take home", '"status":"in-progress"',
        "HMP Fellgate", "Nobody else is to learn",
    ),
    "harm-disclosure": (
        "Z0001AA", "Example", "opiates", '"code":"positive"', "2026-01-10T09:00:00+00:00", "harm to others", "none is a mandatory test",
        "The person is told of this disclosure", "Two people of different roles", "HMP Fellgate", "0113 496 0000",
    ),
    "notice-of-withdrawal": (
        "0000000000000000000H, 0000000000000000000R", "Nothing further about this person", "Keep the record", "nothing is to be deleted",
        "Do not start, stop or change any treatment", "Whom to ask: healthcare of HMP Fellgate, 0113 496 0000", "Confirm with a reply",
        "9990000026", "Example-As-Told", "1985-05-05",
    ),
    "report": ("HMP Fellgate", '"code":"synthetic-cannabinoids"', '"text":"seen"', "not shown", '"start":"2026-01"'),
    "indicators": ("HMP Fellgate", '"code":"handed-over"', '"text":"25"', '"text":"*"', '"text":"40"', '"start":"2026-01"', '"end":"2026-03"'),
}  # fmt: skip
"""The values that each recipient must find in its letter (adjudicated from specification A 5.8 to 5.13)."""
KEPT_BACK = {
    "persons-transfer": (
        "Z0001AA", "self-harm", "ACCT", "Ended risk", "opiates", "cocaine", "AUDIT", "Opioid dependence", "Penicillin", "Maintain", "Hepatitis", "LS1 1ZZ",
        "2026-01-16T10", "Friday 16 January 2026 at 10:00", "Example Surgery", "FX001", '"Appointment"', '"Flag"', '"note"', "REDACTED", "leaving",
    ),
    "assessment": ("cocaine", "LS1 1ZZ", "Y99001", "ethadone", "Sertraline", "Maintain", "B wing", "Hepatitis"),
    "care-plan-update": ("Z0001AA", "LS1 1ZZ", "Y99001", "opiates", "cocaine", "AUDIT", "heroin", "Sertraline", "An old plan", "B wing", "Hepatitis"),
    "engagement": ("ethadone", "opiates", "cocaine", "self-harm", "Maintain", "LS1 1ZZ", "Y99001", "B wing",
                   "Assessment after release", "Visit in prison"),
    "community-record": ("Sertraline", "cocaine", "Maintain", "LS1 1ZZ", "Y99001", "B wing", "AUDIT", "heroin"),
    "acct-contribution": (
        "9990000026", "ethadone", "opiates", "cocaine", "AUDIT", "Opioid dependence", "Penicillin", "Maintain", "LS1 1ZZ", "B wing",
        "Exampleton Recovery, first",
    ),
    "persons-handover": (
        "Z0001AA", "self-harm", "ACCT", "Ended risk", "opiates", "cocaine", "positive", "AUDIT", "Urine", "Opioid dependence", "Penicillin", "Maintain",
        "An old plan", "Hepatitis", "Smoker", "Sodium", "LS1 1ZZ", "B wing", "Former Nurse", '"Flag"', '"Condition"', '"note"', '"comment"', "REDACTED",
    ),
    "probation-summary": (
        "9990000026", "Hepatitis", "ethadone", "opiates", "cocaine", "self-harm", "Maintain", "Opioid", "Penicillin", "LS1 1ZZ", "B wing", "AUDIT",
        "2026-01-16T10:00", "2026-01-14T10:00", "Nurse", '"gender"', "Substance misuse care plan", "An old plan", '"activity"',
    ),
    "mandatory-test-referral": (
        "9990000026", "ethadone", "opiates", "self-harm", "Maintain", "Opioid dependence", "Penicillin", "LS1 1ZZ", "B wing", "AUDIT", "Ended risk",
    ),
    "referral": ("Z0001AA", "cocaine", "B wing", "An old plan", "Ended risk", "heroin", "Visit in prison"),
    "transfer": ("LS1 1ZZ", "Y99001", "FX001", "cocaine", "Ended risk", "An old plan", "Sodium", "Former Nurse", "Release from"),
    "handover": ("Z0001AA", "cocaine", "Ended risk", "An old plan", "Sodium", "Former Nurse"),
    "prescription-copy": (
        "Z0001AA",
        "277.00",
        "opiates",
        "self-harm",
        "Sertraline",
        "Opioid dependence",
        "Penicillin",
        "Exampleton Recovery, first",
    ),
    "gp-copy": ("Z0001AA", "cocaine", "opiates", "AUDIT", "Urine drug screen", "Ended risk", "An old plan", "Sodium", "Hepatitis", "Smoker", "ALT 61"),
    "write-back": (
        "ethadone", "opiates", "self-harm", "Sertraline", "Opioid dependence", "Penicillin", "LS1 1ZZ", "Y99001", "B wing", "An old plan", "Maintain",
    ),
    "reception-notice": (
        "Z0001AA", "ethadone", "opiates", "self-harm", "Sertraline", "Opioid dependence", "Penicillin", "LS1 1ZZ", "Y99001", "B wing", "Maintain", "Hepatitis",
    ),
    "harm-disclosure": (
        "9990000026", "1985-05-05", "cocaine", "LS1 1ZZ", "Y99001", "self-harm", "Sertraline", "Opioid dependence", "Penicillin", "AUDIT", "Sodium",
        "Maintain", '"gender"', "1mg/ml", "ethadone",
    ),
    "notice-of-withdrawal": (
        "Z0001AA", "ethadone", "opiates", "self-harm", "LS1 1ZZ", "Y99001", "Sertraline", "Penicillin", "custody", "released", "onsent",
        '"given":["Alex"]', '"gender"', "refus",
    ),
    "correction": ("Z0001AA", "ethadone", "opiates", "self-harm", "LS1 1ZZ", "Y99001"),
    "report": ("9990000026", "Z0001AA", "Patient", "Example", "2026-01-"),
    "indicators": ("9990000026", "Z0001AA", "Patient", "Example", "2026-01-", "ethadone", '"date"', '"count"', '"security"'),
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in NEEDED.items() for value in values])
def test_what_the_recipient_must_have_is_in_its_letter(name: str, value: str) -> None:
    assert value in encode(released(name)).decode()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in KEPT_BACK.items() for value in values])
def test_what_it_must_not_have_is_not(name: str, value: str) -> None:
    text = (
        re.sub("Exampleton Recovery", "", encode(released(name)).decode())
        if name in REPORTS
        else encode(released(name)).decode()
    )
    assert value not in text


@pytest.mark.parametrize("name", NEEDED)
def test_no_internal_id_is_left_and_everything_resolves(name: str) -> None:
    bundle = released(name)
    for entry in bundle["entry"]:
        assert entry["fullUrl"] == f"urn:uuid:{entry['resource']['id']}"
    assert not re.search(
        r"(patient|notice|establishment|methadone|handover|report)\"",
        " ".join(e["resource"]["id"] + '"' for e in bundle["entry"]),
    )
    assert [issue for issue in validate(bundle) if issue.severity in {Severity.ERROR, Severity.FATAL}] == []


def test_the_promised_profiles_are_claimed_after_minimisation() -> None:
    claims = {
        url.rpartition("/")[2]
        for name in NEEDED
        for resource in (released(name), *resources_in(released(name)))
        for url in resource.get("meta", {}).get("profile", ())
    }
    assert claims == {profile.name for profile in PROFILES.values()}


def test_the_generic_marker_of_the_gate_survives_rendering() -> None:
    bundle = released("handover", marked=True)
    assert bundle["meta"]["security"] == [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "REDACTED"}
    ]
    assert "Items excluded due to confidentiality" in bundle["entry"][0]["resource"]["section"][-1]["text"]["div"]
    for url in bundle["meta"]["profile"]:
        assert PROFILES[url].check(bundle) == ()


@pytest.mark.parametrize("name", ["handover", "prescription-copy"])
def test_a_prescriber_who_is_only_named_is_named_in_the_letter(name: str) -> None:
    """HL7 v2 names the prescriber in the order itself: whoever has a question about a dose has to know whom to ask."""
    requester = {
        "type": "Practitioner",
        "identifier": {"system": "https://fhir.hl7.org.uk/Id/gmc-number", "value": "C7654321"},
        "display": "Dr Avery Prescriber-Test",
    }
    text = encode(through(name, [patient(), prescription(requester=requester)])).decode()
    assert "Dr Avery Prescriber-Test" in text
    assert "C7654321" not in text
