"""How people are told: a command or an address, ids and a code only, again until it worked."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import Connection, select

from gateway import desk
from gateway.parts import Told
from gateway.settings import Tell
from gateway.store.schema import ledger_entry
from gateway.telling import TellError, teller_of
from tests.builders import adt_a03, synthetic_person
from tests.line import running

TOLD = Told(code="undecidable", role="clinical-lead", task="T" * 26, message="", delivery="D" * 20)


async def test_a_command_gets_one_line(tmp_path: Path) -> None:
    """Ids and a code on standard input, nothing in the arguments."""
    program = f"import sys; open({str(tmp_path / 'said')!r}, 'w').write(sys.stdin.read())"
    teller = teller_of(Tell(command=(sys.executable, "-c", program)))
    assert teller is not None
    await teller(TOLD)
    assert json.loads((tmp_path / "said").read_text()) == {
        "code": "undecidable",
        "role": "clinical-lead",
        "task": "T" * 26,
        "message": "",
        "delivery": "D" * 20,
    }


@pytest.mark.parametrize("program", ["raise SystemExit(3)", "import time; time.sleep(30)"])
async def test_a_command_that_fails_or_hangs_has_told_nobody(program: str) -> None:
    """Whoever asked hears of it."""
    teller = teller_of(Tell(command=(sys.executable, "-c", program), timeout_seconds=1))
    assert teller is not None
    with pytest.raises(TellError):
        await teller(TOLD)


@pytest.mark.parametrize("status", [204, 500])
async def test_an_address_gets_the_same(status: int) -> None:
    """A POST; what is not 2xx has told nobody."""
    got: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        got.append(await request.read())
        return web.Response(status=status)

    application = web.Application()
    application.router.add_post("/tell", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        teller = teller_of(Tell(url=f"http://127.0.0.1:{runner.addresses[0][1]}/tell"))
        assert teller is not None
        if status == 204:
            await teller(TOLD)
        else:
            with pytest.raises(TellError):
                await teller(TOLD)
    finally:
        await runner.cleanup()
    assert json.loads(got[0])["code"] == "undecidable"


def test_nobody_to_tell() -> None:
    """Without settings there is no way of telling."""
    assert teller_of(None) is None


async def test_a_person_who_could_not_be_told_is_told_within_a_minute(tmp_path: Path) -> None:
    """Three failures, then it works; told once."""
    async with running(tmp_path) as line:
        failures = 3

        async def flaky(told: Told) -> None:
            nonlocal failures
            if failures:
                failures -= 1
                raise TellError("down")
            line.told.append(told)

        line.gateway.teller = flaky
        await line.play(adt_a03(synthetic_person(1, postcode="ZZ9 9ZZ")))
        for _ in range(12):
            line.clock.advance(seconds=5)
            await line.settle()
        assert line.told_codes() == ["no-recipient"]
        (task,) = line.tasks()
        assert task.tell_attempts == 3
        assert [each.code for each in desk.tasks(line.gateway)] == ["no-recipient"]


async def test_two_sweeps_that_begin_together_tell_once(tmp_path: Path) -> None:
    """Somebody's own sweep beside the one that runs by the clock, and a way of telling that takes a moment."""
    async with running(tmp_path) as line:
        line.gateway.teller = None
        await line.play(adt_a03(synthetic_person(1, postcode="ZZ9 9ZZ")))
        told: list[Told] = []

        async def slowly(each: Told) -> None:
            await asyncio.sleep(0.05)
            told.append(each)

        line.gateway.teller = slowly
        await asyncio.gather(line.gateway.sweep(), line.gateway.sweep())
        assert [each.code for each in told] == ["no-recipient"]


@pytest.mark.parametrize(("takes_seconds", "writes"), [(0.0, 1), (2 * desk.MARKED_WITHIN_SECONDS, 3)])
async def test_what_people_were_told_is_kept_together_and_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes_seconds: float, writes: int
) -> None:
    """One commit for all that a quick way tells; a slow one is not waited for. Each is told once, and its chain says so."""
    async with running(tmp_path) as line:
        line.gateway.teller = None
        people = [synthetic_person(number, postcode="ZZ9 9ZZ") for number in (1, 2, 3)]
        await line.play(*(adt_a03(each, message_id=f"OUT-{each.nhs_number}") for each in people))
        told: list[str] = []

        async def teller(each: Told) -> None:
            await asyncio.sleep(takes_seconds)
            told.append(each.task)

        written = 0
        write = line.gateway.store.write_async

        async def counted(work: Callable[[Connection], Any]) -> Any:
            nonlocal written
            written += getattr(work, "func", None) is desk._mark_told
            return await write(work)

        line.gateway.teller = teller
        monkeypatch.setattr(line.gateway.store, "write_async", counted)
        async with line.gateway._sweeping:  # its own sweep would tell them too
            assert await desk.tell(line.gateway) == len(people)
            assert await desk.tell(line.gateway) == 0
        assert written == writes
        assert sorted(told) == sorted(row.id for row in line.tasks() if row.told_at is not None)
        with line.gateway.store.read() as c:
            found = select(ledger_entry.c.chain, ledger_entry.c.step).where(ledger_entry.c.chain.in_(told))
            entered = [tuple(row) for row in c.execute(found)]
        assert sorted(entered) == sorted((each, 1) for each in told)
