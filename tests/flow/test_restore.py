"""A backup put back: refused until a person takes it into use, nothing leaves again by itself, and what is missing is named."""

import asyncio
import shutil
import stat
from pathlib import Path

import pytest

from gateway import backups, desk, restored
from gateway.keys import Keys, SealedBroken
from gateway.keys.identifiers import SeededIds
from gateway.ledger import LedgerFault
from gateway.settings import Settings, read_settings
from gateway.store.backup import BackupError
from tests.builders import adt_a01, adt_a03, care_plan, fhir_message, synthetic_person
from tests.engines import database
from tests.line import EHR, Line, open_gateway, running
from tests.world import check_world

NOW = "2026-01-15T12:00:00.000000Z"
SECRET = "Reduce slowly after release"


def empty_place(line: Line) -> None:
    """The machine is lost: another empty database; keys, configuration and head file are there."""
    text = line.config.read_text()
    url = read_settings(line.config).gateway.store_url
    if url.startswith("sqlite"):
        for file in line.folder.glob("throughgate.db*"):
            file.rename(file.with_name(f"lost-{file.name}"))
    else:
        text = text.replace(url, database().fresh())
        line.config.write_text(text)


def settings_of(line: Line) -> Settings:
    return read_settings(line.config)


async def before_the_backup(line: Line) -> None:
    """A plan; a handover that leaves; then two recipients are away, so that a handover and a message are unfinished."""
    plan = care_plan(start="2026-01-02", description=SECRET)
    other = synthetic_person(2)
    await line.play(adt_a01(), fhir_message(resources=[plan]), adt_a03())
    line.neighbours["northfell"].up = False
    await line.play(
        adt_a01(other, message_id="A-2"),
        fhir_message(other, resources=[plan], message_id="F-2"),
        adt_a03(other, message_id="R-2"),
    )


async def lose_everything_since(line: Line, folder: Path, *, settle: bool = True) -> None:
    """A backup; then the waiting handover leaves and more is acknowledged; then the machine is gone."""
    await asyncio.to_thread(backups.back_up, settings_of(line), folder, now=NOW)
    if not settle:
        await line.send(adt_a01(synthetic_person(3), message_id="A-3"))
        line.gateway.ledger.sequence()
        line.gateway.ledger.sign_head()
        await line.gateway.abandon()
        empty_place(line)
        return
    line.neighbours["northfell"].up = True
    line.clock.advance(hours=1)
    await line.settle()
    await line.play(adt_a01(synthetic_person(3), message_id="A-3"))
    await line.gateway.abandon()
    empty_place(line)


async def put_back(line: Line, folder: Path) -> None:
    """As `throughgate restore` does: the gateway is open and not started."""
    await asyncio.to_thread(backups.put_back, settings_of(line), folder)
    line.gateway = open_gateway(line.config, line.clock)
    restored.require_keys(line.gateway)
    restored.park_unfinished(line.gateway)


async def test_a_restored_store_serves_nothing_and_sends_nothing_before_a_person_takes_it(tmp_path: Path) -> None:
    """The account: each letter once at its recipient, what was unfinished with a person, what is missing named."""
    async with running(tmp_path) as line:
        await before_the_backup(line)
        (waiting,) = [each.id for each in line.deliveries(letter="handover") if each.state == "queued"]
        await lose_everything_since(line, tmp_path / "backup")
        got = [each.key for each in line.neighbours["northfell"].effects]
        assert waiting in got, "it left after the backup was made"
        await put_back(line, tmp_path / "backup")
        with pytest.raises(LedgerFault, match="older than the signed head"):
            await line.start()
        verified = line.gateway.ledger.verify()
        assert any("cut off" in each for each in verified.faults)
        epoch = restored.begin_epoch(line.gateway, reason="the disk was lost", by="operator")
        assert epoch.passed_over.former_size > epoch.passed_over.size
        with pytest.raises(LedgerFault, match="no new epoch"):
            restored.begin_epoch(line.gateway, reason="again", by="operator")
        await line.start()
        await line.settle()
        assert [each.key for each in line.neighbours["northfell"].got if each.answered == 200] == got, (
            "nothing was sent"
        )
        (item,) = [each for each in desk.held(line.gateway) if each.id == waiting]
        assert (item.state, item.reason, item.harm) == ("parked", "restored", 0)
        assert "ask the recipient" in item.todo
        assert "handover-restored" in line.told_codes()
        (heard,) = [each for each in restored.last_heard(line.gateway) if each.client == EHR]
        assert heard.last_message == line.messages(client=EHR)[-1].id
        verified = line.gateway.ledger.verify()
        assert verified.verified, verified.faults
        missing = epoch.passed_over.former_size - epoch.passed_over.size
        (said,) = verified.epochs
        assert f"the last {missing} of them are not here" in said


async def test_a_person_lets_it_go_on_under_the_same_id_and_senders_send_again(tmp_path: Path) -> None:
    """A repeat is recognised by its id; what was acknowledged since comes again from the sender and is taken."""
    async with running(tmp_path) as line:
        await before_the_backup(line)
        (waiting,) = [each.id for each in line.deliveries(letter="handover") if each.state == "queued"]
        await lose_everything_since(line, tmp_path / "backup")
        await put_back(line, tmp_path / "backup")
        restored.begin_epoch(line.gateway, reason="the disk was lost", by="operator")
        await line.start()
        effects = len(line.neighbours["northfell"].effects)
        assert (
            desk.release_held(line.gateway, waiting, reason="the recipient does not know it", by="operator") == "queued"
        )
        await line.settle()
        assert line.deliveries(id=waiting)[0].state == "delivered"
        assert len(line.neighbours["northfell"].effects) == effects, "the recipient knew the id"
        for body in tuple(line.accepted):
            await line.send(body)
        await line.settle()
        assert {each.state for each in line.messages()} == {"released"}
        check_world(line, restored=True)


async def test_a_message_that_was_received_and_a_letter_in_a_mailbox_wait_too(tmp_path: Path) -> None:
    """A message whose release had not happened, and a letter that its recipient may have collected since."""
    async with running(tmp_path) as line:
        boxed = synthetic_person(4, postcode="ZB1 1AA")
        plan = care_plan(start="2026-01-02", description=SECRET)
        await line.play(
            adt_a01(boxed, message_id="A-4"),
            fhir_message(boxed, resources=[plan], message_id="F-4"),
            adt_a03(boxed, message_id="R-4"),
        )
        await line.gateway.bus.stop()
        await line.gateway._end_background()
        await line.send(adt_a01(synthetic_person(5), message_id="A-5"))
        await lose_everything_since(line, tmp_path / "backup", settle=False)
        await put_back(line, tmp_path / "backup")
        restored.begin_epoch(line.gateway, reason="the disk was lost", by="operator")
        await line.start()
        await line.settle()
        (letter,) = line.deliveries(letter="handover")
        (received,) = line.messages(state="parked")
        assert letter.state == "parked"
        assert not await line.gateway.mailbox_list(line.box_client())
        assert set(line.told_codes()) >= {"handover-restored", "message-restored"}
        assert desk.release_held(line.gateway, letter.id, reason="not collected", by="operator") == "waiting"
        assert desk.release_held(line.gateway, received.id, reason="not known", by="operator") == "released"
        (item,) = await line.gateway.mailbox_list(line.box_client())
        assert item.id == letter.id
        await line.settle()
        assert line.gateway.ledger.verify().verified


async def test_a_backup_is_one_moment_whole_readable_by_nobody_else_and_without_a_key(tmp_path: Path) -> None:
    """Taken while messages come in; what it holds is a beginning of what there is, ends at a whole transaction, and its ledger verifies."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), fhir_message(resources=[care_plan(start="2026-01-02", description=SECRET)]))

        async def traffic() -> None:
            for number in range(100, 160):
                await line.send(adt_a01(synthetic_person(number), message_id=f"T-{number}"))

        busy = asyncio.create_task(traffic())
        await asyncio.sleep(0.05)
        made = await asyncio.to_thread(backups.back_up, settings_of(line), tmp_path / "backup", now=NOW)
        await busy
        await line.settle()
        after = [each.id for each in line.messages()]
        await line.gateway.abandon()
        empty_place(line)
        await put_back(line, tmp_path / "backup")
        kept = [each.id for each in line.messages()]
        assert 2 <= len(kept) <= len(after)
        assert kept == after[: len(kept)]
        faults = line.gateway.ledger.verify().faults
        assert all("cut off" in each or "older" in each for each in faults), faults
        keys = [file.read_bytes() for file in (tmp_path / "keys").glob("*.key")]
        for file in (tmp_path / "backup").iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            body = file.read_bytes()
            assert SECRET.encode() not in body
            assert not [key for key in keys if key in body]
        assert made.bytes > 0
        if line.gateway.ledger.verify().faults:
            restored.begin_epoch(line.gateway, reason="drill", by="operator")
        await line.start()


async def test_what_is_not_a_whole_backup_or_not_an_empty_place_is_refused(tmp_path: Path) -> None:
    """Sabotage: a changed byte, a page that is missing, another installation, a database that is there, other keys."""
    async with running(tmp_path) as line:
        await line.play(adt_a01())
        settings, folder = settings_of(line), tmp_path / "backup"
        await asyncio.to_thread(backups.back_up, settings, folder, now=NOW)
        with pytest.raises(BackupError, match="not empty"):
            backups.back_up(settings, folder, now=NOW)
        with pytest.raises(BackupError, match=r"move it|empty one"):
            backups.put_back(settings, folder)
        await line.gateway.abandon()
        empty_place(line)
        other = settings.model_copy(update={"gateway": settings.gateway.model_copy(update={"installation": "other"})})
        with pytest.raises(BackupError, match="another installation"):
            backups.put_back(other, folder)
        shutil.copytree(folder, tmp_path / "changed")
        change_a_byte(tmp_path / "changed")
        with pytest.raises(BackupError, match="SHA-256"):
            backups.put_back(settings_of(line), tmp_path / "changed")
        (tmp_path / "changed" / backups.PAGE).unlink()
        with pytest.raises(BackupError, match="no whole backup"):
            backups.put_back(settings_of(line), tmp_path / "changed")
        backups.put_back(settings_of(line), folder)
        line.gateway = open_gateway(line.config, line.clock)
        restored.require_keys(line.gateway)
        line.gateway.keys = Keys.in_memory(SeededIds("other keys"))
        with pytest.raises(SealedBroken):
            restored.require_keys(line.gateway)


def change_a_byte(folder: Path) -> None:
    (file,) = [each for each in folder.iterdir() if each.name != backups.PAGE]
    body = bytearray(file.read_bytes())
    body[len(body) // 2] ^= 1
    file.write_bytes(body)
