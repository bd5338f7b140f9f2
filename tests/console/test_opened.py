"""Break-glass: what a message or a letter says is seen by who asked, after a second person's yes, for an hour, with an entry before each look."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from consent.minimise import minimise, without
from consent.outcomes import path_outcomes
from fhir_profiles.compose import compose
from gateway import openings
from gateway.console.beside import CUT, fields_of, values_of
from gateway.console.staff import Role
from gateway.openings import MOST_A_DAY, OPEN_MINUTES, WAITS_HOURS, OpeningError
from gateway.steps.kept import Kept
from gateway.store.schema import decision, delivery, ledger_entry, message, opening, sealed, staff, task
from gateway.subject import scan
from tests.consent import made
from tests.console.site import ALEX, PEOPLE, Site
from tests.fhir_profiles.letters.files import AS_OF, case

REASON = "the duty doctor cannot read the dose"
FORM = {"purpose": "came-out-wrong", "reason": REASON}


def handover(site: Site) -> str:
    """A letter about Alex that arrived."""
    found: str = next(row.id for row in site.rows(delivery, letter="handover", state="delivered"))
    return found


def ask(site: Site, about: str, name: str = "ines") -> str:
    done = site.as_(name, "POST", "/console/opened", {**FORM, "about": about})
    assert done.status == 303, done.text
    return done.headers["location"]


def events(site: Site, chain: str) -> list[str]:
    found = [json.loads(row.body) for row in site.rows(ledger_entry)]
    return [each["event"] for each in found if each["chain"] == chain]


def test_nobody_sees_it_before_a_second_person_said_yes_and_nobody_else_after(site: Site) -> None:
    letter = handover(site)
    path = ask(site, letter)
    for name in ("ines", "ivor", "cleo", "gwen", "owen"):
        assert site.as_(name, "GET", f"{path}/content").status == 404, name
    assert site.as_("aron", "GET", f"{path}/content").status == 403
    assert REASON in site.as_("cleo", "GET", path).text
    assert REASON not in site.as_("ines", "GET", path).text
    assert site.as_("ines", "POST", path, {"answer": "yes"}).status == 422, "nobody says yes to themselves"
    assert site.as_("owen", "POST", path, {"answer": "yes"}).status == 403
    assert site.as_("cleo", "POST", path, {"answer": "perhaps"}).status == 422
    assert site.as_("ines", "GET", f"{path}/content").status == 404
    assert site.as_("cleo", "POST", path, {"answer": "yes"}).status == 303
    assert site.as_("gwen", "POST", path, {"answer": "no"}).status == 422, "an answer stands"
    said = site.as_("ines", "GET", f"{path}/content")
    assert said.status == 200
    assert ALEX.family in said.text
    assert said.headers["cache-control"] == "no-store"
    assert said.headers["content-security-policy"].startswith("default-src 'none'")
    for name in ("ivor", "cleo", "gwen", "owen"):
        assert site.as_(name, "GET", f"{path}/content").status == 404, name
    handle = path.rpartition("/")[2]
    assert events(site, handle) == ["content-asked", "content-approved", "content-opened"]
    site.as_("ines", "GET", f"{path}/content")
    assert events(site, handle)[-1:] == ["content-opened"]
    assert len(events(site, handle)) == 4, "each look is an entry"
    site.line.clock.advance(minutes=OPEN_MINUTES)
    site.cookies |= {name: site.log_in(name) for name in PEOPLE}
    assert site.as_("ines", "GET", f"{path}/content").status == 404
    assert "opened 2 times" in site.as_("ines", "GET", f"/console/letters/{letter}").text


def test_one_person_with_two_accounts_is_no_second_person(site: Site) -> None:
    for name, role in (("sam-example", Role.IG_OFFICER), ("example-sam", Role.CLINICAL_SAFETY)):
        site.cookies[name] = site.begin(name, role)
    path = ask(site, handover(site), "sam-example")
    assert site.as_("example-sam", "POST", path, {"answer": "yes"}).status == 422
    assert site.as_("sam-example", "GET", f"{path}/content").status == 404
    site.cookies["cleo"] = site.log_in("cleo")
    assert site.as_("cleo", "POST", path, {"answer": "yes"}).status == 303


def test_it_shows_what_came_byte_for_byte_as_lines_and_stands_in_the_persons_report(site: Site) -> None:
    row = next(row for row in site.rows(message, kind="ADT^A01") if row.person_id is not None)
    path = ask(site, row.id)
    assert site.as_("cleo", "POST", path, {"answer": "yes"}).status == 303
    text = site.as_("ines", "GET", f"{path}/content").text
    assert "MSH|^~\\&amp;|" in text
    assert "\nPID|1|" in text
    with site.line.gateway.store.read() as c:
        mine = [entry.event for entry in scan.find(c, site.line.gateway, row.person_id).entries]
    assert {"content-asked", "content-approved", "content-opened"} <= set(mine)
    handle = path.rpartition("/")[2]
    everything = " ".join(str(row) for table in (opening, ledger_entry, task) for row in site.rows(table))
    for text in (REASON, ALEX.family, ALEX.nhs_number):
        assert text not in everything
    assert not [row for row in site.rows(sealed) if REASON.encode() in row.ciphertext]
    assert events(site, handle)


def test_a_decision_is_opened_by_value_what_was_composed_beside_what_left(site: Site) -> None:
    """By name without; by value for who asked, after a second person's yes, with an entry before each look. Not for who may see no decision."""
    decided = site.rows(delivery, id=handover(site))[0].decision_id
    page = f"/console/decisions/{decided}"
    plain = site.as_("ines", "GET", page).text
    assert f'name="about" value="{decided}"' in plain
    assert ALEX.family not in plain
    refused = site.as_("owen", "POST", "/console/opened", {**FORM, "about": decided})
    assert (refused.status, "no message, letter or decision has this id" in refused.text.lower()) == (422, True)
    path = ask(site, decided)
    for name in ("ines", "cleo"):
        assert site.as_(name, "GET", f"{path}/content").status == 404, name
    assert page not in site.as_("owen", "GET", "/console/opened").text, "no link that leads to a refusal"
    assert site.as_("cleo", "POST", path, {"answer": "yes"}).status == 303
    for name in ("ivor", "cleo", "gwen", "owen"):
        assert site.as_(name, "GET", f"{path}/content").status == 404, name
    text = site.as_("ines", "GET", f"{path}/content").text
    rows = dict(re.findall(r'<th scope="row" class="tg-wrap">([^<]*)</th>(.*?)</tr>', text))
    composed, left, why = re.findall(r"<td[^>]*>(.*?)</td>", rows["Patient.name"])
    assert ALEX.family in composed
    assert (composed, why) == (left, "-")
    composed, left, why = re.findall(r"<td[^>]*>(.*?)</td>", rows["Patient.identifier"])
    assert ALEX.prison_number in composed
    assert ALEX.prison_number not in left
    assert ALEX.nhs_number in left
    assert "identifier system" in why
    handle = path.rpartition("/")[2]
    assert events(site, handle) == ["content-asked", "content-approved", "content-opened"]
    for where in (page, f"/console/messages/{site.rows(decision, id=decided)[0].message_id}"):
        assert "opened 1 times" in site.as_("ines", "GET", where).text, where
    with site.line.gateway.store.read() as c:
        person = site.rows(decision, id=decided)[0].person_id
        mine = [entry for entry in scan.find(c, site.line.gateway, person).entries if entry.chain == handle]
    assert len(mine) == 3, "whose data were looked at has it in their report"


def test_by_value_nothing_is_shown_as_left_that_the_last_look_cut_out() -> None:
    """Its place says so and by which rule, also where as many values left as were composed; what was not cut is shown as it left."""
    composed = compose("handover", *case("handover"), AS_OF).bundle
    for entry in composed["entry"]:
        if entry["resource"]["resourceType"] == "CarePlan":
            entry["resource"]["description"] = "Asks to be apart from 999 000 0018"
            entry["resource"]["extension"] = [{"url": "https://a.b/c", "valueString": "of 999 000 0018"}]
    held = made.ask(
        resources=[each["resource"] for each in composed["entry"]], under=made.agreement("handover"), table={}
    )
    sent = without(minimise(composed, held, made.NAMING), ("999 000 0018",))
    paths = path_outcomes(composed, held, sent.withheld)
    kept = cast(Kept, SimpleNamespace(composed=composed, decision=held, id_key=made.NAMING.id_key, paths=paths))
    seen = {each.path: each for each in values_of(kept)}
    assert sent.bundle != minimise(composed, held, made.NAMING).bundle
    assert "999 000 0018" not in str([each.left for each in seen.values()])
    cut = seen["CarePlan.description"]
    assert (cut.composed, cut.left, cut.rules) == (("Asks to be apart from 999 000 0018",), (CUT,), ("leak-scan",))
    assert (seen["Patient.name"].left, seen["Patient.name"].rules) == (seen["Patient.name"].composed, ())
    counted = {each.path: each for each in fields_of(kept, "handover")}["CarePlan.description"]
    assert (counted.composed, counted.left, counted.rules) == (1, 1, ("leak-scan",))
    untouched = path_outcomes(composed, held, minimise(composed, held, made.NAMING).withheld)
    whole = cast(Kept, SimpleNamespace(composed=composed, decision=held, id_key=made.NAMING.id_key, paths=untouched))
    assert {each.path: each.left for each in values_of(whole)}["CarePlan.description"] == cut.composed


def test_a_text_that_was_not_cut_is_shown_beside_one_of_another_resource_that_was() -> None:
    """A mark is of a resource and a path; where only the path was kept, every text there has it."""
    composed = compose("handover", *case("handover"), AS_OF).bundle
    plan = next(each for each in composed["entry"] if each["resource"]["resourceType"] == "CarePlan")
    plan["resource"]["description"] = "Asks to be apart from 999 000 0018"
    other = {**plan, "fullUrl": "urn:uuid:11111111-1111-4111-8111-111111111111"}
    other["resource"] = {**plan["resource"], "id": "another-plan", "description": "Comes on Mondays"}
    composed = {**composed, "entry": [*composed["entry"], other]}
    held = made.ask(
        resources=[each["resource"] for each in composed["entry"]], under=made.agreement("handover"), table={}
    )
    sent = without(minimise(composed, held, made.NAMING), ("999 000 0018",))
    paths = path_outcomes(composed, held, sent.withheld)

    def left(groups: object) -> tuple[str, ...]:
        kept = cast(Kept, SimpleNamespace(composed=composed, decision=held, id_key=made.NAMING.id_key, paths=groups))
        return {each.path: each.left for each in values_of(kept)}["CarePlan.description"]

    assert left(paths) == (CUT, "Comes on Mondays")
    assert left(tuple(replace(each, places=()) for each in paths)) == (CUT, CUT)


def test_the_entry_is_there_before_anything_is_shown(site: Site) -> None:
    """What cannot be entered is not shown."""
    path = ask(site, handover(site))
    site.as_("cleo", "POST", path, {"answer": "yes"})
    handle = path.rpartition("/")[2]
    with site.line.gateway.store.read() as c:
        body = c.execute(ledger_entry.select().where(ledger_entry.c.chain == handle)).first()
    assert body is not None

    def jump(c: object) -> None:
        values = {"step": 0}  # its next entry would be one that is there already
        c.execute(opening.update().where(opening.c.id == handle).values(**values))  # type: ignore[attr-defined]  # a connection, in a test

    site.line.gateway.store.write(jump)
    answer = site.as_("ines", "GET", f"{path}/content")
    assert answer.status == 500
    assert ALEX.family not in answer.text


def test_what_cannot_be_asked_and_what_is_over(site: Site) -> None:
    letter, before = handover(site), len(site.rows(opening))
    for form, said in (
        ({**FORM, "about": letter, "purpose": "curiosity"}, "choose the purpose"),
        ({**FORM, "about": letter, "reason": "  "}, "say why"),
        ({**FORM, "about": "7" * 26}, "no message, letter or decision"),
        ({**FORM}, "no message, letter or decision"),
    ):
        answer = site.as_("ines", "POST", "/console/opened", form)
        assert (answer.status, said in answer.text.lower()) == (422, True), said
    withheld = next(row.id for row in site.rows(delivery) if row.sealed_id is None)
    assert (
        "not kept any more, or it never said"
        in site.as_("ines", "POST", "/console/opened", {**FORM, "about": withheld}).text
    )
    assert len(site.rows(opening)) == before
    declined, old = ask(site, letter), ask(site, letter, "owen")
    assert site.as_("gwen", "POST", declined, {"answer": "no"}).status == 303
    assert site.as_("ines", "GET", f"{declined}/content").status == 404
    assert "declined" in site.as_("ines", "GET", "/console/opened").text
    site.line.clock.advance(hours=WAITS_HOURS)
    site.cookies |= {name: site.log_in(name) for name in PEOPLE}
    assert site.as_("cleo", "POST", old, {"answer": "yes"}).status == 422
    asked = [ask(site, letter, "owen") for _ in range(MOST_A_DAY - len(site.rows(opening, asked_by=owen(site))))]
    assert asked
    assert "more than one person may ask" in site.as_("owen", "POST", "/console/opened", {**FORM, "about": letter}).text


def owen(site: Site) -> str:
    (member,) = site.ids(staff, name="owen")
    return member


def test_the_ig_officer_is_told_on_the_next_day_once(site: Site) -> None:
    site.cookies |= {name: site.log_in(name) for name in PEOPLE}
    path = ask(site, handover(site))
    site.as_("cleo", "POST", path, {"answer": "yes"})
    site.as_("ines", "GET", f"{path}/content")
    gateway = site.line.gateway
    openings.tell_of_yesterday(gateway)  # what other tests opened on days before
    before = site.ids(task, code="content-was-opened")
    assert openings.tell_of_yesterday(gateway) == 0, "not on the day itself"
    site.line.clock.advance(hours=24)
    site.run(gateway.sweep())
    (new,) = set(site.ids(task, code="content-was-opened")) - set(before)
    (row,) = site.rows(task, id=new)
    assert (row.role, row.message_id, row.delivery_id) == ("ig-officer", None, None)
    assert openings.tell_of_yesterday(gateway) == 0, "once"
    site.cookies["ines"] = site.log_in("ines")
    assert "/console/opened" in site.as_("ines", "GET", f"/console/tasks/{new}").text
    assert site.as_("ines", "POST", f"/console/tasks/{new}", {"reason": "looked at"}).status == 303
    assert "1" in site.as_("ines", "GET", "/console/opened").text


def test_what_retention_took_is_not_opened(site: Site) -> None:
    """The last: it takes a letter's content."""
    letter = handover(site)
    path = ask(site, letter)
    site.cookies["cleo"] = site.log_in("cleo")
    site.as_("cleo", "POST", path, {"answer": "yes"})

    def take(c: object) -> None:
        c.execute(delivery.update().where(delivery.c.id == letter).values(sealed_id=None))  # type: ignore[attr-defined]  # a connection, in a test

    site.line.gateway.store.write(take)
    assert site.as_("ines", "GET", f"{path}/content").status == 404
    (member,) = {row.asked_by for row in site.rows(opening, id=path.rpartition("/")[2])}
    with pytest.raises(OpeningError, match="not kept any more"):
        openings.look(site.line.gateway, path.rpartition("/")[2], staff_id=member)
