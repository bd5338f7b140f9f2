"""What people and the clock do to a line, each prepared for a person of its own: the second story, for deaths at every boundary that messages do not pass.

An act is prepared unharmed; `do` is what the process dies in; `seen` is how a person sees, before they do it again, that it was done. It MUST be
true of nothing that was done only in part.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import insert, update

from consent.shapes import OverrideKind
from gateway import activation, desk, evidence, openings, opt_outs, overrides, restored, unfinished
from gateway.demo.people import SyntheticPerson
from gateway.extracts import approval
from gateway.journeys.tasks import NOTICE, OVERDUE
from gateway.openings import PURPOSES
from gateway.overrides import Limb
from gateway.refusals import What as Refusable
from gateway.steps import indicators, link
from gateway.steps.agreement_dates import tell_dates
from gateway.steps.refused import enter_refusals
from gateway.steps.retain import retain
from gateway.store.row_retention import RowSweep
from gateway.store.schema import delivery, ledger_entry, opening, person_apart, staff
from gateway.subject import acts, flagged, persons_copy
from gateway.subject.acts import What
from gateway.subject.erase import erase
from gateway.subject.persons_copy import Role
from tests.builders import (
    OPIATES,
    Assay,
    adt_a01,
    adt_a03,
    care_plan,
    consent,
    fhir_message,
    oru_r01,
    rde_o11,
    synthetic_person,
)
from tests.flow.test_override import LEAD, NURSE, OFFICER
from tests.gateway.test_extract import FIRST, with_agreements
from tests.line import Line

ADA, BEN, CAS = "Ada Example", "Ben Example", "Cas Example"
FOUND = Assay(code=OPIATES[0], text=OPIATES[1], result="positive")
WHY = {"reason": "for a test", "by": ADA}
BOX_AREA, NO_AREA = "ZB1 1AA", "ZX1 1AA"
SECONDS = 500
"""Where the numbers of second people begin."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One time that an act is done."""

    do: Callable[[], Any]
    seen: Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Act:
    """`points`: the boundaries that this act is there for, a commit's by the name of its step. `prepare` makes a fresh case for the n-th death in it."""

    prepare: Callable[[Line, int], Awaitable[Case]]
    points: tuple[str, ...]
    background: bool = False
    """Does it need what a serving process does by itself? Else the line is moved by the act alone, so that nothing else is quicker than it."""


def somebody(n: int, **more: str) -> SyntheticPerson:
    return synthetic_person(100 + n, **more)


def state_of(line: Line, delivery_id: str) -> str:
    return str(line.deliveries(id=delivery_id)[0].state)


def told(line: Line, code: str) -> int:
    """How many tasks of this code there are."""
    return len(line.tasks(code=code))


async def _handover(line: Line, n: int, **more: str) -> Any:
    await line.play(adt_a03(somebody(n, **more), message_id=f"OUT-{n}"))
    return line.deliveries(letter="handover")[-1]


async def telling(line: Line, n: int) -> Case:
    """The way of telling fails once; then the person is told."""
    before = told(line, "no-recipient")

    async def do() -> None:
        ordinary = line.gateway.teller

        async def fails_once(_: object) -> None:
            line.gateway.teller = ordinary
            raise OSError

        line.gateway.teller = fails_once
        await line.send(adt_a03(somebody(n, postcode=NO_AREA), message_id=f"OUT-{n}"))
        for _ in range(2):
            await line.settle()
            line.clock.advance(seconds=70)

    return Case(
        do=do, seen=lambda: [row.told_at is not None for row in line.tasks(code="no-recipient")[before:]] == [True]
    )


async def rejecting(line: Line, n: int) -> Case:
    """Nobody was found for a handover, and a person ends it."""
    row = await _handover(line, n, postcode=NO_AREA)
    return Case(
        do=lambda: desk.reject_held(line.gateway, row.id, **WHY), seen=lambda: state_of(line, row.id) == "withheld"
    )


async def _parked(line: Line, n: int) -> Any:
    line.neighbours["northfell"].up = False
    row = await _handover(line, n)
    while state_of(line, row.id) != "parked":
        line.clock.advance(seconds=20)
        await line.settle()
    line.neighbours["northfell"].up = True
    return row


async def sending_again(line: Line, n: int) -> Case:
    """A parked letter goes out under the id that it has."""
    row = await _parked(line, n)
    return Case(
        do=lambda: desk.release_held(line.gateway, row.id, **WHY), seen=lambda: state_of(line, row.id) == "delivered"
    )


async def saying_delivered(line: Line, n: int) -> Case:
    """The recipient was asked and has it."""
    row = await _parked(line, n)
    return Case(
        do=lambda: desk.say_delivered(line.gateway, row.id, **WHY), seen=lambda: state_of(line, row.id) == "delivered"
    )


async def ticking_off(line: Line, n: int) -> Case:
    """What was refused is nobody's any more; the task of it is ended."""
    line.neighbours["northfell"].answers = [400]
    row = await _handover(line, n)
    (first, *_) = line.tasks(delivery_id=row.id)
    return Case(
        do=lambda: desk.end_task(line.gateway, first.id, **WHY),
        seen=lambda: line.tasks(id=first.id)[0].ended_at is not None,
    )


async def breaking(line: Line, n: int) -> Case:
    """A letter that is not the one that was decided is parked, and stays here."""
    line.neighbours["northfell"].up = False
    row = await _handover(line, n)
    line.gateway.store.write(lambda c: c.execute(update(delivery).where(delivery.c.id == row.id).values(mac=b"x" * 32)))
    line.neighbours["northfell"].up = True
    return Case(
        do=lambda: line.clock.advance(minutes=10), seen=lambda: line.deliveries(id=row.id)[0].reason == "seal-broken"
    )


async def collecting(line: Line, n: int) -> Case:
    """A mailbox's owner takes a letter and says so."""
    row = await _handover(line, n, postcode=BOX_AREA)

    async def do() -> None:
        await line.gateway.mailbox_open(line.box_client(), row.id)
        await line.gateway.mailbox_acknowledge(line.box_client(), row.id)

    return Case(do=do, seen=lambda: state_of(line, row.id) == "delivered")


async def not_saying(line: Line, n: int) -> Case:
    """... or never says so."""
    row = await _handover(line, n, postcode=BOX_AREA)
    await line.gateway.mailbox_open(line.box_client(), row.id)
    return Case(do=lambda: line.clock.advance(minutes=11), seen=lambda: state_of(line, row.id) == "ambiguous")


async def not_coming(line: Line, n: int) -> Case:
    """... or never comes."""
    row = await _handover(line, n, postcode=BOX_AREA)
    return Case(do=lambda: line.clock.advance(days=31), seen=lambda: state_of(line, row.id) == "expired")


async def not_confirming(line: Line, n: int) -> Case:
    """Nobody confirms a handover in time."""
    row = await _handover(line, n)
    return Case(
        do=lambda: line.clock.advance(hours=30),
        seen=lambda: len(line.tasks(delivery_id=row.id, code="handover-unconfirmed")) == 1,
    )


def _says(n: int, decision: str, *, at: str) -> bytes:
    word = consent(resource_id="w", at=at, decision=decision)
    return fhir_message(somebody(n), resources=[word], message_id=f"W-{decision}-{n}", event="consent")


async def taking_back(line: Line, n: int) -> Case:
    """A no after a letter: who has it is to hear of it, and of those whom nobody told the guardian hears."""
    row = await _handover(line, n)
    line.clock.advance(hours=1)
    now = line.clock().isoformat()

    async def do() -> None:
        await line.send(_says(n, "deny", at=now))
        await line.settle()
        line.clock.advance(hours=25)

    def seen() -> bool:
        codes = [each.code for each in line.tasks(delivery_id=row.id)]
        return (codes.count(NOTICE), codes.count(OVERDUE)) == (1, 1)

    return Case(do=do, seen=seen)


async def _withheld(line: Line, n: int) -> Any:
    before = "2026-01-15T11:59:00+00:00"
    for body in (rde_o11(somebody(n), message_id=f"RX-{n}"), _says(n, "deny", at=before)):
        assert line.is_accepted(await line.send(body))
    return await _handover(line, n)


def _vital(line: Line, delivery_id: str) -> overrides.Given:
    return overrides.give(
        line.gateway, delivery_id, "northfell", OverrideKind.VITAL_INTEREST, Limb.PERSON, NURSE, tell_person=True
    )


async def overriding(line: Line, n: int) -> Case:
    """An emergency: the letter that a no keeps goes at once."""
    row = await _withheld(line, n)
    return Case(
        do=lambda: _vital(line, row.id),
        seen=lambda: [each.state for each in line.deliveries(supersedes=row.id)] == ["delivered"],
    )


async def confirming(line: Line, n: int) -> Case:
    """... a second person confirms it."""
    given = _vital(line, (await _withheld(line, n)).id)
    return Case(
        do=lambda: overrides.second(line.gateway, given.id, LEAD),
        seen=lambda: _given(line, given.id).second_by is not None,
    )


async def reviewing(line: Line, n: int) -> Case:
    """... a third one reviews it."""
    given = _vital(line, (await _withheld(line, n)).id)
    return Case(
        do=lambda: overrides.review(line.gateway, given.id, OFFICER),
        seen=lambda: _given(line, given.id).reviewed_by is not None,
    )


def _given(line: Line, override_id: str) -> overrides.Given:
    return next(each for each in overrides.listed(line.gateway) if each.id == override_id)


async def overlooking(line: Line, n: int) -> Case:
    """... or nobody does, and the guardian hears of it once."""
    given = _vital(line, (await _withheld(line, n)).id)
    await line.settle()
    return Case(
        do=lambda: line.clock.advance(hours=24),
        seen=lambda: len(line.tasks(delivery_id=given.letter, code="override-unconfirmed")) == 1,
    )


async def disclosing(line: Line, n: int) -> Case:
    """A clinician asks a second person to let a danger be told."""
    await line.play(oru_r01(somebody(n), assays=(FOUND,), message_id=f"O-{n}"))
    about = line.messages()[-1].id

    def seen() -> bool:
        letters = {row.id for row in line.deliveries(message_id=about, letter="harm-disclosure")}
        return any(each.delivery in letters for each in overrides.listed(line.gateway))

    return Case(
        do=lambda: overrides.ask(line.gateway, about, "security", Limb.OTHERS, NURSE, tell_person=True), seen=seen
    )


async def _arrived(line: Line, n: int) -> Any:
    await line.play(adt_a01(somebody(n), message_id=f"IN-{n}"))
    return line.messages()[-1]


def _members(line: Line) -> None:
    common = {"role": "ig-officer", "second_id": "", "second_step": 0, "link_expires_at": "", "failures": 0}
    rows = [{"id": each[:3], "name": each, "locked_until": "", "created_at": "", **common} for each in (ADA, BEN)]
    if not line.rows(staff):
        line.gateway.store.write(lambda c: c.execute(insert(staff), rows))


def _ask_to_see(line: Line, about: str) -> str:
    who = {"staff_id": ADA[:3], "name": ADA}
    return openings.ask(
        line.gateway, about, purpose=next(iter(PURPOSES)), reason="a test", **who, may_see_decisions=True
    )


def _opening(line: Line, about: str) -> Any:
    with line.gateway.store.read() as c:
        return c.execute(opening.select().where(opening.c.about == about)).one_or_none()


async def asking_to_see(line: Line, n: int) -> Case:
    """Somebody asks to see what a message says."""
    _members(line)
    about = (await _arrived(line, n)).id
    line.clock.advance(days=1)  # there is a most of questions a day
    return Case(do=lambda: _ask_to_see(line, about), seen=lambda: _opening(line, about) is not None)


async def _asked_to_see(line: Line, n: int) -> Any:
    case = await asking_to_see(line, n)
    case.do()
    return _opening(line, line.messages()[-1].id)


async def agreeing(line: Line, n: int) -> Case:
    """... a second person says yes."""
    asked = await _asked_to_see(line, n)
    return Case(
        do=lambda: openings.settle(line.gateway, asked.id, yes=True, staff_id=BEN[:3]),
        seen=lambda: _opening(line, asked.about).approved is True,
    )


async def looking(line: Line, n: int) -> Case:
    """... and they look."""
    asked = await _asked_to_see(line, n)
    openings.settle(line.gateway, asked.id, yes=True, staff_id=BEN[:3])
    return Case(
        do=lambda: openings.look(line.gateway, asked.id, staff_id=ADA[:3]),
        seen=lambda: _opening(line, asked.about).opened_at is not None,
    )


async def telling_of_it(line: Line, n: int) -> Case:
    """... of which the IG officer hears the day after, once."""
    asked = await _asked_to_see(line, n)
    openings.settle(line.gateway, asked.id, yes=True, staff_id=BEN[:3])
    openings.look(line.gateway, asked.id, staff_id=ADA[:3])
    before = told(line, "content-was-opened")
    return Case(do=lambda: line.clock.advance(days=1), seen=lambda: told(line, "content-was-opened") == before + 1)


async def linking(line: Line, n: int) -> Case:
    """Two records are one person's."""
    one, other = await _two(line, n)
    return Case(
        do=lambda: link.link(line.gateway, one.id, other.id, **WHY), seen=lambda: len(_owners(line, one, other)) == 1
    )


async def separating(line: Line, n: int) -> Case:
    """Two records are two people's, whatever comes."""
    one, other = await _two(line, n)
    pair = tuple(sorted((one.person_id, other.person_id)))

    def seen() -> bool:
        with line.gateway.store.read() as c:
            return pair in {(row.first, row.second) for row in c.execute(person_apart.select())}

    return Case(do=lambda: link.separate(line.gateway, one.id, other.id, **WHY), seen=seen)


async def taking_apart(line: Line, n: int) -> Case:
    """A merge was a mistake."""
    one, other = await _two(line, n)
    link.link(line.gateway, one.id, other.id, **WHY)
    return Case(
        do=lambda: link.separate(line.gateway, one.person_id, other.person_id, **WHY),
        seen=lambda: len(_owners(line, one, other)) == 2,
    )


async def _two(line: Line, n: int) -> tuple[Any, Any]:
    assert line.is_accepted(await line.send(adt_a01(somebody(n + SECONDS), message_id=f"IN2-{n}")))
    one = await _arrived(line, n)
    return one, line.messages()[-2]


def _owners(line: Line, *rows: Any) -> set[str]:
    return {row.person_id for each in rows for row in line.messages(id=each.id)}


def _entered(line: Line, *events: str) -> int:
    """How many entries of these kinds the ledger has."""
    entries = (json.loads(row.body)["event"] for row in line.rows(ledger_entry))
    return sum(event in events for event in entries)


def _once(line: Line, do: Callable[[], Any], event: str) -> Case:
    """An act that anybody may do once more: it was done when the ledger has one more entry of it."""
    before = _entered(line, event)
    return Case(do=do, seen=lambda: _entered(line, event) == before + 1)


async def asking(line: Line, n: int) -> Case:
    """Somebody asks for a person's report."""
    about = (await _arrived(line, n)).id
    return _once(line, lambda: acts.ask(line.gateway, about, What.REPORT, **WHY), "access-asked")


async def approving(line: Line, n: int) -> Case:
    """... a second person approves."""
    act = acts.ask(line.gateway, (await _arrived(line, n)).id, What.REPORT, **WHY)
    return _once(line, lambda: acts.approve(line.gateway, act, reason="seen", by=BEN), "access-approved")


async def giving_an_opinion(line: Line, n: int) -> Case:
    """... a health professional reads it."""
    act = acts.ask(line.gateway, (await _arrived(line, n)).id, What.REPORT, **WHY)
    acts.approve(line.gateway, act, reason="seen", by=BEN)

    def do() -> None:
        persons_copy.review(line.gateway, act, role=Role.HEALTH_PROFESSIONAL, withhold={}, reason="read", by=CAS)

    return _once(line, do, "access-reviewed")


async def erasing(line: Line, n: int) -> Case:
    """A person is erased: what opens their things is gone, or nothing is."""
    row = await _arrived(line, n)
    act = acts.ask(line.gateway, row.id, What.ERASURE, **WHY)
    acts.approve(line.gateway, act, reason="seen", by=BEN)
    return _once(line, lambda: erase(line.gateway, act, reason="a wrong record", by=CAS), "erased")


async def refusing(line: Line, n: int) -> Case:
    """What was refused and left no row is counted in memory, and entered in its time."""

    def do() -> None:
        line.gateway.refusals.count(Refusable.MESSAGE, f"client-{n}", "unknown-client")
        enter_refusals(line.gateway)

    return _once(line, do, "access-refused")


async def coming_due(line: Line, n: int) -> Case:
    """A date of an agreement comes: somebody is told once."""
    day = f"2020-{n % 12 + 1:02}-{n % 28 + 1:02}"

    def do() -> None:
        agreed = line.gateway.agreements["handover"]
        dated = replace(agreed, text={**agreed.text, "review": day})
        line.gateway.agreements = {**line.gateway.agreements, "handover": dated}
        tell_dates(line.gateway)

    return Case(do=do, seen=lambda: len(line.tasks(agreement=f"handover:{day}")) == 1)


async def forgetting(line: Line, n: int) -> Case:
    """The term of what a message said is over, and after it that of its row."""
    _remember_a_day(line)
    row = await _arrived(line, n)
    line.clock.advance(days=3)

    def do() -> None:
        _remember_a_day(line)
        rows = RowSweep()
        while retain(line.gateway, rows):
            pass

    return Case(do=do, seen=lambda: line.messages(id=row.id) == [])


def _remember_a_day(line: Line) -> None:
    """Years would close the reports of all their months first."""
    short = {"body": 1, "answer": 1, "resource": 1, "decision": 1, "letter": 1, "message": 1}
    retention = line.gateway.settings.retention.model_copy(update=short)
    line.gateway.settings = line.gateway.settings.model_copy(update={"retention": retention})


async def closing(line: Line, n: int) -> Case:
    """A month in which somebody was tested is over: its report is closed."""
    at = f"{line.clock():%Y%m%d%H%M%S}+0000"
    await line.play(oru_r01(somebody(n), assays=(FOUND,), at=at, message_id=f"O-{n}"))
    return Case(do=lambda: line.clock.advance(days=31), seen=lambda: not unfinished.is_due(line.gateway))


async def taking_into_use(line: Line, n: int) -> Case:
    """A store that was put back: what would go on by itself, a letter and a message, waits for a person."""
    row = await _handover(line, n, postcode=BOX_AREA)

    async def do() -> None:
        await _one_that_fails(line)
        restored.park_unfinished(line.gateway)

    return Case(do=do, seen=lambda: {state_of(line, row.id), line.messages()[-1].state} == {"parked"})


async def failing(line: Line, n: int) -> Case:
    """A message whose letters cannot be made now is counted, and tried again later."""
    before = len(line.messages())

    def seen() -> bool:
        return [row.attempts for row in line.messages()[before:]][-1:] == [1]

    return Case(do=lambda: _one_that_fails(line), seen=seen)


async def _one_that_fails(line: Line) -> None:
    async def fails(_: str) -> Any:
        raise RuntimeError

    ordinary = line.gateway._releasing
    line.gateway._releasing = fails  # type: ignore[assignment]  # a step that always raises, for this message
    number = len(line.messages())
    await line.send(adt_a03(somebody(number), message_id=f"F-{number}"))
    await line.settle()
    line.gateway._releasing = ordinary


async def importing(line: Line, n: int) -> Case:
    """The list of who opted out is loaded."""
    numbers = [somebody(each).nhs_number for each in range(n)]
    return _once(line, lambda: opt_outs.load(line.gateway, numbers), "opt-outs-checked")


async def exporting(line: Line, n: int) -> Case:
    """Evidence is taken out: the entry stands before anybody has it."""
    return _once(line, lambda: evidence.enter_export(line.gateway, "ledger"), "exported")


async def printing(line: Line, n: int) -> Case:
    """A quarter is printed once."""
    quarter = f"{2000 + n // 4 % 25}-Q{n % 4 + 1}"
    before = _entered(line, "exported")
    return Case(do=lambda: indicators.printed(line.gateway, quarter), seen=lambda: _entered(line, "exported") > before)


async def signing(line: Line, n: int) -> Case:
    """What was entered is given its place and signed."""
    body = adt_a01(somebody(n), message_id=f"IN-{n}")

    def seen() -> bool:
        return line.gateway.ledger.lag() == 0 and line.messages()[-1].state == "released"

    return Case(do=lambda: line.send(body), seen=seen)


async def finding_again(line: Line, n: int) -> Case:
    """A person lets a message go that is about nobody: it is looked again, and still asks one person to say who it is."""
    made = json.loads(_about_nobody_yet(n))
    for entry in made["entry"]:
        entry["resource"].pop("identifier", None)
    assert line.is_accepted(await line.send(json.dumps(made).encode()))
    await line.settle()
    row = line.messages()[-1]

    def seen() -> bool:
        waits = [each.ended_at for each in line.tasks(message_id=row.id)]
        return line.messages(id=row.id)[0].state == "held" and waits.count(None) == 1 and len(waits) == 2

    return Case(do=lambda: desk.release_held(line.gateway, row.id, **WHY), seen=seen)


def _about_nobody_yet(n: int) -> bytes:
    plan = care_plan(start="2026-01-02", description="plan")
    return fhir_message(somebody(n), resources=[plan], message_id=f"F-{n}")


async def remaking(line: Line, n: int) -> Case:
    """A report that has not left when two people sign another agreement is decided again, and the new one leaves."""
    line.neighbours["security"].up = False
    at = f"{line.clock():%Y%m%d%H%M%S}+0000"
    await line.play(oru_r01(somebody(n), assays=(FOUND,), at=at, message_id=f"M-{n}"))
    line.clock.advance(days=31)
    await line.settle()
    old = line.deliveries()[-1]
    text = (line.gateway.settings.gateway.agreements_dir / "report.toml").read_text("utf-8")
    for sign, by in ((activation.propose, ADA), (activation.approve, BEN)):
        sign(line.gateway, {"report": f"{text}\n# {n}\n"}, reason="for a test", by=by)
    activation.take_up(line.gateway)
    line.neighbours["security"].up = True

    def seen() -> bool:
        return [row.state for row in line.deliveries(supersedes=old.id)] == ["delivered"]

    return Case(do=lambda: line.clock.advance(hours=1), seen=seen)


async def asking_for_an_extract(line: Line, n: int) -> Case:
    """Somebody asks for a quarter's extract."""
    _with_an_evaluation(line)
    return _once(line, lambda: approval.ask(line.gateway, FIRST, "2026-Q1", **WHY), "extract-asked")


async def approving_an_extract(line: Line, n: int) -> Case:
    """... a second person approves."""
    _with_an_evaluation(line)
    act = approval.ask(line.gateway, FIRST, "2026-Q1", **WHY)
    return _once(line, lambda: approval.approve(line.gateway, act, reason="read", by=BEN), "extract-approved")


def _with_an_evaluation(line: Line) -> None:
    if FIRST not in line.gateway.agreements:
        with_agreements(line)
        line.clock.advance(days=80)


def _text(line: Line, n: int) -> dict[str, str]:
    """An agreement with a remark that it had not before."""
    folder = line.gateway.settings.gateway.agreements_dir
    return {"handover": (folder / "handover.toml").read_text("utf-8") + f"\n# {n}\n"}


async def proposing(line: Line, n: int) -> Case:
    """One person puts an agreement forward."""
    return _once(line, lambda: activation.propose(line.gateway, _text(line, n), **WHY), "agreement-proposed")


async def putting_in_force(line: Line, n: int) -> Case:
    """... a second person signs it: it is in force, or the one before is."""
    activation.propose(line.gateway, _text(line, n), **WHY)
    again = {"reason": "read", "by": BEN}
    return _once(line, lambda: activation.approve(line.gateway, _text(line, n), **again), "agreement-activated")


async def marking(line: Line, n: int) -> Case:
    """A person's record is marked sensitive by hand."""
    about = (await _arrived(line, n)).id
    return _once(line, lambda: flagged.mark(line.gateway, about, **WHY), "marked-sensitive")


async def unmarking(line: Line, n: int) -> Case:
    """... and two people take the mark back."""
    about = (await _arrived(line, n)).id
    flagged.mark(line.gateway, about, **WHY)
    act = acts.ask(line.gateway, about, What.UNMARK, **WHY)
    acts.approve(line.gateway, act, reason="seen", by=BEN)
    return _once(line, lambda: flagged.unmark(line.gateway, act, reason="over", by=CAS), "unmarked-sensitive")


async def starting(line: Line, n: int) -> Case:
    """A process begins: what it sweeps first are credentials that are over."""

    async def do() -> None:
        await line.restart()
        await asyncio.sleep(5)  # less: it is dead by then

    return Case(do=do, seen=lambda: True)


def _acts(*them: tuple[Any, ...]) -> tuple[Act, ...]:
    return tuple(
        Act(prepare=prepare, points=tuple(points), background=prepare is starting) for prepare, *points in them
    )


ACTS = _acts(
    (telling, "told", "tell-later", "tell.before", "tell.after"),
    (rejecting, "held-rejected"),
    (sending_again, "unparked"),
    (saying_delivered, "said-delivered"),
    (ticking_off, "task-ended"),
    (breaking, "park-broken"),
    (collecting, "collected"),
    (not_saying, "time-out"),
    (not_confirming, "escalate"),
    (taking_back, "notice", "notice-overdue"),
    (overriding, "override-released"),
    (confirming, "override-confirmed"),
    (reviewing, "override-reviewed"),
    (disclosing, "disclosure-asked", "override-asked"),
    (overlooking, "override-overdue"),
    (asking_to_see, "opening-asked"),
    (agreeing, "opening-settled"),
    (looking, "opened"),
    (telling_of_it, "openings-told"),
    (linking, "link"),
    (separating, "separate"),
    (taking_apart, "take-apart"),
    (asking, "access-asked"),
    (approving, "access-approved"),
    (giving_an_opinion, "access-reviewed"),
    (refusing, "refusals"),
    (coming_due, "agreement-date"),
    (failing, "count-failure"),
    (importing, "opt-outs"),
    (exporting, "export-entry"),
    (printing, "aggregate-entry"),
    (starting, "credentials"),
    (signing, "sequence", "head-file"),
    (finding_again, "held-released", "identify-again"),
    (proposing, "agreement-proposed"),
    (putting_in_force, "agreement-approved"),
    (marking, "marked-sensitive"),
    (unmarking, "unmarked-sensitive"),
)
ENDS = _acts(
    (closing, "close"),
    (remaking, "remake"),
    (asking_for_an_extract, "extract-asked"),
    (approving_an_extract, "extract-approved"),
    (erasing, "erase", "compact"),
    (not_coming, "expire"),
    (taking_into_use, "restored-letter", "restored-message"),
    (forgetting, "retention", "retention-rows"),
)
"""In a line of their own: after these something that was taken in is not there any more, as it should be."""
