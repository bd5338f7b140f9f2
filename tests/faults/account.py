"""What a fault test says in the end: one line, `name attempted acked recovered duplicated lost`, and what must be nought.

attempted: different messages that were sent. acked: of those, acknowledged. recovered: effects that were there only after the fault was
over. duplicated: effects that a recipient had twice under different keys. lost: acknowledged, and without its effect.
"""

import os
from dataclasses import dataclass

HEADING = "name attempted acked recovered duplicated lost"
PROPERTY = "under-fire"
SHARE = float(os.environ.get("THROUGHGATE_SOAK") or 0)
"""How much of the long numbers: `make soak` sets 1, `python tests/soak.py --share 0.1` a tenth; 0 are the numbers of `make test`."""
SOAKING = SHARE > 0
FIRST_SEED = int(os.environ.get("THROUGHGATE_SOAK_FIRST") or 0)
"""Where the simulation and the oracle's questions begin: `--first` goes on behind an earlier share."""


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
    """The size of a run: in `make test`, or in `make soak`; a share of the long one is never less than the short one."""
    return max(test, round(soak * SHARE)) if SOAKING else test
