"""The story: what happens at one prison in spring 2026, in order, each act with what must come of it. People and places are made up."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from gateway.demo import fhir_messages, hl7v2_messages
from gateway.demo.hl7v2_messages import (
    BENZODIAZEPINES,
    COCAINE,
    METHADONE,
    METHADONE_ASSAY,
    OPIATES,
    Assay,
    Course,
    Sent,
)
from gateway.demo.people import SyntheticPerson, synthetic_person
from gateway.demo.stage import instant

NORTHFELL = "northfell-recovery"
SOUTHFELL = "southfell-recovery"
PHARMACY = "exampleton-pharmacy"
SECURITY = "fellgate-security"
SURGERY = "exampleton-surgery"
RECORD = "fellgate-record"
TEAM = "fellgate-team"
START = instant("2026-03-02 08:00")
IN_TREATMENT = 13  # people whose tests make the month's cells: more than the 12 that a printed cell needs


class Over(StrEnum):
    """Which wire a message comes in by."""

    MLLP = "MLLP"
    HTTP = "HTTP"
    OUTSIDE = "HTTP, by Northfell's system"


@dataclass(frozen=True, kw_only=True)
class Act:
    """One message of the story. `expect` are (letter, recipient or None, delivery state) once everything has settled.

    `answer` is the acknowledgement expected: MSA-1, or an HTTP status. `down` names a neighbour that does not listen meanwhile and
    comes back after; `then_release` says why a person releases what is held; `counted` that results are counted and not sent.
    """

    title: str
    at: datetime
    over: Over
    body: bytes
    answer: tuple[str, ...]
    expect: tuple[tuple[str, str | None, str], ...] = ()
    person: SyntheticPerson | None = None
    message_state: str = "released"
    down: str | None = None
    then_release: str | None = None
    counted: bool = False
    told: tuple[str, ...] = ()
    note: str = ""
    background: bool = False


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who the story is about."""

    alex: SyntheticPerson = field(default_factory=lambda: _named(0, "Ashdown-Test", "Alex", "ZA1 1AA"))
    billie: SyntheticPerson = field(default_factory=lambda: _named(1, "Birkett-Test", "Billie", "ZB2 2BB"))
    casey: SyntheticPerson = field(default_factory=lambda: _named(2, "Calloway-Test", "Casey", "ZA3 3CC"))
    drew: SyntheticPerson = field(default_factory=lambda: _named(3, "Dunmore-Test", "Drew", "ZA4 4DD"))

    def everybody(self) -> tuple[SyntheticPerson, ...]:
        return (self.alex, self.billie, self.casey, self.drew, *in_treatment())


def _named(number: int, family: str, given: str, postcode: str) -> SyntheticPerson:
    return replace(synthetic_person(number, postcode=postcode), family=family, given=given)


def in_treatment() -> tuple[SyntheticPerson, ...]:
    """The people whose tests make up the month."""
    return tuple(synthetic_person(10 + number) for number in range(IN_TREATMENT))


def sent(act: str, at: datetime) -> Sent:
    return Sent(message_id=act, at=f"{at:%Y%m%d%H%M%S}+0000")


def iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


ACCEPTED = ("AA",)
TAKEN = ("200", "202")


def acts() -> Iterator[Act]:
    """The whole story."""
    cast = Cast()
    yield from _alex_comes_in(cast.alex)
    yield from _alex_is_tested(cast.alex)
    yield from _the_month_of_tests()
    yield from _northfell_books(cast.alex)
    yield from _alex_leaves(cast.alex)
    yield from _billie_is_freed_by_the_court(cast.billie)
    yield from _casey_says_no(cast.casey)
    yield from _drew_said_something_unclear(cast.drew)
    yield from _what_is_refused(cast.alex)


def _alex_comes_in(alex: SyntheticPerson) -> Iterator[Act]:
    at = instant("2026-03-02 10:15")
    yield Act(
        title="Alex comes in: reception",
        at=at,
        over=Over.MLLP,
        body=hl7v2_messages.admission(alex, sent("DEMO-1", at)),
        person=alex,
        answer=ACCEPTED,
        note="joins the file; nobody needs a letter",
    )
    at = instant("2026-03-02 11:00")
    plan = [
        fhir_messages.care_plan(
            start="2026-03-02",
            description="Methadone maintenance, weekly key work, naloxone kit before release, follow-up within 24 hours of release.",
        ),
        fhir_messages.risk_flag(resource_id="risk", text="Overdose within the last 30 days", start="2026-03-02"),
    ]
    yield Act(
        title="Care plan and risk flag",
        at=at,
        over=Over.HTTP,
        body=fhir_messages.message(alex, plan, message_id="DEMO-2", at=iso(at), event="care-plan"),
        person=alex,
        answer=TAKEN,
        note="joins the file",
    )
    at = instant("2026-03-02 11:30")
    course = Course(start=f"{at:%Y%m%d%H%M%S}+0000", instruction="40 mg once daily, supervised", order_type="I")
    yield Act(
        title="Methadone prescribed for custody",
        at=at,
        over=Over.MLLP,
        body=hl7v2_messages.prescription(alex, sent("DEMO-3", at), METHADONE, course),
        person=alex,
        answer=ACCEPTED,
        note="given in custody: no pharmacy gets a copy",
    )
    at = instant("2026-03-03 09:00")
    yes = fhir_messages.consent(resource_id="alex-yes", at=iso(at), decision="permit", recipient_ods="ZZC01")
    yield Act(
        title="Alex consents to sharing with Northfell",
        at=at,
        over=Over.HTTP,
        body=fhir_messages.message(alex, [yes], message_id="DEMO-4", at=iso(at), event="consent"),
        person=alex,
        answer=TAKEN,
        note="registered, version 1",
    )


def _alex_is_tested(alex: SyntheticPerson) -> Iterator[Act]:
    at = instant("2026-03-10 09:30")
    yield Act(
        title="Drug test, therapeutic: opiates and methadone positive",
        at=at,
        over=Over.MLLP,
        body=_test(alex, "DEMO-5", at, opiates="positive", methadone="positive"),
        person=alex,
        answer=ACCEPTED,
        counted=True,
        note="methadone is explained by the prescription; counted for security's month, nothing sent",
    )
    at = instant("2026-03-11 09:30")
    yield Act(
        title="Drug test, mandatory: opiates positive",
        at=at,
        over=Over.MLLP,
        body=_test(alex, "DEMO-6", at, purpose="mandatory", opiates="positive"),
        person=alex,
        answer=ACCEPTED,
        expect=(("mandatory-test-referral", TEAM, "delivered"),),
        note="a mandatory test never leaves as a clinical one, not even as a count: security's result is a referral for the team",
    )


def _test(person: SyntheticPerson, act: str, at: datetime, *, purpose: str = "therapeutic", **results: str) -> bytes:
    codes = {"opiates": OPIATES, "methadone": METHADONE_ASSAY, "benzodiazepines": BENZODIAZEPINES, "cocaine": COCAINE}
    assays = [Assay(code=codes[name][0], text=codes[name][1], result=result) for name, result in results.items()]
    return hl7v2_messages.drug_test(person, sent(act, at), assays, purpose=purpose)


def _the_month_of_tests() -> Iterator[Act]:
    """13 people in treatment: opiates 3 of 13 unexpected, benzodiazepines 7 of 13, cocaine only 4 tested; whoever has methadone is not counted for it."""
    for number, person in enumerate(in_treatment()):
        at = instant(f"2026-03-{4 + number:02d} 14:00")
        treatment = [
            fhir_messages.care_plan(start="2026-03-01", description="Methadone maintenance."),
            fhir_messages.medication_request(
                METHADONE,
                resource_id="methadone",
                authored="2026-03-01",
                text="30 mg once daily, supervised",
                category="inpatient",
            ),
        ]
        yield Act(
            title="In treatment",
            at=at,
            over=Over.HTTP,
            body=fhir_messages.message(person, treatment, message_id=f"DEMO-T{number}", at=iso(at), event="care-plan"),
            person=person,
            answer=TAKEN,
            background=True,
        )
        at = instant(f"2026-03-{12 + number:02d} 09:30")
        results = {
            "opiates": "positive" if number < 3 else "negative",
            "methadone": "positive",
            "benzodiazepines": "positive" if number < 7 else "negative",
        } | ({"cocaine": "negative"} if number < 4 else {})
        yield Act(
            title="Drug test, therapeutic",
            at=at,
            over=Over.MLLP,
            body=_test(person, f"DEMO-U{number}", at, **results),
            person=person,
            answer=ACCEPTED,
            counted=True,
            background=True,
        )


def _northfell_books(alex: SyntheticPerson) -> Iterator[Act]:
    at = instant("2026-03-26 14:00")
    first = fhir_messages.appointment(
        resource_id="first",
        start="2026-03-31T10:00:00+01:00",
        minutes=45,
        description="First appointment after release, with the prescriber",
        where="Northfell Recovery Partnership",
    )
    yield Act(
        title="Northfell books Alex's first appointment after release",
        at=at,
        over=Over.OUTSIDE,
        body=fhir_messages.message(
            alex,
            [first],
            message_id="DEMO-18",
            at=iso(at),
            event="appointment",
            source="https://northfell.example/fhir",
        ),
        person=alex,
        answer=TAKEN,
        expect=(("write-back", RECORD, "delivered"),),
        note="recorded outside while Alex is in custody: it goes to the prison's own health record too",
    )


def _alex_leaves(alex: SyntheticPerson) -> Iterator[Act]:
    at = instant("2026-03-30 08:40")
    dose = [
        fhir_messages.administration(METHADONE, resource_id="dose", given=iso(at), text="40 mg by mouth, supervised"),
    ]
    yield Act(
        title="Last dose before release",
        at=at,
        over=Over.HTTP,
        body=fhir_messages.message(alex, dose, message_id="DEMO-7", at=iso(at), event="administration"),
        person=alex,
        answer=TAKEN,
        note="joins the file: the handover will name it",
    )
    at = instant("2026-03-30 09:00")
    course = Course(
        start=f"{at:%Y%m%d}",
        end="20260413",
        instruction="40 mg once daily, supervised, Sunday dose to take home",
        order_type="O",
    )
    yield Act(
        title="Release prescription; the pharmacy's server is down, then comes back",
        at=at,
        over=Over.MLLP,
        body=hl7v2_messages.prescription(alex, sent("DEMO-8", at), METHADONE, course),
        person=alex,
        answer=ACCEPTED,
        expect=(("prescription-copy", PHARMACY, "delivered"), ("prescription-copy", SURGERY, "delivered")),
        down=PHARMACY,
        note="sent once it listens again, exactly once",
    )
    at = instant("2026-03-30 10:05")
    release = hl7v2_messages.discharge(alex, sent("DEMO-9", at), disposition="CR")
    yield Act(
        title="Alex is released: the message itself has no clinical content",
        at=at,
        over=Over.MLLP,
        body=release,
        person=alex,
        answer=ACCEPTED,
        expect=(("handover", NORTHFELL, "delivered"), ("gp-copy", SURGERY, "delivered")),
        note="the handover is made from what came before; the practice gets a copy without tests and scores",
    )
    yield Act(
        title="The prison's system sends the same release again",
        at=instant("2026-03-30 10:06"),
        over=Over.MLLP,
        body=release,
        person=alex,
        answer=ACCEPTED,
        message_state="",
        note="a duplicate: the same acknowledgement, no second letter",
    )


def _billie_is_freed_by_the_court(billie: SyntheticPerson) -> Iterator[Act]:
    at = instant("2026-03-30 15:10")
    course = Course(start=f"{at:%Y%m%d}", instruction="30 mg once daily, supervised", order_type="I")
    yield Act(
        title="Billie, on remand: methadone prescribed",
        at=at,
        over=Over.MLLP,
        body=hl7v2_messages.prescription(billie, sent("DEMO-10", at), METHADONE, course),
        person=billie,
        answer=ACCEPTED,
        note="joins the file",
    )
    at = instant("2026-03-31 12:20")
    yield Act(
        title="Billie is found not guilty and does not come back; no Consent on record",
        at=at,
        over=Over.MLLP,
        body=hl7v2_messages.discharge(billie, sent("DEMO-11", at), disposition="NG"),
        person=billie,
        answer=ACCEPTED,
        expect=(("handover", SOUTHFELL, "delivered"), ("gp-copy", SURGERY, "delivered")),
        note="direct care: no Consent is not a refusal; Southfell collects from its mailbox",
    )


def _casey_says_no(casey: SyntheticPerson) -> Iterator[Act]:
    at = instant("2026-03-31 13:00")
    no = fhir_messages.consent(resource_id="casey-no", at=iso(at), decision="deny")
    plan = fhir_messages.care_plan(start="2026-02-01", description="Brief intervention, alcohol.")
    yield Act(
        title="Casey does not want anybody outside to know",
        at=at,
        over=Over.HTTP,
        body=fhir_messages.message(casey, [plan, no], message_id="DEMO-12", at=iso(at), event="consent"),
        person=casey,
        answer=TAKEN,
        note="a dissent, registered",
    )
    at = instant("2026-03-31 14:00")
    yield Act(
        title="Casey is released",
        at=at,
        over=Over.MLLP,
        body=hl7v2_messages.discharge(casey, sent("DEMO-13", at), disposition="CR"),
        person=casey,
        answer=ACCEPTED,
        expect=(("handover", NORTHFELL, "withheld"), ("gp-copy", SURGERY, "withheld")),
        told=("withheld-by-consent",),
        note="nothing leaves; the clinical lead is told at once",
    )


def _drew_said_something_unclear(drew: SyntheticPerson) -> Iterator[Act]:
    at = instant("2026-03-31 14:30")
    unclear = fhir_messages.consent(
        resource_id="drew-unclear", at=iso(at), decision="deny", recipient_reference="Group/people-drew-does-not-trust"
    )
    plan = fhir_messages.care_plan(start="2026-02-01", description="Buprenorphine, 8 mg; review due.")
    yield Act(
        title='Drew does not want "some people" to know; the list is not on file',
        at=at,
        over=Over.HTTP,
        body=fhir_messages.message(drew, [plan, unclear], message_id="DEMO-14", at=iso(at), event="consent"),
        person=drew,
        answer=TAKEN,
        note="registered; whom it means cannot be known",
    )
    at = instant("2026-03-31 15:00")
    yield Act(
        title="Drew is released",
        at=at,
        over=Over.MLLP,
        body=hl7v2_messages.discharge(drew, sent("DEMO-15", at), disposition="CR"),
        person=drew,
        answer=ACCEPTED,
        expect=(("handover", NORTHFELL, "delivered"), ("gp-copy", SURGERY, "delivered")),
        told=("undecidable",),
        then_release="asked in person: neither Northfell nor the practice is meant",
        note="held, a person told at once; asked, and released by the clinical lead",
    )


def _what_is_refused(alex: SyntheticPerson) -> Iterator[Act]:
    at = instant("2026-03-31 16:00")
    yield Act(
        title="An appointment message, which nobody agreed on",
        at=at,
        over=Over.MLLP,
        body=hl7v2_messages.message(
            "SIU^S12^SIU_S12", (hl7v2_messages.segment("SCH", {1: "1"}), hl7v2_messages.pid(alex)), sent("DEMO-16", at)
        ),
        person=alex,
        answer=("AR",),
        message_state="rejected",
        note="refused with a reason; kept as a digest, no person",
    )
    at = instant("2026-03-31 16:05")
    stranger = replace(sent("DEMO-17", at), establishment="ZZZ")
    yield Act(
        title="A release at a prison that this system may not speak for",
        at=at,
        over=Over.MLLP,
        body=hl7v2_messages.discharge(alex, stranger, disposition="CR"),
        person=alex,
        answer=("AR",),
        message_state="rejected",
        note="refused; nothing leaves",
    )


MONTH = "2026-03"
MONTH_CLOSES = instant("2026-04-08 06:00")
EXPECTED_CELLS = {
    "opiates": "seen",
    "methadone": "not shown",
    "benzodiazepines": "seen",
    "cocaine": "not shown",
}
