"""The last look at the finished bytes of a letter: what is not let go is found on every wire, and what is let go is never taken for a leak."""

import time
from collections.abc import Sequence

import pytest

from consent.agreement_file import read_agreement
from consent.sensitive import without_words
from fhir_profiles import fhir_json, systems
from fhir_profiles.leak_scan import Leak, leak_in, unsaid, words_in
from fhir_profiles.letters import LETTERS
from fhir_profiles.render import WIRES, render
from fhir_profiles.shapes import Json, Rendered
from tests.fhir_profiles.letters.files import HEADING, case, patient
from tests.fhir_profiles.letters.test_through_the_gate import AGREEMENTS, minimised

OTHER = "9990000018"
ELSEWHERE = "https://throughgate.example/id/elsewhere"
CELL = {"resourceType": "Encounter", "id": "stay", "location": [{"location": {"display": "C, 3, 012"}}]}
ABOUT_A_PERSON = sorted(name for name in LETTERS if LETTERS[name].about_a_person)


def person() -> Json:
    """With a number of a system of their own, and one that is too short to be looked for in a text."""
    found = patient()
    more = [{"system": ELSEWHERE, "value": "H55-1203"}, {"system": ELSEWHERE, "value": "17"}]
    return {**found, "identifier": [*found["identifier"], *more]}


def text(words: str) -> Rendered:
    return Rendered(content_type="text/plain", body=b"", text=words.encode())


def looked_at(words: str, *more: Json, systems_said: Sequence[str] = (systems.NHS_NUMBER,)) -> Leak | None:
    held = unsaid([person(), CELL, *more], said_systems=systems_said, said_places=False)
    return leak_in(text(words), held)


@pytest.mark.parametrize(
    ("words", "leak"),
    [
        ("seen today, Z0001AA, well", Leak.IDENTIFIER),
        ("seen today z0001aa", Leak.IDENTIFIER),
        (r'{"text":"seen today\nZ0001AA"}', Leak.IDENTIFIER),
        ("known at the hospital as H55-1203.", Leak.IDENTIFIER),
        ("known at the hospital as h551203.", Leak.IDENTIFIER),
        ('{"identifier":[{"system":"https://throughgate.example/id/elsewhere","value":"17"}]}', Leak.IDENTIFIER),
        ("PID|1||17^^^H||", Leak.IDENTIFIER),
        ('{"system":"https://throughgate.example/id/prison-number","value":"A9999AA"}', Leak.SYSTEM),
        ("PID|1||A9999AA^^^NOMIS^PI||", Leak.SYSTEM),
        ("found in c, 3, 012 at night", Leak.PLACE),
        (f"shares with {OTHER}", Leak.ANOTHER_PERSON),
        ("shares with 999 000 0018, who", Leak.ANOTHER_PERSON),
        ("shares with 999-000-0018", Leak.ANOTHER_PERSON),
        (r"OBX|1|FT|x||shares with\.br\9990000018", Leak.ANOTHER_PERSON),
        (f'{{"system":"{systems.NHS_NUMBER}","value":"{OTHER}"}}', Leak.ANOTHER_PERSON),
        (f"PID|1||{OTHER}^^^NHS^NH||", Leak.ANOTHER_PERSON),
        # however it is spaced
        ("seen as Z0001 AA today", Leak.IDENTIFIER),
        ("seen as Z-0001-AA today", Leak.IDENTIFIER),
        ("seen as Z0001-AA, Z 0001 AA", Leak.IDENTIFIER),
        (r'{"text":"seen as Z0001\nAA"}', Leak.IDENTIFIER),
        ("shares with 999\u00a0000\u00a00018", Leak.ANOTHER_PERSON),
        ("shares with 999\u2011000\u20110018", Leak.ANOTHER_PERSON),
        ("shares with 999.000.0018", Leak.ANOTHER_PERSON),
        ("shares with 999  000  0018 now", Leak.ANOTHER_PERSON),
        ("shares with 999 000\n0018 now", Leak.ANOTHER_PERSON),
        (r'{"text":"shares with 999 000\n0018"}', Leak.ANOTHER_PERSON),
        (r"OBX|1|FT|x||shares with 999 000\.br\0018", Leak.ANOTHER_PERSON),
        # what is let go, what is something else, and what is too short to be anything
        ("NHS number 9990000026, or 999 000 0026", None),
        ("17 doses of 17 mg on wing C", None),
        ("Z0001AAB XZ0001AA", None),
        ("call 07700 900123 or +447700900123 or +44 7700900123", None),
        ('{"system":"http://snomed.info/sct","code":"4000000001"}', None),
        ("OBX|1|CE|4000000004^A code^SCT||6000000001", None),
        ("order 9990000019 has no right check digit, 1149222004 is a code", None),
        ("12.9990000018 and 99900000180", None),
        ("a table:\n999\n000\n0018", None),
        ("XZ0001 AA, Z0001 AAB, 9990000026, 999.000.0026", None),
    ],
)
def test_what_is_found_and_what_is_not(words: str, leak: Leak | None) -> None:
    assert looked_at(words) == leak


def test_a_relatives_number_is_another_persons() -> None:
    kin = {"resourceType": "RelatedPerson", "id": "k", "identifier": [{"system": systems.NHS_NUMBER, "value": OTHER}]}
    assert looked_at(f"the children are with {OTHER}", kin) is Leak.ANOTHER_PERSON


def test_where_the_person_lives_is_a_stay_and_no_visit_and_no_appointment() -> None:
    """A place that the letter itself may tell is none; a cell is one in every letter, whatever kind of contact was there."""
    clinic = "Exampleton Recovery, 12 High Street"
    at = [{"location": {"display": clinic}}]
    visit = {"resourceType": "Encounter", "id": "v", "class": {"code": "AMB"}, "location": at}
    stay = {**visit, "class": {"code": "IMP"}}
    cell = {**visit, "location": [{**at[0], "physicalType": {"coding": [{"code": "ro"}]}}]}
    booked = {"resourceType": "Appointment", "id": "a", "participant": [{"actor": {"display": clinic}}]}
    found = []
    for encounter in (visit, stay, cell):
        for letter in ([], [booked]):
            held = unsaid([person(), encounter], said_systems=(), said_places=False, letter=letter)
            found.append(leak_in(text(f"at {clinic}"), held))
    assert found == [None, None, Leak.PLACE, None, Leak.PLACE, Leak.PLACE]
    wing = {**stay, "location": [{"location": {"display": "\u00c9-wing 2-014"}}]}
    assert looked_at("lives on \u00c9-WING 2-014", wing) is Leak.PLACE


@pytest.mark.parametrize("wire", [each for each in LETTERS["referral"].every_wire if each != "pdf"])
def test_the_number_of_a_referral_is_nobodys_nhs_number(wire: str) -> None:
    """Ten digits that happen to end in the check digit of one."""
    number = "4000000004"
    file, context = case("referral")
    numbered = [{"system": systems.LOCAL_ID + "referral", "value": number}]
    file = [{**each, "identifier": numbered} if each["resourceType"] == "ServiceRequest" else each for each in file]
    held = unsaid(file, said_systems=(systems.NHS_NUMBER,), said_places=False)
    letter = render(minimised("referral", file, context), wire, HEADING)
    assert number.encode() in letter.text
    assert leak_in(letter, held) is None


@pytest.mark.parametrize(
    "written",
    [
        "999\u00a0000\u00a00018",
        "999\u2011000\u20110018",
        "999.000.0018",
        "999  000\n0018",
        "z0001 aa",
        "Z-0001-AA",
        "Z0001\u00a0AA",
    ],
)
def test_what_is_found_is_left_out_as_it_is_written(written: str) -> None:
    held = unsaid([person()], said_systems=(systems.NHS_NUMBER,), said_places=False)
    letter = text(fhir_json.encode({"text": f"apart from {written}, 40 mg"}).decode())
    assert leak_in(letter, held) is not None
    left = without_words("text", f"apart from {written}, 40 mg", words_in(letter, held))
    assert left == "apart from not named in this letter, 40 mg"


def test_what_may_be_named_is_no_leak() -> None:
    both = (systems.NHS_NUMBER, systems.PRISON_NUMBER)
    assert looked_at("seen today, Z0001AA, 9990000026", systems_said=both) is None
    assert looked_at("NHS number 9990000026", systems_said=()) is Leak.IDENTIFIER
    held = unsaid([CELL], said_systems=(), said_places=True)
    assert leak_in(text("found in C, 3, 012"), held) is None


def test_no_letter_of_a_shipped_agreement_is_taken_for_a_leak_and_each_wire_is_looked_at() -> None:
    """0 false holds over every letter and wire; and the same letters with another's number in their own place for words are all found."""
    for name in ABOUT_A_PERSON:
        file, context = case(name)
        bundle = minimised(name, file, context)
        agreement = read_agreement((AGREEMENTS / f"{name}.toml").read_text("utf-8"), name)
        held = unsaid([*file, person(), CELL], said_systems=agreement.identifier_systems, said_places=False)
        for wire in sorted(WIRES - ({"pdf"} if name != "handover" else set())):
            try:
                letter = render(bundle, wire, HEADING)
            except ValueError:
                continue
            assert leak_in(letter, held) is None, (name, wire)
            people = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient"]
            assert people, name
            before = people[0].get("name")
            for said, leak in ((f"Lee {OTHER}", Leak.ANOTHER_PERSON), ("Lee H55-1203", Leak.IDENTIFIER)):
                people[0]["name"] = [{"use": "official", "family": said, "given": ["Alex"]}]
                assert leak_in(render(bundle, wire, HEADING), held) is leak, (name, wire)
            people[0]["name"] = before


def test_it_costs_next_to_nothing() -> None:
    """Under 100 microseconds of CPU for a whole handover: the best of many, for this machine does other things too."""
    file, context = case("handover")
    letter = render(minimised("handover", file, context), "fhir-document", HEADING)
    best = min(_seconds(file, letter) for _ in range(200))
    assert len(letter.text) > 20_000
    assert best < 0.000_5, best


def _seconds(file: Sequence[Json], letter: Rendered) -> float:
    began = time.process_time()
    for _ in range(3):
        leak_in(letter, unsaid(file, said_systems=(systems.NHS_NUMBER,), said_places=False))
    return (time.process_time() - began) / 3
