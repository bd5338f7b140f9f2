"""The person's own copy of a handover: read at nine, in large print, and nothing on it that is not for the person's hands."""

import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pypdf
import pytest

from fhir_profiles import systems
from fhir_profiles.compose import LETTERS, compose
from fhir_profiles.ids import PATIENT_REFERENCE
from fhir_profiles.letters import persons_handover, persons_transfer
from fhir_profiles.letters.parts.paper import ADVICE
from fhir_profiles.letters.parts.picture import picture_of
from fhir_profiles.render import render
from fhir_profiles.shapes import Json
from fhir_profiles.wires.envelope import entries_of
from fhir_profiles.wires.pdf import LARGE_PRINT
from fhir_profiles.wires.plain import in_plain_words, plain_sentence
from fhir_profiles.wires.readable import readable
from tests.consent.test_lint_and_explain import grade
from tests.fhir_profiles.letters.files import (
    AS_OF,
    CONTEXT,
    HEADING,
    dose,
    in_team,
    patient,
    prescription,
    resources_in,
    simple,
    whole_file,
)
from tests.fhir_profiles.letters.test_through_the_gate import minimised

NAME = "persons-handover"
NOT_TO_TELL = {"security": [{"system": systems.ACT_CODE, "code": "NOPAT"}]}
MAYBE = {"provisional": True, "not_contained": 2}


def lines(file: list[Json], **context: Any) -> dict[str, tuple[str, ...]]:
    """The paper through its agreement: heading -> lines."""
    bundle = minimised(NAME, file, CONTEXT if not context else _in(context))
    return {part.heading: part.lines for part in readable(entries_of(bundle, HEADING), HEADING, redacted=False).parts}


def _in(context: dict[str, Any]) -> Any:
    return type(CONTEXT)(**{**CONTEXT.__dict__, **context})


def test_the_person_reads_our_words_at_nine() -> None:
    """Each sentence of ours: the notice in every circumstance, each heading, each gap, and what we say around a value."""
    picture = picture_of(whole_file(), _in(MAYBE), AS_OF)
    ours = [
        sentence
        for text in persons_handover.WORDS.said(picture)
        for sentence in text.replace("HMP Fellgate", "here").split(". ")
    ]
    ours += [
        each
        for text in persons_transfer.WORDS.said(picture)
        for each in text.replace("HMP Fellgate", "here").split(". ")
    ]
    facts = (*LETTERS[NAME].required, *LETTERS["persons-transfer"].required)
    gaps = [sentence for fact in facts for sentence in fact.text.split(". ")]
    doubtful = (
        dose(status="in-progress", amount=None),
        prescription(status="on-hold", text="One pill", medicine="Pill"),
        prescription(text="", medicine="Pill"),
        simple("Appointment", "a", status="pending"),
    )
    around = [each for held in doubtful for each in plain_sentence(held, {}).rstrip(".").split(". ")]
    said = [*ours, *gaps, *(each for each in around if "Methadone" not in each)]
    assert len(said) > 25
    assert grade(said) <= 4.5, (grade(said), said)
    assert max(len(one.split()) for one in said) <= 14
    assert set(ADVICE) <= set(persons_handover.WORDS.said(picture_of([], CONTEXT, AS_OF)))
    technical = ["No prescription of substitute medication for outside prison is recorded in the establishment's file"]
    assert grade(technical) > 6, "sabotage: the handover's own words are not for a reader of nine"


def test_the_paper_is_in_large_print_and_says_on_each_page_whose_it_is() -> None:
    body = render(minimised(NAME, whole_file()), "pdf", HEADING).body
    sizes: set[int] = set()
    reader = pypdf.PdfReader(io.BytesIO(body))
    for number, page in enumerate(reader.pages, start=1):
        text = page.extract_text(
            visitor_text=lambda said, _c, _m, _f, size: sizes.add(round(size) if said.strip() else 0)
        )
        assert "9990000026" in text, number
        assert "not a prescription" in text, number
    assert min(size for size in sizes if size) >= 16
    assert LARGE_PRINT in sizes
    assert reader.metadata is not None
    assert reader.metadata.title == "Your paper for leaving prison"


def test_nothing_that_is_not_for_the_persons_hands_is_on_the_paper() -> None:
    """Marked by its source, of a relative, or a note: each is planted where the letter looks, and found when the mark is taken away."""
    subject = {"subject": {"reference": PATIENT_REFERENCE}}
    relative = {"reference": "RelatedPerson/sister", "display": "Kim Sister"}
    team = [
        in_team("spoc", {"display": "The desk"}),
        in_team("spoc", relative),
        in_team("mother", {"display": "Pat Mother"}),
    ]
    planted = [
        patient(contact=[{"name": {"text": "Pat Mother"}}]),
        prescription("kept", medicine="Secretol 5mg tablets", meta=NOT_TO_TELL),
        prescription("other", medicine="Plainol 5mg tablets", note=[{"text": "Kim Sister says that it is sold"}]),
        simple("Flag", "intelligence", status="active", code={"text": "Secretol intelligence"}, **subject),
        simple("CareTeam", "team", status="active", participant=team, **subject),
        simple(
            "Appointment",
            "visit",
            status="booked",
            start="2026-07-16T09:30:00Z",
            comment="Secretol: he does not know",
            description="Secretol clinic",
            patientInstruction="Bring your Secretol",
            participant=[{"actor": {"reference": PATIENT_REFERENCE}, "status": "accepted"}, {"actor": relative, "status": "accepted"}],
        ),
    ]  # fmt: skip
    paper = " ".join(line for part in lines(planted).values() for line in part)
    assert "Plainol" in paper
    assert "The desk" in paper
    assert "Thursday 16 July 2026 at 10:30" in paper, "in the time of England"
    for kept in ("Secretol", "Kim Sister", "Pat Mother", "intelligence"):
        assert kept not in paper
    composed = str(resources_in(compose(NAME, planted, CONTEXT, AS_OF).bundle))
    for kept in ("Secretol", "Kim Sister", "intelligence"):
        assert kept not in composed, "out before anybody decides"
    bare = [{key: value for key, value in each.items() if key != "meta"} for each in planted]
    assert "Secretol 5mg" in str(resources_in(compose(NAME, bare, CONTEXT, AS_OF).bundle)), "sabotage: the mark did it"


def test_what_is_missing_is_named_as_something_to_ask_for() -> None:
    paper = lines([patient(generalPractitioner=[])])
    for fact in LETTERS[NAME].required:
        assert paper[fact.heading] == (fact.text,)
    assert compose(NAME, [patient(generalPractitioner=[])], CONTEXT, AS_OF).missing == tuple(
        fact.name for fact in LETTERS[NAME].required
    )
    whole = lines(whole_file())
    assert not any(fact.text in part for fact in LETTERS[NAME].required for part in whole.values())


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (
            prescription(
                medicine="Pill",
                dosageInstruction=[{"doseAndRate": [{"doseQuantity": {"value": Decimal("2.50"), "unit": "mg"}}]}],
                dispenseRequest={"validityPeriod": {"start": "2026-01-16", "end": "2026-01-29"}},
            ),
            "Pill. How to take it: 2.50 mg (two point five). You can get it from Friday 16 January 2026. You can get it until Thursday 29 January 2026.",
        ),
        (prescription(medicine="Pill", text=""), "Pill. How to take it is not written down: ask first."),
        (prescription(medicine="Pill", doNotPerform=True), "Pill. Do NOT take this."),
        (
            dose(status="in-progress", amount=None, medicine="Pill", given="2026-01-15"),
            "Pill. We are not sure that you had all of this. Ask before you take more. How much: not written down. When: Thursday 15 January 2026.",
        ),
        (simple("Organization", "o", identifier=[{"system": systems.ODS, "value": "FX001"}]),
         "The one with the code FX001: ask us its name."),
        (simple("Flag", "f", code={"text": "A risk"}), ""),
    ],
)  # fmt: skip
def test_a_resource_is_said_in_short_sentences_with_its_own_digits(resource: Json, said: str) -> None:
    assert plain_sentence(resource, {}) == said


def test_a_date_that_is_none_stays_as_it_is() -> None:
    assert in_plain_words("until 2026-13-45, then 2026-01") == "until 2026-13-45, then 2026-01"


def test_a_provisional_release_is_told_as_one_that_is_not_sure() -> None:
    said = " ".join(lines(whole_file(), **MAYBE)["Read this first"])
    assert "We were not told for sure that you leave now." in said
    assert "Some news came late" in said


def test_the_paper_of_a_move_says_nothing_of_what_is_ahead() -> None:
    """An appointment, a pharmacy or a practice outside: whoever is in custody does not learn of a journey from a paper."""
    moved = replace(CONTEXT, event="transfer", provisional=True, not_contained=1)
    composed = compose("persons-transfer", whole_file(), moved, AS_OF)
    text = str(resources_in(composed.bundle))
    assert "We were not told for sure that you moved." in text
    assert "Some news came late" in text
    for ahead in ("Appointment", "2026-01-16T10", "FX001", "Example Surgery", "You leave", "outside, "):
        assert ahead not in text, ahead
    missing = compose("persons-transfer", [patient()], moved, AS_OF)
    assert missing.missing == ("medicine", "last-dose", "care-team")
    body = render(minimised("persons-transfer", whole_file()), "pdf", HEADING).body
    metadata = pypdf.PdfReader(io.BytesIO(body)).metadata
    assert metadata is not None
    assert metadata.title == "Your paper after your move"
