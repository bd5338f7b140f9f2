"""What is one commit, with nothing around it but the points of the store itself: before it nothing is there, after it all, and who asked asks again.

Died at on both sides of each, on both engine pairs. Which these are says test_every_point; each has its act here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.clients import add_client, issue_token
from gateway.commands.client_end import client_end
from gateway.console import app, disclosures, totp
from gateway.console.asking import Ask
from gateway.console.staff import (
    Member,
    Role,
    add_staff,
    begin_for,
    end_staff,
    enrol,
    invited,
    log_in,
    log_out,
    member_of,
)
from gateway.errors import StoreUnavailable
from gateway.failpoints import hooked
from gateway.looks import enter_look
from gateway.scopes import requested
from gateway.smart.grant import grant
from gateway.smart.keys import add_keys
from gateway.store.schema import metadata
from gateway.subject import acts
from gateway.subject.acts import What
from gateway.subject.disclosures import show
from tests.builders import adt_a01
from tests.faults.test_boundaries import Death
from tests.faults.test_every_point import EXCUSED, ONE_COMMIT
from tests.gateway.smart.signer import BASE, assertion, both_keys
from tests.line import EHR, Line, running
from tests.world import ledger_verifies

PASSWORD = "four words will do"
OFFICER = Member(id="OFFICER", name="ines", role=Role.IG_OFFICER)


class DyingOfOneCommit:
    """Dies at this side of the next commit, and stays dead."""

    def __init__(self, side: str) -> None:
        self.point, self.dead = f"store.{side}-commit", False

    def __call__(self, passed: str) -> None:
        self.dead = self.dead or passed == self.point
        if self.dead:
            raise Death


@dataclass
class Office:
    """Who asks, each time for something that was not asked before. An act's preparation is done, and its one commit is what is left to do."""

    line: Line
    number: int = 0

    def next(self) -> str:
        self.number += 1
        return f"one-{self.number}"

    def code(self, link: str) -> str:
        with self.line.gateway.store.read() as c:
            known = invited(c, self.line.gateway, link)
        assert known is not None
        return self._code(known.secret)

    def _code(self, secret: bytes) -> str:
        return totp.code_at(secret, int(self.line.clock().timestamp()) // 30)

    def link(self, name: str) -> str:
        return add_staff(self.line.gateway, name, Role.AUDITOR)

    def at_the_provider(self) -> str:
        """Somebody who logs in elsewhere; the subject."""
        subject = self.next()
        add_staff(self.line.gateway, subject, Role.AUDITOR, subject=subject)
        return subject

    def logged_in(self) -> tuple[Member, str]:
        cookie = begin_for(self.line.gateway, self.at_the_provider())
        assert cookie is not None
        member = member_of(self.line.gateway, cookie)
        assert member is not None
        return member, cookie

    def asked(self) -> Ask:
        member, _ = self.logged_in()
        form = {"purpose": next(iter(disclosures.PURPOSES)), "reason": "a test", "number": "9990000018"}
        return Ask(gateway=self.line.gateway, member=member, path={}, query={}, form=form)


def adding_a_client(office: Office) -> Callable[[], object]:
    name = office.next()
    return lambda: add_client(office.line.gateway, name=name, kinds=("ADT^*",), establishments=("ZFG",))


def issuing_a_token(office: Office) -> Callable[[], object]:
    name = office.next()
    add_client(office.line.gateway, name=name, kinds=("ADT^*",), establishments=("ZFG",))
    return lambda: issue_token(office.line.gateway, name, 60)


def ending_a_client(office: Office) -> Callable[[], object]:
    name = office.next()
    add_client(office.line.gateway, name=name, kinds=("ADT^*",), establishments=("ZFG",))
    return lambda: client_end(name, config=office.line.config)


def entering_a_view(office: Office) -> Callable[[], object]:
    return lambda: app._enter(office.line.gateway, OFFICER, "viewed", "messages", "")


def asking_for_disclosures(office: Office) -> Callable[[], object]:
    ask = office.asked()
    return lambda: disclosures.ask_for(replace(ask, gateway=office.line.gateway))


def settling_disclosures(office: Office) -> Callable[[], object]:
    path = disclosures.ask_for(office.asked()).path
    answer = replace(office.asked(), path={"id": path.rpartition("/")[2]}, form={"answer": "yes"})
    return lambda: disclosures.settle(replace(answer, gateway=office.line.gateway))


def adding_staff(office: Office) -> Callable[[], object]:
    name = office.next()
    return lambda: office.link(name)


def beginning_for(office: Office) -> Callable[[], object]:
    subject = office.at_the_provider()
    return lambda: begin_for(office.line.gateway, subject)


def ending_staff(office: Office) -> Callable[[], object]:
    name = office.at_the_provider()
    return lambda: end_staff(office.line.gateway, name)


def enrolling(office: Office) -> Callable[[], object]:
    link = office.link(office.next())
    return lambda: enrol(office.line.gateway, link, PASSWORD, office.code(link))


def logging_in(office: Office) -> Callable[[], object]:
    name = office.next()
    link = office.link(name)
    with office.line.gateway.store.read() as c:
        known = invited(c, office.line.gateway, link)
    assert known is not None
    assert enrol(office.line.gateway, link, PASSWORD, office.code(link))
    office.line.clock.advance(minutes=1)
    return lambda: log_in(office.line.gateway, name, PASSWORD, office._code(known.secret))


def logging_out(office: Office) -> Callable[[], object]:
    member, cookie = office.logged_in()
    return lambda: log_out(office.line.gateway, member, cookie)


def being_seen(office: Office) -> Callable[[], object]:
    _, cookie = office.logged_in()
    office.line.clock.advance(minutes=5)
    return lambda: member_of(office.line.gateway, cookie)


def looking(office: Office) -> Callable[[], object]:
    return lambda: enter_look(office.line.gateway, "messages", by="Ada Example")


def granting(office: Office) -> Callable[[], object]:
    """INVARIANT: an assertion is not used up without its bearer, nor is there a bearer of one that is not used up."""
    now = int(office.line.clock().timestamp())
    signed = assertion(iss=EHR, sub=EHR, iat=now, exp=now + 240, jti=f"a-jti-of-its-own-{office.next()}")
    return lambda: asyncio.run(
        grant(office.line.gateway, signed, audiences=(BASE,), permissions=requested("system/*.cruds"))
    )


def adding_keys(office: Office) -> Callable[[], object]:
    name = office.next()
    add_client(office.line.gateway, name=name, kinds=("ADT^*",), establishments=("ZFG",))
    return lambda: add_keys(office.line.gateway, name, both_keys())


def showing(office: Office) -> Callable[[], object]:
    act = acts.ask(
        office.line.gateway,
        office.line.messages()[0].id,
        What.DISCLOSURES,
        reason="a test",
        by="Ada Example",
    )
    acts.approve(office.line.gateway, act, reason="seen", by="Ben Example")
    return lambda: show(office.line.gateway, act)


ACTS: dict[tuple[str, str], Callable[[Office], Callable[[], object]]] = {
    ("gateway/clients.py", "add_client"): adding_a_client,
    ("gateway/clients.py", "issue_token"): issuing_a_token,
    ("gateway/commands/client_end.py", "client_end"): ending_a_client,
    ("gateway/console/app.py", "_enter"): entering_a_view,
    ("gateway/console/disclosures.py", "ask_for"): asking_for_disclosures,
    ("gateway/console/disclosures.py", "settle"): settling_disclosures,
    ("gateway/console/staff.py", "add_staff"): adding_staff,
    ("gateway/console/staff.py", "begin_for"): beginning_for,
    ("gateway/console/staff.py", "end_staff"): ending_staff,
    ("gateway/console/staff.py", "enrol"): enrolling,
    ("gateway/console/staff.py", "log_in"): logging_in,
    ("gateway/console/staff.py", "log_out"): logging_out,
    ("gateway/console/staff.py", "member_of"): being_seen,
    ("gateway/looks.py", "enter_look"): looking,
    ("gateway/smart/grant.py", "grant"): granting,
    ("gateway/smart/keys.py", "add_keys"): adding_keys,
    ("gateway/subject/disclosures.py", "show"): showing,
}


Tables = dict[str, set[tuple[Any, ...]]]


def everything(line: Line) -> Tables:
    """Every row of every table."""
    with line.gateway.store.read() as c:
        return {table.name: {tuple(row) for row in c.execute(select(table))} for table in metadata.sorted_tables}


def changed(before: Tables, after: Tables) -> dict[str, int]:
    """Table -> by how many rows it has grown, of the tables that are not what they were."""
    return {name: len(after[name]) - len(rows) for name, rows in before.items() if after[name] != rows}


async def done(line: Line, act: Callable[[], object], hook: DyingOfOneCommit | None = None) -> dict[str, int]:
    """What an act changed, to its end or to its death."""
    before = everything(line)
    if hook is None:
        await asyncio.to_thread(act)
    else:
        with hooked(hook), pytest.raises((Death, StoreUnavailable)):
            await asyncio.to_thread(act)
    return changed(before, everything(line))


async def next_process(line: Line) -> None:
    """... in which nothing goes on by itself."""
    await line.restart()
    await line.gateway._end_background()


@pytest.mark.slow(seconds=15)
@pytest.mark.usefixtures("on_both")
async def test_dying_in_one_commit(tmp_path: Path) -> None:
    """All of it or nothing, whichever it is; and whoever asks again gets it."""
    async with running(tmp_path) as line:
        add_keys(line.gateway, EHR, both_keys())
        await line.play(adt_a01())
        await next_process(line)
        office = Office(line)
        for name, prepare in ACTS.items():
            whole = await done(line, prepare(office))
            assert whole, (name, "changes nothing")
            act = prepare(office)
            assert await done(line, act, DyingOfOneCommit("before")) == {}, name
            await next_process(line)
            assert await done(line, act) == whole, (name, "asked again")
            assert await done(line, prepare(office), DyingOfOneCommit("after")) == whole, name
            await next_process(line)
        ledger_verifies(line.gateway)


def test_each_of_them_has_its_act() -> None:
    assert set(ACTS) == {where for where, why in EXCUSED.items() if why == ONE_COMMIT}
