"""A released message once more: what is another is said and sent, what is the same is not, and nothing older stands for anything newer."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner, Result

from fhir_profiles.letters.parts.notice import REPLACES
from gateway import desk
from gateway.__main__ import app
from gateway.demo.invariants import marks
from gateway.failpoints import hooked
from gateway.steps.reasons import ReasonMissing
from gateway.steps.rederive import rederive
from gateway.steps.replay import Fate, NotAsShown, Replayed, ReplayError, Stop, by_recipient, look, replay
from gateway.store.schema import agreement as signed
from gateway.store.schema import ledger_entry, resource
from tests.builders import (
    METHADONE,
    PERSON,
    administration,
    adt_a01,
    adt_a03,
    adt_a13,
    care_plan,
    consent,
    fhir_message,
    oru_r01,
    rde_o11,
    synthetic_person,
)
from tests.flow.test_delivery import supply
from tests.line import Line, replayed, running, sign_agreements
from tests.world import check_world

WHY: Any = {"reason": "the mapping was mended", "by": "operator"}


def word(decided: str, number: int = 1) -> bytes:
    """The person's word, and after it another one."""
    resources = [consent(resource_id="word", at=f"2026-01-0{number + 1}T09:00:00+00:00", decision=decided)]
    return fhir_message(resources=resources, message_id=f"FHIR-word-{number}", event="consent")


def plan(text: str, number: int = 1) -> bytes:
    resources = [care_plan(start="2026-01-02", description=text)]
    return fhir_message(resources=resources, message_id=f"FHIR-plan-{number}")


def only(found: tuple[Replayed, ...]) -> Any:
    """The one change of the one message."""
    (one,) = found
    (change,) = one.changes
    return change


def ids(line: Line, kind: str) -> list[str]:
    return [row.id for row in line.messages() if row.kind == kind]


def narrow(line: Line, letter: str, *paths: str) -> None:
    """The agreement of a letter without these paths, as a new text of it would be, and as the door finds it in the store."""
    agreement = next(each for each in line.gateway.agreements.values() if each.letter == letter)
    kept = tuple(each for each in agreement.fields if not each.path.startswith(paths))
    assert len(kept) < len(agreement.fields)
    narrowed = replace(agreement, fields=kept, digest=f"sha256:{len(kept):064d}")
    line.gateway.agreements = {**line.gateway.agreements, agreement.name: narrowed}
    in_force = update(signed).where(signed.c.name == agreement.name).values(digest=narrowed.digest)
    line.gateway.store.write(lambda c: c.execute(in_force))


async def test_what_is_the_same_is_not_sent_again(tmp_path: Path) -> None:
    """A message of every letter, later, in another process: nothing is another, nothing leaves; time alone changes nothing."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), plan("Reduce slowly"), rde_o11(), oru_r01(), supply(1), adt_a03())
        line.clock.advance(days=3)
        await line.restart()
        before = line.deliveries()
        found = replayed(line.gateway, [row.id for row in line.messages()], **WHY)
        await line.settle()
        assert [each.stopped for each in found] == [None] * 6
        changes = [change for one in found for change in one.changes]
        assert {change.fate for change in changes} == {Fate.UNCHANGED}
        assert {change.letter for change in changes} == {"handover", "prescription-copy"}
        assert sum(one.filed for one in found) == 0
        assert [(row.id, row.state, row.step) for row in line.deliveries()] == [
            (row.id, row.state, row.step) for row in before
        ]
        with line.gateway.store.read() as c:
            entries = [json.loads(body) for body in c.execute(select(ledger_entry.c.body)).scalars()]
        said = [entry["facts"] for entry in entries if entry["event"] == "replayed"]
        assert [each["letters"] for each in said] == [0] * 6
        check_world(line)


async def test_a_changed_letter_is_a_new_one_that_says_which_it_replaces(tmp_path: Path) -> None:
    """Look first, then do; the recipient has both and reads on the second that it takes the place of the first; once is enough."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), plan("Reduce slowly"), adt_a03())
        (first,) = line.deliveries()
        (release,) = ids(line, "ADT^A03")
        narrow(line, "handover", "CarePlan.description")
        looked = only(look(line.gateway, [release]).messages)
        assert (looked.was, looked.now, looked.fate) == ("release", "release", Fate.NEW)
        assert (looked.released, looked.withheld, looked.delivery) == ((), ("CarePlan.description",), None)
        await line.settle()
        assert len(line.deliveries()) == 1

        done = only(replayed(line.gateway, [release], **WHY))
        await line.settle()
        assert done.withheld == looked.withheld
        _, second = line.deliveries()
        assert (second.id, second.state, second.supersedes) == (done.delivery, "delivered", first.id)
        got = [each.body.decode() for each in line.neighbours["northfell"].effects]
        assert ["Reduce slowly" in body for body in got] == [True, False]
        assert [REPLACES.format(first.id) in body for body in got] == [False, True]
        assert rederive(line.gateway, second.decision_id).same

        again = only(replayed(line.gateway, [release], **WHY))
        await line.settle()
        assert (again.fate, len(line.deliveries())) == (Fate.UNCHANGED, 2)
        forced = only(replayed(line.gateway, [second.id], resend=True, **WHY))
        await line.settle()
        assert (forced.fate, [row.state for row in line.deliveries()]) == (Fate.NEW, ["delivered"] * 3)
        assert REPLACES.format(second.id) in line.neighbours["northfell"].effects[-1].body.decode()
        check_world(line)


@pytest.mark.parametrize(("point", "again"), [("before", Fate.NEW), ("after", Fate.UNCHANGED)])
async def test_a_replay_that_dies_is_done_once_when_it_is_asked_for_again(
    tmp_path: Path, point: str, again: Fate
) -> None:
    """Killed around its commit: all of it or nothing, and the same command finishes it."""

    def dies(name: str) -> None:
        if name == f"replay.{point}-commit":
            raise KeyboardInterrupt

    async with running(tmp_path) as line:
        await line.play(supply(1))
        narrow(line, "prescription-copy", "Patient.address")
        every = [row.id for row in line.messages()]
        with hooked(dies), pytest.raises(KeyboardInterrupt):
            replayed(line.gateway, every, **WHY)
        assert only(replayed(line.gateway, every, **WHY)).fate is again
        await line.settle()
        assert len(line.neighbours["pharmacy"].effects) == len(line.deliveries()) == 2
        check_world(line)


async def test_two_replays_at_once_make_one_new_letter(tmp_path: Path) -> None:
    """Another operator is faster by a moment: the slower one was shown what is no longer so, and does nothing."""
    async with running(tmp_path) as line:
        await line.play(supply(1))
        narrow(line, "prescription-copy", "Patient.address")
        every = [row.id for row in line.messages()]
        faster: list[Any] = []

        def overtake(name: str) -> None:
            if name == "replay.before-commit" and not faster:
                faster.append(None)
                faster[0] = only(replayed(line.gateway, every, **WHY)).fate

        with hooked(overtake):
            (slower,) = replayed(line.gateway, every, **WHY)
        await line.settle()
        assert (faster, slower.stopped, slower.changes) == ([Fate.NEW], Stop.CHANGED, ())
        assert only(look(line.gateway, every).messages).fate is Fate.UNCHANGED
        assert len(line.neighbours["pharmacy"].effects) == 2
        check_world(line)


async def test_only_what_was_shown_is_done(tmp_path: Path) -> None:
    """A look says for each recipient what would leave, be corrected and be recalled; when any of it is another, nothing of it is done."""
    async with running(tmp_path) as line:
        await line.play(supply(1, 1))
        line.neighbours["pharmacy"].answers = [503]
        await line.play(supply(2, 1))
        arrived, waits = line.deliveries()
        narrow(line, "prescription-copy", "Patient.address")
        every = [row.id for row in line.messages()]
        looked = look(line.gateway, every)
        assert look(line.gateway, every) == looked, "time alone shows nothing else"
        assert look(line.gateway, every, resend=True).digest != looked.digest
        changes = [change for one in looked.messages for change in one.changes]
        assert [(each.before, each.leaves, each.corrects, each.recalls) for each in changes] == [
            (arrived.id, True, True, False),
            (waits.id, True, False, True),
        ]
        (pharmacy,) = by_recipient(looked.messages)
        assert (pharmacy.recipient, pharmacy.correcting, pharmacy.recalled, pharmacy.leaving) == ("pharmacy", 1, 1, 1)
        assert (pharmacy.kept_back, pharmacy.left_to_a_person) == (0, 0)

        line.clock.advance(hours=1)
        await line.settle()
        before = [(row.id, row.state, row.step) for row in line.deliveries()]
        for ids_given in (every, every[:1], [*every[:1], waits.id]):
            with pytest.raises(NotAsShown) as refused:
                replay(line.gateway, ids_given, shown=looked.digest, **WHY)
        assert [(row.id, row.state, row.step) for row in line.deliveries()] == before, "nothing at all was done"
        with pytest.raises(NotAsShown) as refused:
            replay(line.gateway, every, shown=looked.digest, **WHY)
        now = refused.value.looked
        # The second was decided again at the door: nothing in it is another. Behind the first it goes again, or an older word would be the last.
        assert [(change.fate, change.corrects) for one in now.messages for change in one.changes] == [
            (Fate.NEW, True),
            (Fate.AGAIN, True),
        ]
        done = replay(line.gateway, every, shown=now.digest, **WHY)
        await line.settle()
        sent = [each.key for each in line.neighbours["pharmacy"].effects]
        assert sent[2:] == [change.delivery for one in done for change in one.changes]
        check_world(line)


async def test_the_consent_of_now_holds(tmp_path: Path) -> None:
    """Sent under a permission that was taken back since: what would be withheld is named, nothing leaves, and somebody is told."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), word("permit"), adt_a03())
        await line.play(word("deny", 2))
        change = only(replayed(line.gateway, [line.deliveries()[0].id], **WHY))
        await line.settle()
        assert (change.was, change.now, change.fate) == ("release", "withhold", Fate.NEW)
        assert "Patient.birthDate" in change.withheld
        assert not change.released
        assert [row.state for row in line.deliveries()] == ["delivered", "withheld"]
        assert len(line.neighbours["northfell"].effects) == 1
        assert "withheld-by-consent" in line.told_codes()
        check_world(line)


async def test_what_was_withheld_and_is_permitted_now_leaves(tmp_path: Path) -> None:
    """The other way round: nothing arrived before, so it replaces nothing."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), word("deny"), adt_a03())
        await line.play(word("permit", 2))
        change = only(replayed(line.gateway, ids(line, "ADT^A03"), **WHY))
        await line.settle()
        assert (change.was, change.now, change.fate) == ("withhold", "release", Fate.NEW)
        assert "Patient.birthDate" in change.released
        (got,) = line.neighbours["northfell"].effects
        assert "takes the place" not in got.body.decode()
        check_world(line)


async def test_what_is_shown_to_leave_is_what_leaves_where_the_file_has_more_in_it_by_now(tmp_path: Path) -> None:
    """No medicine of theirs, the person said, and there was nothing else to tell; a plan came since, and a letter sent again tells that."""
    no = consent(resource_id="no", at="2026-01-02T09:00:00+00:00", decision="permit")
    no["policyRule"] = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMPLIED"}]}
    medicines = {"system": "http://hl7.org/fhir/resource-types", "code": "MedicationRequest"}
    no["provision"] = {"provision": [{"type": "deny", "class": [medicines]}]}
    async with running(tmp_path) as line:
        said = fhir_message(resources=[no], message_id="FHIR-no", event="consent")
        await line.play(adt_a01(), rde_o11(), said, adt_a03())
        assert [row.state for row in line.deliveries(letter="handover")] == ["withheld"]
        await line.play(plan("Reduce slowly"))
        (release,) = ids(line, "ADT^A03")
        looked = look(line.gateway, [release], resend=True)
        change = only(looked.messages)
        (northfell,) = by_recipient(looked.messages)
        assert (change.was, change.now, change.leaves, change.corrects) == ("withhold", "reduce", True, False)
        assert (northfell.leaving, northfell.kept_back) == (1, 0)
        replay(line.gateway, [release], shown=looked.digest, resend=True, **WHY)
        await line.settle()
        assert [row.state for row in line.deliveries(letter="handover")] == ["withheld", "delivered"]
        assert len(line.neighbours["northfell"].effects) == 1
        check_world(line)


async def test_todays_mapping_reads_what_was_not_read_and_never_over_a_later_word(tmp_path: Path) -> None:
    """A plan that the file lost (as if its mapping had not read it) comes back by a replay; one that was changed later does not go back."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), plan("First word", 1), adt_a03())

        def lose(c: Any) -> None:
            c.execute(resource.delete().where(resource.c.type == "CarePlan"))

        line.gateway.store.write(lose)
        every = [row.id for row in line.messages()]
        looked = look(line.gateway, every).messages
        assert [one.filed for one in looked] == [0, 1, 0]
        done = replayed(line.gateway, reversed(every), **WHY)  # any order of asking
        assert [one.message for one in done] == every
        assert [one.filed for one in done] == [0, 1, 0]
        assert [one.changes[0].fate for one in done if one.changes] == [Fate.UNCHANGED]

        other = [care_plan(start="2026-01-02", description="Second word")]
        await line.play(fhir_message(resources=other, message_id="FHIR-plan-1b"))
        found = replayed(line.gateway, [every[1]], **WHY)
        assert [one.filed for one in found] == [0]
        check_world(line)


async def test_an_older_release_never_speaks_after_a_later_move(tmp_path: Path) -> None:
    """Back in prison, or cancelled: the handover of that release is not made again, whatever changed."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), adt_a03(), adt_a13())
        narrow(line, "handover", "Patient.address")
        assert only(replayed(line.gateway, ids(line, "ADT^A03"), resend=True, **WHY)).fate is Fate.OVERTAKEN
        await line.settle()
        assert [row.letter for row in line.deliveries()] == ["handover", "correction"]
        found = replayed(line.gateway, ids(line, "ADT^A13"), **WHY)
        assert [one.changes for one in found] == [()]
        check_world(line)


async def test_order_holds_for_letters_that_change_something(tmp_path: Path) -> None:
    """An older copy does not follow a newer one; both together go in their order."""
    async with running(tmp_path) as line:
        await line.play(supply(1), supply(2))
        narrow(line, "prescription-copy", "Patient.address")
        older, newer = (row.id for row in line.messages())
        assert only(replayed(line.gateway, [older], **WHY)).fate is Fate.OVERTAKEN
        found = replayed(line.gateway, [newer, older], **WHY)
        await line.settle()
        assert [one.message for one in found] == [older, newer]
        assert [change.fate for one in found for change in one.changes] == [Fate.NEW, Fate.NEW]
        sent = [each.key for each in line.neighbours["pharmacy"].effects]
        assert sent == [row.id for row in line.deliveries()]
        assert len(sent) == 4
        check_world(line)


async def test_what_may_have_arrived_is_settled_first(tmp_path: Path) -> None:
    """Ambiguous: nobody guesses. Queued and never sent: the new one takes its place, and only that one arrives."""
    async with running(tmp_path) as line:
        line.neighbours["pharmacy"].answers = [0]
        await line.play(supply(1, 1))
        line.neighbours["pharmacy"].answers = [503]
        await line.play(supply(1, 3))
        lost, waits = line.deliveries()
        narrow(line, "prescription-copy", "Patient.address")
        assert only(replayed(line.gateway, [lost.id], **WHY)).fate is Fate.UNSETTLED
        change = only(replayed(line.gateway, [waits.id], **WHY))
        assert change.fate is Fate.NEW
        assert [row.state for row in line.deliveries(id=waits.id)] == ["recalled"]
        desk.say_delivered(line.gateway, lost.id, reason="asked", by="operator")
        line.clock.advance(hours=1)
        await line.settle()
        assert [each.key for each in line.neighbours["pharmacy"].effects] == [lost.id, change.delivery]
        check_world(line)


async def test_a_letter_that_was_held_for_nobody_finds_its_recipient(tmp_path: Path) -> None:
    """Held because nobody served the place; a recipient does now: the held one ends and the new one goes."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(synthetic_person(1, postcode="ZZ9 9ZZ")))
        (held,) = line.deliveries()
        northfell = line.gateway.recipients["northfell"]
        widened = replace(northfell, serves_postcode_areas=("ZA", "ZZ"))
        line.gateway.recipients = {**line.gateway.recipients, "northfell": widened}
        change = only(replayed(line.gateway, [held.id], **WHY))
        await line.settle()
        assert (change.fate, change.before) == (Fate.NEW, held.id)
        assert [(row.state, row.recipient) for row in line.deliveries()] == [
            ("recalled", None),
            ("delivered", "northfell"),
        ]
        assert desk.held(line.gateway) == ()
        check_world(line)


async def test_a_later_fact_brings_an_older_letter_to_nobody_new(tmp_path: Path) -> None:
    """Another community service serves the address that the person has now: the release of then is not told to it."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(), adt_a01(synthetic_person(1, postcode="ZB1 1AA"), message_id="A01-9"))
        narrow(line, "handover", "Patient.gender")
        found = replayed(line.gateway, ids(line, "ADT^A03"), **WHY)
        await line.settle()
        assert [(change.recipient, change.fate) for change in found[0].changes] == [("northfell", Fate.OVERTAKEN)]
        assert [row.recipient for row in line.deliveries()] == ["northfell"]
        check_world(line)


async def test_what_cannot_be_replayed_says_why(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a03(), fhir_message(resources=[], message_id="E"), client=None)
        await line.send(b"MSH|^~\\&|X|Y|||20260115||ADT^A03|R-1|P|2.4\r")
        stopped = {row.state: replayed(line.gateway, [row.id], **WHY)[0].stopped for row in line.messages()}
        assert stopped["rejected"] is Stop.NOT_RELEASED
        assert stopped["released"] is None
        line.gateway.store.write(
            lambda c: c.exec_driver_sql("UPDATE message SET body_id = NULL WHERE kind = 'ADT^A03'")
        )
        assert replayed(line.gateway, ids(line, "ADT^A03")[:1], **WHY)[0].stopped is Stop.BYTES_GONE
        with pytest.raises(ReplayError, match="no message or delivery"):
            replayed(line.gateway, ["NOBODY"], **WHY)
        with pytest.raises(ReasonMissing):
            replayed(line.gateway, ids(line, "ADT^A03"), reason=" ", by="operator")


async def test_on_the_command_line_and_nothing_about_anybody(tmp_path: Path) -> None:
    """Difference first, JSON, exit codes; paths and outcomes only."""
    async with running(tmp_path) as line:
        dose = administration(METHADONE, resource_id="dose", given="2026-01-15T08:05:00+00:00", text="40 mg supervised")
        await line.play(adt_a01(), fhir_message(resources=[dose]), rde_o11(), adt_a03())
        (release,) = ids(line, "ADT^A03")
        config = ("--config", str(line.config))
    file = tmp_path / "agreements" / "handover.toml"
    text = file.read_text("utf-8")
    file.write_text(text.replace('"Patient.name", ', "", 1), "utf-8")
    assert file.read_text("utf-8") != text
    sign_agreements(tmp_path / "throughgate.toml")
    looked = run("replay", release, *config)
    assert looked.exit_code == 0, looked.output
    assert "withheld Patient.name" in looked.output
    assert (
        "northfell: 0 leaving, 1 correcting an earlier letter, 0 recalled, 0 kept back, 0 left to a person"
        in looked.output
    )
    shown = json.loads(run("replay", release, "--dry-run", "--reason", "not needed", "--json", *config).output)
    assert shown["dry_run"]
    assert f"--apply {shown['shown']}" in looked.output
    assert shown["recipients"][0]["correcting"] == 1
    apply = ("--apply", shown["shown"])
    assert run("replay", release, *apply, *config).exit_code == 2, "no reason"
    assert run("replay", release, *apply, "--dry-run", "--reason", "both", *config).exit_code == 2
    other = run("replay", release, "--apply", "0" * 16, "--reason", "agreement mended", "--json", *config)
    assert other.exit_code == 1
    assert "is not what was shown: nothing was done" in other.stderr
    assert json.loads(other.stdout) == shown
    done = run("replay", release, *apply, "--reason", "agreement mended", "--json", *config)
    said = json.loads(done.output)
    (one,) = said["messages"]
    assert (done.exit_code, said["dry_run"], said["shown"], one["changes"][0]["fate"]) == (0, False, None, "new")
    for output in (looked.output, other.output, done.output):
        assert not [mark for mark in (*marks(PERSON), "40 mg", "Methadone") if mark in output]
    assert run("replay", "NOBODY", *config).exit_code == 1


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))
