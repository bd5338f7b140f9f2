"""Every page that needs a log-in, which roles may have it, and what answers. A page that is not a row of `ROUTES` does not exist."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from gateway.console import (
    acts,
    disclosures,
    documents,
    emergencies,
    flows,
    health,
    home,
    opened,
    other_texts,
    registers,
    risk,
    search,
    signing,
    ways,
    work,
)
from gateway.console.asking import Answer, Ask, Page, Taken
from gateway.console.staff import Role

Serve = Callable[[Ask], Answer]

IG, SAFETY, OPERATOR, AUDITOR = Role.IG_OFFICER, Role.CLINICAL_SAFETY, Role.OPERATOR, Role.AUDITOR
GUARDIAN: Final = Role.CALDICOTT_GUARDIAN
EVERYBODY: Final = frozenset(Role)
WORKERS: Final = frozenset({IG, SAFETY, GUARDIAN, OPERATOR})
DECISIONS: Final = frozenset({IG, SAFETY, GUARDIAN, AUDITOR})
DISCLOSURES: Final = frozenset({IG, SAFETY, GUARDIAN})
EVIDENCE: Final = frozenset({IG, AUDITOR})
EXPORTS: Final = "/console/export/"
FORM: Final = "form"
"""The parameter of an export: `csv` or `pdf`."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One row. `menu` is the item of the menu that it belongs to; `again` is the page that a refused form shows once more; `takes`: it
    answers the table of a page instead of the page.
    """

    method: str
    path: str
    roles: frozenset[Role]
    menu: str
    name: str
    serve: Serve
    parameters: frozenset[str]
    again: Callable[[Ask], Page] | None
    takes: bool = False


@dataclass(frozen=True, kw_only=True)
class MenuItem:
    """One item of the menu, and who sees it."""

    text: str
    path: str
    roles: frozenset[Role]


def _get(
    path: str, roles: frozenset[Role], menu: str, serve: Callable[[Ask], Page | Taken], parameters: Collection[str] = ()
) -> Route:
    return Route(
        method="GET",
        path=f"/console/{path}",
        roles=roles,
        menu=menu,
        name=serve.__name__.replace("_", "-"),
        serve=serve,
        parameters=frozenset(parameters),
        again=None,
    )


def _post(
    path: str, roles: frozenset[Role], menu: str, name: str, serve: Serve, again: Callable[[Ask], Page] | None
) -> Route:
    return Route(
        method="POST",
        path=f"/console/{path}",
        roles=roles,
        menu=menu,
        name=name,
        serve=serve,
        parameters=frozenset(),
        again=again,
    )


def _export(page: Route) -> Route:
    """Of a page whose table can be taken away: whoever may see it may take it."""
    path = page.path.replace("/console/", EXPORTS, 1)
    return replace(page, path=path, name=f"export-{page.name}", parameters=page.parameters | {FORM}, takes=True)


PAGES: Final = (
    _get("", EVERYBODY, "Start", home.home),
    _post("log-out", EVERYBODY, "", "log-out", home.leave, None),
    _get("work", EVERYBODY, "Work", work.work),
    _get("work/{id}", EVERYBODY, "Work", work.item),
    _post("work/{id}", WORKERS, "Work", "settle-item", work.settle, work.item),
    _get("tasks/{id}", EVERYBODY, "Work", work.task),
    _post("tasks/{id}", WORKERS, "Work", "end-task", work.end_task, work.task),
    _get("overrides", DISCLOSURES, "Work", emergencies.new_override, ("about",)),
    _post("overrides", DISCLOSURES, "Work", "give-or-ask", emergencies.give_or_ask, emergencies.new_override),
    _get("overrides/{id}", DECISIONS, "Work", emergencies.one_override),
    _post(
        "overrides/{id}",
        DISCLOSURES,
        "Work",
        "settle-override",
        emergencies.settle,
        emergencies.one_override,
    ),
    _get("disclosures", DISCLOSURES, "Disclosures", disclosures.disclosures),
    _post(
        "disclosures",
        frozenset({IG}),
        "Disclosures",
        "ask-for-disclosures",
        disclosures.ask_for,
        disclosures.disclosures,
    ),
    _get("disclosures/{id}", DISCLOSURES, "Disclosures", disclosures.disclosure, ("page",)),
    _post(
        "disclosures/{id}",
        DISCLOSURES,
        "Disclosures",
        "settle-disclosures",
        disclosures.settle,
        disclosures.disclosure,
    ),
    _get("opened", EVERYBODY, "Opened content", opened.opened),
    _post("opened", WORKERS, "Opened content", "ask-to-open", opened.ask_to_open, opened.opened),
    _get("opened/{id}", EVERYBODY, "Opened content", opened.one_opening),
    _post("opened/{id}", DISCLOSURES, "Opened content", "answer-opening", opened.answer, opened.one_opening),
    _get("opened/{id}/content", WORKERS, "Opened content", opened.content),
    _get("flows", EVERYBODY, "Flows", flows.flows, ("by",)),
    _get("risk", DECISIONS, "Disclosure risk", risk.risk),
    _get("letters", EVERYBODY, "Flows", flows.letters, flows.LETTERS_BY),
    _get("letters/{id}", EVERYBODY, "Flows", ways.letter),
    _get("search", EVERYBODY, "Search", search.search, search.PARAMETERS),
    _post("search", EVERYBODY, "Search", "begin-search", search.begin, search.search),
    _get("messages/{id}", EVERYBODY, "Flows", ways.message),
    _get("decisions/{id}", DECISIONS, "Flows", ways.one_decision),
    _get("decisions/{id}/again", DECISIONS, "Flows", ways.made_again),
    _post(
        "decisions/{id}/what-if",
        DECISIONS,
        "Flows",
        "decision-what-if",
        other_texts.under_other_texts,
        ways.one_decision,
    ),
    _get("agreements", EVERYBODY, "Agreements", registers.agreements),
    _get("agreements/{name}", EVERYBODY, "Agreements", registers.agreement),
    _get("proposals", EVERYBODY, "Agreements", signing.proposals),
    _get("proposals/{name}", EVERYBODY, "Agreements", signing.proposal),
    _post("proposals/{name}", DISCLOSURES, "Agreements", "sign", signing.sign, signing.proposal),
    _get("consents", DECISIONS, "Consents", registers.consents),
    _get("health", EVERYBODY, "Health", health.health),
    _get("acts", EVIDENCE, "Who did what", acts.acts, ("event", "before")),
    _get("documents", EVIDENCE, "Documents", documents.documents),
    _get("documents/{name}", EVIDENCE, "Documents", documents.document),
    _get("staff", EVIDENCE, "Who did what", registers.accounts),
)
"""Every page and every form."""
EXPORTED: Final = (
    "work",
    "disclosures",
    "disclosure",
    "opened",
    "flows",
    "letters",
    "risk",
    "search",
    "agreements",
    "proposals",
    "consents",
    "health",
    "acts",
    "accounts",
)
"""The pages that are a table."""
ROUTES: Final = (*PAGES, *(_export(page) for page in PAGES if page.name in EXPORTED))
"""Every row."""

_NOT_IN_MENU: Final = frozenset({"letters", "accounts", "proposals", "new-override"})
"""Pages without an id that another page leads to."""
MENU: Final = tuple(
    MenuItem(text=route.menu, path=route.path, roles=route.roles)
    for route in PAGES
    if route.method == "GET" and "{" not in route.path and route.name not in _NOT_IN_MENU
)
