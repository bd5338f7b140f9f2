"""What is a reply and what is none; a letter's three names; which kind each content is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles.fhir_kinds import BUNDLE, MESSAGE, RESOURCE, RESPONSE, kind_of
from fhir_profiles.replies import MAX_REPLY_BYTES, ReplyCode, names_of, read_reply
from tests.fhir_profiles.fhir_message.messages import bundle, header, patient, without

DELIVERY = "0123456789ABCDEFGHJK"


def reply(identifier: Any = DELIVERY, code: Any = "ok", **changes: Any) -> bytes:
    head = header(response={"identifier": identifier, "code": code})
    return json.dumps({**bundle(head=head), "entry": bundle(head=head)["entry"][:1]} | changes).encode()


@pytest.mark.parametrize("code", list(ReplyCode))
def test_a_reply_says_what_became_of_a_letter(code: ReplyCode) -> None:
    found = read_reply(reply(code=code.value))
    assert found is not None
    assert (found.identifier, found.code) == (DELIVERY, code)
    assert found.means(DELIVERY)
    assert not found.means(DELIVERY[::-1])


def test_each_of_the_three_names_means_the_letter_however_it_is_written() -> None:
    for name in names_of(DELIVERY):
        for written in (name, f"urn:uuid:{name}", name.upper() if len(name) > 20 else name):
            found = read_reply(reply(written))
            assert found is not None
            assert found.means(DELIVERY), written


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"[]",
        b'{"resourceType":"OperationOutcome"}',
        reply(code="accepted"),
        reply(code=None),
        reply(identifier=""),
        reply(identifier={"value": DELIVERY}),
        reply(type="collection"),
        reply(entry=[]),
        reply() + b" " * MAX_REPLY_BYTES,
    ],
)
def test_anything_else_is_no_reply(body: bytes) -> None:
    assert read_reply(body) is None


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(body: bytes) -> None:
    assert read_reply(body) is None


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (json.loads(reply()), RESPONSE),
        (bundle(head=header(response={"identifier": "x", "code": "ok"})), MESSAGE),  # it brings somebody
        (bundle(), MESSAGE),
        (bundle(type="collection"), BUNDLE),
        (without(bundle(), "type"), BUNDLE),
        (patient(), RESOURCE),
        ({}, RESOURCE),
    ],
)
def test_the_kind_is_read_from_the_bytes(content: dict[str, Any], kind: str) -> None:
    assert kind_of(content) == kind
