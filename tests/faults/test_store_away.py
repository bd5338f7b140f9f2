"""A store that is away for a while is no fault of a message: nothing is parked for it, and nobody is overtaken because of it."""

import asyncio
import errno
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from gateway.errors import StoreUnavailable
from gateway.failpoints import hooked
from tests.builders import adt_a03, care_plan, fhir_message, synthetic_person
from tests.faults.crash import step
from tests.faults.simulation import texts_of
from tests.line import Line, running
from tests.world import check_world

PERSON = synthetic_person(1)


class Away:
    """Raises at these passes of a point, as a store that is away does."""

    def __init__(self, point: str, passes: range, error: Exception) -> None:
        self.point, self.passes, self.error = point, passes, error
        self.passed: Counter[str] = Counter()

    def __call__(self, name: str) -> None:
        self.passed[name] += 1
        if name == self.point and self.passed[name] in self.passes:
            raise self.error


ERRORS = [
    StoreUnavailable("away"),
    OperationalError("", {}, sqlite3.OperationalError("disk I/O error")),
    sqlite3.OperationalError("disk I/O error"),
]
ON_BOTH = [*(("embedded", error) for error in ERRORS), ("production", ERRORS[0])]
"""What the driver of a file raises no server does; what they come to is one error of the store."""
NAMES = ["store", "driver-wrapped", "driver", "production"]


async def _later(line: Line, minutes: int = 3) -> None:
    for _ in range(minutes * 6):
        line.clock.advance(seconds=10)
        await line.settle()


async def _prepare(line: Line) -> None:
    await line.play(fhir_message(PERSON, resources=[care_plan(start="2026-01-02", description="plan")], message_id="F"))


@pytest.mark.usefixtures("on_both")
@pytest.mark.parametrize(("on_both", "error"), ON_BOTH, indirect=["on_both"], ids=NAMES)
@pytest.mark.parametrize("passes", [range(1, 2), range(1, 3), range(2, 3), range(1, 4)])
async def test_nobody_overtakes_while_the_store_is_away(tmp_path: Path, passes: range, error: Exception) -> None:
    """A prescription, then the release of the same person: whatever fails in identifying them, the handover holds the prescription."""
    async with running(tmp_path) as line:
        await _prepare(line)
        with hooked(Away("identify.before-commit", passes, error)):
            await line.send(step(PERSON, 1))
            await line.send(adt_a03(PERSON))
            await line.settle()
        await _later(line)
        (handover,) = line.neighbours["northfell"].effects
        assert texts_of(handover) == ["step 1"]
        check_world(line)


@pytest.mark.usefixtures("on_both")
@pytest.mark.parametrize(("on_both", "error"), ON_BOTH, indirect=["on_both"], ids=NAMES)
@pytest.mark.parametrize("point", ["identify.before-commit", "release.before-commit"])
async def test_an_outage_parks_nothing(tmp_path: Path, point: str, error: Exception) -> None:
    """Away at every attempt for longer than a poisoned message would live: then it goes on by itself."""
    async with running(tmp_path) as line:
        await _prepare(line)
        with hooked(Away(point, range(1, 10_000), error)):
            await line.send(step(PERSON, 1))
            for _ in range(12):
                line.clock.advance(seconds=30)
                await line.gateway.sweep()
                await line.gateway._idle()
            assert [row.state for row in line.messages()] == ["released", "received"]
        await _later(line)
        assert [row.state for row in line.messages()] == ["released", "released"]
        assert [texts_of(each) for each in line.neighbours["pharmacy"].effects] == [["step 1"]]
        check_world(line)


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.usefixtures("on_both")
@pytest.mark.parametrize(
    ("point", "error"),
    [("sequence.before-commit", StoreUnavailable("away")), ("ledger.before-sign", FULL)],
    ids=["database", "head-file"],
)
async def test_an_outage_is_no_sign_of_tampering(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], point: str, error: Exception
) -> None:
    """The ledger cannot be written for a while: the log says that the store is away, and not that the ledger was touched."""
    async with running(tmp_path) as line:
        with hooked(Away(point, range(1, 10_000), error)):
            await _prepare_without_signing(line)
            for _ in range(100):
                await asyncio.sleep(0.1)
                said = capsys.readouterr().err
                if type(error).__name__ in said:
                    break
        assert '"store-failed"' in said
        assert "ledger-fault" not in said
        await line.settle()
        check_world(line)


async def _prepare_without_signing(line: Line) -> None:
    await line.send(fhir_message(PERSON, resources=[care_plan(start="2026-01-02", description="plan")], message_id="F"))
