"""A row for an evaluator: whatever stands in a person's file, its cells are words of a closed list; and what a person refused is not in it."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from consent.extracts import COLUMNS
from consent.minimise import minimise
from consent.shapes import Naming, Outcome
from fhir_profiles.evaluation_row import InContact, age_band, cells_of, compose_row
from tests.consent import letters
from tests.consent.made import NAMING, US, actor, ask, fhir_consent, label, provision, purpose

Json = dict[str, Any]
CONTACT = InContact(months=("2026-01", "2026-02", "2026-03"), month="2026-02", establishment="ZFG", handover="late")
FILE: tuple[Json, ...] = (
    letters.PATIENT,
    letters.METHADONE,
    letters.DOSE,
    letters.STATEMENT,
    letters.TEST,
    letters.FLAG,
    letters.PLAN,
    letters.CONDITION,
    {
        **letters.STAY,
        "serviceProvider": {"identifier": {"system": "https://throughgate.example/id/agency", "value": "ZFG"}},
    },
    letters.PRACTICE,
    letters.PRESCRIBER,
)
MAY = fhir_consent(provision("permit", actor=[actor(US)], purpose=[purpose("HQUALIMP")]))
PSEUDONYMS = Naming(id_key=NAMING.id_key, pseudonym_key=b"another key of 32 bytes, secret!", recipient="ZZE01|2026-Q1")
WORDS = {
    "sex": {"male", "female", "other", "unknown"},
    "age_band": {"under-20", "20-29", "30-39", "40-49", "50-59", "60-and-over", "not-known"},
    "month": {CONTACT.month},
    "establishment": {"ZFG"},
    "reception": {"yes", "no"},
    "handover": {"late"},
    "treatment": {"opioid-substitution", "other-medicine", "none-recorded"},
}


def row(file: tuple[Json, ...] = FILE, *consents: Json) -> tuple[Json, dict[str, str]]:
    """What leaves and its cells; nothing where the decision lets nothing."""
    composed = compose_row(file, CONTACT)
    assert composed is not None
    decision = ask(
        *(consents or (MAY,)), resources=[each["resource"] for each in composed["entry"]], under="evaluation-extract"
    )
    if decision.outcome not in (Outcome.RELEASE, Outcome.REDUCE):
        return {}, {}
    left = minimise(composed, decision, PSEUDONYMS).bundle
    return left, dict(cells_of(left))


def planted(value: Any) -> Iterator[tuple[Any, Any]]:
    """(holder, key) of every text below."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in pairs:
        if isinstance(held, str) and key not in ("resourceType", "id", "reference"):
            yield value, key
        yield from planted(held)


def test_what_a_row_says() -> None:
    _, cells = row()
    assert tuple(cells) == COLUMNS
    assert {name: cells[name] for name in COLUMNS[1:]} == {
        "sex": "male",
        "age_band": "30-39",
        "month": "2026-02",
        "establishment": "ZFG",
        "reception": "yes",
        "handover": "late",
        "treatment": "opioid-substitution",
    }
    assert re.fullmatch(r"[0-9a-f]{64}", cells["pseudonym"])


def test_whatever_stands_in_a_file_a_row_is_words_of_a_closed_list() -> None:
    """Every text of the file is a canary in turn. Those of the composed row that name somebody are found, before it is minimised."""
    found_before = 0
    for number, original in enumerate(FILE):
        for place in range(sum(1 for _ in planted(original))):
            file = copy.deepcopy(FILE)
            holder, key = list(planted(file[number]))[place]
            holder[key] = "CANARY9990000018"
            composed = compose_row(file, CONTACT)
            if composed is None:
                continue
            found_before += "CANARY" in json.dumps(composed)
            left, cells = row(file)
            assert "CANARY" not in json.dumps(left)
            for name, value in cells.items():
                assert name == "pseudonym" or value in WORDS[name], (name, number, key)
    assert found_before >= 2, "the number, and the labels: what is looked for can be there"


def test_a_pseudonym_is_of_one_recipient_and_one_quarter() -> None:
    composed = compose_row(FILE, CONTACT)
    assert composed is not None
    decision = ask(MAY, resources=[each["resource"] for each in composed["entry"]], under="evaluation-extract")
    whom = ("ZZE01|2026-Q1", "ZZE01|2026-Q2", "ZZE02|2026-Q1")
    names = {
        cells_of(
            minimise(composed, decision, Naming(id_key=NAMING.id_key, pseudonym_key=b"k" * 32, recipient=each)).bundle
        )["pseudonym"]
        for each in whom
    }
    assert len(names) == 3


@pytest.mark.parametrize(
    "said",
    [
        fhir_consent(provision("permit", purpose=[purpose("TREAT")])),
        fhir_consent(provision("permit", actor=[actor("RXA02")], purpose=[purpose("HQUALIMP")])),
        fhir_consent(status="rejected"),
    ],
)
def test_who_did_not_agree_to_this_is_in_no_row(said: Json) -> None:
    assert row(FILE, said) == ({}, {})


def test_a_refusal_of_what_is_treated_takes_it_out_of_the_row() -> None:
    """The cell carries every label of the prescriptions that it is made of."""
    methadone = {**letters.METHADONE, "meta": {"security": [label("R"), label("SUD"), label("HIV")]}}
    file = tuple(methadone if each is letters.METHADONE else each for each in FILE)
    but = provision(
        "permit", purpose=[purpose("HQUALIMP")], provision=[provision("deny", securityLabel=[label("HIV")])]
    )
    _, cells = row(file, fhir_consent(but))
    assert "treatment" not in cells
    assert cells["handover"] == "late"


def test_a_record_that_is_flagged_sensitive_and_one_without_a_number_give_none() -> None:
    flagged = {**letters.PATIENT, "meta": {"security": [label("R")]}}
    assert row((flagged, *FILE[1:])) == ({}, {})
    assert compose_row(({**letters.PATIENT, "identifier": []}, *FILE[1:]), CONTACT) is None


@pytest.mark.parametrize(
    ("born", "band"),
    [
        ("2006-02-01", "under-20"),
        ("2005-12-31", "20-29"),
        ("1996-01-15", "20-29"),
        ("1995-12", "30-39"),
        ("1965-12-31", "60-and-over"),
        ("1930-01-01", "60-and-over"),
        ("1985", "not-known"),
        ("", "not-known"),
    ],
)
def test_ages_in_bands(born: str, band: str) -> None:
    assert age_band(born, "2026-01") == band
