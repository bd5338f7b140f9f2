"""What a fault test says in the end: one line, `name attempted acked recovered duplicated lost`, and what must be nought.

attempted: different messages that were sent. acked: of those, acknowledged. recovered: effects that were there only after the fault was
over. duplicated: effects that a recipient had twice under different keys. lost: acknowledged, and without its effect.
"""

import os
from dataclasses import dataclass

HEADING = "name attempted acked recovered duplicated lost"
PROPERTY = "under-fire"
SOAKING = os.environ.get("THROUGHGATE_SOAK", "") not in ("", "0")
"""`make soak` sets it: the long numbers."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """The line of one test. `note` says what its number is, where it is not the number of the plan."""

    name: str
    attempted: int
    acked: int
    recovered: int
    duplicated: int = 0
    lost: int = 0
    note: str = ""

    def line(self) -> str:
        """As it is printed."""
        text = f"{self.name} {self.attempted} {self.acked} {self.recovered} {self.duplicated} {self.lost}"
        return f"{text}  ({self.note})" if self.note else text

    def check(self) -> None:
        """Raises AssertionError unless nothing was lost and nothing doubled."""
        assert (self.duplicated, self.lost) == (0, 0), f"{HEADING}\n{self.line()}"


def number(test: int, soak: int) -> int:
    """The size of a run: in `make test`, or in `make soak`."""
    return soak if SOAKING else test
