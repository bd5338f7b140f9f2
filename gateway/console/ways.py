"""Pages about one message, one letter and one decision: ids, closed words, paths and rules. It MUST NOT show what a message says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from consent.agreement_file import AgreementError
from consent.explain import for_officer, what_leaves
from consent.outcomes import PathGroup, PathOutcome
from consent.shapes import Agreement, ResourceVote, Vote
from gateway import activation, openings, overrides, whole_way
from gateway.console import staff
from gateway.console.asking import Ask, NotThere, Page
from gateway.console.beside import Asked, asked_of, fields_of
from gateway.keys import SealedError
from gateway.openings import PURPOSES
from gateway.parts import Parts
from gateway.steps.kept import KeptUnread
from gateway.steps.rederive import RederiveError, find, rederive
from gateway.store.schema import decision, delivery
from gateway.whole_way import KeptDecision

PRINCIPLES: Final[Mapping[str, str]] = {
    "1": "Justify the purpose for using confidential information",
    "2": "Use confidential information only when it is necessary",
    "3": "Use the minimum necessary confidential information",
    "4": "Access on a strict need-to-know basis",
    "6": "Comply with the law",
    "7": "The duty to share information for individual care is as important as the duty to protect confidentiality",
    "8": "Inform patients and service users about how their confidential information is used",
}
"""The Caldicott Principles (National Data Guardian, December 2020) that a decision of this program can rest on."""
_BY_RULE: Final[Mapping[str, tuple[str, ...]]] = {
    "implied": ("7", "3"),
    "no-privacy-notice": ("8", "6"),
    "consent-permit": ("1", "3"),
    "no-consent": ("1", "2"),
    "consent-deny": ("6", "8"),
    "dissent": ("6", "8"),
    "undecidable": ("6", "7"),
    "too-much-to-compare": ("6", "7"),
    "forbidden-by-law": ("6",),
    "obligation": ("6", "4"),
    "person-released": ("7",),
    "terms": ("3",),
    "duty": ("3", "8"),
    "harm-test-only": ("1", "6"),
    "anonymous": ("2", "3"),
    "aggregate": ("2", "3"),
    "not-understood": ("3",),
    "modifier-left-out": ("3",),
    "unlabelled": ("4",),
    "agreement-mismatch": ("1", "6"),
    "agreement-ended": ("1", "6"),
    "several-people": ("4",),
    "sensitive-person": ("4",),
    "subject-denied": ("6", "8"),
    "nothing-left": ("2",),
    "nothing-asked": ("2",),
    "leak-scan": ("3", "4"),
    "not-written": ("7",),
    "conflict": ("6",),
    "entered-in-error": ("6",),
    "error": ("6",),
    "override-vital-interest": ("7",),
    "override-harm-test": ("6", "7"),
}
"""Which of them a rule keeps (a test compares with the rules of `consent.decide`)."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What people did about a message, a letter or a decision: an override, an opening. `about` are the ids that it names."""

    about: frozenset[str]
    at: str
    what: str
    by: str
    second: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One decision as a page shows it; `kept` is None once retention has taken what it was made from. `withheld`: (path, rule, times)."""

    row: Mapping[str, Any]
    kept: KeptDecision | None
    withheld: tuple[tuple[str, str, int], ...]
    left: Mapping[str, tuple[str, ...]]
    fault: str = ""
    """Why what it was made from is not shown although it is there."""

    @property
    def by_rule(self) -> Mapping[str, int]:
        """How many places each rule held back."""
        found: dict[str, int] = {}
        for _, rule, number in self.withheld:
            found[rule] = found.get(rule, 0) + number
        return found


def message(ask: Ask) -> Page:
    """GET /console/messages/{id}: what it meant for whom, and what became of each letter."""
    with ask.gateway.store.read() as c:
        way = whole_way.message_way(c, ask.gateway, ask.path["id"])
        if way is None:
            raise NotThere("no message has this id")
        done = done_about(c, ask, (way.id, *(each.id for each in way.deliveries), *(each.id for each in way.decisions)))
    return Page(template="message.html", values={"way": way, "done": done, "purposes": PURPOSES}, about=way.id)


def letter(ask: Ask) -> Page:
    """GET /console/letters/{id}: one letter, its attempts and what stands behind it."""
    with ask.gateway.store.read() as c:
        row = c.execute(select(delivery).where(delivery.c.id == ask.path["id"])).one_or_none()
        if row is None:
            raise NotThere("no letter has this id")
        way = whole_way.delivery_way(c, ask.gateway, row)
        done = done_about(c, ask, (way.id,))
    values = {"letter": way, "message": row.message_id, "done": done, "purposes": PURPOSES}
    return Page(template="letter.html", values=values, about=way.id)


def done_about(c: Connection, ask: Ask, ids: Sequence[str]) -> list[Done]:
    """Overrides of these letters, and who asked to see what these letters, messages and decisions say; oldest first."""
    known = staff.names(c)
    seen = [
        Done(
            about=frozenset((each.about,)),
            at=each.asked_at,
            what=f"content asked for ({PURPOSES.get(each.purpose, each.purpose)}), opened {each.times} times",
            by=known[each.asked_by],
            second=known[each.settled_by] if each.settled_by else "",
            path=f"/console/opened/{each.id}",
        )
        for each in openings.about(c, ids, ask.gateway.now())
    ]
    seen += [
        Done(
            about=frozenset(some for some in (each.delivery, each.letter) if some is not None),
            at=each.given_at,
            what=f"override: {each.kind.value.replace('-', ' ')}, for {each.recipient}",
            by=each.given_by,
            second=each.second_by or "",
            path=f"/console/overrides/{each.id}",
        )
        for each in overrides.of_letters(c, ids)
    ]
    return sorted(seen, key=lambda each: (each.at, each.path))


def one_decision(ask: Ask) -> Page:
    """GET /console/decisions/{id}: the rule in plain words, the consent's provision, the agreement's clause, the principle."""
    with ask.gateway.store.read() as c:
        shown = shown_decision(c, ask.gateway, ask.path["id"])
        asked = _asked(c, ask, shown)
        name, digest = str(shown.row["agreement"]), str(shown.row["agreement_digest"])
        signed = activation.signature_of(c, name, digest)
        agreement = _agreement_of_then(c, ask, name, digest)
        done = done_about(c, ask, (str(shown.row["id"]),))
    now = ask.gateway.agreements.get(name)
    rules = rules_of(shown)
    return Page(
        template="decision.html",
        values={
            "shown": shown,
            "done": done,
            "purposes": PURPOSES,
            "sentences": _sentences(shown),
            "votes": _votes(shown),
            "asked": asked,
            "signed": signed,
            "fields": fields_of(shown.kept.kept, str(shown.row["letter"])) if shown.kept is not None else (),
            "groups": _groups(shown),
            "agreement": agreement,
            "now": now,
            "same": now is not None and now.digest == digest,
            "necessary": _necessary(agreement, shown) if agreement is not None else (),
            "principles": {number: PRINCIPLES[number] for rule in rules for number in _BY_RULE.get(rule, ())},
        },
        about=str(shown.row["id"]),
    )


def _agreement_of_then(c: Connection, ask: Ask, name: str, digest: str) -> Agreement | None:
    """INVARIANT: the words beside a decision are those that it was made under. None where they are not kept, or cannot be read here."""
    try:
        return activation.agreement_of_then(c, ask.gateway, name, digest)
    except (AgreementError, SealedError):
        return None


def _asked(c: Connection, ask: Ask, shown: Shown) -> tuple[Asked, ...]:
    """What each consent that was asked says, with the provision that decided."""
    if shown.kept is None:
        return ()
    consents = find(c, ask.gateway, str(shown.row["id"])).consents
    return asked_of(shown.kept.kept, consents, shown.kept.kept.decision.votes)


def made_again(ask: Ask) -> Page:
    """GET /console/decisions/{id}/again: would the same come out, from what is kept? Nothing is written."""
    try:
        made = rederive(ask.gateway, ask.path["id"])
    except RederiveError as error:
        raise NotThere(str(error)) from None
    return Page(template="again.html", values={"made": made}, about=made.decision)


def shown_decision(c: Connection, parts: Parts, decision_id: str) -> Shown:
    """NotThere when no decision has this id."""
    row = c.execute(select(decision).where(decision.c.id == decision_id)).one_or_none()
    if row is None:
        raise NotThere("no decision has this id")
    return shown_row(c, parts, row, whole_way.letters_under(c, [decision_id]).get(decision_id, ()))


def shown_row(c: Connection, parts: Parts, row: Row[Any], letters: Sequence[tuple[str, str]]) -> Shown:
    """`shown_decision` for who has read many decisions, and the letters under them, at once."""
    try:
        kept, fault = whole_way.opened_decision(c, parts, row.id, row.sealed_id, letters), ""
    except KeptUnread as error:
        kept, fault = None, str(error)  # INVARIANT: it keeps nothing else about its person from being shown
    if kept is None:
        return Shown(row=dict(row._mapping), kept=None, withheld=(), left={}, fault=fault)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    counted: dict[tuple[str, str], int] = {}
    for path, rule in kept.kept.withheld:
        # the id in a path may be anything that its sender made it of
        where = (path.split("/", 1)[0], rule)
        counted[where] = counted.get(where, 0) + 1
    return Shown(
        row=dict(row._mapping),  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
        kept=kept,
        withheld=tuple((path, rule, number) for (path, rule), number in sorted(counted.items())),
        left=what_leaves(kept.kept.decision, kept.kept.composed),
    )


def rules_of(shown: Shown) -> tuple[str, ...]:
    """The rules that decided, each once."""
    if shown.kept is None:
        return ()
    decided = shown.kept.kept.decision
    return tuple(dict.fromkeys((*(each.rule for each in decided.reasons), *(vote.rule for vote in decided.votes))))


def _sentences(shown: Shown) -> tuple[str, ...]:
    if shown.kept is None:
        return ()
    # what became of each path stands in a table of its own
    return for_officer(shown.kept.kept.decision, ())


def _votes(shown: Shown) -> list[tuple[ResourceVote, int]]:
    """What consents decided: each (rule, consent, version, provision) once, with how many resources it decided."""
    found: dict[tuple[str, str, str, str, Vote], tuple[ResourceVote, int]] = {}
    for vote in shown.kept.kept.decision.votes if shown.kept is not None else ():
        if vote.consent:
            key = (vote.rule, vote.consent, vote.version, vote.provision, vote.vote)
            first, number = found.get(key, (vote, 0))
            found[key] = (first, number + 1)
    return list(found.values())


def _groups(shown: Shown) -> list[tuple[PathGroup, str]]:
    """What became of each path, what stays back first: a group, and the paths or kinds of resources that it is about."""
    groups = shown.kept.kept.paths if shown.kept is not None else ()
    order = list(reversed(PathOutcome))
    return [
        # an id is whatever its sender made it of: only the kind of a resource is shown
        (each, ", ".join(dict.fromkeys(name.split("/", 1)[0] for name in each.paths or each.resources)))
        for each in sorted(groups, key=lambda each: order.index(each.outcome))
    ]


def _necessary(agreement: Agreement, shown: Shown) -> list[tuple[str, str]]:
    """The clauses of the agreement under which something left: (why, paths)."""
    kinds = {f"{kind}.{element}" for kind, elements in shown.left.items() for element in elements}
    by_why: dict[str, list[str]] = {}
    for clause in agreement.fields:
        if ".".join(clause.path.split(".")[:2]).split("(")[0] in kinds:
            by_why.setdefault(clause.why, []).append(clause.path)
    return [(why, ", ".join(paths)) for why, paths in by_why.items()]
