"""While somebody is at the door releasing gives way, and never for longer than its last turn took."""

import asyncio
import contextlib

from gateway.custody_first import QUIET_SECONDS, CustodyFirst

TURN_SECONDS = 0.2


async def _turn(custody: CustodyFirst, seconds: float = 0.0) -> float:
    """How long it waited before it began."""
    loop = asyncio.get_running_loop()
    asked = loop.time()
    async with custody.turn():
        waited = loop.time() - asked
        await asyncio.sleep(seconds)
    return waited


async def test_a_turn_begins_at_once_when_nobody_is_at_the_door() -> None:
    custody = CustodyFirst()
    await _turn(custody, TURN_SECONDS)
    await asyncio.sleep(2 * QUIET_SECONDS)
    assert await _turn(custody) < TURN_SECONDS / 2


async def test_the_first_turn_waits_for_nobody() -> None:
    custody = CustodyFirst()
    with custody.arrival():
        assert await _turn(custody) < TURN_SECONDS / 2


async def test_a_turn_gives_way_for_as_long_as_the_last_one_took_and_no_longer() -> None:
    custody = CustodyFirst()
    await _turn(custody, TURN_SECONDS)
    with custody.arrival():  # and does not end: the door is never quiet
        waited = await _turn(custody)
    assert waited > TURN_SECONDS / 2
    assert waited < 3 * TURN_SECONDS


async def test_those_who_were_answered_together_are_waited_for_a_moment() -> None:
    custody = CustodyFirst()
    await _turn(custody, TURN_SECONDS)
    with custody.arrival():
        pass
    assert 0 < await _turn(custody) < TURN_SECONDS


async def test_an_arrival_that_fails_is_not_waited_for_any_more() -> None:
    custody = CustodyFirst()
    await _turn(custody, TURN_SECONDS)
    with contextlib.suppress(OSError), custody.arrival():
        raise OSError("the store is away")
    await asyncio.sleep(2 * QUIET_SECONDS)
    assert await _turn(custody) < TURN_SECONDS / 2
