"""Both ends compared: each difference between what we say and what the other side lists is found, named and nothing else is."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fhir_profiles.replies import names_of
from gateway.__main__ import app
from gateway.reconciliation import TEXTS, ReconcileError, Window, read_list, with_recipient, with_source
from tests.builders import adt_a01, adt_a03, fhir_message, oru_r01
from tests.flow.test_delivery import BOXED, supply
from tests.line import CLINICAL, EHR, running
from tests.world import check_world

ALWAYS = Window()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def ids(*names: str) -> str:
    return "\n".join(["# a list", *names, ""])


async def test_what_a_recipient_has_and_what_we_say(tmp_path: Path) -> None:
    """Delivered and listed by any of its names; delivered and not listed; not known and had; not known and not had; never sent; not ours."""
    async with running(tmp_path) as line:
        pharmacy = line.neighbours["pharmacy"]
        await line.play(supply(1, 1), supply(1, 3))
        pharmacy.answers = [0]
        await line.play(supply(1, 4))
        pharmacy.answers = [0]
        await line.play(supply(1, 5))
        pharmacy.up = False
        await line.play(supply(1, 6))
        there, gone, had, not_had, _ = line.deliveries()
        assert [row.state for row in line.deliveries()] == [
            "delivered",
            "delivered",
            "ambiguous",
            "ambiguous",
            "queued",
        ]
        other_name = min(names_of(there.id) - {there.id})
        listed = read_list(ids(other_name.upper(), had.id.lower(), "A" * 20, "name of somebody 999 000 0018"))
        found = with_recipient(line.gateway, "pharmacy", listed, ALWAYS)
        assert [(one.code, one.id) for one in found.differences] == [
            ("missing-there", gone.id),
            ("arrived", had.id),
            ("not-arrived", not_had.id),
            ("unknown-here", "A" * 20),
            ("unknown-here", ""),
        ]
        assert found.differences[-1].line == 5
        assert found.agreed == {"delivered": 1, "queued": 1}
        line.clock.advance(hours=1)
        later = Window(since=line.gateway.now())
        nothing = with_recipient(line.gateway, "pharmacy", read_list(there.id), later)
        assert (nothing.differences, nothing.agreed) == ((), {})
        check_world(line, settled=False)


async def test_a_letter_that_ended_here_and_is_listed_there_is_told(tmp_path: Path) -> None:
    """Refused by the recipient's own word, and on its list all the same."""
    async with running(tmp_path) as line:
        line.neighbours["pharmacy"].answers = [400]
        await line.play(supply(1))
        (row,) = line.deliveries(state="refused")
        found = with_recipient(line.gateway, "pharmacy", read_list(row.id), ALWAYS)
        assert [(one.code, one.state) for one in found.differences] == [("never-left", "refused")]
        assert with_recipient(line.gateway, "pharmacy", read_list(""), ALWAYS).differences == ()


async def test_a_mailbox_is_its_own_list(tmp_path: Path) -> None:
    """Collected and never acknowledged differs; what waits to be collected does not."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(BOXED))
        assert with_recipient(line.gateway, "southfell", None, ALWAYS).differences == ()
        box = line.deliveries()[0]
        await line.gateway.mailbox_open(line.box_client(), box.id)
        line.clock.advance(hours=1)
        await line.settle()
        (one,) = with_recipient(line.gateway, "southfell", None, ALWAYS).differences
        assert (one.code, one.id, one.state) == ("not-acknowledged", box.id, "ambiguous")
        for recipient, said in (("pharmacy", "no mailbox"), ("nobody", "no such recipient")):
            with pytest.raises(ReconcileError, match=said):
                with_recipient(line.gateway, recipient, None, ALWAYS)
        check_world(line)


async def test_what_a_source_sent_and_what_we_took(tmp_path: Path) -> None:
    """HL7 v2 by MSH-10, FHIR by Bundle.id; a refused message was not taken; one that the source does not list is named by our id."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), oru_r01(), adt_a03(), fhir_message(resources=[], message_id="B-1"))
        refused = b"MSH|^~\\&|X|Y|||20260115||ADT^A03|R-1|P|2.4\r"
        assert not line.is_accepted(await line.send(refused))
        sender = (_sender(adt_a01()),)
        found = with_source(line.gateway, EHR, read_list(ids("A01-1", "A03-1", "A03-7")), ALWAYS, sender)
        oru = next(row for row in line.messages() if row.kind == "ORU^R01")
        assert [(one.code, one.id, one.line) for one in found.differences] == [
            ("not-taken", "A03-7", 4),
            ("not-listed", oru.id, None),
        ]
        assert found.agreed == {"released": 2}
        bundle = json.loads(fhir_message(resources=[], message_id="B-1"))["id"]
        fhir = with_source(line.gateway, CLINICAL, read_list(bundle), ALWAYS)
        assert ([one.code for one in fhir.differences], sum(fhir.agreed.values())) == ([], 1)
        with pytest.raises(ReconcileError, match="--sender"):
            with_source(line.gateway, EHR, read_list("A01-1"), ALWAYS)
        with pytest.raises(ReconcileError, match="no such client"):
            with_source(line.gateway, "nobody", read_list("A01-1"), ALWAYS)
        check_world(line)


def _sender(body: bytes) -> str:
    fields = body.decode().split("\r")[0].split("|")
    return f"{fields[2]}|{fields[3]}"


async def test_on_the_command_line(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(supply(1), adt_a01())
        (row,) = line.deliveries()
        config = ("--config", str(line.config))
    file = tmp_path / "ids"
    file.write_text(ids(row.id), "utf-8")
    same = run("reconcile", "--recipient", "pharmacy", "--ids", str(file), "--json", *config)
    assert (same.exit_code, json.loads(same.output)["differences"]) == (0, [])
    file.write_text("", "utf-8")
    other = run("reconcile", "--recipient", "pharmacy", "--ids", str(file), "--json", *config)
    (difference,) = json.loads(other.output)["differences"]
    assert (other.exit_code, difference["id"], difference["text"]) == (1, row.id, TEXTS["missing-there"])
    said = run("reconcile", "--recipient", "pharmacy", "--ids", str(file), *config).output
    assert f"missing-there  {row.id}  delivered" in said
    file.write_text("A01-1\n", "utf-8")
    source = ("reconcile", "--client", EHR, "--ids", str(file), "--sender", _sender(adt_a01()))
    assert run(*source, *config).exit_code == 0
    assert run(*source, "--since", "yesterday", *config).exit_code == 2
    assert run(*source, "--since", "2027-01-01T00:00:00Z", *config).exit_code == 0
    for wrong in (
        ("reconcile",),
        ("reconcile", "--client", EHR),
        ("reconcile", "--client", EHR, "--recipient", "pharmacy", "--ids", str(file)),
    ):
        assert run(*wrong, *config).exit_code == 2
