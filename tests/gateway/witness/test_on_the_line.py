"""A running gateway and its witness: heads are cosigned while it works, `ledger verify` says so, and one that never answers delays nothing."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway import witnessing
from gateway.__main__ import app
from gateway.commands.ledger_verify import UNDETECTABLE
from gateway.ledger.note import Head, sign, vkey
from gateway.metrics import look
from gateway.settings import Settings
from gateway.witness import Witness
from tests.builders import adt_a01, adt_a03, rde_o11
from tests.gateway.witness.test_witness import NAME, served
from tests.line import Line, running

UNWITNESSED = "throughgate_ledger_unwitnessed_seconds"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


async def ask_at(line: Line, settings: Settings) -> None:
    """The gateway starts again, with this witness in its settings."""
    assert settings.witness is not None
    text = f'\n[witness]\nurl = "{settings.witness.url}"\nkey = "{settings.witness.key}"\nevery_seconds = 0.1\ntimeout_seconds = 60\n'
    await asyncio.to_thread(line.config.write_text, (await asyncio.to_thread(line.config.read_text)) + text)
    await line.restart()


def witness_of(line: Line, folder: Path) -> Witness:
    key = vkey("throughgate.example/test", line.gateway.keys.ledger_signer().public_key())
    Witness.create(folder, name=NAME, ledger=(key,), key=b"w" * 32)
    return Witness(folder, line.clock)


@asynccontextmanager
async def silent(settings: Settings, witness: Witness) -> AsyncIterator[Settings]:
    """Something that takes the question and never answers."""
    asked, over = asyncio.Event(), asyncio.Event()
    closed: list[asyncio.StreamWriter] = []

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        closed.append(writer)
        asked.set()
        await over.wait()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with served(settings, witness) as real:
        assert real.witness is not None
        yield real.model_copy(update={"witness": real.witness.model_copy(update={"url": f"http://127.0.0.1:{port}"})})
    over.set()
    server.close()
    await asyncio.sleep(0)
    for writer in closed:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    assert asked.is_set()


async def test_a_running_gateway_is_witnessed_and_says_up_to_where(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        witness = witness_of(line, tmp_path / "w")
        assert look(line.gateway, [UNWITNESSED]) == {UNWITNESSED: (((), 0.0),)}
        said = await asyncio.to_thread(run, "ledger", "verify", "--config", str(line.config))
        assert "witnessed  by nobody: no [witness] is set. Without a witness nobody can tell" in said.output
        async with served(line.gateway.settings, witness) as asking:
            await ask_at(line, asking)
            await line.play(adt_a01(), rde_o11(), adt_a03())
            line.gateway.ledger.sequence()
            line.gateway.ledger.sign_head()
            size = int(line.gateway.ledger.verify().covered)
            for _ in range(200):
                seen = witnessing.last_witnessed(line.gateway.settings, line.clock())
                if seen is not None and seen.size >= size:
                    break
                await asyncio.sleep(0.05)
        assert seen is not None
        assert seen.size >= size > 10
        kept = tmp_path / "mine"
        await asyncio.to_thread(kept.write_text, witness.last(), "utf-8")
        arguments = ("ledger", "verify", "--checkpoint", str(kept), "--json", "--config", str(line.config))
        done = await asyncio.to_thread(run, *arguments)
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert (found["verified"], found["witnessed"]["name"]) == (True, NAME)
        # its word is of the year of this test, so that of what came since nobody knows more than without it
        assert found["undetectable"] == [*UNDETECTABLE.values()]
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(witnessing.Witnessed, "covers", lambda _, entries: entries == found["covered"])
            done = await asyncio.to_thread(run, *arguments)
        assert json.loads(done.stdout)["undetectable"] == []
        # and where the file of its last word was touched, that is a fault
        file = witnessing.file_of(line.gateway.settings)
        await asyncio.to_thread(file.write_text, witness.last().replace("\n", "\n1", 1), "utf-8")
        done = await asyncio.to_thread(run, "ledger", "verify", "--config", str(line.config))
        assert done.exit_code == 1
        assert "fault      the file of the witness's last word" in done.output


def test_a_witness_covers_what_it_has_seen_and_of_late() -> None:
    for age, entries, covers in ((0, 72, True), (900, 71, True), (0, 73, False), (901, 72, False)):
        assert witnessing.Witnessed(name=NAME, at="", size=72, age_seconds=age).covers(entries) is covers


async def test_a_gateway_that_serves_signs_by_itself_and_its_witness_follows(tmp_path: Path) -> None:
    """Nobody asks it to: no sweep, no settling, no signing by the test. Within a minute all is under a head, and under the witness's word."""
    async with running(tmp_path) as line:
        witness = witness_of(line, tmp_path / "w")
        async with served(line.gateway.settings, witness) as asking:
            await ask_at(line, asking)
            sizes: list[int] = []
            for body in (adt_a01(), rde_o11()):
                await line.send(body)
                sizes.append(await asyncio.wait_for(signed(line, more_than=max(sizes, default=0)), timeout=60))
                await asyncio.wait_for(followed(line, sizes[-1]), timeout=60)
            assert sizes[1] > sizes[0] > 0
            line.clock.advance(minutes=7)
            seen = witnessing.last_witnessed(line.gateway.settings, line.clock())
            assert seen is not None
            assert 0 <= seen.age_seconds <= 430
        line.clock.advance(minutes=20)  # it is away, and that is said with its age
        said = await asyncio.to_thread(run, "ledger", "verify", "--config", str(line.config))
        assert re.search(rf"witnessed  up to [0-9]+ by {NAME}, [0-9]+ seconds ago\. Behind that nobody", said.output)
        ((_, age),) = look(line.gateway, [UNWITNESSED])[UNWITNESSED]
        assert age >= 20 * 60


async def signed(line: Line, *, more_than: int) -> int:
    """Waits until more entries than these have been under a head, and none is not; how many."""
    while True:
        found = await asyncio.to_thread(line.gateway.ledger.verify)
        assert found.verified
        if (
            found.covered > more_than
            and not found.uncovered
            and not await asyncio.to_thread(line.messages, state="received")
        ):
            return found.covered
        await asyncio.sleep(0.1)


async def followed(line: Line, size: int) -> None:
    """Waits until the witness has seen as many."""
    while True:
        seen = witnessing.last_witnessed(line.gateway.settings, line.clock())
        if seen is not None and seen.size >= size:
            return
        await asyncio.sleep(0.1)


async def test_a_receipt_carries_the_head_and_shows_a_ledger_that_was_another_one(tmp_path: Path) -> None:
    """A recipient that keeps its receipts is a witness for nothing."""
    async with running(tmp_path) as line:
        line.gateway.ledger.sequence()
        line.gateway.ledger.sign_head()
        await line.play(adt_a01(), rde_o11(), adt_a03())
        (pushed,) = line.neighbours["northfell"].effects
        line.gateway.ledger.sequence()
        line.gateway.ledger.sign_head()
        receipt = await line.gateway.signed_head()
        assert line.gateway.ledger.verify([pushed.checkpoint, receipt]).verified
        assert receipt != pushed.checkpoint
        other = sign(Head(origin="throughgate.example/test", size=7, root=b"x" * 32), line.gateway.keys.ledger_signer())
        assert not line.gateway.ledger.verify([other]).verified


async def test_a_witness_that_never_answers_delays_nothing(tmp_path: Path) -> None:
    """The question hangs for as long as the test runs; the handover arrives, the head is signed, the gateway stops."""
    async with running(tmp_path) as line:
        async with silent(line.gateway.settings, witness_of(line, tmp_path / "w")) as asking:
            await ask_at(line, asking)
            await asyncio.sleep(0.3)
            await line.play(adt_a01(), rde_o11(), adt_a03())
            assert line.deliveries(letter="handover")[0].state == "delivered"
            line.gateway.ledger.sequence()
            line.gateway.ledger.sign_head()
            assert line.gateway.ledger.verify().verified
            await asyncio.wait_for(line.gateway.stop(), timeout=20)
        assert witnessing.last_word(line.gateway.settings) == ""
