"""Whatever a sender writes into the fields that an acknowledgement echoes, it never becomes a segment or a frame of its own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mllp.frames import framed
from fhir_profiles.hl7v2 import Hl7Error, parse
from gateway.steps.receive import receive
from tests.gateway.receive.line import arrival, make_parts

ANY = st.text(st.characters(codec="utf-8", exclude_characters="|\r\n"), max_size=30)


@settings(max_examples=60, deadline=None)
@given(application=ANY, facility=ANY, control=ANY, kind=ANY)
async def test_no_acknowledgement_holds_a_segment_more_than_ours(
    application: str, facility: str, control: str, kind: str
) -> None:
    """Whatever stands in the fields that are echoed: MSH, one MSA, our ERRs, one frame, and the sender's own id."""
    parts = make_parts()
    header = f"MSH|^~\\&|{application}|{facility}|{facility}|{application}|20260115120000||{kind or 'ADT^A01'}|{control}|P|2.5.1"
    for body in (f"{header}\rPID|1\r", f"{header}\r", header):
        answer = (await receive(parts, arrival(body.encode()))).answer
        if not answer.body:
            continue
        lines = answer.body.decode().split("\r")
        assert lines.pop() == ""
        assert [line[:4] for line in lines[:2]] == ["MSH|", "MSA|"]
        assert {line[:4] for line in lines[2:]} <= {"ERR|"}
        assert not {0x0B, 0x1C} & set(answer.body)
        assert framed(answer.body).count(b"\x1c\r") == 1
        try:
            echoed = parse(answer.body).get("MSA-2")
        except Hl7Error:
            pytest.fail("our own acknowledgement cannot be read")
        if echoed and control.isalnum() and control.isascii():
            assert echoed == control
    parts.store.close()
