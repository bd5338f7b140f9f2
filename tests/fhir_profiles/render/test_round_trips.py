"""Our bundle, parsed, is our bundle again byte for byte, for every letter on every FHIR wire; and read by our own intake it loses nothing unsaid."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fhir_profiles.compose import LETTERS
from fhir_profiles.fhir_json import decode, encode
from fhir_profiles.render import render
from fhir_profiles.shapes import Channel, Fate, Json
from fhir_profiles.translate import translate
from tests.fhir_profiles.letters.files import HEADING, REPORTS
from tests.fhir_profiles.validators.leaving import FHIR, minimised_letters

CHANNEL = Channel(name="neighbour", format="fhir")
SAID = frozenset({Fate.RESIDUAL, Fate.UNSUPPORTED, Fate.MINIMISED})


def written() -> Iterator[tuple[str, str, bytes]]:
    """Every letter of every file on every FHIR wire that can carry it: (name, wire, bytes)."""
    for letter, file, bundle in minimised_letters():
        for wire in LETTERS[letter].wires:
            made = render(bundle, wire, HEADING)
            if made.content_type == FHIR:
                yield f"{letter}, {file}", wire, made.body


def once_more(body: bytes, wire: str) -> bytes:
    """Parse a written letter and write it again; the header of a message is the wire's own."""
    bundle: Json = decode(body)
    if wire == "fhir-message":
        assert bundle["entry"][0]["resource"]["resourceType"] == "MessageHeader"
        bundle["entry"] = bundle["entry"][1:]
    return render(bundle, wire, HEADING).body


def leaves(value: Any, at: str = "") -> Iterator[str]:
    """The path of every value that an element has."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{at}.{key}" if at else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, f"{at}[{number}]")
    else:
        yield at


def test_every_letter_on_every_wire_is_the_same_after_parsing() -> None:
    seen = set()
    for name, wire, body in written():
        assert encode(decode(body)) == body.rstrip(b" "), (name, wire)
        assert once_more(body, wire) == body, (name, wire)
        seen.add((name.split(",")[0], wire))
    assert {letter for letter, _ in seen} == set(LETTERS)
    assert {wire for _, wire in seen} == {"fhir-document", "fhir-message", "fhir-collection"}


@pytest.mark.parametrize("number", ["40.00", "0.10", "1E+2", "5"])
def test_a_digit_that_is_lost_is_found(number: str) -> None:
    """Sabotage: what a careless parser makes of a dose is not byte for byte the same."""
    name, wire, body = next(one for one in written() if one[1] == "fhir-document" and b'"value":40.00' in one[2])
    body = body.replace(b'"value":40.00', b'"value":' + number.encode())
    bundle = decode(body)
    assert encode(bundle) == body, (name, wire)
    careless = body.replace(number.encode(), str(float(Decimal(number))).encode())
    assert encode(decode(careless)) != body


def test_our_own_intake_accounts_for_every_element_of_a_letter() -> None:
    for name, wire, body in written():
        if "nothing" in name or name.startswith(tuple(REPORTS)):
            continue  # a letter about nobody is held: there is no file that it could join
        bundle = decode(body)
        translation = translate(CHANNEL, body)
        assert translation.hold is None, (name, wire)
        fates = {field.source.removeprefix("Bundle."): field.fate for field in translation.fields}
        assert set(fates) >= {path for path in leaves(bundle) if path.startswith("entry")}, (name, wire)
        lost = [field for field in translation.fields if field.fate in SAID]
        assert all(field.reason for field in lost), (name, wire)
