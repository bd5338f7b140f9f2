"""FHIR JSON is read without loss and refused where two readers could differ (RFC 8259, JSONTestSuite, FHIR R4 json.html)."""

import copy
import json
import pickle
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles.fhir_json import (
    ExactDecimal,
    FhirJsonError,
    JsonFault,
    canonical,
    decode,
    decode_value,
    encode,
    plain,
    read_again,
)
from fhir_profiles.limits import MAX_BODY_BYTES, MAX_DEPTH, MAX_NUMBER_CHARACTERS, MAX_NUMBER_EXPONENT
from tests.samples import samples_folder

REFUSED_ON_PURPOSE = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}
CANARY = "Wilberforce-Canary"

BAD = [
    pytest.param(b"", JsonFault.SYNTAX, id="empty"),
    pytest.param(b"[]", JsonFault.ROOT, id="array"),
    pytest.param(b'"text"', JsonFault.ROOT, id="text"),
    pytest.param(b"null", JsonFault.ROOT, id="null"),
    pytest.param(b"\xef\xbb\xbf{}", JsonFault.MARK, id="utf-8 mark"),
    pytest.param("{}".encode("utf-16"), JsonFault.MARK, id="utf-16 mark"),
    pytest.param(b'{"a":"\xff"}', JsonFault.ENCODING, id="not utf-8"),
    pytest.param(b'{"a":"\xed\xa0\x80"}', JsonFault.ENCODING, id="surrogate as utf-8"),
    pytest.param(b'{"a":"\xc0\x80"}', JsonFault.ENCODING, id="overlong"),
    pytest.param(b'{"a":"\\ud800"}', JsonFault.SYNTAX, id="lone high surrogate"),
    pytest.param(b'{"a":"\\udc00"}', JsonFault.SYNTAX, id="lone low surrogate"),
    pytest.param(b'{"\\ud800x":1}', JsonFault.SYNTAX, id="lone surrogate in a name"),
    pytest.param(b'{"a":NaN}', JsonFault.SYNTAX, id="NaN"),
    pytest.param(b'{"a":Infinity}', JsonFault.SYNTAX, id="Infinity"),
    pytest.param(b'{"a":-Infinity}', JsonFault.SYNTAX, id="-Infinity"),
    pytest.param(b'{"a":1,}', JsonFault.SYNTAX, id="trailing comma"),
    pytest.param(b'{"a":01}', JsonFault.SYNTAX, id="leading zero"),
    pytest.param(b'{"a":.5}', JsonFault.SYNTAX, id="no leading digit"),
    pytest.param(b'{"a":+1}', JsonFault.SYNTAX, id="plus"),
    pytest.param(b"{'a':1}", JsonFault.SYNTAX, id="single quotes"),
    pytest.param(b'{"a":"\t"}', JsonFault.SYNTAX, id="raw control character"),
    pytest.param(b'{"a":1}{"b":1}', JsonFault.SYNTAX, id="two values"),
    pytest.param(b'{"a":1,"a":2}', JsonFault.DUPLICATE, id="duplicate"),
    pytest.param(b'{"a" : 1 , "a":1}', JsonFault.DUPLICATE, id="duplicate with spaces"),
    pytest.param(b'{"a"\n:1,"a"\r\n:2}', JsonFault.DUPLICATE, id="duplicate with line ends"),
    pytest.param(b'{"a":1,"\\u0061":2}', JsonFault.DUPLICATE, id="duplicate by escape"),
    pytest.param(b'{"x":{"a":[{"b":1,"c":2,"b":3}]}}', JsonFault.DUPLICATE, id="duplicate below"),
    pytest.param(b'{"a":{},"a":{"b":":","c":"\\":"}}', JsonFault.DUPLICATE, id="duplicate among colons"),
    pytest.param(b'{"":1,"":2}', JsonFault.DUPLICATE, id="duplicate empty name"),
    pytest.param(b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", JsonFault.DEPTH, id="one too deep"),
    pytest.param(b'{"a":' * 100_000, JsonFault.DEPTH, id="far too deep and never closed"),
    pytest.param(b'{"a":' + b"9" * (MAX_NUMBER_CHARACTERS + 1) + b".5}", JsonFault.NUMBER, id="number too long"),
    pytest.param(b'{"a":1e' + str(MAX_NUMBER_EXPONENT + 1).encode() + b"}", JsonFault.NUMBER, id="exponent too big"),
    pytest.param(b'{"a":1e-99999999999999999999}', JsonFault.NUMBER, id="exponent beyond decimal"),
    pytest.param(b'{"a":' + b"9" * 5_000 + b"}", JsonFault.NUMBER, id="integer too long"),
]  # fmt: skip
GOOD = [
    b'{"a":":b"}',
    b'{"a":"\\":","b":"\\\\","c":"\\\\\\":"}',
    b'{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}',
    b' \n{"a":1}\t ',
    '{"ä":"\U0001f600 ß \u2028"}'.encode(),
    b'{"a":"\\ud83d\\ude00"}',
    b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}",
]
NUMBERS = [
    "0", "-0", "-0.0", "0.0", "1.0", "1.10", "7.20", "100", "1e2", "1E+2", "1.5e-3", "1.50E3", "0.0000001", "0.000000100",
    "123456789012345678901234567890", "-9223372036854775809", "1234567890123456789012345678.10", "9" * 200, "1e400", "1e-400",
]  # fmt: skip


def faults(body: bytes) -> FhirJsonError | None:
    try:
        decode_value(body)
    except FhirJsonError as error:
        return error
    return None


@pytest.mark.parametrize(("body", "fault"), BAD)
def test_what_two_readers_could_understand_differently_is_refused(body: bytes, fault: JsonFault) -> None:
    with pytest.raises(FhirJsonError) as caught:
        decode(body)
    assert caught.value.code is fault


@pytest.mark.parametrize("body", GOOD)
def test_what_only_looks_odd_is_taken(body: bytes) -> None:
    assert decode(encode(decode(body))) == decode(body) == json.loads(body)


@pytest.mark.parametrize("number", NUMBERS)
def test_every_number_keeps_its_text(number: str) -> None:
    body = f'{{"value":{number},"list":[{number},{{"x":{number}}}]}}'.encode()
    assert encode(decode(body)) == body
    value = decode(body)["value"]
    assert Decimal(value) == Decimal(number)
    assert encode(copy.deepcopy(decode(body))) == body
    assert encode(pickle.loads(pickle.dumps(decode(body)))) == body


def test_a_number_with_a_text_of_its_own_can_be_made_plain() -> None:
    value = plain(decode(b'{"a":[1e2,-0,"x",true,null,1.50]}'))
    assert [type(item) for item in value["a"]] == [Decimal, Decimal, str, bool, type(None), Decimal]
    assert not any(isinstance(item, ExactDecimal) for item in value["a"])


def test_the_place_of_a_fault_is_named_and_its_content_is_not() -> None:
    body = f'{{\n  "name": "{CANARY}",\n  "{CANARY}": 1,\n  "{CANARY}": 2\n}}'.encode()
    error = faults(body)
    assert error is not None
    assert error.place == "line 4 column 3"
    for broken in (
        body,
        body[:-3],
        body.replace(b"1,", b"1e9999,"),
        body.replace(b'"name"', b'"\xff"'),
        b"\xef\xbb\xbf" + body,
    ):
        found = faults(broken)
        assert found is not None
        assert CANARY not in f"{found} {found.text} {found.place} {found.args} {found.__cause__}"
        assert found.__cause__ is None


def test_a_body_beyond_the_limit_is_not_even_parsed() -> None:
    error = faults(b" " * (MAX_BODY_BYTES + 1))
    assert error is not None
    assert error.code is JsonFault.SIZE


def test_canonical_bytes_do_not_depend_on_the_order_of_members() -> None:
    assert canonical(decode(b'{"b":1.10,"a":{"d":1,"c":2}}')) == canonical(decode(b'{"a":{"c":2,"d":1},"b":1.10}'))
    assert canonical(decode(b'{"a":1.10}')) != canonical(decode(b'{"a":1.1}'))


def test_what_json_cannot_hold_is_an_error_of_ours() -> None:
    for value in ({"a": object()}, {"a": "\ud800"}):
        with pytest.raises(FhirJsonError):
            encode(value)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, places=3)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
TRICKY_TEXT = st.text(alphabet='":\\ ,{}[]\t\na0-', max_size=12)
OBJECTS = st.dictionaries(TRICKY_TEXT, JSON_VALUES | TRICKY_TEXT, min_size=1, max_size=5)


@given(OBJECTS, st.sampled_from([None, 0, 3]))
def test_any_object_survives_whatever_its_white_space(value: dict[str, object], indent: int | None) -> None:
    body = json.dumps(value, indent=indent, default=float, ensure_ascii=indent == 0).encode()
    assert decode(encode(decode(body))) == decode(body)


@given(OBJECTS | st.dictionaries(st.text(max_size=3), st.sampled_from([0, -1, 7])), st.sampled_from(NUMBERS))
def test_what_was_written_is_read_again_as_it_was_read(value: dict[str, object], number: str) -> None:
    """Names, texts and each number's own digits: the quick way and the strict one see the same."""
    written = encode(
        decode(json.dumps({**value, "n": [0]}, default=float).encode().replace(b"[0]", f"[{number}]".encode()))
    )
    again = read_again(written)
    assert again == decode(written)
    assert encode(again) == written
    assert [type(each) for each in again["n"]] == [type(each) for each in decode(written)["n"]]


@given(OBJECTS, st.data())
def test_a_member_written_twice_is_always_found(value: dict[str, object], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(value)))
    one = json.dumps(name)
    other = "".join(f"\\u{ord(letter):04x}" for letter in name)
    body = (
        json.dumps(value, default=float)[:-1]
        + f", {one if data.draw(st.booleans()) else chr(34) + other + chr(34)} : 0}}"
    )
    error = faults(body.encode())
    assert error is not None
    assert error.code is JsonFault.DUPLICATE


def test_the_parser_underneath_would_not_have_noticed() -> None:
    """Sabotage: without our count of names the second member silently wins."""
    assert msgspec.json.decode(b'{"a":1,"a":2}') == {"a": 2}


@pytest.mark.samples
def test_the_json_test_suite() -> None:
    files = sorted((samples_folder() / "strict-json").glob("*.json"))
    assert len(files) > 300
    wrong = []
    for file in files:
        refused = faults(file.read_bytes()) is not None  # anything but a FhirJsonError fails here: none may crash
        expected = {"n": True, "y": file.name in REFUSED_ON_PURPOSE}.get(file.name[0], refused)
        if refused is not expected:
            wrong.append(Path(file).name)
    assert wrong == []
