"""The console in a real browser: axe, the keyboard alone, hostile text everywhere, an officer's ten questions, and the guide's pictures.

One browser and one gateway for all of it. What a page does is watched from outside it: requests, scripts, reports of the content policy.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from consent.shapes import OverrideKind
from gateway.accountability import DOCUMENTS
from gateway.console.routes import PAGES, ROUTES
from gateway.console.staff import Role
from gateway.overrides import Actor, Limb, give
from gateway.overrides import Role as ActsAs
from gateway.store.schema import (
    agreement,
    attempt,
    client,
    consent,
    decision,
    delivery,
    lookup,
    message,
    opening,
    override,
    staff,
    task,
)
from tests.builders import care_plan, fhir_message
from tests.console.site import ALEX, PASSWORD, PEOPLE, Site
from tests.console.test_matrix import MATRIX, ONE_OF_EACH
from tests.faults.account import SOAKING

WITHOUT_BROWSER = "Chromium is not installed: make install-engines"
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FIRST_LOAD_BYTES = 300_000
SERIOUS = {"serious", "critical"}
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
WATCH = """
window.scripts = 0; window.reports = [];
document.addEventListener("securitypolicyviolation", event => window.reports.push(event.violatedDirective + " " + event.blockedURI));
"""
HOSTILE = "\"><script>window.scripts++</script><img src=x onerror=window.scripts++><svg/onload=window.scripts++>{{7*7}}'`javascript:alert(1)"

pytestmark = [pytest.mark.slow(seconds=60), pytest.mark.skipif(PROGRAM is None, reason=WITHOUT_BROWSER)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=PROGRAM, args=["--disable-gpu"])
        yield found
        found.close()


@dataclass
class Watched:
    """A page of somebody who is logged in, and everything that it asked of the network."""

    page: Page
    asked: list[Request] = field(default_factory=list)

    def note(self, request: Request) -> None:
        self.asked.append(request)

    def see(self, path: str) -> None:
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.status == 200, path


def watched(context: BrowserContext) -> Watched:
    context.add_init_script(WATCH)
    found = Watched(page=context.new_page())
    found.page.on("request", found.note)
    return found


def logged_in(browser: Browser, site: Site, name: str, **how: Any) -> Watched:
    """A browser that has somebody's session."""
    context = browser.new_context(base_url=site.base, viewport={"width": 1280, "height": 900}, **how)
    cookie, _, value = site.cookies[name].partition("=")
    context.add_cookies([{"name": cookie, "value": value, "url": site.base, "httpOnly": True, "sameSite": "Strict"}])
    return watched(context)


@pytest.fixture(scope="module")
def opened(site: Site) -> str:
    """The address of one person's disclosures that a second person has opened for ines; an override waits for its second person."""
    form = {"number": ALEX.nhs_number, "purpose": "complaint", "reason": "complaint of 3 January"}
    path = site.as_("ines", "POST", "/console/disclosures", form).headers["location"]
    assert site.as_("cleo", "POST", path, {"answer": "yes"}).status == 303
    (withheld,) = [row.id for row in site.rows(delivery, state="withheld") if row.letter == "handover"]
    actor = Actor(by="cleo", role=ActsAs.CLINICAL_LEAD, reason="found unconscious")
    give(site.line.gateway, withheld, "northfell", OverrideKind.VITAL_INTEREST, Limb.PERSON, actor, tell_person=True)
    open_content(site, next(row.id for row in site.rows(delivery, letter="handover", state="delivered")))
    return path


def open_content(site: Site, about: str, name: str = "ines") -> str:
    """The address of what a message or a letter says, which a second person has opened for somebody."""
    form = {"about": about, "purpose": "complaint", "reason": "complaint of 3 January"}
    path = site.as_(name, "POST", "/console/opened", form).headers["location"]
    assert site.as_("ivor", "POST", path, {"answer": "yes"}).status == 303
    return f"{path}/content"


def pages(site: Site, opened: str) -> dict[str, str]:
    """One address for each page that an IG officer may have, by the name of its route, and one for each other kind of page."""
    handover = next(row.id for row in site.rows(decision) if row.letter == "handover" and row.outcome == "release")
    ids = {
        "item": site.ids(delivery, state="held")[0],
        "task": site.ids(task, ended_at=None)[0],
        "letter": site.ids(delivery, state="refused")[0],
        "message": site.rows(decision, id=handover)[0].message_id,
        "one-decision": handover,
        "made-again": handover,
        "one-override": site.ids(override)[0],
        "one-opening": site.ids(opening)[0],
        "content": site.ids(opening)[0],
        "disclosure": opened.rpartition("/")[2],
        "agreement": "handover",
        "proposal": "handover",
    }
    gets = [route for route in PAGES if route.method == "GET" and route.name != "document"]  # that is a file
    return {
        route.name: route.path.replace("{id}", ids.get(route.name, "")).replace("{name}", ids.get(route.name, ""))
        for route in gets
    }


def pages_of(site: Site, opened: str, role: Role) -> dict[str, str]:
    """One address for each page that a role may have by the matrix; where the matrix has a page for who asked alone, it is asked for."""
    name, where = ONE_OF_EACH[role], pages(site, opened)
    if (
        role is not Role.IG_OFFICER
    ):  # who else may see a search, or that somebody asks to open something, sees the question
        form = {"number": ALEX.nhs_number, "purpose": "audit", "reason": "x", "about": site.ids(message)[0]}
        where["disclosure"] = site.as_("ivor", "POST", "/console/disclosures", form).headers["location"]
        asked = {**form, "purpose": "safety"}
        where["one-opening"] = site.as_("ivor", "POST", "/console/opened", asked).headers["location"]
    if role in MATRIX["GET", "/console/opened/{id}/content"]:
        where["content"] = open_content(site, site.ids(message)[0], name)
    return {
        route.name: where[route.name]
        for route in PAGES
        if route.method == "GET" and route.name in where and role in MATRIX["GET", route.path]
    }


SHAPE = """
tag => document.querySelector(tag).outerHTML.replace(/>[^<]*</g, "><").replace(/ (href|value|id|for|name|d|x|y|width|height|action)="[^"]*"/g, "")
"""


def is_judged(page: Page, judged: set[str]) -> bool:
    """Another page with the same markup in head and body, text and addresses aside, went before it. In a soak nothing is spared."""
    shapes = {page.evaluate(SHAPE, tag) for tag in ("header", "main")}
    known = shapes <= judged
    judged |= shapes
    return known and not SOAKING


def findings(page: Page) -> list[str]:
    """What axe finds serious: WCAG 2.2 AA and its best practices."""
    if page.evaluate("typeof window.axe") == "undefined":
        page.evaluate(AXE_FILE_PATH.read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{page.url} {each['id']}: {node['html'][:120]}"
        for each in found["violations"]
        for node in each["nodes"]
        if each["impact"] in SERIOUS
    ]


def test_axe_finds_nothing_serious_on_any_page_of_any_role_and_would(browser: Browser, site: Site, opened: str) -> None:
    found: list[str] = []
    seen: set[tuple[str, Role]] = set()
    judged: set[str] = set()
    for role, name in ONE_OF_EACH.items():
        somebody = logged_in(browser, site, name)
        for route, path in pages_of(site, opened, role).items():
            somebody.see(path)
            if not is_judged(somebody.page, judged):
                found += findings(somebody.page)
            seen.add((route, role))
            if (route, role) == ("one-decision", Role.AUDITOR):
                found += findings(under_other_texts(somebody.page))
        somebody.page.context.close()
    assert seen == {
        (route.name, role)
        for route in PAGES
        if route.method == "GET" and route.name != "document"
        for role in MATRIX[route.method, route.path]
    }
    nobody = watched(browser.new_context(base_url=site.base))
    for path in ("/console/log-in", site.link("axel", Role.AUDITOR)):
        nobody.see(path)
        found += findings(nobody.page)
    assert not found
    nobody.page.evaluate("document.querySelector('label').remove(); document.documentElement.removeAttribute('lang')")
    assert findings(nobody.page), "sabotage: a field without its label is found"


def under_other_texts(page: Page) -> Page:
    """From a decision, with a reason, to what other texts would have decided of it."""
    page.locator("summary:has-text('texts of now')").click()
    page.locator("#reason").fill("is the next text better")
    page.locator("text=Ask them").click()
    assert "the text of then" in page.inner_text("h2 >> nth=0")
    return page


STOPS = """
() => {
  const visible = e => e.checkVisibility({visibilityProperty: true}) && !e.disabled;
  const all = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")].filter(visible);
  const first = e => e.type !== "radio" || all.find(other => other.name === e.name && other.form === e.form) === e;
  window.stops = all.filter(first);  // one of a group of radio buttons: the arrows lead to the others
  window.walk = [];
  document.addEventListener("focusin", event => window.walk.push(window.stops.indexOf(event.target)));
  return window.stops.length;
}
"""
WALKED = "() => window.walk.filter(at => at >= 0)"


def out_of_reach(page: Page) -> list[str]:
    """What Tab alone does not reach in the order of the page, and where the focus stays and does not come to the first again."""
    closed = page.locator("details:not([open]) > summary")
    while closed.count():
        closed.first.press("Enter")
    page.evaluate("(e => { e.tabIndex = -1; e.focus(); e.removeAttribute('tabindex') })(document.body)")
    stops, walked = page.evaluate(STOPS), []
    for pressed in range(3 * stops + 20):  # a date is three stops in one field
        page.keyboard.press("Tab")
        walked = page.evaluate(WALKED) if pressed >= stops else []
        if walked.count(0) > 1:
            break
    came = list(dict.fromkeys(walked))
    wrong = [] if walked.count(0) > 1 else ["the focus is trapped"]
    if came != list(range(stops)):
        named = page.evaluate("at => at.map(each => window.stops[each].outerHTML.slice(0, 120))", list(range(stops)))
        wrong += [f"{page.url}: {html}" for at, html in enumerate(named) if at not in came] or [f"{page.url}: {came}"]
    return wrong


def test_tab_reaches_everything_on_every_page_in_its_order(browser: Browser, site: Site, opened: str) -> None:
    """Each link, button and field of each page, by Tab alone and in the order of reading; nothing keeps the focus. And the pages of no session."""
    missing: list[str] = []
    seen: set[str] = set()
    for role, name in ONE_OF_EACH.items():
        somebody = logged_in(browser, site, name)
        for route, path in pages_of(site, opened, role).items():
            if route not in seen or route in ("item", "task"):  # only who may act has their forms
                somebody.see(path)
                missing += out_of_reach(somebody.page)
                seen.add(route)
        somebody.page.context.close()
    assert seen == {route.name for route in PAGES if route.method == "GET"} - {"document"}
    nobody = watched(browser.new_context(base_url=site.base))
    for path in ("/console/log-in", site.link("kit", Role.AUDITOR)):
        nobody.see(path)
        missing += out_of_reach(nobody.page)
    assert missing == []
    nobody.page.evaluate("document.querySelector('button').tabIndex = -1")
    assert "<button" in out_of_reach(nobody.page)[0], "sabotage: a button that Tab passes by is found"
    nobody.see("/console/log-in")
    nobody.page.evaluate("document.querySelector('#name').addEventListener('keydown', event => event.preventDefault())")
    assert "the focus is trapped" in out_of_reach(nobody.page), "sabotage: a field that keeps the focus is found"


def test_the_first_load_is_small_and_nothing_comes_from_elsewhere(browser: Browser, site: Site) -> None:
    """And nothing is a script; the style is asked for once."""
    ines = logged_in(browser, site, "ines")
    ines.see("/console/work")
    assert sum(request.sizes()["responseBodySize"] for request in ines.asked) < FIRST_LOAD_BYTES
    for path in ("/console/flows", "/console/health", "/console/agreements"):
        ines.see(path)
    assert {request.url.startswith(site.base) for request in ines.asked} == {True}
    assert {request.resource_type for request in ines.asked} <= {"document", "stylesheet", "other"}
    assert (
        ines.page.evaluate(
            "document.scripts.length + document.querySelectorAll('[style],[onclick],iframe,object,embed').length"
        )
        == 0
    )
    assert ines.page.evaluate("window.reports") == []


def test_by_the_keyboard_alone(browser: Browser, site: Site) -> None:
    """From the first link on paper to a letter's fate: every step with Tab, Enter and typing; focus is always seen; the skip link skips."""
    page = watched(browser.new_context(base_url=site.base, viewport={"width": 1280, "height": 900})).page

    def tab_to(script: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(f"(e => {script})(document.activeElement)"):
                assert page.evaluate(
                    "(e => { const s = getComputedStyle(e); return s.outlineStyle !== 'none' || s.boxShadow !== 'none' })(document.activeElement)"
                ), f"the focus is not seen: {script}"
                return
        raise AssertionError(f"not reached: {script}")

    page.goto(site.link("kay", Role.OPERATOR))
    tab_to("e.id === 'password'")
    page.keyboard.type(PASSWORD)
    tab_to("e.id === 'again'")
    page.keyboard.type(PASSWORD)
    tab_to("e.id === 'code'")
    page.keyboard.type(site.code("kay"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
    page.keyboard.press("Enter")
    tab_to("e.textContent === 'See what waits'")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/work")
    (ambiguous,) = site.ids(delivery, state="ambiguous")
    tab_to(f"e.href?.endsWith('{ambiguous}')")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{ambiguous}")
    tab_to("e.id === 'reason'")
    page.keyboard.type("the duty worker has it")
    tab_to("e.value === 'delivered'")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/letters/{ambiguous}")
    assert page.locator("h1 .nhsuk-tag").inner_text().lower() == "delivered"
    tab_to("e.textContent.trim() === 'Log out'")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/log-in")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One of the ten of docs/ig-guide.md: what is clicked from the start, and what the page then shows."""

    asks: str
    clicks: tuple[str, ...]
    shows: str


def test_ten_questions_in_three_clicks(browser: Browser, site: Site, opened: str) -> None:
    """The guide's questions, from the start page; the list here is the guide's."""
    guide = (PICTURES.parent / "ig-guide.md").read_text("utf-8")
    ines = logged_in(browser, site, "ines").page
    listed = re.findall(r"^(\d+)\. (.*?)(?: \*|$)", guide, re.MULTILINE)
    assert listed == [(str(number), question.asks) for number, question in enumerate(QUESTIONS, start=1)]
    assert len(listed) == 10
    for question in QUESTIONS:
        assert len(question.clicks) <= 3
        ines.goto("/console/")
        for click in question.clicks:
            ines.locator(click).first.click()
        assert question.shows in ines.inner_text("main"), question.asks


MENU = "nav[aria-label=Menu] >> text="
QUESTIONS = (
    Question(
        asks="What waits for a person now, and where could somebody come to harm first?",
        clicks=(f"{MENU}Work",),
        shows="someone may be without care",
    ),
    Question(
        asks="Which handovers has nobody confirmed, and what was refused or recalled?",
        clicks=(f"{MENU}Work",),
        shows="Handovers that nobody has confirmed",
    ),
    Question(
        asks="Who was told what about this person, and what was withheld?",
        clicks=(f"{MENU}Disclosures", "tr:has-text('cleo') a"),
        shows="Withheld:",
    ),
    Question(
        asks="Why was this letter sent, or not: which rule, consent, agreement and principle?",
        clicks=(f"{MENU}Disclosures", "tr:has-text('cleo') a", "text=why"),
        shows="The Caldicott principle",
    ),
    Question(
        asks="Who sends to whom, how much, and how much of it is withheld?",
        clicks=(f"{MENU}Flows",),
        shows="Withheld or recalled",
    ),
    Question(
        asks="What has one recipient received lately, and did it arrive?",
        clicks=(f"{MENU}Flows", "table a"),
        shows="newest letters",
    ),
    Question(
        asks="What may be shared with whom, on which legal basis, and which agreement is due for review?",
        clicks=(f"{MENU}Agreements", "table a"),
        shows="Article 6",
    ),
    Question(
        asks="Which consents were registered, and could their source widen sharing?",
        clicks=(f"{MENU}Consents",),
        shows="a consent authority",
    ),
    Question(
        asks="Is any feed silent, and how far is the ledger signed?",
        clicks=(f"{MENU}Health",),
        shows="Silence of feeds",
    ),
    Question(
        asks="Who has looked at what, who asked about a person, and who has an account?",
        clicks=(f"{MENU}Who did what", "text=Who has an account"),
        shows="clinical safety",
    ),
)


def test_the_pictures_of_the_guide(browser: Browser, site: Site, opened: str, tmp_path: Path) -> None:
    """Each picture that the guide shows can be made from here; `THROUGHGATE_PICTURES=1` makes them anew."""
    folder = PICTURES if os.environ.get("THROUGHGATE_PICTURES") else tmp_path
    where = pages(site, opened)
    shown = {"work": where["work"], "journey": opened, "decision": where["one-decision"], "flows": where["flows"]}
    shown |= {"opened": where["opened"], "proposal": where["proposal"], "search": f"{where['search']}?kind=ADT%5EA03"}
    file = site.line.gateway.settings.gateway.agreements_dir / "handover.toml"
    file.write_text(file.read_text("utf-8").replace('"CarePlan.', '"CarePlan.x', 1), "utf-8")
    ines = logged_in(browser, site, "ines")
    folder.mkdir(exist_ok=True)
    shown["other-texts"] = where["one-decision"]
    for name, path in shown.items():
        ines.see(path)
        if name == "other-texts":
            under_other_texts(ines.page)
        ines.page.screenshot(path=folder / f"{name}.png", animations="disabled")
        assert (folder / f"{name}.png").stat().st_size > 10_000
        assert f"pictures/{name}.png" in (PICTURES.parent / "ig-guide.md").read_text("utf-8")
        assert (PICTURES / f"{name}.png").is_file()


def spoil_what_files_say(site: Site) -> None:
    """Names of recipients and channels, and every word of every agreement in force."""
    gateway = site.line.gateway
    gateway.recipients = {key: replace(each, id=HOSTILE, name=HOSTILE) for key, each in gateway.recipients.items()}
    gateway.agreements = {
        key: replace(
            each,
            title=HOSTILE,
            flow=HOSTILE,
            fields=tuple(replace(field, why=HOSTILE) for field in each.fields),
            text=dict.fromkeys(each.text, HOSTILE),
        )
        for key, each in gateway.agreements.items()
    }
    channels = tuple(each.model_copy(update={"name": HOSTILE}) for each in gateway.settings.channels)
    gateway.settings = gateway.settings.model_copy(update={"channels": channels})


def taken_away(site: Site) -> Iterator[tuple[str, str]]:
    """Every table and document that an officer takes away, as text: (address, text)."""
    for route in (each for each in ROUTES if each.takes and "{id}" not in each.path):
        answer = site.as_("ines", "GET", f"{route.path}?form=csv")
        assert answer.status == 200, route.path
        assert answer.headers["content-disposition"].startswith("attachment"), route.path
        yield route.path, answer.text
    for name in DOCUMENTS:
        for ending in (".html", ".md"):
            answer = site.as_("ines", "GET", f"/console/documents/{name}{ending}")
            assert answer.status == 200, (name, answer.text)
            assert answer.headers["content-disposition"].startswith("attachment"), name
            yield f"{name}{ending}", answer.text


def ran_as_files(browser: Browser, site: Site) -> int:
    """Scripts that ran when what was taken away is opened from a folder, where no policy is sent with it."""
    page = watched(browser.new_context()).page
    ran = told = 0
    for name, text in taken_away(site):
        told += "window.scripts++" in text
        if name.endswith(".html"):
            page.set_content(text)
            page.wait_for_timeout(100)
            ran += page.evaluate("window.scripts")
        elif name.endswith(".md"):
            assert re.search(r"(?<!\\)<(script|img|svg)", text) is None, name
    assert told > len(DOCUMENTS), "the text is in what was taken"
    return ran


def test_hostile_text_in_every_field_runs_nowhere(browser: Browser, site: Site, opened: str) -> None:
    """The last: it spoils every row that a page shows. 0 scripts, 0 reports of the policy, and the text is there to be read."""
    said = fhir_message(ALEX, resources=[care_plan(start="2026-01-02", description=HOSTILE)], message_id="FHIR-hostile")
    site.run(site.line.play(said))
    where = {**pages(site, opened), "hostile-content": open_content(site, site.ids(message)[-1])}
    spoilt = {
        message: ("kind", "client", "establishment", "reason", "channel"),
        delivery: ("recipient", "recipient_class", "letter", "reason", "wire"),
        decision: ("recipient", "recipient_class", "letter", "agreement"),
        task: ("role", "code"),
        lookup: ("purpose",),
        override: ("given_by", "recipient"),
        opening: ("purpose",),
        staff: ("name",),
        attempt: ("outcome", "code"),
        consent: ("remarks",),
        client: ("kinds", "establishments"),
        agreement: ("proposed_by", "approved_by"),
    }

    in_json = json.dumps([HOSTILE])

    def spoil(c: Any) -> None:
        for table, columns in spoilt.items():
            for column in columns:
                text = table.c.name.concat(HOSTILE) if table is staff else in_json if table is client else HOSTILE
                c.execute(table.update().values({column: text}))

        c.execute(consent.update().values(id=consent.c.id.concat(HOSTILE)))
        c.execute(client.update().values(name=client.c.name.concat(HOSTILE)))

    site.line.gateway.store.write(spoil)
    spoil_what_files_say(site)
    assert site.rows(consent)
    assert site.rows(attempt)
    ran = shown = 0
    for name in ("ines", "owen"):
        somebody = logged_in(browser, site, name)
        for route, path in where.items():
            answer = somebody.page.goto(path)
            assert answer is not None
            own = route in ("content", "hostile-content")  # of who asked alone
            assert answer.status in ((200,) if name == "ines" else (404,) if own else (200, 403)), (
                route,
                answer.status,
            )
            ran += somebody.page.evaluate("window.scripts")
            assert somebody.page.evaluate("window.reports") == [], route
            shown += "<script>window.scripts++</script>" in somebody.page.inner_text("body")
        assert {request.resource_type for request in somebody.asked} <= {"document", "stylesheet", "other"}
    assert ran + ran_as_files(browser, site) == 0
    assert shown > len(where), "the text is shown as text"
    sabotage = watched(browser.new_context())
    sabotage.page.set_content(HOSTILE)
    sabotage.page.wait_for_timeout(200)
    assert sabotage.page.evaluate("window.scripts") > 0, "sabotage: without escaping and policy it runs"


def test_everybody_of_the_story_has_one_role() -> None:
    assert set(PEOPLE.values()) == set(Role)
