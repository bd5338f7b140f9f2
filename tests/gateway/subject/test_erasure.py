"""Erasure: nothing that is left opens or leads to the person, others are intact, and every proof of before still holds."""

import asyncio
import gc
import json
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, CoroutineType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest
from sqlalchemy import Column, Connection, LargeBinary, MetaData, Table, Text, insert, select
from typer.testing import CliRunner

from fhir_profiles.systems import NHS_NUMBER
from gateway import desk, wiring
from gateway.__main__ import app
from gateway.console.health import REMNANTS
from gateway.demo.people import synthetic_person
from gateway.ledger.entry import decode
from gateway.metrics import look
from gateway.people.find import identifier_index
from gateway.pipeline import Gateway
from gateway.settings import read_settings
from gateway.steps.compact import compact
from gateway.steps.link import link
from gateway.steps.retain import retain
from gateway.store import MemoryStore, compaction
from gateway.store.row_retention import RowSweep
from gateway.store.schema import ledger_entry, metadata, person, sealed
from gateway.subject import acts, scan
from gateway.subject.acts import ActError, What
from gateway.subject.erase import Erased, erase
from tests.builders import adt_a01, adt_a03, consent, fhir_message, oru_r01, rde_o11
from tests.gateway.subject.gone import Before, columns_of, everything, files_that_hold, holds, traces
from tests.gateway.subject.reports import message_of, reported
from tests.line import Line, running


def done(gateway: Gateway, message_id: str) -> Erased:
    act = acts.ask(gateway, message_id, What.ERASURE, reason="a wrong record", by="Ada Example")
    acts.approve(gateway, act, reason="seen", by="Ben Example")
    return erase(gateway, act, reason="a wrong record", by="Cas Example")


async def collected(line: Line) -> None:
    """The mailbox's owner takes everything and a person ends what is held: nothing is open any more."""
    for item in await line.gateway.mailbox_list(line.box_client()):
        await line.gateway.mailbox_open(line.box_client(), item.id)
        await line.gateway.mailbox_acknowledge(line.box_client(), item.id)
    for each in line.deliveries(state="held"):
        desk.reject_held(line.gateway, each.id, reason="nobody supplies it", by="Ada Example")


def leading_to_people(tables: MetaData = metadata) -> list[Column[Any]]:
    """Every column that says who it is: by the id of a record, or by the index of a number."""
    return [
        column
        for table in tables.tables.values()
        for column in table.columns
        if column.name == "value_index" or any(key.column is person.c.id for key in column.foreign_keys)
    ]


def fill(c: Connection, column: Column[Any], value: object) -> None:
    """A row that leads to somebody by this column; whatever else it needs is made up, or is there."""
    row: dict[str, object] = {column.name: value}
    for other in column.table.columns:
        if other is column or other.nullable or other.server_default is not None:
            continue
        if key := next(iter(other.foreign_keys), None):
            found = c.scalar(select(key.column).where(key.column != value).limit(1))
            row[other.name] = found if found is not None else made_up(c, key.column)
        else:
            row[other.name] = _MADE_UP[other.type.python_type]
    c.execute(insert(column.table).values(row))


def made_up(c: Connection, column: Column[Any]) -> object:
    """A row of another table that has to be there."""
    fill(c, column, value := _MADE_UP[column.type.python_type])
    return value


_MADE_UP: dict[type, object] = {str: "MADE-UP", int: 1, bool: False, bytes: b"MADE-UP"}


async def erased_after_everything(line: Line) -> set[str]:
    """A stay, a merge and a message of nobody that names the person; where a table has nothing of them still, a row is made up. Erased:
    the columns that lead to them.
    """
    one, two, three = (synthetic_person(number) for number in (1, 2, 3))
    mixed = adt_a01(one, message_id="MIX").replace(one.prison_number.encode(), two.prison_number.encode())
    said = fhir_message(
        one, resources=[consent(resource_id="c", at="2026-01-15T11:59:00+00:00", decision="permit")], event="consent"
    )
    await line.play(adt_a01(one), rde_o11(one), said, adt_a03(one), adt_a01(two, message_id="O1"), mixed)
    gateway, first = line.gateway, message_of(line, 0)
    desk.reject_held(gateway, line.messages()[-1].id, reason="mixed", by="Ada Example")
    await line.play(adt_a01(three, message_id="O2"))
    stays = link(gateway, first, str(line.messages()[-1].id), reason="one person", by="Ada Example")
    await collected(line)
    tables = everything(gateway)
    absorbed = [row["absorbed"] for row in tables["person_merge"]]
    was = Before.of(gateway, people=[stays, *absorbed], records=[one, three], chains=[first])
    empty = [column for column in leading_to_people() if not _holds_any(tables, column, was)]
    for column in empty:
        value = was.indexes[0] if column.name == "value_index" else stays
        gateway.store.write(lambda c: fill(c, column, value))  # noqa: B023  # called at once
    tables = everything(gateway)
    assert [str(column) for column in leading_to_people() if not _holds_any(tables, column, was)] == []
    done(gateway, first)
    return was.left_in(everything(gateway))


def _holds_any(tables: dict[str, list[dict[str, Any]]], column: Column[Any], was: Before) -> bool:
    return any(row[column.name] in {*was.people, *was.indexes} for row in tables[column.table.name])


async def test_no_table_that_leads_to_a_person_is_forgotten(tmp_path: Path) -> None:
    """By the schema: a table that is added with somebody in it, and not to the erasure, fails here."""
    async with running(tmp_path) as line:
        assert await erased_after_everything(line) == set()


async def test_a_table_that_the_erasure_does_not_know_is_found(tmp_path: Path) -> None:
    """Sabotage of the test above."""
    diary = Table("diary", metadata, Column("day", Text, primary_key=True), Column("value_index", LargeBinary))
    try:
        async with running(tmp_path) as line:
            line.gateway.store.write(diary.create)
            assert await erased_after_everything(line) == {"diary.value_index"}
    finally:
        metadata.remove(diary)


async def with_erased(line: Line, people: int) -> tuple[Before, list[Erased]]:
    """Some came in and every second one is erased."""
    whose = [synthetic_person(number) for number in range(1, people + 1)]
    await line.play(*(adt_a01(each, message_id=f"IN{number}") for number, each in enumerate(whose)))
    await collected(line)
    gone = line.messages()[::2]
    was = Before.of(line.gateway, {str(each.person_id) for each in gone}, whose[::2], [each.id for each in gone])
    return was, [done(line.gateway, each.id) for each in gone]


def health_of(line: Line) -> float:
    return look(line.gateway, [REMNANTS])[REMNANTS][0][1]


async def test_an_erasure_leaves_nothing_in_the_files_while_the_gateway_runs(tmp_path: Path) -> None:
    """Nor in the log beside the database; nobody has to stop anything for it."""
    async with running(tmp_path) as line:
        was, ended = await with_erased(line, 8)
        assert [each.compacted for each in ended] == [True] * 4
        assert files_that_hold(line, *traces(was)) == []
        assert health_of(line) == 0
        found = [decode(row.body)["event"] for row in line.rows(ledger_entry)]
        assert found.count("compacted") == found.count("erased") == 4


async def test_in_a_large_store_it_is_said_that_it_is_to_be_done_until_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage of the test above: without the tables written anew the look at the bytes finds what it looks for."""
    monkeypatch.setattr(compaction, "AT_ONCE_BYTES", 1)
    async with running(tmp_path) as line:
        was, ended = await with_erased(line, 8)
        assert [each.compacted for each in ended] == [False] * 4
        assert files_that_hold(line, *traces(was)) != []
        retain(line.gateway, RowSweep())
        assert "compacted" not in [decode(row.body)["event"] for row in line.rows(ledger_entry)]
        line.clock.advance(days=3)
        assert health_of(line) == pytest.approx(3 * 86_400, abs=60)
        assert compact(line.gateway, at_most_bytes=None)
        assert health_of(line) == 0
        assert files_that_hold(line, *traces(was)) == []


async def test_the_command_writes_a_large_store_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "AT_ONCE_BYTES", 1)
    async with running(tmp_path) as line:
        was, _ = await with_erased(line, 8)
        line.clock.advance(days=1)
        assert health_of(line) > 0
    command = ["erase", "compact", "--config", str(line.config)]
    done_now = CliRunner().invoke(app, command)
    assert (done_now.exit_code, done_now.output) == (0, "nothing of it is left in the database's files\n")
    assert files_that_hold(line, *traces(was)) == []
    assert json.loads(CliRunner().invoke(app, [*command, "--json"]).output) == {"compacted": True}
    with wiring.open_parts(read_settings(line.config)) as gateway:
        assert look(gateway, [REMNANTS])[REMNANTS][0][1] == 0
        with gateway.store.read() as c:
            found = [decode(body)["event"] for body in c.scalars(select(ledger_entry.c.body))]
    assert found.count("compacted") == 2, "what retention deleted leaves the files by the command too"


async def test_what_could_not_be_written_anew_is_by_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that died behind the commit of an erasure, or met somebody in its way."""
    monkeypatch.setattr(compaction, "AT_ONCE_BYTES", 1)
    async with running(tmp_path) as line:
        was, _ = await with_erased(line, 2)
        monkeypatch.undo()
        retain(line.gateway, RowSweep())
        assert health_of(line) == 0
        assert files_that_hold(line, *traces(was)) == []


def test_an_erasure_that_comes_meanwhile_is_still_to_be_done() -> None:
    store = MemoryStore.create()
    store.write(lambda c: compaction.ask(c, at="2026-01-15T12:00:00.000000Z", act_id="ONE"))
    with store.read() as c:
        begun = compaction.asked(c)
    assert begun is not None
    store.write(lambda c: compaction.ask(c, at="2026-01-16T12:00:00.000000Z", act_id="TWO"))
    assert not store.write(lambda c: compaction.done(c, begun))
    with store.read() as c:
        assert (left := compaction.asked(c)) is not None
        assert compaction.since(left) == "2026-01-15T12:00:00.000000Z"
    assert store.write(lambda c: compaction.done(c, left))
    store.close()


def reachable(start: object) -> Iterator[object]:
    """Everything that this object holds on to, as far as it is data: no code, no modules, nothing that is running."""
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, _NO_DATA):
            continue
        seen.add(id(each))
        yield each
        waiting += gc.get_referents(each)


_NO_DATA = (type, ModuleType, FunctionType, FrameType, CodeType, CoroutineType, asyncio.Task, asyncio.AbstractEventLoop)


async def test_nothing_of_who_was_erased_stays_in_memory(tmp_path: Path) -> None:
    """No cache of the gateway holds a name, a number or the key: it looks at the texts and bytes that the gateway holds on to."""
    whose = synthetic_person(1)
    async with running(tmp_path) as line:
        await line.play(adt_a01(whose), rde_o11(whose), oru_r01(whose), adt_a03(whose))
        await collected(line)
        gateway, first = line.gateway, message_of(line, 0)
        record = str(line.messages()[0].person_id)
        kept = {"kept": [{"deep": (b"x" + whose.nhs_number.encode(),)}]}
        with gateway.store.read() as c:
            key = gateway.keys._person_key(c, record)
        asked = [key, *(each.encode() for each in (whose.nhs_number, whose.prison_number, whose.family))]
        assert _remembered(kept, asked), "sabotage: what is held is found"
        reported(gateway, first)
        done(gateway, first)
        assert _remembered(gateway, asked) == []


def _remembered(holder: object, asked: list[bytes]) -> list[str]:
    texts = (each for each in reachable(holder) if isinstance(each, str | bytes))
    return [type(each).__name__ for each in texts if any(what in _bytes(each) for what in asked)]


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "replace")


async def test_an_erased_entry_remains_and_the_person_is_somebody_new(tmp_path: Path) -> None:
    whose = synthetic_person(1)
    async with running(tmp_path) as line:
        await line.play(adt_a01(whose), rde_o11(whose))
        await collected(line)
        gateway, first = line.gateway, message_of(line, 0)
        old = line.messages()[0].person_id
        gone = done(gateway, first)
        assert (gone.people, gone.messages) == (1, 2)
        with gateway.store.read() as c:
            entries = [decode(row.body) for row in c.execute(select(ledger_entry.c.body)) if b'"erased"' in row.body]
            assert [set(entry["facts"]) for entry in entries] == [{"messages", "deliveries", "note"}]
            note = json.loads(gateway.keys.unseal(c, entries[0]["facts"]["note"]))
        assert note == {"by": "Ada Example; Ben Example; Cas Example", "reason": "a wrong record"}
        with pytest.raises(ActError):
            acts.ask(gateway, first, What.REPORT, reason="why", by="Ada Example")
        await line.play(adt_a01(whose, message_id="AGAIN"))
        new = line.messages()[-1]
        assert new.state == "released"
        assert new.person_id not in (None, old)
        with gateway.store.read() as c:
            assert {entry.chain for entry in scan.find(c, gateway, new.person_id).entries} == {new.id}
        await line.play(adt_a01(whose))  # its id is free again: it is taken, and is about who is there now
        assert line.messages()[-1].person_id == new.person_id


async def test_care_that_is_under_way_is_not_cut_off(tmp_path: Path) -> None:
    whose = synthetic_person(1)
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        await line.play(adt_a01(whose), rde_o11(whose), adt_a03(whose))
        act = acts.ask(line.gateway, message_of(line, 0), What.ERASURE, reason="why", by="Ada Example")
        with pytest.raises(ActError, match="a second person"):
            erase(line.gateway, act, reason="why", by="Ada Example")
        acts.approve(line.gateway, act, reason="why", by="Ben Example")
        with pytest.raises(ActError, match="not finished"):
            erase(line.gateway, act, reason="why", by="Ada Example")
        assert len(line.rows(person)) == 1


async def test_who_was_joined_is_erased_with_them(tmp_path: Path) -> None:
    whose, other = synthetic_person(1), synthetic_person(2)
    async with running(tmp_path) as line:
        await line.play(adt_a01(whose), oru_r01(whose), adt_a01(other, message_id="O1"))
        link(line.gateway, message_of(line, 1), message_of(line, 0), reason="why", by="Ada Example")
        gone = done(line.gateway, message_of(line, 0))
        assert gone.people == 2
        tables = everything(line.gateway)
        assert tables["person"] == tables["person_identifier"] == tables["merge_journal"] == tables["resource"] == []
        assert {row["wrapped_by"] for row in tables["sealed"]} == {"installation"}
        assert {row["category"] for row in tables["sealed"]} <= {"task", "ledger"}


async def test_what_was_said_of_a_message_of_nobody_yet_goes_with_its_person(tmp_path: Path) -> None:
    """It was held for want of a person, so the note is under the installation's key; the bytes lead nobody to it either."""
    one, two = synthetic_person(1), synthetic_person(2)
    async with running(tmp_path) as line:
        mixed = adt_a01(one, message_id="MIX").replace(one.prison_number.encode(), two.prison_number.encode())
        await line.play(adt_a01(one), adt_a01(two, message_id="O1"), mixed)
        held = line.messages()[-1]
        assert (held.state, held.person_id) == ("held", None)
        desk.release_held(line.gateway, held.id, reason=f"it is {one.family}", by="Ada Example")
        link(line.gateway, message_of(line, 1), message_of(line, 0), reason="one person", by="Ada Example")
        await collected(line)
        assert line.messages()[-1].person_id is not None
        done(line.gateway, held.id)
        with line.gateway.store.read() as c:
            said = [line.gateway.keys.unseal(c, row.id) for row in line.rows(sealed) if row.category == "task"]
        assert not [each for each in said if one.family.encode() in each]
        assert {row.body_index for row in line.messages()} == {b""}


async def test_a_message_of_nobody_that_names_the_person_is_finished_first_and_goes_with_them(tmp_path: Path) -> None:
    """It names two people, so it is under the installation's key and in nobody's name, and its numbers lead to them."""
    one, two = synthetic_person(1), synthetic_person(2)
    async with running(tmp_path) as line:
        mixed = adt_a01(one, message_id="MIX").replace(one.prison_number.encode(), two.prison_number.encode())
        await line.play(adt_a01(one), adt_a01(two, message_id="O1"), mixed)
        gateway, held = line.gateway, line.messages()[-1]
        assert (held.state, held.person_id) == ("held", None)
        with pytest.raises(ActError, match="1 messages"):
            done(gateway, message_of(line, 0))
        desk.reject_held(gateway, held.id, reason="mixed", by="Ada Example")
        index = identifier_index(gateway.keys, NHS_NUMBER, one.nhs_number)
        assert holds(columns_of(everything(gateway)), index) == [
            "named_number.value_index",
            "person_identifier.value_index",
        ]
        assert done(gateway, message_of(line, 0)).messages == 2
        assert holds(columns_of(everything(gateway)), index) == []
        with gateway.store.read() as c:
            opened = [gateway.keys.unseal(c, row.id) for row in line.rows(sealed)]
        assert not [each for each in opened if one.family.encode() in each or one.nhs_number.encode() in each]
