"""Erasure: nothing that is left opens or leads to the person, others are intact, and every proof of before still holds."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from fhir_profiles.systems import NHS_NUMBER
from gateway import desk
from gateway.demo.people import synthetic_person
from gateway.keys import SealedError
from gateway.ledger.entry import decode
from gateway.moves import SUBJECT
from gateway.people.find import identifier_index
from gateway.pipeline import Gateway
from gateway.steps.link import link
from gateway.store.schema import ledger_entry, metadata, person, sealed
from gateway.subject import acts, scan
from gateway.subject.acts import ActError, What
from gateway.subject.erase import Erased, erase
from tests.builders import adt_a01, adt_a03, oru_r01, rde_o11
from tests.faults.account import Account, number
from tests.gateway.subject.test_subject_access import assert_proved, lived, message_of, reported, sent_of, sign
from tests.line import Line, running

PEOPLE = number(5, 1_000)
ERASED = number(2, 100)
"""In make test 2 of 5; in the soak 100 of 1,000."""


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


def everything(gateway: Gateway) -> dict[str, list[dict[str, Any]]]:
    with gateway.store.read() as c:
        return {
            name: [dict(row) for row in c.execute(select(table)).mappings()] for name, table in metadata.tables.items()
        }


def holds(tables: dict[str, list[dict[str, Any]]], what: str | bytes) -> list[str]:
    """The columns in which this stands anywhere."""
    found = what if isinstance(what, bytes) else what.encode()
    return sorted(
        {
            f"{name}.{column}"
            for name, rows in tables.items()
            for row in rows
            for column, value in row.items()
            if value is not None and found in (value if isinstance(value, bytes) else str(value).encode())
        }
    )


async def test_nothing_is_left_of_who_was_erased_and_everything_of_the_others(
    tmp_path: Path, account: Callable[..., Account]
) -> None:
    people = [synthetic_person(200 + count) for count in range(PEOPLE)]
    async with running(tmp_path) as line:
        await lived(line, people, random.Random(3))
        await collected(line)
        gateway = line.gateway
        firsts = [message_of(line, count) for count in range(PEOPLE)]
        before = [reported(gateway, first) for first in firsts]
        tables = everything(gateway)
        ids = [next(row["person_id"] for row in tables["message"] if row["id"] == first) for first in firsts]
        secrets = {row["id"]: row for row in tables["sealed"]}
        indexes = [row["value_index"] for row in tables["person_identifier"] if row["person_id"] in ids[:ERASED]]
        assert len(indexes) == 2 * ERASED
        for first in firsts[:ERASED]:
            done(gateway, first)
        sign(gateway)
        after = everything(gateway)
        for each in ids[:ERASED]:
            assert holds(tables, each)
            assert holds(after, each) == []
        assert [place for index in indexes for place in holds(after, index)] == []
        for count in range(ERASED):
            assert_nothing_opens(gateway, [row for row in secrets.values() if row["wrapped_by"] == ids[count]])
            assert_nothing_is_linked(gateway, ids[ERASED:], {chain.id for chain in before[count][0].deliveries})
        for count in range(ERASED, PEOPLE):
            again, _ = reported(gateway, firsts[count])
            assert sent_of(again) == sent_of(before[count][0])
            assert [chain.details for chain in again.messages] == [chain.details for chain in before[count][0].messages]
            assert again.differs == ()
        for count, (_, proof) in enumerate(before):
            assert_proved(tmp_path / f"proof{count}.json", proof)
        assert gateway.ledger.verify().verified
        sent = len(line.accepted)
        account(name="erasure", attempted=sent, acked=sent, recovered=0, note=f"{ERASED} of {PEOPLE} people erased")


def assert_nothing_opens(gateway: Gateway, copied: list[dict[str, Any]]) -> None:
    """Somebody kept a copy of the sealed rows, and puts them back: the keys that are here open none of them."""
    assert len(copied) > 3

    def put_back(c: Any) -> int:
        opened = 0
        for row in copied:
            c.execute(insert(sealed).values(row))
            try:
                gateway.keys.unseal(c, row["id"])
                opened += 1
            except SealedError:
                pass
            c.execute(sealed.delete().where(sealed.c.id == row["id"]))
        return opened

    assert gateway.store.write(put_back) == 0


def assert_nothing_is_linked(gateway: Gateway, others: list[str], deliveries: set[str]) -> None:
    """The chains of the erased person's letters are nobody's: no key that is left makes their commitments."""
    assert deliveries
    with gateway.store.read() as c:
        keys = [gateway.keys.commitments_of(c, each) for each in others]
        bodies = [row.body for row in c.execute(select(ledger_entry.c.body))]
        found = [entry for entry in map(decode, bodies) if entry["chain"] in deliveries and SUBJECT in entry["facts"]]
        assert len(found) == len(deliveries)
        for entry in found:
            made = {key(entry["id"].encode(), SUBJECT.encode()) for key in keys}
            made.add(gateway.keys.commitment(c, None, entry["id"].encode(), SUBJECT.encode()))
            assert entry["facts"][SUBJECT] not in made
        assert len({entry["facts"][SUBJECT] for entry in found}) == len(found)


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
        assert holds(everything(gateway), index) == ["named_number.value_index", "person_identifier.value_index"]
        assert done(gateway, message_of(line, 0)).messages == 2
        assert holds(everything(gateway), index) == []
        with gateway.store.read() as c:
            opened = [gateway.keys.unseal(c, row.id) for row in line.rows(sealed)]
        assert not [each for each in opened if one.family.encode() in each or one.nhs_number.encode() in each]
