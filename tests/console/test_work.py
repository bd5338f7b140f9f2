"""Acts at the console are steps of the desk: whose work it is alone, with a reason, sealed, with its entry; nothing else can be done."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from sqlalchemy import Connection, select

from consent.shapes import OverrideKind
from gateway import desk
from gateway.console import acts, health
from gateway.console.harm import harm_of_task, in_order, of_their_own
from gateway.desk import HeldItem, TaskItem
from gateway.journeys.tasks import TASKS
from gateway.overrides import Actor, Limb, give
from gateway.overrides import Role as ActsAs
from gateway.steps.unconfirmed import escalate_unconfirmed
from gateway.store import compaction
from gateway.store.retention import set_end, sweep_ended
from gateway.store.schema import attempt, consent, decision, delivery, ledger_entry, message, override, sealed, task
from gateway.witnessing import Witnessed
from tests.console.site import ALEX, Site

REASON = "spoke to the duty worker"


def chain(site: Site, some_id: str) -> list[str]:
    """The words in one chain, in order."""
    found = [json.loads(row.body) for row in site.rows(ledger_entry)]
    return [each["event"] for each in found if each["chain"] == some_id]


def test_what_waits_is_listed_worst_first_and_says_whose_work_it_is(site: Site) -> None:
    text = site.as_("aron", "GET", "/console/work").text
    held, ambiguous = site.ids(delivery, state="held")[0], site.ids(delivery, state="ambiguous")[0]
    nobodys = site.ids(message, state="held")[0]
    assert text.index(held) < text.index(nobodys)
    assert text.index(ambiguous) < text.index(nobodys)
    assert "someone may be without care" in text
    (refused,) = site.ids(delivery, state="refused")
    assert f"/console/letters/{refused}" in text


def test_how_attempts_ended_is_counted_among_the_newest_letters(site: Site) -> None:
    with site.line.gateway.store.read() as c:
        ended = Counter(c.scalars(select(attempt.c.outcome)))
    text = site.as_("aron", "GET", "/console/health").text
    section = text[text.index('id="attempts"') :].split("<h2")[0]
    told = re.findall(r"<tr><td>(\w+)</td><td[^>]*>(\d+)</td></tr>", section)
    assert dict(told) == {str(outcome): str(count) for outcome, count in ended.items()}
    assert len(told) > 1
    assert "newest 10000 letters" in section


def test_remnants_of_who_was_erased_are_said_as_long_as_they_wait(site: Site) -> None:
    store = site.line.gateway.store
    assert "Nothing of who was erased is left" in site.as_("aron", "GET", "/console/health").text
    store.write(lambda c: compaction.ask(c, at=site.line.gateway.now(), act_id="ACT"))
    with store.read() as c:
        asked_for = compaction.asked(c)
    assert asked_for is not None
    text = site.as_("aron", "GET", "/console/health").text
    assert "in the files" in text
    assert "throughgate erase compact" in text
    assert store.write(lambda c: compaction.done(c, asked_for))
    assert "Nothing of who was erased is left" in site.as_("aron", "GET", "/console/health").text


def test_every_kind_of_wait_is_there_harm_first_with_its_age(site: Site) -> None:
    """Of each state one letter without which somebody may be without care, and an older one that is less: the first stands above the second."""
    letters = sorted(site.rows(delivery), key=lambda row: row.sequence)
    about = next(row.person_id for row in letters if row.person_id)
    waiting, back = ("held", "ambiguous", "parked"), ("refused", "recalled", "expired")
    put = {}
    for number, state in enumerate((*waiting, *back)):
        for row, picture in zip(letters[2 * number : 2 * number + 2], (False, True), strict=True):
            put[row.id] = {"state": state, "whole_picture": picture, "person_id": about, "letter": "handover"}
    assert len(put) == 12, "as many letters as are needed"
    moved(site, put)
    text = site.as_("aron", "GET", "/console/work").text
    moved(site, {row.id: {name: getattr(row, name) for name in put[row.id]} for row in letters if row.id in put})
    for heading, states in (("waits", waiting), ("back", back)):
        section = text[text.index(f'id="{heading}"') :].split("<h2")[0]
        places = {some: section.index(some) for some, said in put.items() if said["state"] in states}
        worse = [place for some, place in places.items() if put[some]["whole_picture"]]
        assert max(worse) < min(place for some, place in places.items() if not put[some]["whole_picture"]), heading
        for some in places:
            line = re.search(rf"<tr>(?:(?!</tr>).)*{some}.*?</tr>", section, re.DOTALL)
            assert line is not None
            assert re.search(r"<td>(?:under a minute|\d+ (?:minute|hour|day)s?[^<]*)</td>", line[0]), some
            assert ("someone may be without care" in line[0]) == put[some]["whole_picture"], some
    for heading in ("unconfirmed", "tasks"):
        assert f'id="{heading}"' in text


def moved(site: Site, values: Mapping[str, Mapping[str, object]]) -> None:
    """Letters put into states by hand: what the list shows is asked, not how they came there."""

    def work(c: Connection) -> None:
        for some, said in values.items():
            c.execute(delivery.update().where(delivery.c.id == some).values(**said))

    site.line.gateway.store.write(work)


def test_only_whose_work_it_is_settles_it(site: Site) -> None:
    """The others see it and have no button; a form that they make up is refused, and nothing moves."""
    held = site.ids(delivery, state="held")[0]
    path = f"/console/work/{held}"
    for name in ("ines", "cleo", "aron"):
        assert "<textarea" not in site.as_(name, "GET", path).text
    form = {"choice": "reject", "reason": REASON}
    assert site.as_("ines", "POST", path, form).status == 422
    assert site.as_("cleo", "POST", path, form).status == 422
    assert site.as_("aron", "POST", path, form).status == 403
    assert [row.state for row in site.rows(delivery, id=held)] == ["held"]
    assert "held-rejected" not in chain(site, held)


def test_without_a_reason_or_a_choice_nothing_happens_and_the_page_says_so(site: Site) -> None:
    held = site.ids(delivery, state="held")[0]
    path = f"/console/work/{held}"
    for form, said in (
        ({"choice": "reject", "reason": "  "}, "Say why"),
        ({"choice": "delivered", "reason": REASON}, "Choose what is to be done"),
        ({"choice": "burn", "reason": REASON}, "Choose what is to be done"),
        ({"choice": "release", "reason": REASON}, "name the recipient"),
        ({"choice": "release", "reason": REASON, "recipient": "security"}, "does not take this letter"),
    ):
        answer = site.as_("owen", "POST", path, form)
        assert (answer.status, said in answer.text) == (422, True), (form, said)
    assert [row.state for row in site.rows(delivery, id=held)] == ["held"]


def test_a_letter_for_nobody_goes_to_whom_the_operator_names_with_a_sealed_reason(site: Site) -> None:
    held = site.ids(delivery, state="held")[0]
    form = {"choice": "release", "reason": REASON, "recipient": "southfell"}
    done = site.as_("owen", "POST", f"/console/work/{held}", form)
    assert (done.status, done.headers["location"]) == (303, f"/console/letters/{held}")
    assert "held-released" in chain(site, held)
    assert [row.recipient for row in site.rows(delivery, state="waiting")] == ["southfell"]
    (note,) = [
        json.loads(row.body)["facts"]["note"]
        for row in site.rows(ledger_entry)
        if json.loads(row.body)["event"] == "held-released"
    ]
    with site.line.gateway.store.read() as c:
        assert json.loads(site.line.gateway.keys.unseal(c, note)) == {"by": "owen", "reason": REASON}
    assert not [row for row in site.rows(sealed) if REASON.encode() in row.ciphertext]
    assert site.as_("owen", "GET", f"/console/work/{held}").status == 404


def test_an_ambiguous_letter_has_arrived_and_a_message_of_nobody_is_ended(site: Site) -> None:
    (ambiguous,) = site.ids(delivery, state="ambiguous")
    form = {"choice": "delivered", "reason": REASON}
    assert site.as_("owen", "POST", f"/console/work/{ambiguous}", form).status == 303
    assert [row.state for row in site.rows(delivery, id=ambiguous)] == ["delivered"]
    (nobodys,) = site.ids(message, state="held")
    assert "It has arrived" not in site.as_("owen", "GET", f"/console/work/{nobodys}").text
    done = site.as_("owen", "POST", f"/console/work/{nobodys}", {"choice": "reject", "reason": REASON})
    assert done.headers["location"] == f"/console/messages/{nobodys}"
    assert [row.state for row in site.rows(message, id=nobodys)] == ["rejected"]


def test_a_task_is_done_by_whose_it_is(site: Site) -> None:
    mine = next(row.id for row in site.rows(task) if row.role == "clinical-lead" and row.ended_at is None)
    path = f"/console/tasks/{mine}"
    assert site.as_("owen", "POST", path, {"reason": REASON}).status == 422
    assert site.as_("cleo", "POST", path, {"reason": ""}).status == 422
    assert [row.ended_at for row in site.rows(task, id=mine)] == [None]
    assert site.as_("cleo", "POST", path, {"reason": REASON}).status == 303
    assert [row.ended_at is None for row in site.rows(task, id=mine)] == [False]
    assert site.as_("cleo", "GET", path).status == 404


def test_a_handover_that_nobody_confirmed_stands_where_silence_can_kill(site: Site) -> None:
    """It is counted apart, and named as what it is among the first, above everything that is less; a younger one below an older one."""
    site.line.clock.advance(hours=25)
    assert escalate_unconfirmed(site.line.gateway)
    site.cookies["cleo"] = site.log_in("cleo")
    text = site.as_("cleo", "GET", "/console/work").text
    late = {row.id for row in site.rows(task, code="handover-unconfirmed")}
    assert late
    assert f"Handovers that nobody has confirmed: {len(late)}" in text
    rows = waiting_rows(text)
    mine = [at for at, row in enumerate(rows) if any(each in row for each in late)]
    assert len(mine) == len(late)
    for at in mine:
        assert "telephone the recipient" in rows[at]
        assert "a handover that nobody has confirmed" in rows[at]
        assert "someone may be without care" in rows[at]
    less = [at for at, row in enumerate(rows) if "someone may be" not in row]
    assert less
    assert max(mine) < min(less)


def waiting_rows(text: str) -> list[str]:
    """The rows of what waits, from the top."""
    section = text[text.index('id="waits"') :].split("<h2", maxsplit=1)[0]
    return re.findall(r"<tr>\s*<td>.*?</tr>", section, re.DOTALL)


def test_the_whole_page_is_ordered_by_harm_then_by_age_and_says_why(site: Site) -> None:
    """Letters, messages, tasks and overrides in one order: a young hazard above an old review date, of two as bad the older one first."""
    text = site.as_("cleo", "GET", "/console/work").text
    assert "what silence can do first, then age" in text
    held = desk.held(site.line.gateway)
    order = in_order(held, of_their_own(desk.tasks(site.line.gateway), held), ())
    rows = [row for row in waiting_rows(text) if "/console/overrides/" not in row]
    assert len(rows) == len(order), "as many rows as things that wait"
    assert all(each.path in row and each.why in row for each, row in zip(order, rows, strict=True)), "in their order"
    assert [(each.harm, each.since) for each in order] == sorted((each.harm, each.since) for each in order)

    def task_of(some_id: str, code: str, since: str, *, message_id: str = "", role: str = "clinical-lead") -> TaskItem:
        return TaskItem(
            id=some_id, role=role, code=code, todo="", message=message_id, delivery="", agreement="", told_at=None,
            since=since, age_seconds=0,
        )  # fmt: skip

    on_held = HeldItem(
        kind="message", id="HELD", state="held", reason="no-person", letter="", recipient_class="",
        since="2026-01-12T00:00:00.000000Z", age_seconds=0, harm=1, role="operator", todo="",
    )  # fmt: skip
    tasks = [
        task_of("REVIEW", "agreement-review-due", "2026-01-01T00:00:00.000000Z", role="ig-officer"),
        task_of("HAZARD", "acute-hazard", "2026-01-14T00:00:00.000000Z", message_id=on_held.id),
        task_of("OLDER", "handover-unconfirmed", "2026-01-13T00:00:00.000000Z"),
        task_of("PLAIN", "no-person", "2026-01-02T00:00:00.000000Z", message_id=on_held.id),
        task_of("CLINIC", "purpose-unknown", "2026-01-03T00:00:00.000000Z"),
    ]
    shown = of_their_own(tasks, [on_held])
    assert [each.id for each in shown] == ["REVIEW", "HAZARD", "OLDER", "CLINIC"], "a danger hides behind no other row"
    assert [each.id for each in in_order([on_held], shown, ())] == ["OLDER", "HAZARD", "CLINIC", "HELD", "REVIEW"]
    assert in_order((), shown, ())[1].why == "someone may be in danger"


def test_every_code_of_a_task_has_its_place_in_the_order() -> None:
    """What a sentence of the table of tasks calls waiting care, or a warning for today, is at the top."""
    at_once = (
        "hand over by hand",
        "letter of care waits:",
        "warn people today",
        "be supplied",
        "can supply",
        "prescriber today",
    )
    for code, kind in TASKS.items():
        harm, why = harm_of_task(code, kind.role)
        assert why
        if any(words in kind.text for words in at_once):
            assert harm == 0, code


def test_an_override_is_confirmed_and_reviewed_by_others_than_who_gave_it(site: Site) -> None:
    (withheld,) = [row.id for row in site.rows(delivery, state="withheld") if row.letter == "handover"]
    actor = Actor(by="cleo", role=ActsAs.CLINICAL_LEAD, reason="found unconscious")
    given = give(
        site.line.gateway, withheld, "northfell", OverrideKind.VITAL_INTEREST, Limb.PERSON, actor, tell_person=True
    )
    path = f"/console/overrides/{given.id}"
    site.cookies |= {name: site.log_in(name) for name in ("cleo", "gwen", "ines", "aron")}
    assert path in site.as_("aron", "GET", "/console/work").text
    assert "<textarea" not in site.as_("aron", "GET", path).text
    for name, choice, said in (
        ("cleo", "second", "another person"),
        ("cleo", "review", "had no part"),
        ("ines", "burn", "choose"),
    ):
        answer = site.as_(name, "POST", path, {"choice": choice, "reason": REASON})
        assert (answer.status, said in answer.text.lower()) == (422, True), (name, choice)
    assert site.as_("ines", "POST", path, {"choice": "second", "reason": ""}).status == 422
    assert site.as_("ines", "POST", path, {"choice": "second", "reason": REASON}).status == 303
    assert site.as_("gwen", "POST", path, {"choice": "review", "reason": REASON}).status == 303
    assert chain(site, given.id) == ["overridden", "override-seconded", "override-reviewed"]
    assert path not in site.as_("aron", "GET", "/console/work").text
    for act, name in (("overridden", "cleo"), ("override-seconded", "ines"), ("override-reviewed", "gwen")):
        text = site.as_("aron", "GET", f"/console/acts?event={act}").text
        assert f"<td>{name}</td>" in text, act
    assert path in site.as_("aron", "GET", f"/console/letters/{withheld}").text


def test_an_override_is_given_and_asked_for_on_a_form(site: Site) -> None:
    """Vital interest by a clinician alone; a harm test by any of three roles; each field is said, and the ledger has who said it."""
    (withheld,) = [row.id for row in site.rows(delivery, state="withheld") if row.letter == "handover"]
    tested = next(row.id for row in site.rows(message) if row.kind == "ORU^R01")
    site.cookies |= {name: site.log_in(name) for name in ("cleo", "gwen", "ines", "aron")}
    before = site.rows(override)
    page = f"/console/overrides?about={withheld}"
    assert page in site.as_("ines", "GET", f"/console/letters/{withheld}").text
    assert page not in site.as_("aron", "GET", f"/console/letters/{withheld}").text
    assert f"?about={tested}" in site.as_("ines", "GET", f"/console/messages/{tested}").text
    assert 'value="northfell"' in site.as_("cleo", "GET", page).text
    form = {
        "about": withheld, "kind": "vital-interest", "limb": "harm-to-the-person", "recipient": "northfell", "tell": "tell",
        "reason": "found unconscious",
    }  # fmt: skip
    for name, changed, said in (
        ("cleo", {"reason": " "}, "say why"),
        ("cleo", {"kind": "whim"}, "what is at stake"),
        ("cleo", {"limb": ""}, "what is at stake"),
        ("cleo", {"tell": ""}, "safe to tell"),
        ("cleo", {"recipient": "security"}, "who is to have it"),
        ("ines", {}, "only a clinician"),
        ("cleo", {"kind": "harm-test"}, "gives no care"),
    ):
        answer = site.as_(name, "POST", "/console/overrides", form | changed)
        assert (answer.status, said in answer.text.lower()) == (422, True), (name, changed)
        assert form["reason"] in answer.text or "reason" in changed, "what was typed stands there again"
    assert site.rows(override) == before
    assert site.as_("cleo", "POST", "/console/overrides", form | {"about": "7" * 20}).status == 422
    assert "Begin at the page" in site.as_("cleo", "GET", "/console/overrides").text
    given = site.as_("cleo", "POST", "/console/overrides", form)
    assert given.status == 303
    (row,) = (each for each in site.rows(override) if each not in before)
    assert given.headers["location"] == f"/console/overrides/{row.id}"
    assert (row.given_by, row.given_role, row.kind, row.tell_person) == (
        "cleo",
        "clinical-lead",
        "vital-interest",
        True,
    )
    assert chain(site, row.id) == ["overridden"]
    # the tests of a message: nobody here takes such a letter, and the page says so
    assert "No recipient takes such a letter" in site.as_("gwen", "GET", f"/console/overrides?about={tested}").text
    asked = form | {"about": tested, "kind": "harm-test"}
    assert site.as_("gwen", "POST", "/console/overrides", asked).status == 422
    line = site.line
    northfell = line.gateway.recipients["northfell"]
    taking = replace(northfell, letters={**northfell.letters, "harm-disclosure": "fhir-message"})
    line.gateway.recipients = {**line.gateway.recipients, "northfell": taking}
    refused = site.as_("gwen", "POST", "/console/overrides", asked)
    assert (refused.status, "no agreement for it is in force" in refused.text) == (422, True)


def test_a_decision_is_made_again_and_said_to_be_the_same(site: Site) -> None:
    for one in site.ids(decision):
        text = site.as_("aron", "GET", f"/console/decisions/{one}/again").text
        assert "The same, byte for byte" in text
    assert site.as_("aron", "GET", f"/console/decisions/{'7' * 26}/again").status == 404


def test_one_decision_shows_the_provision_that_decided_and_both_sides_of_each_field(site: Site) -> None:
    denied = next(row.id for row in site.rows(decision) if row.outcome == "withhold" and row.letter == "handover")
    text = site.as_("aron", "GET", f"/console/decisions/{denied}").text
    assert re.search(r"<mark>provision: <strong>[A-Z]+</strong> purpose TREAT \(this one decided\)</mark>", text)
    left = next(
        row.id for row in site.rows(decision) if row.outcome in ("release", "reduce") and row.letter == "handover"
    )
    text = site.as_("aron", "GET", f"/console/decisions/{left}").text
    fields = text[text.index("field by field") : text.index("What became of each path")]
    assert "Patient.name" in fields
    assert "Patient.identifier" in fields
    assert "identifier system" in fields, "the rule that kept the rest"
    assert "was signed by" in text
    assert ALEX.family not in text


def test_what_retention_took_is_said_on_every_page_of_a_decision(site: Site) -> None:
    """The last but one: a version of a consent, then what a decision was made from."""
    denied = next(row for row in site.rows(decision) if row.outcome == "withhold" and row.letter == "handover")
    version = next(row for row in site.rows(consent) if row.person_id == denied.person_id)

    def take(c: Connection) -> None:
        set_end(c, [version.sealed_id], site.line.gateway.now())
        assert sweep_ended(c, site.line.gateway.now())

    site.line.gateway.store.write(take)
    site.cookies["aron"] = site.log_in("aron")
    page = f"/console/decisions/{denied.id}"
    assert "is not kept any more" in site.as_("aron", "GET", page).text
    again = site.as_("aron", "GET", f"{page}/again")
    assert (again.status, "It cannot be made again" in again.text) == (200, True)
    assert "consents[0]" in again.text

    def take_all(c: Connection) -> None:
        set_end(c, [denied.sealed_id], site.line.gateway.now())
        assert sweep_ended(c, site.line.gateway.now())

    site.line.gateway.store.write(take_all)
    assert "its term has ended" in site.as_("aron", "GET", page).text
    assert site.as_("aron", "GET", f"{page}/again").status == 404


def test_every_view_is_an_entry_that_names_who_and_what(site: Site) -> None:
    site.cookies["ines"] = site.log_in("ines")
    some = site.ids(message)[0]
    before = len(views(site))
    site.as_("ines", "GET", f"/console/messages/{some}")
    assert "No witness is configured" in site.as_("ines", "GET", "/console/health").text
    new = views(site)[before:]
    assert [(each["page"], each.get("about", "")) for each in new] == [("message", some), ("health", "")]
    assert len({each["staff"] for each in new}) == 1


@pytest.mark.parametrize(
    ("seconds", "said", "tag"),
    [(60, "1 minute ago", ""), (1_200, "20 minutes ago", "late"), (100_000, "1 day 3 hours ago", "not witnessed for a day")],
)  # fmt: skip
def test_how_far_the_witness_has_seen_and_when(
    site: Site, monkeypatch: pytest.MonkeyPatch, seconds: int, said: str, tag: str
) -> None:
    last = Witnessed(name="ig.example/witness", size=123, at="2026-01-15T09:00:00Z", age_seconds=seconds)
    monkeypatch.setattr(health, "last_witnessed", lambda *_: last)
    site.cookies["ines"] = site.log_in("ines")
    text = site.as_("ines", "GET", "/console/health").text
    sentence = text[text.index("Witnessed up to 123 entries by ig.example/witness") :].split("</p>")[0]
    assert said in sentence
    assert [each for each in ("late", "not witnessed for a day") if each in sentence] == ([tag] if tag else [])


def test_the_acts_go_back_to_the_beginning(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, each act once, however few there are among letters."""
    monkeypatch.setattr(acts, "LISTED", 4)
    monkeypatch.setattr(acts, "PIECE", 10)
    monkeypatch.setattr(acts, "READ", 40)
    site.cookies["aron"] = site.log_in("aron")
    entries = [json.loads(row.body) for row in sorted(site.rows(ledger_entry), key=lambda row: -row.sequence)]
    wanted = [each["at"] for each in entries if each["event"] == "logged-in"]
    seen, query = 0, "event=logged-in"
    while query:
        page = site.as_("aron", "GET", f"/console/acts?{query}").text
        seen += page.count("<td>logged in</td>")
        older = re.search(r'href="\?([^"]*)">Older', page)
        query = older[1].replace("&amp;", "&") if older is not None else ""
    assert seen == len(wanted)
    for refused in ("event=lost", "before=x"):
        assert site.as_("aron", "GET", f"/console/acts?{refused}").status == 404


def views(site: Site) -> list[dict[str, str]]:
    found = [json.loads(row.body) for row in site.rows(ledger_entry)]
    return [each["facts"] for each in found if each["event"] == "viewed"]
