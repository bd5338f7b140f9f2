"""One person's disclosures: an exact number, a purpose, a reason, a second person; before that nobody learns whether it is on file."""

import json
import re

from sqlalchemy import Engine, event

from gateway.console.disclosures import MOST_A_DAY, OPEN_HOURS
from gateway.console.staff import Role
from gateway.store.schema import decision, delivery, ledger_entry, lookup, message
from gateway.subject import scan
from tests.console.site import ALEX, BAILEY, STRANGER, Site

FORM = {"purpose": "complaint", "reason": "complaint of 3 January"}


def ask(site: Site, number: str, name: str = "ines") -> str:
    """The handle's address."""
    done = site.as_(name, "POST", "/console/disclosures", {**FORM, "number": number})
    assert done.status == 303, done.text
    return done.headers["location"]


def own(site: Site, path: str) -> str:
    """The page of who asked, without what differs in every page: the handle and its times."""
    page = site.as_("ines", "GET", path)
    assert page.status == 200
    return re.sub(r"[0-9A-Z]{26}|[0-9a-f]{64}|\d+ \w{3} 2026, \d\d:\d\d", "", page.text)


def test_until_a_second_person_says_yes_nobody_learns_whether_the_number_is_on_file(site: Site) -> None:
    known, unknown = ask(site, ALEX.nhs_number), ask(site, STRANGER.nhs_number)
    assert own(site, known) == own(site, unknown)
    for path in (known, unknown):
        text = site.as_("cleo", "GET", path).text
        assert ALEX.nhs_number not in text
        assert "complaint of 3 January" in text
    assert site.as_("ines", "POST", known, {"answer": "yes"}).status in (403, 404), "nobody opens their own"
    assert "A second person has to open it" in site.as_("ines", "GET", known).text
    assert site.as_("cleo", "POST", known, {"answer": "yes"}).status == 303
    assert site.as_("ivor", "POST", unknown, {"answer": "yes"}).status == 303
    assert "Nobody on file has this number" in site.as_("ines", "GET", unknown).text
    journey = site.as_("ines", "GET", known).text
    asked = [row.id for row in site.rows(message) if row.person_id == person_of(site, known)]
    assert len(asked) == 5
    assert not [each for each in asked if f"/console/messages/{each}" not in journey]
    assert not [row.id for row in site.rows(decision) if row.message_id in asked and row.id not in journey]
    assert not [row.id for row in site.rows(delivery) if row.message_id in asked and row.id not in journey]
    others = [row.id for row in site.rows(message) if row.id not in asked]
    assert others
    assert not [each for each in others if each in journey]
    assert ALEX.family not in journey
    assert ALEX.nhs_number not in journey


def person_of(site: Site, path: str) -> str:
    (row,) = site.rows(lookup, id=path.rpartition("/")[2])
    return str(row.person_id)


def test_one_person_with_two_accounts_is_no_second_person(site: Site) -> None:
    for name, role in (("sam-example", Role.IG_OFFICER), ("example-sam", Role.CLINICAL_SAFETY)):
        site.cookies[name] = site.begin(name, role)
    path = ask(site, ALEX.nhs_number, "sam-example")
    assert site.as_("example-sam", "POST", path, {"answer": "yes"}).status == 404
    assert site.as_("cleo", "POST", path, {"answer": "yes"}).status == 303


def test_it_is_the_askers_alone_and_ends(site: Site) -> None:
    path = ask(site, BAILEY.prison_number.lower())
    assert site.as_("owen", "GET", path).status == 403
    assert site.as_("cleo", "POST", path, {"answer": "yes"}).status == 303
    for name in ("ivor", "cleo"):
        assert site.as_(name, "GET", path).status == 404
        assert site.as_(name, "POST", path, {"answer": "no"}).status == 404
    text = site.as_("ines", "GET", path).text
    assert "a recorded consent denies it" in text
    declined = ask(site, BAILEY.nhs_number)
    assert site.as_("cleo", "POST", declined, {"answer": "no"}).status == 303
    assert "A second person said no" in site.as_("ines", "GET", declined).text
    assert "withheld" not in site.as_("ines", "GET", declined).text
    site.line.clock.advance(hours=OPEN_HOURS)
    site.cookies |= {name: site.log_in(name) for name in ("ines", "cleo", "ivor")}
    assert site.as_("ines", "GET", path).status == 404


def test_only_a_whole_number_a_purpose_and_a_reason(site: Site) -> None:
    """What is refused is said without quoting it, and leaves no row."""
    before = len(site.rows(lookup))
    for form, said in (
        ({**FORM, "number": ALEX.nhs_number[:9]}, "neither a whole NHS number"),
        ({**FORM, "number": "9990000001"}, "neither a whole NHS number"),
        ({**FORM, "number": ALEX.family}, "neither a whole NHS number"),
        ({**FORM, "number": ALEX.nhs_number, "purpose": "curiosity"}, "Choose the purpose"),
        ({**FORM, "number": ALEX.nhs_number, "reason": " "}, "Say why"),
    ):
        answer = site.as_("ines", "POST", "/console/disclosures", form)
        assert (answer.status, said in answer.text) == (422, True), said
        assert form["number"] not in answer.text
    assert len(site.rows(lookup)) == before


def test_each_step_is_an_entry_and_the_number_stands_nowhere(site: Site) -> None:
    path = ask(site, ALEX.nhs_number)
    handle = path.rpartition("/")[2]
    site.as_("cleo", "POST", path, {"answer": "yes"})
    site.as_("ines", "GET", path)
    found = [json.loads(row.body) for row in site.rows(ledger_entry)]
    assert [each["event"] for each in found if each["chain"] == handle] == ["searched", "search-approved"]
    assert [each["facts"]["page"] for each in found if each["facts"].get("about") == handle] == ["disclosure"]
    (row,) = [row for row in site.rows(lookup) if row.id == handle]
    with site.line.gateway.store.read() as c:
        mine = [entry.event for entry in scan.find(c, site.line.gateway, row.person_id).entries]
    assert mine[-3:] == ["searched", "search-approved", "viewed"], "who looked is in their own report"
    said = {each["event"]: "subject" in each["facts"] for each in found if each["chain"] == handle}
    assert said == {"searched": False, "search-approved": True}, (
        "their own report has it, and nobody learns of it before"
    )
    everything = " ".join(str(row) for table in (lookup, ledger_entry) for row in site.rows(table))
    assert ALEX.nhs_number not in everything
    assert "complaint of 3" not in everything


def test_whoever_trawls_is_stopped(site: Site) -> None:
    for _ in range(MOST_A_DAY):
        last = site.as_("ivor", "POST", "/console/disclosures", {**FORM, "number": STRANGER.nhs_number})
        if last.status == 422:
            break
    else:
        last = site.as_("ivor", "POST", "/console/disclosures", {**FORM, "number": STRANGER.nhs_number})
    assert (last.status, "more than one officer may ask for" in last.text) == (422, True)
    mine = [row for row in site.rows(lookup) if row.asked_by == last_asker(site)]
    assert len(mine) == MOST_A_DAY


def last_asker(site: Site) -> str:
    return str(max(site.rows(lookup), key=lambda row: row.asked_at).asked_by)


def test_a_journey_asks_for_what_stands_beside_its_messages_once(site: Site) -> None:
    """As many statements for a person with many letters as for one message of theirs: nothing is asked message by message, or letter by letter."""
    path = ask(site, ALEX.nhs_number)
    site.as_("cleo", "POST", path, {"answer": "yes"})
    asked: list[str] = []
    event.listen(Engine, "before_cursor_execute", hear := lambda *said: asked.append(said[2]))
    try:
        page = site.as_("ines", "GET", path)
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    assert page.text.count("/console/decisions/") >= 3
    for table in ("message", "decision", "attempt"):
        assert sum(f"FROM {table} " in each.replace("\n", " ") for each in asked) == 1, table
    assert sum("FROM delivery " in each.replace("\n", " ") for each in asked) == 2, (
        "those of the messages, and those of the decisions"
    )
