"""The officer's report of every person is what the wires saw, each entry proved; then some are erased: of them nothing, of the others all."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.demo.invariants import marks
from gateway.steps.compact import compact
from gateway.subject import report
from gateway.subject.acts import What
from gateway.subject.erase import erase
from gateway.subject.report import Chain, Report
from tests.faults.account import SOAKING, Account, number
from tests.gateway.subject.gone import Before, files_that_hold, traces
from tests.gateway.subject.reports import asked_and_approved, assert_proved, left, sign
from tests.gateway.subject.story import Lived, Mailbox, Passed, Story, about, finished, lived, wires
from tests.line import Line, running

PEOPLE = number(9, 1_000)
ERASED = number(3, 100)
"""In make test each story once, and 3 of 9 erased; in the soak 1,000 and 100."""
TOLD = {"delivered", "ambiguous", "refused", "withheld", "recalled", "linked", "decided"}


def assert_is_what_the_wires_saw(made: Report, passed: Sequence[Passed], who: Lived) -> None:
    """0 extra, 0 missing, each as often as it passed, and ended as the other side saw it end."""
    often, ends = about(passed, *who.records)
    told, last = left(made)
    assert told == often, who.story
    assert told or who.story is Story.RECALLED, who.story
    assert [key for key, words in ends.items() if last[key] not in words] == [], who.story
    assert len(made.people) == len(who.records)
    assert made.differs == ()
    assert made.ledger.verified
    assert all(each.position is not None for chain in made.deliveries for each in chain.happened)


def reports_of(line: Line, people: Sequence[Lived], folder: Path) -> tuple[list[Report], list[Path]]:
    """A report about each of them, and the file of its proof. Everything is asked first, so that one head covers it."""
    acts = [asked_and_approved(line.gateway, each.first, What.REPORT) for each in people]
    sign(line.gateway)
    reports, files = [], []
    for act, who, (made, proof) in zip(acts, people, report.make_all(line.gateway, acts), strict=True):
        text = json.dumps(proof)
        assert not [mark for each in who.records for mark in marks(each) if mark in text]
        files.append(folder / f"{act}.json")
        files[-1].write_text(text, "utf-8")
        reports.append(made)
    return reports, files


def chains_of(made: Report) -> tuple[Chain, ...]:
    return (*made.messages, *made.deliveries)


async def test_the_report_is_what_the_wires_saw_and_an_erasure_leaves_nothing(
    tmp_path: Path, account: Callable[..., Account]
) -> None:
    mailbox = Mailbox()
    folder = tmp_path / "line"
    folder.mkdir()
    async with running(folder) as line:
        people = await lived(line, PEOPLE, first=100, mailbox=mailbox, choose=random.Random(7))
        await finished(line, mailbox)
        passed = wires(line, mailbox)
        before, files = reports_of(line, people, tmp_path)
        for made, who in zip(before, people, strict=True):
            assert_is_what_the_wires_saw(made, passed, who)
        assert sum(left(made)[0].total() for made in before) == len(passed), "and nothing left about nobody"
        events = {each.event for made in before for chain in (*chains_of(made), *made.acts) for each in chain.happened}
        assert events >= TOLD, "every story is in them"

        gone = [number for number in range(PEOPLE) if number % (PEOPLE // ERASED) == 0][:ERASED]
        was = Before.of(
            line.gateway,
            people=[each for number in gone for each in before[number].people],
            records=[each for number in gone for each in people[number].records],
            chains=[chain.id for number in gone for chain in chains_of(before[number])],
        )
        at_once = []
        for number in gone:
            act = asked_and_approved(line.gateway, people[number].first, What.ERASURE)
            at_once.append(erase(line.gateway, act, reason="a wrong record", by="Cas Example").compacted)
        if SOAKING and not all(at_once):  # so large a store is written anew when a person says so
            assert compact(line.gateway, at_most_bytes=None)
        else:
            assert all(at_once)
        assert files_that_hold(line, *traces(was)) == [], "while it runs"
        was.assert_gone(line.gateway)

        stay = [number for number in range(PEOPLE) if number not in gone]
        again, _ = reports_of(line, [people[number] for number in stay], tmp_path)
        for number, made in zip(stay, again, strict=True):
            assert chains_of(made) == chains_of(before[number])
            assert_is_what_the_wires_saw(made, passed, people[number])
        sent = len(line.accepted)
        note = f"{PEOPLE} people, {len(passed)} letters on the wires; then {ERASED} erased"
        account(name="reports-and-erasure", attempted=sent, acked=sent, recovered=0, note=note)
    assert_proved(*files)
    assert files_that_hold(line, *traces(was)) == []
