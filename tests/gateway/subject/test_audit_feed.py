"""The feed of AuditEvents: valid FHIR by two judges, by IHE's patterns, complete, the same twice, and nothing about anybody in it."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from sqlalchemy import func, select
from typer.testing import CliRunner

from fhir_profiles.audit_event import DECISION, DISCLOSURE, SUBJECT, Observer, faults
from fhir_profiles.shapes import Severity
from fhir_profiles.validate import validate
from gateway import activation, audit_feed
from gateway.__main__ import app
from gateway.api import create_app
from gateway.clients import add_client, issue_token
from gateway.demo.invariants import marks
from gateway.demo.people import synthetic_person
from gateway.pipeline import Gateway
from gateway.store.schema import ledger_position
from tests.builders import adt_a01, adt_a03, oru_r01, rde_o11
from tests.console.site import serve
from tests.gateway.subject.reports import seen_on_the_wires, sign
from tests.line import running

WHOSE = synthetic_person(1)


def all_events(gateway: Gateway, count: int = 7) -> list[dict[str, Any]]:
    """Every event, page by page."""
    found: list[dict[str, Any]] = []
    after, more = -1, True
    while more:
        page = audit_feed.read_page(gateway, after=after, count=count)
        found += page.events
        after, more = page.last, page.more
    return found


def of_profile(events: list[dict[str, Any]], profile: str) -> list[dict[str, Any]]:
    return [each for each in events if each.get("meta", {}).get("profile") == [profile]]


async def test_a_feed_is_the_ledger_by_the_patterns(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01(WHOSE), rde_o11(WHOSE), oru_r01(WHOSE), adt_a03(WHOSE))
        sign(line.gateway)
        events = all_events(line.gateway)
        with line.gateway.store.read() as c:
            assert len(events) == c.execute(select(func.count()).select_from(ledger_position)).scalar_one()
        for each in events:
            AuditEvent.model_validate_json(json.dumps(each))
            assert list(faults(each)) == []
        left = {each["entity"][1]["what"]["identifier"]["value"] for each in of_profile(events, DISCLOSURE)}
        assert left == seen_on_the_wires(line, WHOSE) != set()
        decided = of_profile(events, DECISION)
        assert len(decided) == len(line.deliveries())
        assert {each["outcome"] for each in decided} == {"0", "4"}  # released; held for want of a pharmacy
        assert len({each["id"] for each in events}) == len(events)
        assert all_events(line.gateway, 1_000) == events
        text = json.dumps(events)
        assert not [mark for mark in marks(WHOSE) if mark in text]
        # the same person in two letters is not the same value
        subjects = [each["entity"][0]["what"]["identifier"] for each in decided]
        assert {each["system"] for each in subjects} == {SUBJECT}
        assert len({each["value"] for each in subjects}) == len(subjects) > 1
        config = str(line.config)
    out = tmp_path / "events.ndjson"
    done = CliRunner().invoke(app, ["audit-events", "--out", str(out), "--count", "5", "--json", "--config", config])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {"file": "events.ndjson", "events": 5, "last": 4, "more": True}
    with out.open("rb") as lines:
        assert [json.loads(each)["id"] for each in lines] == [each["id"] for each in events[:5]]


async def test_an_event_says_what_held_then_whatever_the_register_says_today(tmp_path: Path) -> None:
    """INVARIANT: another organisation in a recipient's place, and an agreement that has ended, change no event that was."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(WHOSE), adt_a03(WHOSE))
        sign(line.gateway)
        before = all_events(line.gateway)
        (left,) = of_profile(before, DISCLOSURE)
        assert left["agent"][1]["who"]["identifier"]["value"] == "ZZC01"
        assert left["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
        # An organisation whose code looks like a prison number is left out of the ledger, and gets its letters like every other.
        odd = {name: replace(each, ods="A1234BC") for name, each in line.gateway.recipients.items()}
        line.gateway.recipients = odd
        await line.play(adt_a03(synthetic_person(2), message_id="ODD"))
        assert [row.state for row in line.deliveries(letter="handover")] == ["delivered", "delivered"]
        sign(line.gateway)
        before = all_events(line.gateway)
        assert "A1234BC" not in json.dumps(before)
        other = {name: replace(each, ods="ZZX99") for name, each in line.gateway.recipients.items()}
        line.gateway.recipients = other
        for sign_text, person in ((activation.propose, "Ada Example"), (activation.approve, "Ben Example")):
            sign_text(line.gateway, {"handover": None}, by=person, reason="for a test")
        assert activation.take_up(line.gateway)
        assert all_events(line.gateway)[: len(before)] == before
        # What no entry says is left out: neither is taken from what holds today.
        known = {
            left["entity"][1]["what"]["identifier"]["value"]: [(1, {"recipient": "northfell", "letter": "handover"})]
        }
        entry = {
            "id": "E",
            "event": "delivered",
            "at": left["recorded"],
            "chain": next(iter(known)),
            "step": 2,
            "facts": {},
        }
        observer = Observer(origin="ledger.test/demo", endpoint="https://throughgate.example/fhir")
        old = audit_feed._event(1, entry, known, {}, observer)
        assert "ZZ" not in json.dumps(old)
        assert "purposeOfEvent" not in old


SPOILED = {
    "agent": lambda event: event["agent"].pop(),
    "identifier of an agent": lambda event: event["agent"][0]["who"].pop("identifier"),
    "network": lambda event: event["agent"][0].pop("network"),
    "entity": lambda event: event["entity"].pop(),
    "patient": lambda event: event["entity"].reverse(),
    "observer": lambda event: event["source"]["observer"].update(display="another"),
    "type of the source": lambda event: event["source"].pop("type"),
}


@pytest.mark.parametrize("what", SPOILED)
async def test_what_does_not_fit_a_pattern_is_found(what: str) -> None:
    """Sabotage of the judge above."""
    from fhir_profiles import audit_event  # noqa: PLC0415  the builder is what is judged here

    made = audit_event.disclosure(
        audit_event.Happening(
            entry="E", position=1, event="delivered", at="2026-01-15T12:00:00.000000Z", chain="D", outcome="0",
            subject="s", recipient="r", letter="handover",
        ),
        audit_event.Observer(origin="ledger.test/demo", endpoint="https://throughgate.example/fhir"),
    )  # fmt: skip
    assert list(faults(made)) == []
    SPOILED[what](made)
    assert list(faults(made)) != []


async def test_a_store_fetches_it_itself_page_by_page(tmp_path: Path) -> None:
    """Over HTTP, by the links alone: the same events as the command; later what came since; and taking it does not feed itself."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(WHOSE), rde_o11(WHOSE))
        sign(line.gateway)
        before = all_events(line.gateway)
        add_client(line.gateway, name="audit-store", audit_reader=True)
        bearer = issue_token(line.gateway, "audit-store", 600)
        headers = {"Authorization": f"Bearer {bearer}"}
        async with contextlib.AsyncExitStack() as stack:
            base = f"http://127.0.0.1:{await serve(stack, create_app(line.gateway))}"
            session = await stack.enter_async_context(aiohttp.ClientSession(base, headers=headers))
            address = "/fhir/AuditEvent?_count=7&page=-1"

            async def rest() -> list[dict[str, Any]]:
                nonlocal address
                found: list[dict[str, Any]] = []
                while True:
                    async with session.get(address) as answer:
                        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
                        page = json.loads(await answer.read())
                    assert {each.severity for each in validate(page)} <= {Severity.INFORMATION}
                    links = {each["relation"]: each["url"] for each in page["link"]}
                    address = "/fhir" + links["next"].partition("/fhir")[2]
                    if "entry" not in page:
                        return found
                    found += [each["resource"] for each in page["entry"]]

            taken = await rest()
            assert taken[: len(before)] == before
            sign(line.gateway)
            since = [
                each["outcomeDesc"] if "outcomeDesc" in each else each["subtype"][0]["code"] for each in await rest()
            ]
            sign(line.gateway)
            assert "exported" in json.dumps(since)
            await rest()
            sign(line.gateway)
            assert await rest() == [], "what only says that the feed was taken is not entered again"
            for wrong in ("_count=0", "_count=10001", "page=-2", "page=x", "page=1&page=2", "patient=1"):
                async with session.get(f"/fhir/AuditEvent?{wrong}") as refused:
                    assert refused.status == 400
