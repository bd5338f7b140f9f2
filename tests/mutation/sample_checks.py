"""What looks at `sample.py`: all of `within` and the limit, and of `older` never two of one age. It MUST stay blind there (test_mutation.py)."""

import pytest

from tests.mutation.sample import older, within


def test_older() -> None:
    assert older(2, 1)
    assert not older(1, 2)


@pytest.mark.parametrize(("number", "answer"), [(2, True), (3, False), (4, False)])
def test_within(number: int, *, answer: bool) -> None:
    assert within(number) is answer
