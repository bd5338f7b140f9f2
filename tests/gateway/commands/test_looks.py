"""Looks at the terminal: each is an entry before it is printed, says whose data it was and seals who looked; everything about one takes two."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from gateway import looks
from gateway.__main__ import app
from gateway.commands.looking import looker
from gateway.store.schema import ledger_entry
from gateway.subject import scan
from gateway.subject.acts import OPEN_HOURS, ActError, What, approve, ask
from gateway.subject.disclosures import show
from tests.builders import adt_a01, adt_a03, rde_o11
from tests.line import Line, running

WHY = ("--reason", "a question by letter", "--by", "Ada Example")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def seen(line: Line) -> Iterator[dict[str, Any]]:
    """The entries of looks, oldest first."""
    with line.gateway.store.read() as c:
        bodies = c.execute(select(ledger_entry.c.body).order_by(ledger_entry.c.sequence)).scalars().all()
    return (entry for body in bodies if (entry := json.loads(body))["event"] == "viewed")


def sealed_of(line: Line, entry: dict[str, Any]) -> dict[str, str]:
    with line.gateway.store.read() as c:
        said: dict[str, str] = json.loads(line.gateway.keys.unseal(c, entry["facts"]["note"]))
        return said


async def test_every_look_is_entered_with_whose_it_was_and_who_looked_is_sealed(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01(), rde_o11(), adt_a03())
        first, letter = line.messages()[0], line.deliveries(letter="handover")[0]
        config = ("--config", str(line.config))
        file = line.config.parent / "agreements" / "handover.toml"
        for command, about in (
            (("journey", letter.id, *WHY), letter.message_id),
            (("explain", letter.decision_id, *WHY), letter.decision_id),
            (("rederive", letter.decision_id, *WHY), letter.decision_id),
            (("held", "--by", "Ada Example"), None),
            (("task", "--by", "Ada Example"), None),
            (("override", "--by", "Ada Example"), None),
            (("reconcile", "--recipient", "northfell", "--ids", str(tmp_path / "ids"), "--by", "Ada Example"), None),
            (("agreements", "what-if", str(file), "--by", "Ada Example"), None),
        ):
            (tmp_path / "ids").write_text(letter.id, "utf-8")
            before = len(list(seen(line)))
            done = run(*command, *config)
            assert done.exit_code in (0, 1), done.output
            *_, entry = seen(line)
            assert len(list(seen(line))) == before + 1, command
            assert entry["facts"].get("about") == about
            assert entry["facts"]["page"] in command
            assert "Ada" not in json.dumps(entry)
            reason = WHY[1] if about else looks.LIST
            assert sealed_of(line, entry) == {"by": "Ada Example", "reason": reason}
            with line.gateway.store.read() as c:
                chains = {each.chain for each in scan.find(c, line.gateway, str(first.person_id)).entries}
            assert (entry["chain"] in chains) == (about is not None), "the person's own report has it, and no list"


async def test_nothing_is_printed_where_nobody_says_who_or_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01())
        some_id, config = line.messages()[0].id, ("--config", str(line.config))
        for nobody in (
            ("journey", some_id),
            ("journey", some_id, "--reason", " "),
            ("journey", some_id, *WHY[:3], "x"),
        ):
            done = run(*nobody, *config)
            assert done.exit_code != 0
            assert "ADT^A01" not in done.output
        monkeypatch.setattr(looks, "enter", lambda *_args, **_named: 1 / 0)
        done = run("journey", some_id, *WHY, *config)
        assert (done.exit_code, done.output) == (1, ""), "what cannot be entered is not shown"
        assert not list(seen(line))


async def test_everything_about_one_person_takes_two_people_and_ends(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01(), rde_o11())
        config = ("--config", str(line.config))
        asked = run("disclosures", "ask", line.messages()[0].id, *WHY, "--json", *config)
        act = json.loads(asked.output)["act"]
        for early in (("show", act), ("approve", act, *WHY)):
            assert run("disclosures", *early, *config).exit_code == 1, "nobody opens alone"
        assert run("disclosures", "approve", act, "--reason", "seen", "--by", "Ben Example", *config).exit_code == 0
        assert not list(seen(line))
        shown = run("disclosures", "show", act, "--json", *config)
        assert [each["id"] for each in json.loads(shown.output)["messages"]] == [each.id for each in line.messages()]
        assert [entry["chain"] for entry in seen(line)] == [act]
        gateway = line.gateway
        other = ask(gateway, line.messages()[0].id, What.REPORT, reason="why", by="Ada Example")
        approve(gateway, other, reason="seen", by="Ben Example")
        with pytest.raises(ActError, match="this act is for report"):
            show(gateway, other)
        line.clock.advance(hours=OPEN_HOURS, seconds=1)
        late = ask(gateway, line.messages()[0].id, What.DISCLOSURES, reason="why", by="Ada Example")
        approve(gateway, late, reason="seen", by="Ben Example")
        assert len(show(gateway, late)) == 2
        line.clock.advance(hours=OPEN_HOURS, seconds=1)
        with pytest.raises(ActError, match="8 hours ago"):
            show(gateway, late)


def test_by_default_the_user_of_the_operating_system_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    assert (looker(""), looker("Ben Example")) == ("ada", "Ben Example")

    def nobody() -> str:
        raise KeyError("no such user")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert looker("") == ""
