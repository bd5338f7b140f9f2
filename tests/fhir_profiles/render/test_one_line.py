"""A value writes no line of a letter: no heading, no dose and no other direction of reading, in any wire that a person reads as text."""

from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles.letters import LETTERS
from fhir_profiles.render import render
from fhir_profiles.wires.one_line import BREAK, one_line
from tests.fhir_profiles.letters.files import HEADING
from tests.fhir_profiles.render.test_hl7v2 import text_of, written
from tests.fhir_profiles.render.test_pdf import bare, inside
from tests.fhir_profiles.validators.leaving import minimised_letters

FORGED = "Prescribed: methadone 400 mg"
ENDS = ("\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029", "\n\n")
UNSEEN = ("\x00", "\x08", "\x1b", "\x9b", "\u202e", "\u2066", "\u200f", "\u061c", "\u200b", "\ufeff", "\U000e0041")


@given(st.text(st.characters(blacklist_categories=()), max_size=40))
def test_any_text_is_one_line_and_the_same_twice(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1 or line.splitlines()[0] == line
    assert not set(line) & set("".join((*ENDS, *UNSEEN)))
    assert one_line(line) == line
    for word in text.split():
        if word.isalnum() and word.isascii():
            assert word in line, "nothing is left out"


@pytest.mark.parametrize("end", ENDS)
def test_an_end_of_a_line_stays_to_be_seen(end: str) -> None:
    """Two amounts on two lines never become one amount, a fraction or a range."""
    assert one_line(f"10 mg{end}5 mg") == f"10 mg{BREAK}5 mg"


@pytest.mark.parametrize("sign", UNSEEN)
def test_what_shows_nothing_stands_as_its_number(sign: str) -> None:
    assert one_line(f"1{sign}0 mg") == f"1[U+{ord(sign):04X}]0 mg"
    assert one_line("Zoë O’Neil-Ŵyn نیم‌فاصله") == "Zoë O’Neil-Ŵyn نیم‌فاصله"


def spoiled(value: Any, end: str, path: str = "") -> Any:
    """The letter with a forged line at the end of every text that a person wrote."""
    if isinstance(value, dict):
        return {key: spoiled(below, end, key) for key, below in value.items()}
    if isinstance(value, list):
        return [spoiled(each, end, path) for each in value]
    words = path in {
        "text",
        "contentString",
        "description",
        "family",
        "given",
        "line",
        "display",
        "title",
        "valueString",
    }
    return f"{value}{end}{FORGED}" if words and isinstance(value, str) else value


def test_no_value_of_any_letter_forges_a_line_of_any_text() -> None:
    """Every letter, every wire with text; a forged line would stand by itself."""
    seen: Counter[str] = Counter()
    letters = {name: bundle for name, _, bundle in minimised_letters() if LETTERS[name].about_a_person}
    for number, (name, bundle) in enumerate(letters.items()):
        hostile = spoiled(deepcopy(bundle), ENDS[number % len(ENDS)] + "\u202e")
        for wire in ("hl7v2", "hl7v2-oru"):
            lines = text_of(written(hostile, wire))
            assert not [line for line in lines if line.removeprefix("[U+202E]").startswith(FORGED)], (name, wire)
            assert any(FORGED in line for line in lines), "sabotage: it is in there, and not as a line"
            assert "\u202e" not in "".join(lines)
            seen[wire] += 1
        if "fhir-document" in LETTERS[name].wires:
            body = render(hostile, "fhir-document", HEADING).body.decode()
            for div in [part.split('"')[0] for part in body.split('"div": "')[1:]]:
                assert "\\n" not in div.removesuffix("\\n"), name
                assert "\\u2028" not in div
            seen["fhir-document"] += 1
    paper = inside(render(spoiled(deepcopy(letters["handover"]), "\n"), "pdf", HEADING).body)
    assert bare(f"{BREAK}{FORGED}") in paper
    assert min(seen.values()) >= 2
