"""Whatever a sender writes into the fields that an acknowledgement echoes, it never becomes a segment or a frame of its own: least of all what an
escape says, as a number or as a letter, whole, cut off, nested or in another set of characters.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mllp.frames import framed
from fhir_profiles.hl7v2 import Hl7Error, parse
from gateway.parts import Parts
from gateway.steps.receive import receive
from tests.gateway.receive.line import arrival, make_parts

PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="|\r\n"), max_size=10)
ESCAPES = (
    *("\\F\\", "\\S\\", "\\T\\", "\\R\\", "\\E\\", "\\P\\", "\\H\\", "\\N\\"),
    *(
        "\\X0D\\",
        "\\X0d\\",
        "\\X0A\\",
        "\\X0D0A\\",
        "\\X0B\\",
        "\\X1C\\",
        "\\X1C0D\\",
        "\\X7C\\",
        "\\X5C\\",
        "\\X00\\",
        "\\X0D4D53417C\\",
    ),
    *("\\.br\\", "\\.sp\\", "\\.sp+9\\", "\\.ce\\", "\\.in+2\\", "\\C2842\\", "\\M244A\\", "\\Z0D\\", "\\Z99\\"),
    *(
        "\\",
        "\\\\",
        "\\X",
        "\\X0",
        "\\X0D",
        "\\X0DZ\\",
        "X0D\\",
        "\\E\\X0D\\E\\",
        "\\F",
        "F\\",
        "\\.br",
        "\\\\F\\\\",
        "\\X5C\\X0D\\X5C\\",
    ),
)
"""Letters, numbers and formats of HL7 v2 (2.7.1 to 2.7.6), and what is cut off, nested, or doubled of them."""
HOSTILE = st.lists(st.one_of(st.sampled_from(ESCAPES), st.sampled_from(ESCAPES), PLAIN), max_size=5).map("".join)
SETS = {
    "": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "8859/1": "latin-1",
    "ASCII": "ascii",
    "UNICODE UTF-16": "utf-8",
    "\\X0D\\": "utf-8",
}
"""MSH-18 -> what the bytes are written in."""


def test_most_of_what_is_drawn_has_escapes() -> None:
    """Or the test below would be void: it drew hardly any."""
    drawn: list[str] = []

    @settings(max_examples=200, deadline=None)
    @given(HOSTILE)
    def draw(text: str) -> None:
        drawn.append(text)

    draw()
    assert sum("\\" in text for text in drawn) > len(drawn) // 2


async def judged(parts: Parts, application: str, facility: str, control: str, kind: str, named: str) -> int:
    """MSH, one MSA, our ERRs, one frame, and the sender's own id, whatever stands in the fields that are echoed. How many were answered."""
    header = f"MSH|^~\\&|{application}|{facility}|{facility}|{application}|20260115120000||{kind or 'ADT^A01'}|{control}|P|2.5.1||||||{named}"
    answered = 0
    for text in (f"{header}\rPID|1\r", f"{header}\r", header):
        answer = (await receive(parts, arrival(text.encode(SETS[named], "ignore")))).answer
        if not answer.body:
            continue
        answered += 1
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
    return answered


@settings(max_examples=150, deadline=None)
@given(application=HOSTILE, facility=HOSTILE, control=HOSTILE, kind=HOSTILE, named=st.sampled_from(sorted(SETS)))
async def test_no_acknowledgement_holds_a_segment_more_than_ours(
    application: str, facility: str, control: str, kind: str, named: str
) -> None:
    parts = make_parts()
    await judged(parts, application, facility, control, kind, named)
    parts.store.close()


async def test_no_escape_in_any_field_that_is_echoed_becomes_a_segment() -> None:
    """Each by itself, in each field."""
    parts = make_parts()
    answered = 0
    for number, escape in enumerate(ESCAPES):
        for place in range(4):
            one, two, three = (f"{number}{escape}{place}" if each == place else "x" for each in range(3))
            kind = f"ADT^A01{escape}" if place == 3 else "ADT^A01"
            answered += await judged(parts, one, two, three, kind, sorted(SETS)[number % len(SETS)])
    assert answered > 4 * len(ESCAPES)
    parts.store.close()
