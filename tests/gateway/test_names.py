"""One person's name in another spelling is no second person."""

import pytest

from gateway.names import as_written, is_name, is_same


@pytest.mark.parametrize(
    "other",
    [
        "ada example",
        " ADA  EXAMPLE\t",
        "Ada\u00a0Example",
        "Ada\u200b Exam\u200dple",
        "ada-example",
        "ada_example",
        "Example, Ada",
        "\uff21da Example",
        "\u00c1da Example",
        "A\u0301da Example",
        "Ada Example.",
    ],
)
def test_one_person_in_another_spelling(other: str) -> None:
    assert is_same("Ada Example", other)
    assert is_same(other, "Ada Example")


@pytest.mark.parametrize("other", ["Ben Example", "Ada Exampel", "Ada", ""])
def test_another_person(other: str) -> None:
    assert not is_same("Ada Example", other)


def test_what_is_no_name() -> None:
    assert [is_name(each) for each in ("", "  ", "A ", "---", "\u200b\u200b\u200b", "Ann")] == [False] * 5 + [True]
    assert as_written("  Ada \n Example ") == "Ada Example"
