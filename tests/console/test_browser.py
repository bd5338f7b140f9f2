"""The console in a real browser: axe, the keyboard alone, hostile text everywhere, an officer's ten questions, and the guide's pictures.

One browser and one gateway for all of it, but for what spoils a gateway. What a page does is watched from outside it: requests, scripts,
reports of the content policy.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from axe_playwright_python.base import AXE_FILE_PATH  # type: ignore[import-untyped]  # has no types
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright
from playwright.sync_api import Route as PageRoute
from sqlalchemy import Connection

from consent.shapes import OverrideKind
from gateway.accountability import DOCUMENTS
from gateway.console import acts, app, disclosures, health, rendering, search
from gateway.console.routes import PAGES, ROUTES
from gateway.console.staff import Role
from gateway.ledger import record
from gateway.overrides import Actor, Limb, give
from gateway.overrides import Role as ActsAs
from gateway.steps.indicators import printed
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
from gateway.witnessing import Witnessed
from tests.console.hostile import HOSTILE, Hostile
from tests.console.site import ALEX, PASSWORD, PEOPLE, Answer, Site, open_site
from tests.console.test_matrix import MATRIX, ONE_OF_EACH
from tests.faults.account import PROPERTY, SOAKING, Account

WITHOUT_BROWSER = "Chromium is not installed: make install-engines"
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FIRST_LOAD_BYTES = 300_000
SERIOUS = {"serious", "critical"}
AXE = AXE_FILE_PATH.read_text("utf-8")
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
WATCH = """
window.scripts = 0; window.reports = [];
document.addEventListener("securitypolicyviolation", event => window.reports.push(event.violatedDirective + " " + event.blockedURI));
"""

pytestmark = [pytest.mark.slow(seconds=5), pytest.mark.skipif(PROGRAM is None, reason=WITHOUT_BROWSER)]


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


@dataclass
class Shown:
    """A page on which answers of the console are shown as they came, headers and all, whatever was asked for: a page, a form, an error."""

    page: Page
    answer: Answer

    def route(self, route: PageRoute) -> None:
        if route.request.resource_type == "document":
            headers = {name: self.answer.headers[name] for name in ("content-type", "content-security-policy")}
            route.fulfill(status=self.answer.status, headers=headers, body=self.answer.text)
        else:
            route.continue_()

    def see(self, answer: Answer) -> None:
        self.answer = answer
        self.page.goto("/console/shown")


def shown_on(browser: Browser, site: Site) -> Shown:
    somebody = watched(browser.new_context(base_url=site.base))
    found = Shown(page=somebody.page, answer=site.ask("GET", "/console/log-in"))
    found.page.route("**/*", found.route)
    return found


def errors(site: Site) -> dict[int, Answer]:
    """What somebody sees who may not, who asks for what there is not, whose form or address is wrong, and when something broke."""
    broken = app._said(500)
    return {
        400: site.as_("ines", "GET", "/console/work?nothing=1"),
        403: site.as_("owen", "GET", "/console/disclosures"),
        404: site.as_("ines", "GET", f"/console/letters/{'7' * 20}"),
        422: site.as_("ines", "POST", "/console/disclosures", {"number": "1", "purpose": "audit", "reason": "x"}),
        500: Answer(status=500, headers=dict(broken.headers), text=bytes(broken.body).decode("utf-8")),
    }


def logged_in(browser: Browser, site: Site, name: str, **how: Any) -> Watched:
    """A browser that has somebody's session."""
    context = browser.new_context(base_url=site.base, viewport={"width": 1280, "height": 900}, **how)
    cookie, _, value = site.cookies[name].partition("=")
    context.add_cookies([{"name": cookie, "value": value, "url": site.base, "httpOnly": True, "sameSite": "Strict"}])
    return watched(context)


@pytest.fixture
def spoilt(tmp_path: Path) -> Iterator[Site]:
    """A site of a test's own, in which it may spoil what it likes."""
    with open_site(tmp_path) as found:
        open_one(found)
        yield found


@pytest.fixture(scope="module")
def opened(site: Site) -> str:
    """The address of one person's disclosures."""
    return open_one(site)


def open_one(site: Site) -> str:
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


def left_to_judge(page: Page, judged: set[str]) -> str | None:
    """The part of a page that no page before it had, text and addresses aside: all of it, its head alone, or nothing. In a soak nothing is spared."""
    head, body = (page.evaluate(SHAPE, tag) for tag in ("header", "main"))
    part = "html" if body not in judged else "header" if head not in judged else None
    judged |= {head, body}
    return "html" if SOAKING else part


def findings(page: Page, part: str = "html") -> list[str]:
    """What axe finds serious in a part of a page: WCAG 2.2 AA and its best practices."""
    if page.evaluate("typeof window.axe") == "undefined":
        page.evaluate(AXE)
    found = page.evaluate("part => axe.run(part, {resultTypes: ['violations']})", part)
    return [
        f"{page.url} {each['id']}: {node['html'][:120]}"
        for each in found["violations"]
        for node in each["nodes"]
        if each["impact"] in SERIOUS
    ]


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
    stops, walked = page.evaluate(STOPS), list[Any]()
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


@pytest.mark.slow(seconds=120)
def test_on_every_page_axe_finds_nothing_serious_and_tab_reaches_everything_in_its_order(
    browser: Browser, site: Site, opened: str, record_property: Callable[[str, object], None]
) -> None:
    """Every page of every role, and those of no session, to axe; and by Tab alone each link, button and field of each, in the order of reading.

    Nothing keeps the focus. Each page is opened once for both.
    """
    found: list[str] = []
    missing: list[str] = []
    seen: set[tuple[str, Role]] = set()
    judged: set[str] = set()
    for role, name in ONE_OF_EACH.items():
        somebody = logged_in(browser, site, name)
        for route, path in pages_of(site, opened, role).items():
            somebody.see(path)
            if (part := left_to_judge(somebody.page, judged)) is not None:
                found += findings(somebody.page, part)
            if route not in {each for each, _ in seen} or route in ("item", "task"):  # only who may act has their forms
                missing += out_of_reach(somebody.page)
            seen.add((route, role))
            if (route, role) == ("one-decision", Role.AUDITOR):
                somebody.see(path)  # the walk has opened everything that was closed
                found += findings(under_other_texts(somebody.page))
        somebody.page.context.close()
    assert seen == {
        (route.name, role)
        for route in PAGES
        if route.method == "GET" and route.name != "document"
        for role in MATRIX[route.method, route.path]
    }
    assert {route for route, _ in seen} == {route.name for route in PAGES if route.method == "GET"} - {"document"}
    nobody = watched(browser.new_context(base_url=site.base))
    for path in ("/console/log-in", site.link("axel", Role.AUDITOR)):
        nobody.see(path)
        found += findings(nobody.page)
        missing += out_of_reach(nobody.page)
    wrong = shown_on(browser, site)
    for status, answer in errors(site).items():
        assert answer.status == status
        wrong.see(answer)
        found += findings(wrong.page)
        missing += out_of_reach(wrong.page)
    done = Account(
        name="axe", attempted=len(seen), acked=len(seen), recovered=0, note="pages x roles, 0 serious findings"
    )
    record_property(PROPERTY, done.line())
    assert not found
    assert missing == []
    nobody.page.evaluate("document.querySelector('button').tabIndex = -1")
    assert "<button" in out_of_reach(nobody.page)[0], "sabotage: a button that Tab passes by is found"
    nobody.page.evaluate("document.querySelector('label').remove(); document.documentElement.removeAttribute('lang')")
    assert findings(nobody.page), "sabotage: a field without its label is found"
    nobody.see("/console/log-in")
    nobody.page.evaluate("document.querySelector('#name').addEventListener('keydown', event => event.preventDefault())")
    assert "the focus is trapped" in out_of_reach(nobody.page), "sabotage: a field that keeps the focus is found"
    header = "document.querySelector('header a').innerHTML = '<img src=data:,>'"
    nobody.page.evaluate(header)
    assert findings(nobody.page, "header"), "sabotage: a picture without words is found where the head alone is judged"


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


def test_no_number_of_anybody_stands_in_an_address_a_referrer_or_a_line_of_the_log(
    browser: Browser, site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    """Typed where it belongs, and into the field of the search where it does not."""
    ines = logged_in(browser, site, "ines")
    for field_ in ("id", "sender", "kind", "from"):
        ines.see("/console/search")
        ines.page.fill(f"#{field_}", ALEX.nhs_number)
        ines.page.click("main button")
        assert "There is a problem" in ines.page.inner_text("main")
        ines.page.click(f"{MENU}Health")
    ines.see("/console/disclosures")
    ines.page.fill("#number", ALEX.nhs_number)
    ines.page.select_option("#purpose", "audit")
    ines.page.fill("#reason", "a planned audit")
    ines.page.click("main button")
    assert "A second person has to open it" in ines.page.inner_text("main")
    ines.page.click(f"{MENU}Health")
    typed = [request for request in ines.asked if ALEX.nhs_number in (request.post_data or "")]
    assert len(typed) == 5, "it was sent, in the body of a form"
    told = [f"{each.url} {each.headers.get('referer', '')}" for each in ines.asked]
    assert any(each.endswith("/console/search") for each in told), "the browser says where it came from, inside"
    written = "".join(capfd.readouterr())
    assert ALEX.nhs_number not in unquote(" ".join(told)) + written


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
    ines, counted = logged_in(browser, site, "ines").page, []
    ines.expose_binding("clicked", lambda _source: counted.append(ines.url))
    ines.add_init_script("addEventListener('click', () => window.clicked(), true)")
    listed = re.findall(r"^(\d+)\. (.*?)(?: \*|$)", guide, re.MULTILINE)
    assert listed == [(str(number), question.asks) for number, question in enumerate(QUESTIONS, start=1)]
    assert len(listed) == 10
    for question in QUESTIONS:
        ines.goto("/console/")
        counted.clear()
        for click in question.clicks:
            ines.locator(click).first.click()
        assert question.shows in ines.inner_text("main"), question.asks
        assert len(question.clicks) == len(counted) <= 3, question.asks


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


def later(site: Site) -> None:
    """Two months are over: reports were closed, a table was printed, somebody received a part of it, and an extract was made."""
    gateway = site.line.gateway
    site.line.clock.advance(days=70)
    site.run(gateway.settle())
    printed(gateway, "2025-Q4")
    report = next(row.id for row in site.rows(delivery) if row.message_id is None)
    facts: dict[str, str | int | bool] = {"what": "x", "agreement": "x", "recipient": "x", "quarter": "2025-Q4"}
    facts |= {"sha256": "0" * 64, "k": 10, "rows": 40}

    def work(c: Connection) -> None:
        chain = "extract:x:2025-Q4"
        record(c, entry_id=gateway.ids.entry(), chain=chain, step=1, event="exported", at=gateway.now(), facts=facts)
        c.execute(delivery.update().where(delivery.c.id == report).values(letter="indicators"))
        c.execute(consent.update().values(remarks="dangling-actor ends"))

    gateway.store.write(work)
    site.cookies |= {name: site.log_in(name) for name in PEOPLE}


def one_of_each(rows: list[Any], *columns: str) -> list[str]:
    """The ids of rows that differ in these columns."""
    return list({tuple(getattr(row, column) for column in columns): row.id for row in rows}.values())


def addresses(site: Site) -> Iterator[tuple[str, str]]:
    """(who, address): each page to an IG officer, each kind of what there is, and what others are asked and may do."""
    form = {"number": ALEX.nhs_number, "purpose": "complaint", "reason": "x"}
    journey = site.as_("ines", "POST", "/console/disclosures", form).headers["location"]
    assert site.as_("cleo", "POST", journey, {"answer": "yes"}).status == 303
    yield from (("ines", path) for path in pages(site, journey).values())
    waits = [
        site.as_("ines", "POST", f"/console/{page}", {**form, "about": site.ids(message)[0]}).headers["location"]
        for page in ("disclosures", "opened")
    ]
    yield from ((name, path) for name in ("cleo", "ines") for path in waits)
    decided = one_of_each(site.rows(decision), "letter", "outcome", "recipient_class")
    yield from (("ines", f"/console/decisions/{each}") for each in decided)
    handover = site.ids(decision, letter="handover", outcome="release")[0]
    for about in (site.ids(message)[0], handover):
        content = open_content(site, about)
        yield from (("ines", path) for path in (content, content.removesuffix("/content")))
    letters = one_of_each(site.rows(delivery), "state", "reason")
    yield from (("ines", f"/console/letters/{each}") for each in letters)
    yield from (("ines", f"/console/messages/{each}") for each in one_of_each(site.rows(message), "kind", "state"))
    tasks = one_of_each(site.rows(task, ended_at=None), "role", "code")
    yield from ((name, f"/console/tasks/{each}") for name in ("cleo", "ines") for each in tasks)
    waiting = [row for row in site.rows(delivery) if row.state in ("held", "parked", "ambiguous")]
    yield from ((name, f"/console/work/{row.id}") for name in ("cleo", "owen") for row in waiting)
    abouts = (next(row.id for row in site.rows(delivery, state="withheld")), site.ids(message)[0])
    yield from (("cleo", f"/console/overrides?about={about}") for about in abouts)
    yield from ((name, page) for name in ("cleo", "owen") for page in ("/console/", "/console/work", "/console/risk"))
    yield from (("ines", f"/console/search?{words}") for words in ("kind=ADT%5EA03", "state="))
    yield "ines", "/console/letters?state=held&recipient=northfell"
    yield "ines", "/console/acts?event=viewed"
    yield "ines", "/console/proposals/correction"
    yield "cleo", f"/console/overrides/{site.ids(override)[0]}"


def answers(site: Site) -> Iterator[tuple[str, Answer]]:
    """What the console can answer: pages, forms that are refused, what a look into other texts says, errors, and the doors."""
    for name, path in addresses(site):
        yield f"{name} {path}", site.as_(name, "GET", path)
    withheld = next(row.id for row in site.rows(delivery, state="withheld"))
    look = f"/console/decisions/{site.ids(decision, letter='handover', outcome='release')[0]}/what-if"
    for path, form in (
        (look, {"reason": "x"}),
        (look, {}),
        ("/console/overrides", {"about": withheld}),
        ("/console/opened", {"about": withheld, "purpose": "safety"}),
    ):
        yield path, site.as_("ines", "POST", path, form)
    yield from ((str(status), answer) for status, answer in errors(site).items())
    yield "log-in", site.ask("POST", "/console/log-in", {"name": "x", "password": "x", "code": "1"})
    link = site.link("hal", Role.AUDITOR)
    yield "begin", site.ask("GET", link)
    yield "begun", site.ask("POST", link, {"password": "x", "again": "y"})


@pytest.mark.slow(seconds=60)
def test_hostile_text_in_every_field_runs_nowhere(
    browser: Browser, spoilt: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 scripts and 0 reports of the policy, whoever asks, on every page and answer. Each template has printed, and nine of ten of their places.

    The others print what this story has none of; that they are escaped as well is seen in their text (tests/console/test_tables.py).
    """
    site = spoilt
    later(site)
    folder = site.line.gateway.settings.gateway.agreements_dir
    (folder / "correction.toml").write_text("x = 1", "utf-8")
    file = folder / "handover.toml"
    file.write_text(file.read_text("utf-8").replace('"CarePlan.', '"CarePlan.x', 1), "utf-8")
    for module in (acts, disclosures, search):
        monkeypatch.setattr(module, "AT_ONCE" if module is disclosures else "LISTED", 3)
    witness = Witnessed(name="ig.example/witness", size=9, at="2026-01-15T09:00:00Z", age_seconds=9)
    monkeypatch.setattr(health, "last_witnessed", lambda *_: witness)
    hostile, shown = Hostile(), shown_on(browser, site)
    monkeypatch.setattr(rendering, "ENVIRONMENT", hostile.environment)
    wrong: list[str] = []
    for name, answer in answers(site):
        assert answer.status != 500 or name == "500", name
        shown.see(answer)
        assert "<script>window.scripts++</script>" in shown.page.inner_text("body"), name
        ran, reports = shown.page.evaluate("[window.scripts, window.reports]")
        wrong += [f"{name}: {ran} ran, {reports}"] if ran or reports else []
    assert wrong == []
    places = hostile.places()
    assert {each.split(":")[0] for each in places} == {each.split(":")[0] for each in hostile.printed & places}
    assert len(places & hostile.printed) > 0.9 * len(places), sorted(places - hostile.printed)


@pytest.mark.parametrize(
    ("template", "before", "after"),
    [
        ("frame.html", "{{ member.name }},", "{{ member.name | safe }},"),
        ("frame.html", '<main class="', '<main {{ member.name }} class="'),
    ],
    ids=["marked as safe", "outside of quotes"],
)
def test_a_value_that_is_not_escaped_is_found(
    browser: Browser, site: Site, monkeypatch: pytest.MonkeyPatch, template: str, before: str, after: str
) -> None:
    """Sabotage: one value of one template, marked as safe or where no escaping helps, and the policy reports it."""

    def changed(name: str, text: str) -> str:
        assert name != template or before in text
        return text.replace(before, after) if name == template else text

    shown = shown_on(browser, site)
    monkeypatch.setattr(rendering, "ENVIRONMENT", Hostile(changed=changed).environment)
    shown.see(site.as_("ines", "GET", "/console/"))
    assert shown.page.evaluate("window.reports") != []
    free = watched(browser.new_context()).page
    free.set_content(HOSTILE)
    free.wait_for_timeout(200)
    assert free.evaluate("window.scripts") > 0, "and without the policy it runs"


def test_what_is_taken_away_runs_nothing_where_no_policy_is_sent(browser: Browser, spoilt: Site) -> None:
    """With every row spoilt that a file has words of."""
    words = {
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
        for table, columns in words.items():
            for column in columns:
                text = table.c.name.concat(HOSTILE) if table is staff else in_json if table is client else HOSTILE
                c.execute(table.update().values({column: text}))
        c.execute(consent.update().values(id=consent.c.id.concat(HOSTILE)))
        c.execute(client.update().values(name=client.c.name.concat(HOSTILE)))

    spoilt.line.gateway.store.write(spoil)
    spoil_what_files_say(spoilt)
    assert ran_as_files(browser, spoilt) == 0


def test_everybody_of_the_story_has_one_role() -> None:
    assert set(PEOPLE.values()) == set(Role)
