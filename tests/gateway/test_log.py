"""The log says codes and ids, and refuses anything that could be about somebody."""

import json

import pytest

from gateway.log import _SENTENCES, Code, LogError, line, log
from gateway.opaque import is_opaque


def test_a_line_is_json_with_a_fixed_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    log(Code.MESSAGE_HELD, message="01ARZ3NDEKTSV4RRFFQ69G5FAV", reason="identity-conflict", attempts=3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert json.loads(captured.err) == {
        "level": "warning",
        "code": "message-held",
        "text": "a message is held for a person",
        "message": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "reason": "identity-conflict",
        "attempts": 3,
    }


def test_every_code_has_a_sentence() -> None:
    assert set(_SENTENCES) == set(Code)


@pytest.mark.parametrize(
    "value",
    [
        "Ann Example",
        "9990000018",
        "999 000 0018",
        "nhs:9990000018",
        "A1234BC",
        "id/A1234BC",
        9990000026,
        "two words",
        "line\nbreak",
        "x" * 201,
        "née",
        None,
        1.5,
        ["a"],
        b"bytes",
    ],
)
def test_a_value_that_could_be_about_somebody_is_refused_and_not_quoted(value: object) -> None:
    assert not is_opaque(value)
    with pytest.raises(LogError) as raised:
        line(Code.UNEXPECTED, thing=value)  # type: ignore[arg-type]  # the point of the test
    assert str(value) not in str(raised.value)


@pytest.mark.parametrize(
    "value",
    ["", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "ADT^A01", "ehr-lei", "LEI", "2026-01", "2026-01-15T12:00:00.000000Z", "sha256:" + "0a" * 32, 7, True, "TimeoutError"],
)  # fmt: skip
def test_ids_closed_words_digests_and_numbers_are_taken(value: str | int) -> None:
    assert is_opaque(value)
    assert json.loads(line(Code.UNEXPECTED, thing=value))["thing"] == value


def test_a_name_that_is_taken_or_not_a_name_is_refused() -> None:
    for name in ("level", "text", "Name", "a-b", "9a"):
        with pytest.raises(LogError):
            line(Code.UNEXPECTED, **{name: "x"})
