"""The door reads the versions of agreement, recipient and link too; a newer whole picture takes the place of an older one."""

from dataclasses import replace
from pathlib import Path

from gateway import activation
from tests.builders import adt_a01, adt_a03, care_plan, fhir_message, oru_r01, synthetic_person
from tests.line import Line, running
from tests.world import check_world

BOXED = synthetic_person(2, postcode="ZB1 1AA")


def move_recipient(line: Line, name: str) -> None:
    """Somebody edits the recipient's file and starts the gateway again."""
    recipients = dict(line.gateway.recipients)
    recipients[name] = replace(recipients[name], version="sha256:another")
    line.gateway.recipients = recipients


def move_agreement(line: Line, name: str, *, gone: bool = False) -> str:
    """Two people sign another text of an agreement, or that there is none any more; the digest in force."""
    text = None if gone else (line.folder / "agreements" / f"{name}.toml").read_text("utf-8") + "\n# another text\n"
    for sign, person in ((activation.propose, "Ada Example"), (activation.approve, "Ben Example")):
        sign(line.gateway, {name: text}, by=person, reason="for a test")
    assert activation.take_up(line.gateway)
    return "" if gone else line.gateway.agreements[name].digest


async def waiting(line: Line) -> str:
    """A handover that waits for a recipient that is down."""
    line.neighbours["northfell"].up = False
    await line.play(adt_a03())
    line.neighbours["northfell"].up = True
    line.clock.advance(hours=1)
    return str(line.deliveries()[0].id)


async def test_another_recipient_file_recalls_and_releases_again(tmp_path: Path) -> None:
    """The old letter never leaves; the new one does, under the version in force."""
    async with running(tmp_path) as line:
        old = await waiting(line)
        move_recipient(line, "northfell")
        await line.settle()
        first, second = line.deliveries()
        assert (first.id, first.state, first.reason) == (old, "recalled", "recipient-moved")
        assert (second.state, second.supersedes, second.recipient_version) == ("delivered", old, "sha256:another")
        assert [each.key for each in line.neighbours["northfell"].effects] == [second.id]
        check_world(line)


async def test_another_agreement_recalls_and_decides_again(tmp_path: Path) -> None:
    """The digest is in the decision."""
    async with running(tmp_path) as line:
        await waiting(line)
        digest = move_agreement(line, "handover")
        await line.settle()
        assert [(row.state, row.reason) for row in line.deliveries()] == [
            ("recalled", "agreement-moved"),
            ("delivered", None),
        ]
        assert line.deliveries()[1].agreement_digest == digest
        check_world(line)


async def test_without_its_agreement_a_letter_is_recalled_and_told(tmp_path: Path) -> None:
    """No agreement: nothing leaves, and nobody is left in the dark."""
    async with running(tmp_path) as line:
        await waiting(line)
        move_agreement(line, "handover", gone=True)
        await line.settle()
        assert [row.state for row in line.deliveries()] == ["recalled"]
        assert "withheld-by-rule" in line.told_codes()
        assert not line.neighbours["northfell"].effects
        check_world(line)


async def test_a_new_link_decides_again(tmp_path: Path) -> None:
    """Another number joins the person while the letter waits: the letter is made again with what is known now."""
    only = adt_a03().replace(f"~{synthetic_person(1).prison_number}^^^NOMIS^PI".encode(), b"")
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        await line.play(only)
        await line.play(adt_a01())
        line.neighbours["northfell"].up = True
        line.clock.advance(hours=1)
        await line.settle()
        assert [(row.state, row.reason) for row in line.deliveries()] == [
            ("recalled", "link-moved"),
            ("delivered", None),
        ]
        check_world(line)


async def test_a_newer_whole_picture_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    """Two releases while the recipient is down: the newer handover arrives, the older never after it."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        await line.play(adt_a03(), adt_a03(message_id="A03-2"))
        line.neighbours["northfell"].up = True
        line.clock.advance(hours=1)
        await line.settle()
        assert [(row.state, row.reason) for row in line.deliveries()] == [
            ("recalled", "superseded"),
            ("delivered", None),
        ]
        assert len(line.neighbours["northfell"].effects) == 1
        check_world(line)


async def test_a_report_is_decided_again_when_its_agreement_moves(tmp_path: Path) -> None:
    """The figures stay, whatever became of the people behind them."""
    async with running(tmp_path) as line:
        plan = fhir_message(resources=[care_plan(start="2026-01-02", description="plan")])
        line.neighbours["security"].up = False
        await line.play(plan, oru_r01())
        line.clock.advance(days=31)
        await line.settle()
        (old,) = line.deliveries()
        move_agreement(line, "report")
        line.neighbours["security"].up = True
        line.clock.advance(hours=1)
        await line.settle()
        assert [(row.state, row.supersedes) for row in line.deliveries()] == [("recalled", None), ("delivered", old.id)]
        check_world(line)


async def test_a_letter_in_a_mailbox_is_made_again_too(tmp_path: Path) -> None:
    """GET finds it shut, and the new one beside it."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(BOXED))
        (old,) = line.deliveries()
        move_recipient(line, "southfell")
        assert await line.gateway.mailbox_open(line.box_client(), old.id) is None
        (item,) = await line.gateway.mailbox_list(line.box_client())
        assert item.id != old.id
        assert await line.gateway.mailbox_open(line.box_client(), item.id) is not None
        check_world(line)
