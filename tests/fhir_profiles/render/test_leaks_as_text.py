"""The leak sites of every letter, once more on the wires that write it out: what minimisation took away stands in no text and no page."""

import copy
import io
import re

import pypdf
import pytest

from consent.minimise import NothingLeaves
from fhir_profiles.letters import LETTERS as REGISTERED
from fhir_profiles.render import render
from tests.consent.letters import LETTERS, bundle, send
from tests.consent.test_leaks import CANARY, SITES, SPELLINGS, dumps, found
from tests.fhir_profiles.letters.files import HEADING

PRINTED = sorted(name for name in LETTERS if name in REGISTERED and REGISTERED[name].about_a_person)
BARE = tuple(re.sub(r"\s+", "", spelling) for spelling in SPELLINGS)


def text_on(body: bytes, wire: str) -> str:
    if wire != "pdf":
        return body.decode()
    return re.sub(r"\s+", "", "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(body)).pages))


@pytest.mark.parametrize("name", PRINTED)
def test_no_canary_is_written_out(name: str) -> None:
    """All sites that a resource has, one resource of the letter after the other."""
    seen = 0
    for index, original in enumerate(LETTERS[name]):
        resources = copy.deepcopy(LETTERS[name])
        for plant in SITES.values():
            plant(resources[index])
        assert resources[index] != original
        assert found(dumps(bundle(*resources)))
        try:
            released = send(bundle(*resources), name).bundle
        except NothingLeaves:
            continue
        for wire in ("hl7v2", "hl7v2-oru", "pdf"):
            text = text_on(render(released, wire, HEADING).body, wire)
            assert not [spelling for spelling in (*SPELLINGS, *BARE) if spelling in text], (name, wire)
            seen += 1
    assert seen >= 3


def test_a_canary_that_leaves_is_found() -> None:
    """Sabotage: what minimisation did not see stands in every text."""
    resources = copy.deepcopy(LETTERS["handover"])
    resources[[each["resourceType"] for each in resources].index("Patient")]["name"] = [{"family": CANARY}]
    letter = bundle(*resources)
    for wire in ("hl7v2", "hl7v2-oru", "pdf"):
        assert CANARY in text_on(render(letter, wire, HEADING).body, wire)
