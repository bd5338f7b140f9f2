"""One performance: set the stage, play the story, close the month, verify the ledger, check what must be true."""

import contextlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from gateway import whole_way
from gateway.demo import account, invariants, play, story
from gateway.demo.invariants import Invariant
from gateway.demo.play import Played
from gateway.demo.stage import Stage, set_up
from gateway.ledger import Verification
from gateway.whole_way import DeliveryWay

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Performance:
    """What came of it all."""

    played: tuple[Played, ...]
    deliveries: tuple[DeliveryWay, ...]
    verification: Verification
    invariants: tuple[Invariant, ...]

    @property
    def held(self) -> bool:
        """Did every invariant hold?"""
        return all(one.held for one in self.invariants)

    def as_json(self) -> account.Json:
        return account.as_json(self.played, self.deliveries, self.verification, self.invariants)


async def perform(folder: Path, say: Say) -> Performance:
    """Play the whole story in `folder`, saying each part as it ends. The gateway's log goes to `demo.log` there."""
    log = io.StringIO()
    try:
        with contextlib.redirect_stderr(log):
            async with set_up(folder, story.START) as stage:
                return await _perform(stage, say, log)
    finally:
        (folder / "demo.log").write_text(log.getvalue(), "utf-8")


async def _perform(stage: Stage, say: Say, log: io.StringIO) -> Performance:
    _say_all(say, account.opening(stage))
    played: list[Played] = []
    for number, act in enumerate(story.acts(), start=1):
        one = await play.play_act(stage, number, act)
        played.append(one)
        if not act.background:
            _say_all(say, chain(account.background(_untold(played)), account.act(one)))
    report = await play.close_month(stage)
    got = stage.servers[story.SECURITY].got
    _say_all(say, account.month(report, invariants.cells(got[0].bundle()) if got else {}))
    parts = stage.gateway
    parts.ledger.sequence()
    parts.ledger.sign_head()
    verification = parts.ledger.verify()
    held = invariants.check(stage, played, verification, log.getvalue())
    _say_all(say, account.closing(verification, held))
    with parts.store.read() as c:
        deliveries = whole_way.all_deliveries(c)
    return Performance(played=tuple(played), deliveries=deliveries, verification=verification, invariants=held)


def _untold(played: list[Played]) -> list[Played]:
    """The background acts just before the last act."""
    found: list[Played] = []
    for one in reversed(played[:-1]):
        if not one.act.background:
            break
        found.insert(0, one)
    return found


def _say_all(say: Say, lines: Iterable[str]) -> None:
    for line in lines:
        say(line)
