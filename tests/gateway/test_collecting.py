"""A process that runs for long does not look again at what it keeps, and still finds cycles."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from gateway.collecting import YOUNG, collect_seldom


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Held:
    """Holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_kept_is_not_looked_at_again_and_a_cycle_is_found() -> None:
    kept = gc.get_freeze_count()
    collect_seldom()
    assert gc.isenabled()
    assert gc.get_freeze_count() > kept + 10_000
    seen = weakref.ref(Held())
    assert seen() is not None
    made = [[] for _ in range(2 * YOUNG)]  # type: ignore[var-annotated]  # what is in them does not matter
    assert seen() is None
    del made
