"""Each page and form of the console x each role x each organisation, and nobody: what is not listed here is not served, who is not listed is
refused and noted. An organisation is an installation (decision 0037).
"""

import contextlib
import json
from collections.abc import Iterator

import pytest
from starlette import routing

from gateway.console import rendering
from gateway.console.app import cookie_name
from gateway.console.routes import MENU, ROUTES
from gateway.console.staff import Role, add_staff, enrol, forgery_token, invited, member_of
from gateway.store.schema import decision, delivery, ledger_entry, message, task
from tests.console.site import ALEX, PASSWORD, PEOPLE, Site, rfc6238
from tests.line import Line, running

IG, SAFETY, OPERATOR, AUDITOR = Role.IG_OFFICER, Role.CLINICAL_SAFETY, Role.OPERATOR, Role.AUDITOR
GUARDIAN = Role.CALDICOTT_GUARDIAN
ALL = {IG, SAFETY, GUARDIAN, OPERATOR, AUDITOR}
MATRIX: dict[tuple[str, str], set[Role]] = {
    ("GET", "/console/"): ALL,
    ("GET", "/console/work"): ALL,
    ("GET", "/console/work/{id}"): ALL,
    ("POST", "/console/work/{id}"): {IG, SAFETY, GUARDIAN, OPERATOR},
    ("GET", "/console/tasks/{id}"): ALL,
    ("POST", "/console/tasks/{id}"): {IG, SAFETY, GUARDIAN, OPERATOR},
    ("GET", "/console/disclosures"): {IG, SAFETY, GUARDIAN},
    ("POST", "/console/disclosures"): {IG},
    ("GET", "/console/disclosures/{id}"): {IG, SAFETY, GUARDIAN},
    ("POST", "/console/disclosures/{id}"): {IG, SAFETY, GUARDIAN},
    ("GET", "/console/opened"): ALL,
    ("POST", "/console/opened"): {IG, SAFETY, GUARDIAN, OPERATOR},
    ("GET", "/console/opened/{id}"): ALL,
    ("POST", "/console/opened/{id}"): {IG, SAFETY, GUARDIAN},
    ("GET", "/console/opened/{id}/content"): {IG, SAFETY, GUARDIAN, OPERATOR},
    ("GET", "/console/flows"): ALL,
    ("GET", "/console/letters"): ALL,
    ("GET", "/console/letters/{id}"): ALL,
    ("GET", "/console/messages/{id}"): ALL,
    ("GET", "/console/decisions/{id}"): {IG, SAFETY, GUARDIAN, AUDITOR},
    ("GET", "/console/decisions/{id}/again"): {IG, SAFETY, GUARDIAN, AUDITOR},
    ("POST", "/console/decisions/{id}/what-if"): {IG, SAFETY, GUARDIAN, AUDITOR},
    ("GET", "/console/overrides"): {IG, SAFETY, GUARDIAN},
    ("POST", "/console/overrides"): {IG, SAFETY, GUARDIAN},
    ("GET", "/console/overrides/{id}"): {IG, SAFETY, GUARDIAN, AUDITOR},
    ("POST", "/console/overrides/{id}"): {IG, SAFETY, GUARDIAN},
    ("GET", "/console/agreements"): ALL,
    ("GET", "/console/agreements/{name}"): ALL,
    ("GET", "/console/proposals"): ALL,
    ("GET", "/console/proposals/{name}"): ALL,
    ("POST", "/console/proposals/{name}"): {IG, SAFETY, GUARDIAN},
    ("GET", "/console/risk"): {IG, SAFETY, GUARDIAN, AUDITOR},
    ("GET", "/console/search"): ALL,
    ("POST", "/console/search"): ALL,
    ("GET", "/console/consents"): {IG, SAFETY, GUARDIAN, AUDITOR},
    ("GET", "/console/health"): ALL,
    ("GET", "/console/acts"): {IG, AUDITOR},
    ("GET", "/console/staff"): {IG, AUDITOR},
    ("GET", "/console/documents"): {IG, AUDITOR},
    ("GET", "/console/documents/{name}"): {IG, AUDITOR},
    ("GET", "/console/export/work"): ALL,
    ("GET", "/console/export/disclosures"): {IG, SAFETY, GUARDIAN},
    ("GET", "/console/export/disclosures/{id}"): {IG, SAFETY, GUARDIAN},
    ("GET", "/console/export/opened"): ALL,
    ("GET", "/console/export/flows"): ALL,
    ("GET", "/console/export/letters"): ALL,
    ("GET", "/console/export/agreements"): ALL,
    ("GET", "/console/export/proposals"): ALL,
    ("GET", "/console/export/health"): ALL,
    ("GET", "/console/export/risk"): {IG, SAFETY, GUARDIAN, AUDITOR},
    ("GET", "/console/export/search"): ALL,
    ("GET", "/console/export/consents"): {IG, SAFETY, GUARDIAN, AUDITOR},
    ("GET", "/console/export/acts"): {IG, AUDITOR},
    ("GET", "/console/export/staff"): {IG, AUDITOR},
    ("POST", "/console/log-out"): ALL,  # the last: its session ends
}
OPEN = {
    ("GET", "/console/log-in"),
    ("POST", "/console/log-in"),
    ("GET", "/console/begin/{link}"),
    ("POST", "/console/begin/{link}"),
    ("GET", rendering.STYLE_PATH),
}
ONE_OF_EACH = {role: name for name, role in reversed([*PEOPLE.items()])}


def served(site: Site) -> set[tuple[str, str]]:
    """Every method and path of the console that the application answers."""
    return {
        (method, route.path)
        for route in site.app.routes
        if isinstance(route, routing.Route) and route.path.startswith("/console")
        for method in route.methods or ()
    }


def address(site: Site, path: str) -> str:
    """The path of something that is there."""
    held = site.ids(delivery, state="held")[0]
    ids = {
        "/console/work/{id}": held,
        "/console/tasks/{id}": site.ids(task)[0],
        "/console/letters/{id}": held,
        "/console/messages/{id}": site.ids(message)[0],
        "/console/decisions/{id}": site.ids(decision)[0],
        "/console/decisions/{id}/again": site.ids(decision)[0],
        "/console/decisions/{id}/what-if": site.ids(decision)[0],
    }
    name = "article-30.md" if "/documents/" in path else "handover"
    return path.replace("{name}", name).replace("{id}", ids.get(path, "7" * 26))


def test_every_route_is_in_this_matrix_and_no_other(site: Site) -> None:
    assert served(site) == set(MATRIX) | OPEN
    assert {(route.method, route.path): set(route.roles) for route in ROUTES} == MATRIX
    site.app.add_api_route("/console/backdoor", lambda: None, methods=["GET"])
    assert served(site) != set(MATRIX) | OPEN, "sabotage: a route that nobody listed is found"


@pytest.fixture(scope="module")
def elsewhere(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Role, str]]:
    """Cookies of another organisation's installation, which has somebody of each role with the same name as here."""
    stack = contextlib.AsyncExitStack()
    other = site.run(stack.enter_async_context(running(tmp_path_factory.mktemp("elsewhere"), recipients={})))
    try:
        yield {role: f"{cookie_name(other.gateway)}={begun(other, name, role)}" for role, name in ONE_OF_EACH.items()}
    finally:
        site.run(stack.aclose())


def begun(line: Line, name: str, role: Role) -> str:
    """The first session of somebody, without a console in between."""
    link = add_staff(line.gateway, name, role)
    with line.gateway.store.read() as c:
        known = invited(c, line.gateway, link)
    assert known is not None
    cookie = enrol(line.gateway, link, PASSWORD, rfc6238(known.secret, line.clock().timestamp()))
    assert cookie is not None
    found = member_of(line.gateway, cookie)
    assert found is not None
    assert (found.name, found.role) == (name, role), "over there it is a session"
    return cookie


def test_nobody_of_another_organisation_is_anybody_here(site: Site, elsewhere: dict[Role, str]) -> None:
    """Each route x each role of another installation: the log-in and nothing else, whatever the role may have there, and nothing is done."""
    entries, cells = len(site.rows(ledger_entry)), 0
    for method, path in MATRIX:
        where = address(site, path)
        for role, cookie in elsewhere.items():
            form = {"token": forgery_token(cookie.partition("=")[2])} if method == "POST" else None
            answer = site.ask(method, where, form, Cookie=cookie)
            assert (answer.status, answer.headers["location"], answer.text) == (303, "/console/log-in", ""), (
                path,
                role,
            )
            cells += 1
    assert cells == len(MATRIX) * len(Role)
    assert len(site.rows(ledger_entry)) == entries
    own = site.cookies[ONE_OF_EACH[IG]]
    assert site.ask("GET", "/console/", Cookie=own).status == 200, (
        "sabotage: a session of this one is let in by the same request"
    )


def test_every_cell(site: Site) -> None:
    """Allowed: an answer that is no refusal. Not allowed: 403, with an entry that names who and what. Nobody: the log-in."""
    cells = wrong = 0
    for (method, path), roles in MATRIX.items():
        where = address(site, path)
        form: dict[str, str] | None = {} if method == "POST" else None
        nobody = site.ask(method, where, form)
        assert (nobody.status, nobody.headers["location"]) == (303, "/console/log-in"), (method, path)
        for role, name in ONE_OF_EACH.items():
            before = refusals(site)
            status = site.as_(name, method, where, form).status
            cells += 1
            if role in roles:
                assert status in ((303,) if path.endswith("log-out") else (200, 303, 404, 422)), (method, path, role)
                own = ("disclosures/{id}", "overrides/{id}", "opened/{id}")
                assert status != 404 or any(each in path for each in own), (method, path, role)
            else:
                assert status == 403, (method, path, role)
                assert refusals(site) == before + 1, (method, path, role)
                wrong += 1
    assert (cells, wrong) == (len(MATRIX) * len(Role), sum(len(Role) - len(roles) for roles in MATRIX.values()))


def refusals(site: Site) -> int:
    return sum(1 for row in site.rows(ledger_entry) if json.loads(row.body)["event"] == "access-refused")


def test_the_menu_leads_nobody_to_what_they_may_not_have() -> None:
    by_path = {path: roles for (method, path), roles in MATRIX.items() if method == "GET"}
    assert len({item.text for item in MENU}) == len({item.path for item in MENU}) == len(MENU), (
        "no word leads to two places"
    )
    assert {item.path: set(item.roles) for item in MENU} == {item.path: by_path[item.path] for item in MENU}
    assert ALEX.nhs_number not in str(MENU)
