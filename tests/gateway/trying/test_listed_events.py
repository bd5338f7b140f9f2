"""Every event of HL7 v2 that the product names: a golden message of it goes the whole way, and means the same in each version from 2.3 to 2.8."""

import pytest

from fhir_profiles.peek_hl7v2 import KINDS, peek_hl7v2
from fhir_profiles.shapes import Envelope
from gateway.trying import try_message
from tests.fhir_profiles.mappings.golden_pairs import CHANNEL, sources, translate

ADMISSIONS = "A01 A02 A03 A04 A05 A06 A07 A08 A11 A13 A14 A16 A21 A22 A28 A31 A34 A40 A44 A45"
LISTED = [*(f"ADT^{event}" for event in ADMISSIONS.split()), "MDM^T02", "OML^O21", "OMP^O09", "ORU^R01", "PPR^PC1"]
LISTED += ["RAS^O17", "RDE^O01", "RDE^O11", "RDS^O13", "REF^I12"]
VERSIONS = ("2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.2")

LETTERS = {
    "ADT^A03": {"handover", "gp-copy"},
    "OMP^O09": {"prescription-copy"},
    "ORU^R01": {"report"},
    "RDE^O01": {"prescription-copy"},
    "RDE^O11": {"prescription-copy"},
    "REF^I12": {"referral"},
}
"""Which letters the first golden message of a kind concerns, about somebody of whom nothing else is known; of the others none."""
HELD = {"ADT^A44": "two-people", "ADT^A45": "two-people"}


def golden() -> dict[str, bytes]:
    """Kind -> its first golden message."""
    found: dict[str, bytes] = {}
    for source in sources():
        envelope = peek_hl7v2(CHANNEL, source.read_bytes())
        assert isinstance(envelope, Envelope)
        found.setdefault(envelope.kind, source.read_bytes())
    return found


def in_version(body: bytes, version: str) -> bytes:
    head, _, rest = body.replace(b"\n", b"\r").partition(b"\r")
    fields = head.split(b"|")
    fields[11] = version.encode()
    return b"|".join(fields) + b"\r" + rest


def test_what_is_listed_is_what_is_read() -> None:
    assert sorted(LISTED) == sorted(KINDS) == sorted(golden())


@pytest.mark.parametrize("kind", LISTED)
def test_a_listed_event_goes_the_whole_way(kind: str) -> None:
    """Received, identified, filed, composed, decided: released with the letters it concerns, or held for the reason it is held for."""
    found = try_message(golden()[kind])
    assert found["message"]["kind"] == kind
    assert found["message"]["outcome"] == ("held" if kind in HELD else "released")
    assert {each["letter"] for each in found["decisions"]} == LETTERS.get(kind, set())
    if kind in HELD:
        assert found["tasks"][0]["code"] == HELD[kind]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_means_the_same_in_every_version(version: str) -> None:
    for kind, body in golden().items():
        written, read = translate(body), translate(in_version(body, version))
        assert read.bundle == written.bundle, kind
        assert (read.events, read.persons, read.hold) == (written.events, written.persons, written.hold), kind
        assert [(field.source, field.fate) for field in read.fields] == [
            (field.source, field.fate) for field in written.fields
        ], kind
