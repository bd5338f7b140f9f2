"""What the recipient must know, in the words of the agreement: in the notice of every letter about a person, on every wire, once."""

import io

import pypdf
import pytest

from fhir_profiles.compose import CAVEATS, LETTERS, compose, compose_report, with_caveats
from fhir_profiles.render import render
from fhir_profiles.validate import validate
from tests.fhir_profiles.letters.files import AS_OF, HEADING, REPORTS, case

SAID = "For care only, and to be kept from everybody else"


@pytest.mark.parametrize("name", sorted(set(LETTERS) - set(REPORTS)))
def test_every_letter_about_a_person_says_it_once_on_every_wire(name: str) -> None:
    plain = compose(name, *case(name), AS_OF)
    told = with_caveats(plain, SAID)
    assert SAID not in str(plain.bundle), "the letter that others get too is not changed"
    assert str(told.bundle).count(f"{CAVEATS}{SAID}") == 1
    assert told.missing == plain.missing
    assert validate(told.bundle) == validate(plain.bundle)
    # a document says it in its narrative too, which is made from the data
    written = 2 if "fhir-document" in LETTERS[name].wires else 1
    for wire in LETTERS[name].wires:
        assert render(told.bundle, wire, HEADING).body.decode().count(f"{CAVEATS}{SAID}") == written, wire


@pytest.mark.parametrize("name", ["handover", "persons-handover", "prescription-copy"])
def test_paper_and_hl7_say_it_too(name: str) -> None:
    told = with_caveats(compose(name, *case(name), AS_OF), SAID).bundle
    pages = pypdf.PdfReader(io.BytesIO(render(told, "pdf", HEADING).body)).pages
    assert "".join(" ".join(page.extract_text() for page in pages).split()).count("".join(SAID.split())) == 1
    assert SAID in render(told, "hl7v2", HEADING).body.decode()


def test_counts_have_nobody_to_tell_and_an_agreement_without_words_adds_none() -> None:
    for figures in REPORTS.values():
        report = compose_report(figures)
        assert with_caveats(report, SAID) is report
    letter = compose("handover", *case("handover"), AS_OF)
    assert with_caveats(letter, "") is letter
