"""Each fault test hands in its account; tests/conftest.py prints them in one block."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.account import PROPERTY, Account


@pytest.fixture
def account(record_property: Callable[[str, object], None]) -> Callable[..., Account]:
    """`account(name=..., attempted=..., ...)` makes the line and checks it."""

    def close(**numbers: Any) -> Account:
        made = Account(**numbers)
        record_property(PROPERTY, made.line())
        made.check()
        return made

    return close
