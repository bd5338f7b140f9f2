"""Failpoints: silent in production, and a hook that is gone is gone."""

import pytest

from gateway.failpoints import hooked, pass_point


def test_a_point_without_a_hook_does_nothing() -> None:
    pass_point("anything")


def test_a_hook_hears_the_name_may_raise_and_is_taken_away() -> None:
    heard: list[str] = []
    with hooked(heard.append):
        pass_point("one")
    pass_point("two")
    assert heard == ["one"]

    def breaks(name: str) -> None:
        raise OSError(name)

    with pytest.raises(OSError, match="three"), hooked(breaks):
        pass_point("three")
    pass_point("four")
