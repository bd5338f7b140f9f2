"""What lies sealed with a decision is what the ledger says was kept with it: who can write the database cannot give it another's."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from gateway import desk, whole_way
from gateway.ledger.entry import decode
from gateway.steps.kept import KeptOfAnother
from gateway.steps.rederive import RederiveError, rederive
from gateway.store.schema import decision, ledger_entry, sealed
from tests.builders import adt_a01, adt_a03, rde_o11, synthetic_person
from tests.gateway.subject.reports import message_of, reported, sign
from tests.gateway.subject.test_erasure import collected, done
from tests.line import Line, running

SWAPPED = "what is kept with it is not what was entered with it"


def edit(line: Line, change: Callable[[Connection], Any]) -> None:
    """What somebody does who can write the database and has no key: triggers stop only mistakes."""

    def work(c: Connection) -> None:
        for trigger in c.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'").scalars().all():
            c.exec_driver_sql(f"DROP TRIGGER {trigger}")
        change(c)

    line.gateway.store.write(work)


async def two_decisions(line: Line) -> tuple[str, str]:
    """The copy to the pharmacy and the handover of one person."""
    await line.play(adt_a01(), rde_o11(), adt_a03())
    copy, handover = (line.deliveries(letter=each)[0].decision_id for each in ("prescription-copy", "handover"))
    sign(line.gateway)
    return str(copy), str(handover)


def swap(line: Line, one: str, other: str) -> None:
    def change(c: Connection) -> None:
        places = {row.id: row.sealed_id for row in c.execute(select(decision.c.id, decision.c.sealed_id))}
        for here, there in ((one, other), (other, one)):
            c.execute(update(decision).where(decision.c.id == here).values(sealed_id=places[there]))

    edit(line, change)


async def test_two_decisions_of_one_person_that_were_swapped_are_shown_by_nobody(tmp_path: Path) -> None:
    """Console, `explain`, the officer's report, `rederive`, `ledger verify`, the desk: each says so, and none says what the other one holds."""
    async with running(tmp_path) as line:
        both = await two_decisions(line)
        gateway, first = line.gateway, message_of(line, 0)
        assert gateway.ledger.verify().verified
        with gateway.store.read() as c:
            assert all((found := whole_way.kept_decision(c, gateway, each)) and found.kept.bound for each in both)
        swap(line, *both)
        for each in both:
            with gateway.store.read() as c, pytest.raises(KeptOfAnother, match="call the IG officer"):
                whole_way.kept_decision(c, gateway, each)
            with pytest.raises(RederiveError, match="not what the ledger says"):
                rederive(gateway, each)
        for row in line.messages()[1:]:
            with gateway.store.read() as c:
                way = whole_way.message_way(c, gateway, row.id)
            assert way is not None
            assert [(one.unread, one.gone, one.reasons, one.bound) for one in way.decisions] == [
                (True, False, (), False)
            ]
            assert "the database was edited" in way.decisions[0].fault
        verified = gateway.ledger.verify()
        assert sorted(verified.faults) == sorted(f"decision {each}: {SWAPPED}" for each in both)
        made, _ = reported(gateway, first)
        assert {f"decision {each}: {SWAPPED}" for each in both} <= set(made.differs)
        details = [each for chain in made.messages for each in chain.details if each.id in both]
        assert [(each.unread, each.reasons) for each in details] == [(True, ())] * 2


async def test_another_ones_bytes_under_its_own_id_do_not_open(tmp_path: Path) -> None:
    """The other way to swap: what is sealed opens under its own id alone."""
    async with running(tmp_path) as line:
        one, other = await two_decisions(line)

        def change(c: Connection) -> None:
            places = {row.id: row.sealed_id for row in c.execute(select(decision.c.id, decision.c.sealed_id))}
            there = c.execute(select(sealed).where(sealed.c.id == places[other])).one()
            content = {name: getattr(there, name) for name in ("nonce", "ciphertext", "wrapped_key")}
            c.execute(update(sealed).where(sealed.c.id == places[one]).values(content))

        edit(line, change)
        with line.gateway.store.read() as c:
            way = whole_way.message_way(c, line.gateway, str(line.messages()[1].id))
        assert way is not None
        assert [(each.unread, each.reasons) for each in way.decisions] == [(True, ())]


async def test_a_decision_that_no_entry_decides_is_nobodys(tmp_path: Path) -> None:
    """It was put there, or taken to another message: what its content is cannot be known."""
    async with running(tmp_path) as line:
        one, _ = await two_decisions(line)

        def change(c: Connection) -> None:
            row = c.execute(select(decision).where(decision.c.id == one)).one()
            c.execute(insert(decision).values({**row._mapping, "id": "PUT-THERE"}))

        edit(line, change)
        assert "decision PUT-THERE: no entry decides it" in line.gateway.ledger.verify().faults
        with line.gateway.store.read() as c, pytest.raises(KeptOfAnother):
            whole_way.kept_decision(c, line.gateway, "PUT-THERE")


def before_it_was_entered(line: Line) -> None:
    """As an installation of earlier: no entry says what was kept."""

    def change(c: Connection) -> None:
        for row in c.execute(select(ledger_entry.c.id, ledger_entry.c.body)).all():
            entry = decode(row.body)
            if entry["facts"].pop("kept", None) is not None:
                body = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
                c.execute(update(ledger_entry).where(ledger_entry.c.id == row.id).values(body=body))

    edit(line, change)


async def test_what_was_decided_before_reads_on_and_is_said_to_be_unbound(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01(), rde_o11())
        before_it_was_entered(line)
        (one,) = (str(row.decision_id) for row in line.deliveries(letter="prescription-copy"))
        gateway = line.gateway
        with gateway.store.read() as c:
            found = whole_way.kept_decision(c, gateway, one)
        assert found is not None
        assert not found.kept.bound
        assert found.kept.decision.reasons
        assert rederive(gateway, one).same
        assert gateway.ledger.verify().unbound == 1


async def test_a_report_and_a_held_letter_are_bound_too(tmp_path: Path) -> None:
    """A held letter gets another decision when a person lets it go: each is entered with its own."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), adt_a03(replace(synthetic_person(2), postcode="ZZ99 3WZ")))
        (held,) = line.deliveries(state="held")
        first = held.decision_id
        desk.release_held(line.gateway, held.id, reason="asked", by="Ada Example", recipient="northfell")
        await line.settle()
        second = line.deliveries(letter="handover")[0].decision_id
        assert first != second
        with line.gateway.store.read() as c:
            for each in (first, second):
                assert (found := whole_way.kept_decision(c, line.gateway, each)) is not None
                assert found.kept.bound
        found_all = line.gateway.ledger.verify()
        assert (found_all.verified, found_all.unbound) == (True, 0)
        swap(line, first, second)
        assert len(line.gateway.ledger.verify().faults) == 2


async def test_after_an_erasure_it_leads_to_nothing(tmp_path: Path) -> None:
    """The id of a sealed thing is random; nothing has it any more, and the ledger verifies."""
    async with running(tmp_path) as line:
        await two_decisions(line)
        await collected(line)
        done(line.gateway, message_of(line, 0))
        sign(line.gateway)
        assert line.gateway.ledger.verify().verified
        bodies = [decode(row.body) for row in line.rows(ledger_entry)]
        kept = {entry["facts"]["kept"] for entry in bodies if "kept" in entry["facts"]}
        assert kept
        assert not kept & {row.id for row in line.rows(sealed)}
        with line.gateway.store.read() as c:
            assert set(c.scalars(select(decision.c.sealed_id))) == {None}
