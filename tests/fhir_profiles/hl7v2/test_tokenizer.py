"""The tokenizer gives back every byte, reads every delimiter, and agrees with python-hl7 where both can read."""

import hl7  # type: ignore[import-untyped]  # has no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_profiles.hl7v2 import (
    STANDARD,
    Delimiters,
    Hl7Error,
    parse,
    parse_path,
    path_of,
    standard,
    unescape,
)

HEADER = "MSH|^~\\&|APP|FAC|||20260101||ADT^A01|1|P|2.5"
MESSAGE = f"{HEADER}\rPID|1||9990000018^^^NHS&x&ISO~A1234BC^^^NOMIS|\rOBX|1\rOBX|2|ST|a^b||x~y\r".encode()


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n"])
def test_every_byte_comes_back(ending: str) -> None:
    """Whatever ends the segments, the message is what it was."""
    body = MESSAGE.replace(b"\r", ending.encode())
    message = parse(body)
    assert message.encode() == body
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "OBX", "OBX"]


def test_a_line_feed_is_text_where_carriage_returns_end_segments() -> None:
    """A text may hold a line feed that looks like a new segment; it must not become one."""
    message = parse(f"{HEADER}\rOBX|1|TX|||one\nPID|1||other".encode())
    assert [segment.name for segment in message.segments] == ["MSH", "OBX"]
    assert message.get("OBX-5") == "one\nPID"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("PID-3", "9990000018"),
        ("PID-3.4.1", "NHS"),
        ("PID-3.4.3", "ISO"),
        ("PID-3[2].1", "A1234BC"),
        ("PID-3[2].4", "NOMIS"),
        ("PID-3[3].1", None),
        ("PID-5", None),
        ("OBX[2]-3.2", "b"),
        ("OBX[2]-5[2]", "y"),
        ("OBX[3]-1", None),
        ("ZZZ-1", None),
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&"),
        ("MSH-9.2", "A01"),
    ],
)
def test_paths_name_leaves(path: str, value: str | None) -> None:
    assert parse(MESSAGE).get(path) == value


def test_null_is_not_absence() -> None:
    """`""` says that there is no value; nothing says nothing."""
    message = parse(f'{HEADER}\rPID|1||""||'.encode())
    assert message.get("PID-3") == ""
    assert message.get("PID-4") is None


@pytest.mark.parametrize("path", ["", "PID", "PID-0", "pid-3", "PID-3.", "PID[0]-3", "PID-3[1", "PID-3.1.1.1"])
def test_a_wrong_path_is_an_error(path: str) -> None:
    with pytest.raises(ValueError, match="not an HL7 v2 path"):
        parse_path(path)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", "a|b^c&d~e\\f"),
        (r"\X4C65656473\ ", "Leeds "),
        (r"\XC3A9\ ", "é "),
        (r"\XZZ\ ", r"\XZZ\ "),
        (r"\X\ ", r"\X\ "),
        (r"one\.br\two\.sp2\three", "one\ntwo\n\nthree"),
        (r"\.sp999999999\x", "\nx"),
        (r"\H\bold\N\ ", "bold "),
        (r"never closed \F", r"never closed \F"),
        (r"\\ twice", r"\\ twice"),
        (r"\Q\ and \F\ ", r"\Q\ and | "),
        ("no escape", "no escape"),
        (r"\E\S\E\ ", r"\S\ "),
    ],
)
def test_escapes(raw: str, text: str) -> None:
    """What is understood is resolved once; what is not stays as it is written."""
    assert unescape(raw) == text


def test_other_delimiters() -> None:
    """MSH-1 and MSH-2 rule, and what goes into an acknowledgement has the usual ones."""
    message = parse(b"MSH#*!?%#APP*1.2*ISO#FAC%x##\rPID#1##A1234BC***NOMIS!7***X#a?S?b^|")
    assert message.delimiters == Delimiters(field="#", component="*", repetition="!", escape="?", subcomponent="%")
    assert message.get("PID-3[2].4") == "X"
    assert message.get("PID-4") == "a*b^|"
    assert message.get("MSH-3.2") == "1.2"
    assert standard(message.segments[0].field(3), message.delimiters) == "APP^1.2^ISO"
    assert standard("a^b*c%d", message.delimiters) == "a\\S\\b^c&d"
    assert standard("APP^1", STANDARD) == "APP^1"


def test_few_delimiters() -> None:
    """A message without escape and subcomponent signs has none."""
    message = parse(b"MSH|^~|APP\rPID|1||a\\F\\b&c^d")
    assert message.get("PID-3.1") == "a\\F\\b&c"


@pytest.mark.parametrize(
    ("charset", "encoding"), [("UNICODE UTF-8", "utf-8"), ("8859/1", "iso8859-1"), ("8859/15", "iso8859-15")]
)
def test_declared_character_sets(charset: str, encoding: str) -> None:
    body = f"{HEADER}||||||{charset}\rPID|1||||Müller^Zoë".encode(encoding)
    message = parse(body)
    assert message.get("PID-5.2") == "Zoë"
    assert message.encode() == body
    assert message.charset_declared


def test_undeclared_character_sets() -> None:
    """UTF-8 where the bytes are that, else ISO 8859-1, which never fails; both are said to be assumed."""
    for encoding in ("utf-8", "iso8859-1"):
        message = parse(f"{HEADER}\rPID|1||||Zoë".encode(encoding))
        assert message.get("PID-5") == "Zoë"
        assert not message.charset_declared


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "MSH"),
        (b"PID|1", "MSH"),
        (b"MSH", "MSH-2"),
        (b"MSH|", "MSH-2"),
        (b"MSH|^|x", "MSH-2"),
        (b"MSH|^^^^|x", "MSH-2"),
        (b"MSHabcd|x", "MSH-2"),
        (b"MSH|^~\\&||||||||||||||||UNICODE UTF-16", "MSH-18"),
        (b"MSH|^~\\&||||||||||||||||UTF-8\rPID|\xff", "MSH-18"),
        (b"MSH|^~\\&|\rOBX|1|TX\ra line of text", "OBX[1]"),
    ],
)
def test_unreadable_bytes_are_an_error_with_a_place(body: bytes, path: str) -> None:
    with pytest.raises(Hl7Error) as caught:
        parse(body)
    assert caught.value.path == path


def test_size_is_limited() -> None:
    """A message that costs more memory than it is worth is refused by name."""
    with pytest.raises(Hl7Error, match="segments"):
        parse(HEADER.encode() + b"\rNTE|1" * 6_000)
    with pytest.raises(Hl7Error, match="components"):
        parse(HEADER.encode() + b"\rNTE|" + b"a^" * 300_000)


def test_a_byte_order_mark_is_kept_and_not_read() -> None:
    body = b"\xef\xbb\xbf" + MESSAGE
    assert parse(body).encode() == body


def test_path_and_parse_path_agree() -> None:
    assert parse_path(path_of("OBX", 3, 5, 2, 1, 4)) == ("OBX", 3, 5, 2, 1, 4)
    assert path_of("PID", 1, 8, 1, 0, 0) == "PID-8"


WORD = st.text(st.sampled_from("abcXYZ019 .-'é"), max_size=6)
COMPONENT = st.lists(WORD, min_size=1, max_size=3).map("&".join)
REPETITION = st.lists(COMPONENT, min_size=1, max_size=3).map("^".join)
FIELD = st.lists(REPETITION, min_size=1, max_size=3).map("~".join)


@settings(deadline=None)
@given(st.lists(st.lists(FIELD, min_size=1, max_size=5), min_size=1, max_size=3))
def test_python_hl7_reads_the_same(segments: list[list[str]]) -> None:
    """The oracle: python-hl7 finds the same text in the same place, for every leaf that is not empty."""
    text = "\r".join([HEADER, *("|".join(["ZZT", *fields]) for fields in segments)])
    message, oracle = parse(text.encode()), hl7.parse(text)
    for path, raw in message.values():
        name, occurrence, number, repetition, component, subcomponent = parse_path(path)
        if name == "MSH":
            continue
        if raw.isspace() or raw != raw.strip():
            continue  # python-hl7 cuts blanks off; we do not
        theirs = oracle.extract_field(name, occurrence, number, repetition, component, subcomponent)
        assert theirs == raw == message.get(path)


def test_the_oracle_would_see_a_shifted_component() -> None:
    """Sabotage: a reader that is wrong by one place does not agree with the oracle."""
    text = f"{HEADER}\rZZT|a^b"
    assert hl7.parse(text).extract_field("ZZT", 1, 1, 1, 2) != parse(text.encode()).get("ZZT-1.1")


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_parse_or_are_an_hl7_error(tail: bytes) -> None:
    """Total: after a readable header, any bytes are a message that comes back, or an error of ours."""
    body = b"MSH|^~\\&|A|B|\r" + tail
    try:
        message = parse(body)
    except Hl7Error:
        return
    assert message.encode() == body
    assert all(message.get(path) is not None for path, _ in message.values())
