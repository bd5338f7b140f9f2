"""Agreements in the console: what is signed is what was seen, by two people, with what it would have changed in front of them."""

import json
import re

import pytest

from gateway.activation import ActivationError, propose, take_up
from gateway.store.schema import agreement, decision, ledger_entry
from tests.console.site import ALEX, Site

REASON = "agreed in the meeting of 5 January"
PATH = "/console/proposals/handover"


def edit(site: Site, before: str, after: str) -> None:
    """Somebody edits the file of the agreement."""
    file = site.line.gateway.settings.gateway.agreements_dir / "handover.toml"
    text = file.read_text("utf-8")
    assert before in text
    file.write_text(text.replace(before, after), "utf-8")


def digest(site: Site) -> str:
    found = re.search(r'name="digest" value="([^"]*)"', site.as_("ines", "GET", PATH).text)
    assert found is not None
    return found[1]


def in_force(site: Site) -> str:
    take_up(site.line.gateway)
    return site.line.gateway.agreements["handover"].title


def test_one_person_changes_nothing_and_two_do_what_both_saw(site: Site) -> None:
    title = in_force(site)
    assert "Nothing: this text is in force" in site.as_("ines", "GET", PATH).text
    edit(site, f'title = "{title}"', 'title = "Handover, said anew"')
    page = site.as_("ines", "GET", PATH).text
    assert "<ins>+ title = &#34;Handover, said anew&#34;</ins>" in page
    assert f"<del>- title = &#34;{title}&#34;</del>" in page
    assert "another text is in force" in site.as_("aron", "GET", "/console/proposals").text
    seen = digest(site)
    for name, form, said in (
        ("ines", {"choice": "propose", "reason": " ", "digest": seen}, "say why"),
        ("ines", {"choice": "propose", "reason": REASON, "digest": "0" * 64}, "another one now"),
        ("ines", {"choice": "approve", "reason": REASON, "digest": seen}, "nothing is proposed"),
        ("cleo", {"choice": "propose", "reason": REASON, "digest": seen}, "an ig officer proposes"),
    ):
        answer = site.as_(name, "POST", PATH, form)
        assert (answer.status, said in answer.text.lower()) == (422, True), (name, said)
    assert site.as_("owen", "POST", PATH, {"choice": "approve", "reason": REASON, "digest": seen}).status == 403
    assert site.as_("ines", "POST", PATH, {"choice": "propose", "reason": REASON, "digest": seen}).status == 303
    assert in_force(site) == title, "one person changes nothing"
    assert "You proposed it" in site.as_("ines", "GET", PATH).text
    own = site.as_("ines", "POST", PATH, {"choice": "approve", "reason": REASON, "digest": seen})
    assert (own.status, "another person has to approve" in own.text) == (422, True)
    edit(site, "Handover, said anew", "Handover, said a third time")
    assert "I approve it" in site.as_("cleo", "GET", PATH).text
    assert "a third time" not in site.as_("cleo", "GET", PATH).text, "what is approved is what was proposed"
    late = site.as_("cleo", "POST", PATH, {"choice": "approve", "reason": REASON, "digest": "1" * 64})
    assert (late.status, "another one now" in late.text) == (422, True)
    assert site.as_("cleo", "POST", PATH, {"choice": "approve", "reason": REASON, "digest": seen}).status == 303
    assert in_force(site) == "Handover, said anew"
    page = of_then(site)
    assert (title in page, "said anew" in page, "Another text is in force now" in page) == (True, False, True)
    assert "The clauses under which something left" in page
    (row,) = [row for row in site.rows(agreement, name="handover") if row.approved_at and row.ended_at is None]
    assert (row.proposed_by, row.approved_by) == ("ines", "cleo")
    found = [json.loads(entry.body) for entry in site.rows(ledger_entry)]
    chain = [each["event"] for each in found if each["chain"] == row.id]
    assert chain == ["agreement-proposed", "agreement-activated"]
    acts = site.as_("aron", "GET", "/console/acts?event=agreement-activated").text
    assert "cleo" in acts
    assert REASON not in acts


def of_then(site: Site) -> str:
    """The page of a handover that was decided before anybody signed another text."""
    before = next(row for row in site.rows(decision) if row.agreement == "handover" and row.outcome == "release")
    return site.as_("gwen", "GET", f"/console/decisions/{before.id}").text


def test_a_name_that_a_person_also_has_elsewhere_is_one_person(site: Site) -> None:
    edit(site, "Handover, said a third time", "Handover, said by the terminal")
    text = (site.line.gateway.settings.gateway.agreements_dir / "handover.toml").read_text("utf-8")
    propose(site.line.gateway, {"handover": text}, by="  CLÉO ", reason=REASON)
    page = site.as_("cleo", "GET", PATH).text
    assert "You proposed it" in page
    assert "I approve it" not in page
    form = {"choice": "approve", "reason": REASON, "digest": digest(site)}
    assert site.as_("cleo", "POST", PATH, form).status == 422
    assert site.as_("gwen", "POST", PATH, form).status == 303
    assert in_force(site) == "Handover, said by the terminal"


def test_what_past_decisions_would_have_been_stands_before_whoever_signs(site: Site) -> None:
    """A path less: so many letters would have held less; the decisions are named, and no value is shown."""
    gateway = site.line.gateway
    file = gateway.settings.gateway.agreements_dir / "handover.toml"
    before = file.read_text("utf-8")
    line = next(line for line in before.splitlines() if '"CarePlan.' in line or "CarePlan.description" in line)
    lost = re.search(r'"(CarePlan\.[^"]*)"', line)
    assert lost is not None
    edit(site, f'"{lost[1]}"', '"CarePlan.language"')
    page = site.as_("gwen", "GET", PATH).text
    made = [row for row in site.rows(decision) if row.agreement == "handover"]
    assert f"The newest {len(made)} decisions" in page
    assert "CarePlan" in page[page.index("Would not leave") :]
    changed = [row.id for row in made if f"/console/decisions/{row.id}" in page]
    assert changed
    assert "/console/decisions/" not in site.as_("owen", "GET", PATH).text, "the operator has no such page"
    look_at_one(site, next(row.id for row in made if row.id in changed and row.outcome != "withhold"), lost[1])
    file.write_text(before, "utf-8")


def look_at_one(site: Site, decision_id: str, lost: str) -> None:
    """The same of one decision: the text in force would decide it the same, the file that waits would keep `lost` back."""
    gateway, path = site.line.gateway, f"/console/decisions/{decision_id}/what-if"
    refused = site.as_("aron", "POST", path, {"reason": " "})
    assert (refused.status, "Say why" in refused.text, "<details" in refused.text) == (422, True, True)
    seen = len(site.rows(ledger_entry))
    page = site.as_("aron", "POST", path, {"reason": REASON})
    assert page.status == 200
    now, waits = [part for part in page.text.split("<h2")[1:] if "It would have been" in part]
    assert ("in force since" in now, "(the same)" in now, f"<dd>{lost}" in now) == (True, True, False)
    assert ("another text is in force" in waits, "(the same)" in waits) == (True, False)
    left, kept = waits.split("Would not leave")
    assert (lost in left, lost in kept) == (False, True)
    assert ALEX.family not in page.text
    rows = sorted(site.rows(ledger_entry), key=lambda row: row.sequence)[seen:]
    entries = [json.loads(row.body) for row in rows]
    (entry,) = [each for each in entries if each["event"] == "viewed" and each["facts"]["page"] != "home"]
    facts = entry["facts"]
    assert (facts["page"], facts["about"]) == ("decision-what-if", decision_id)
    assert {"staff", "note", "subject"} <= facts.keys(), "who, why, and whose data"
    with gateway.store.read() as c:
        assert json.loads(gateway.keys.unseal(c, facts["note"])) == {"by": "aron", "reason": REASON}
    assert site.as_("aron", "POST", f"/console/decisions/{'7' * 26}/what-if", {"reason": REASON}).status == 404


def test_both_people_see_what_check_calls_odd_and_it_stops_nothing(site: Site) -> None:
    """A second file for the same letter, recipients and events: nobody can say which of both holds."""
    file = site.line.gateway.settings.gateway.agreements_dir / "handover.toml"
    assert "(twice)" not in site.as_("gwen", "GET", PATH).text
    (twin := file.with_name("twin.toml")).write_text(file.read_text("utf-8"), "utf-8")
    for name in ("ines", "gwen"):
        page = site.as_(name, "GET", PATH).text
        assert "nobody can say which holds (twice)." in page
        assert "cannot be signed" not in page
    twin.unlink()


def test_what_cannot_be_signed_is_said_and_not_signed(site: Site) -> None:
    file = site.line.gateway.settings.gateway.agreements_dir / "handover.toml"
    before = file.read_text("utf-8")
    file.write_text(before.replace("undecidable", "undecideable"), "utf-8")
    page = site.as_("ines", "GET", PATH)
    assert page.status == 200
    assert "This text cannot be signed" in page.text
    form = {"choice": "propose", "reason": REASON, "digest": digest(site)}
    answer = site.as_("ines", "POST", PATH, form)
    assert (answer.status, "cannot be signed" in answer.text) == (422, True)
    file.write_bytes(b"\xff\xfe")
    assert site.as_("ines", "GET", PATH).status == 200
    assert "cannot be read as text" in site.as_("ines", "GET", "/console/proposals").text
    file.write_text(before, "utf-8")
    assert site.as_("ines", "GET", "/console/proposals/nothing").status == 404
    with pytest.raises(ActivationError):
        propose(site.line.gateway, {"handover": before}, by="ines", reason=REASON)


def test_ending_takes_two_people_too(site: Site) -> None:
    """The last: it ends a flow."""
    end = {"choice": "end", "reason": REASON, "digest": ""}
    assert site.as_("gwen", "POST", PATH, end).status == 422
    assert site.as_("ivor", "POST", PATH, end).status == 303
    page = site.as_("gwen", "GET", PATH).text
    assert "That handover ends" in page
    assert in_force(site)
    assert site.as_("ivor", "POST", PATH, {**end, "choice": "approve"}).status == 422
    assert site.as_("gwen", "POST", PATH, {**end, "choice": "approve"}).status == 303
    take_up(site.line.gateway)
    assert "handover" not in site.line.gateway.agreements
    page = of_then(site)
    assert ("It has ended since" in page, "/console/agreements/handover" in page) == (True, False)
