"""Files all the way: messages taken from a folder, a handover dropped into another, once each, through a crash."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from gateway.serving import make_listener
from gateway.settings import parse_settings
from tests.builders import adt_a01, adt_a03, care_plan, fhir_message
from tests.line import EHR, Line, running

CHANNEL = """
[[channels]]
name = "files"
adapter = "file_drop"
client = "{client}"
folder = "{folder}"
"""


def folder_at(path: Path) -> Path:
    path.mkdir()
    path.chmod(0o770)
    return path


def put_files_on_both_sides(line: Line) -> tuple[Path, Path]:
    """The installation gets a watched folder, and its community provider a folder in place of a server."""
    source, target = folder_at(line.folder / "in"), folder_at(line.folder / "out")
    line.config.write_text(line.config.read_text() + CHANNEL.format(client=EHR, folder=source))
    recipient = line.folder / "recipients" / "northfell.toml"
    text = recipient.read_text()
    before, _, after = text.partition('adapter = "fhir_http"')
    recipient.write_text(
        f'{before}adapter = "file_drop"\n[adapter_settings]\nfolder = "{target}"\n[letters]{after.split("[letters]")[1]}'
    )
    return source, target


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  a folder has no event to wait on
            await asyncio.sleep(0.02)


def taken_up_again(source: Path) -> None:
    """What a crash leaves: in hand, committed before, its answer not on disk."""
    (source / "taken" / "again.hl7").write_bytes(adt_a01())


async def test_from_a_folder_to_a_folder(tmp_path: Path) -> None:
    """An acknowledgement beside each file, one handover named by its delivery id, and no second effect of a file that was in hand."""
    async with running(tmp_path) as line:
        source, target = put_files_on_both_sides(line)
        await line.restart()
        await line.play(fhir_message(resources=[care_plan(start="2026-01-02", description="Reduce slowly")]))
        settings = parse_settings(line.config.read_text(), "throughgate.toml")
        watcher = make_listener(settings, settings.channel("files"))
        await watcher.start(line.gateway.accept)
        (source / "reception.hl7").write_bytes(adt_a01())
        await until((source / "answered" / "reception.hl7.ack").exists)
        taken_up_again(source)
        (source / "release.hl7").write_bytes(adt_a03())
        (source / "junk.hl7").write_bytes(b"not a message")
        await until(
            lambda: (source / "answered" / "release.hl7.ack").exists() and (source / "refused" / "junk.hl7").exists()
        )
        await watcher.stop()
        await line.settle()
        (sent,) = line.deliveries(letter="handover")
        assert sent.state == "delivered"
        (file,) = list(target.iterdir())
        assert file.name == f"{sent.id}.json"
        assert json.loads(file.read_bytes())["resourceType"] == "Bundle"
        assert (source / "answered" / "again.hl7.ack").read_bytes() == (
            source / "answered" / "reception.hl7.ack"
        ).read_bytes()
        assert [each.kind for each in line.messages(client=EHR, state="released")] == ["ADT^A01", "ADT^A03"]
        assert line.gateway.ledger.verify().verified
