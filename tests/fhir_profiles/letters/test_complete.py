"""Every letter has all that a letter needs: definition, builder, checker, example, golden bytes, lists of what it must have and of its own words.

A letter without one of these fails here by name, and so does one that issue 5 asks for and that is not registered. What stands in a letter as
text is escaped on each wire, whichever letter it is.
"""

import copy
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fhir_profiles import profiles
from fhir_profiles.compose import LETTERS
from fhir_profiles.definitions import DEFINITIONS
from fhir_profiles.definitions.guide import profiles_of
from fhir_profiles.examples import EXAMPLES, example
from fhir_profiles.fhir_json import decode
from fhir_profiles.letters.parts.spec import AS_TEXT
from fhir_profiles.profiles import PROFILES
from fhir_profiles.render import render
from fhir_profiles.shapes import Json
from tests.consent.test_must_have import MUST_HAVE
from tests.fhir_profiles.letters.files import HEADING, REPORTS, case
from tests.fhir_profiles.letters.test_golden import FOLDER as GOLDEN
from tests.fhir_profiles.letters.test_through_the_gate import AGREEMENTS, KEPT_BACK, NEEDED, minimised
from tests.fhir_profiles.letters.tracing import own_words

ASKED_FOR = {
    "Handover for release": "handover",
    "Handover for transfer": "transfer",
    "Prescription copy": "prescription-copy",
    "Referral": "referral",
    "Reception notice with record request": "reception-notice",
    "Report": "report",
    "MDT-positive referral in": "mandatory-test-referral",
    "Engagement acknowledgement": "engagement",
    "ACCT contribution": "acct-contribution",
    "Probation summary": "probation-summary",
    "Notice of withdrawal": "notice-of-withdrawal",
    "Write-back of external contacts": "write-back",
    "Human copy of the person's own, on release": "persons-handover",
    "Human copy of the person's own, on transfer": "persons-transfer",
}
OF_EVERY_LETTER = frozenset({"notice", "letter-header", "handover-document"})
HOSTILE = "</div><script>alert(1)</script>|^~\\&\rOBX|1|ST|planted"


def lacks(letter: str) -> list[str]:
    """What a registered letter does not have."""
    held = f"example-{letter}"
    own = set(profiles_of(example(held))) - OF_EVERY_LETTER if held in EXAMPLES else set()
    named = {profile.name: url for url, profile in PROFILES.items()}
    modules = Path(str(profiles.__file__)).parent
    told = any(letter in each.letters.split() for each in own_words())
    kind = LETTERS.get(letter)
    return [
        what
        for what, there in {
            "a profile of its own": own and own <= set(named),
            "a StructureDefinition": own and all(name in DEFINITIONS["StructureDefinition"] for name in own),
            "a builder": own and all((modules / f"{name.replace('-', '_')}.py").exists() for name in own),
            "a MessageDefinition": kind is not None
            and ("fhir-message" not in kind.wires or letter in DEFINITIONS["MessageDefinition"]),
            "an example": held in EXAMPLES,
            "golden bytes": (GOLDEN / f"{letter}.json").exists(),
            "an agreement": (AGREEMENTS / f"{letter}.toml").exists(),
            "a list of what its recipient must have": letter in NEEDED and letter in MUST_HAVE,
            "a list of what its recipient must not have": letter in KEPT_BACK,
            "a closed list of its own words": told or letter in REPORTS,
            "HL7 v2 and paper": kind is not None and (letter in REPORTS or set(AS_TEXT) <= set(kind.every_wire)),
        }.items()
        if not there
    ]


@pytest.mark.parametrize("letter", LETTERS)
def test_a_letter_has_all_that_a_letter_needs(letter: str) -> None:
    assert lacks(letter) == []


def test_sabotage_a_letter_that_has_nothing_lacks_everything() -> None:
    assert len(lacks("postcard")) == 11


def test_every_letter_that_was_asked_for_is_registered() -> None:
    assert set(ASKED_FOR.values()) <= set(LETTERS)


def hostile(value: object) -> None:
    """Put hostile words behind every text that people write."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in {
                "text",
                "display",
                "family",
                "description",
                "title",
                "contentString",
                "valueString",
                "city",
            } and isinstance(item, str):
                value[key] = item + HOSTILE
            else:
                hostile(item)
    elif isinstance(value, list):
        for item in value:
            hostile(item)


def planted(letter: str) -> Json:
    file, context = case(letter)
    resources = copy.deepcopy(file)
    for each in resources:
        hostile(each)
    return minimised(letter, resources, context)


def test_what_people_wrote_is_text_in_every_letter_and_on_every_wire() -> None:
    seen = 0
    for letter, kind in LETTERS.items():
        if letter in REPORTS:
            continue
        left = planted(letter)
        for section in _divs(decode(render(left, kind.wires[0], HEADING).body)):
            ET.fromstring(section)
            assert "<script" not in section, letter
            seen += section.count("&lt;script&gt;")
        for wire in ("hl7v2", "hl7v2-oru"):
            segments = render(left, wire, HEADING).body.decode().rstrip("\r").split("\r")
            assert not [each for each in segments if re.match(r"OBX\|1\|ST\|planted", each)], (letter, wire)
            assert {each[:3] for each in segments} <= {
                "MSH",
                "EVN",
                "PID",
                "PD1",
                "PV1",
                "TXA",
                "OBX",
                "OBR",
                "ORC",
                "NTE",
                "SPM",
            }
            seen += sum("\\F\\\\S\\\\R\\\\E\\\\T\\" in each for each in segments)
    assert seen > 100


def _divs(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["div"]] if isinstance(value.get("div"), str) else []
        return own + [each for item in value.values() for each in _divs(item)]
    return [each for item in value for each in _divs(item)] if isinstance(value, list) else []
