"""A pure consent decision: what these consents say of these resources, for this recipient, this purpose and this moment (DESIGN 6, `decide`).

The question holds everything: no agreement, no store and no clock is asked, and nothing is kept. It MUST NOT release anything, and MUST NOT
quote a question in an error. Nothing that is left out of a question widens its answer: an unknown purpose or action fires no permit.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from consent.codes import pairs_asked, provisions
from consent.decide import OBLIGATION, RULES
from consent.fhir_consent import IMPLIED, NOTHING, Judge
from consent.lint import lint
from consent.nesting import pairs_nested
from consent.obligations import is_owed
from consent.outcomes import PathOutcome, voted_paths
from consent.prohibitions import FORBIDDEN, forbids
from consent.reading import coding, holds_key, identifiers, label_of, text
from consent.shapes import Coding, Facts, Party, RegisteredConsent, Request, ResourceVote, Vote
from consent.when import instant
from fhir_profiles.fhir_json import FhirJsonError, decode
from fhir_profiles.label import label_bundle
from fhir_profiles.shapes import Json
from fhir_profiles.subsumption import subsumes
from fhir_profiles.terminology import laws_opened_by_agreement
from gateway.consents.withdrawal import is_withdrawn_by_person
from gateway.errors import ThroughgateError

_MEMBERS: Final = ("as_of", "recipient", "purpose", "action", "consents", "directory", "resources", "default")
_DEFAULTS: Final = {"permit": IMPLIED, "deny": NOTHING}
_BOUNDS: Final = {"consents": 50, "provisions": 200, "codes": 1_000, "resources": 200}
"""What a question over the network may hold: every provision is asked about every resource, every code compared with every other."""
_AS_VOTED: Final = {PathOutcome.LEAVES: Vote.PERMIT, PathOutcome.STAYS: Vote.DENY, PathOutcome.WAITS: Vote.HOLD}
_WORST_FIRST: Final = (Vote.HOLD, Vote.DENY, Vote.PERMIT)


class QuestionError(ThroughgateError):
    """A question that cannot be read. The text names the member, and quotes nothing of it."""


def decide_question(body: bytes, *, bounded: bool = False) -> Json:
    """Decide one question and lint its consents; gives the answer of DESIGN section 6. Raises QuestionError; total on what the FHIR says.

    The consents count as coming from a consent authority. Labels are read from the resources, and made where they have none. The whole is
    hold over deny over permit (reference consent.md 3.4b 11); resources of several people, and no resource at all, are never permitted.
    `bounded` refuses a question that would cost more than a stranger's is worth.
    """
    question = _question(body)
    as_of = instant(text(question, "as_of"))
    if as_of is None:
        raise QuestionError("as_of: an instant with an offset, 2026-01-15T12:00:00Z")
    default = question.get("default", "deny")
    if default not in ("permit", "deny"):
        raise QuestionError("default: permit or deny")
    resources, directory = _labelled(_resources(question, "resources")), _resources(question, "directory")
    consents = _resources(question, "consents")
    if any(consent["resourceType"] != "Consent" for consent in consents):
        raise QuestionError("consents: every one is a Consent")
    if bounded:
        _check_bounds(consents, resources)
    votes, rules = _votes(_request(question), resources, consents, directory, as_of, default)
    outcomes = {vote.vote for vote in votes} or {Vote.DENY}
    outcome = next(vote for vote in _WORST_FIRST if vote in outcomes)
    if "several-people" in rules and outcome is Vote.PERMIT:
        outcome = Vote.HOLD
    return {
        "outcome": outcome.value,
        "reasons": [{"rule": rule, "text": RULES[rule]} for rule in rules],
        "resources": [_voted(resource, vote) for resource, vote in zip(resources, votes, strict=True)],
        "paths": [
            {**asdict(group), "outcome": _AS_VOTED[group.outcome].value} for group in voted_paths(resources, votes)
        ],
        "lint": [
            {"consent": text(consent, "id"), "code": remark.rule, "text": remark.text}
            for consent in consents
            for remark in lint(consent, (*directory, *resources), subsumes(pairs_nested(consent)))
        ],
    }


def _question(body: bytes) -> Json:
    try:
        question = decode(body)
    except FhirJsonError as error:
        raise QuestionError(f"the question: {error}") from None
    # A misspelt `consents` would take every denial out of the question: nothing unknown is passed over.
    if not question.keys() <= set(_MEMBERS):
        raise QuestionError(f"the question has a member that is not known; known: {', '.join(_MEMBERS)}")
    missing = [name for name in ("as_of", "recipient", "consents", "resources") if name not in question]
    if missing:
        raise QuestionError(f"{missing[0]}: missing")
    return question


def _check_bounds(consents: Sequence[Json], resources: Sequence[Json]) -> None:
    """INVARIANT: what a question may cost has an upper bound."""
    counted = {
        "consents": len(consents),
        "provisions": sum(1 for consent in consents for _ in provisions(consent)),
        "codes": _members_named("code", [*consents, *resources]),
        "resources": len(resources),
    }
    beyond = [name for name, most in _BOUNDS.items() if counted[name] > most]
    if beyond:
        raise QuestionError(f"a question has at most {_BOUNDS[beyond[0]]} {beyond[0]}")


def _members_named(name: str, values: Sequence[Any]) -> int:
    """How many objects below have a member of this name."""
    waiting, found = list(values), 0
    for value in waiting:  # grows while it is read
        if isinstance(value, dict):
            found += name in value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return found


def _request(question: Json) -> Request:
    recipient, action, purpose = (question.get(name, {}) for name in ("recipient", "action", "purpose"))
    if not isinstance(recipient, dict) or not isinstance(recipient.get("roles", []), list):
        raise QuestionError("recipient: an object with identifiers, class and roles")
    if not isinstance(action, dict):
        raise QuestionError("action: a Coding")
    return Request(
        recipient=Party(
            identifiers=tuple(identifiers(recipient, "identifiers")),
            recipient_class=text(recipient, "class"),
            roles=tuple(role for role in recipient.get("roles", []) if isinstance(role, str)),
        ),
        purpose=_codings(purpose),
        action=coding(action),
        letter="",
        as_of=text(question, "as_of"),
    )


def _codings(purpose: Any) -> tuple[Coding, ...]:
    held = purpose or []
    if not isinstance(held, list) or not all(isinstance(item, dict) for item in held):
        raise QuestionError("purpose: a list of Codings")
    return tuple(coding(item) for item in held)


def _resources(question: Json, name: str) -> tuple[Json, ...]:
    held = question.get(name, [])
    if not isinstance(held, list) or not all(isinstance(one, dict) and text(one, "resourceType") for one in held):
        raise QuestionError(f"{name}: a list of FHIR resources")
    return tuple(held)


def _labelled(resources: Sequence[Json]) -> tuple[Json, ...]:
    """The resources with labels made where they have none; a label that is there is read as it is."""
    made = label_bundle({"resourceType": "Bundle", "entry": [{"resource": one} for one in resources]})["entry"]
    return tuple(
        one if "security" in (one.get("meta") or {}) else entry["resource"]
        for one, entry in zip(resources, made, strict=True)
    )


def _votes(
    request: Request,
    resources: tuple[Json, ...],
    consents: tuple[Json, ...],
    directory: tuple[Json, ...],
    as_of: datetime,
    default: str,
) -> tuple[list[ResourceVote], list[str]]:
    """One vote for each resource, and the rules about the whole."""
    registered = tuple(
        RegisteredConsent(
            consent=one,
            authority=True,
            registered=request.as_of,
            withdrawn_by_person=is_withdrawn_by_person(one),
        )
        for one in consents
    )
    try:
        facts = Facts(
            resources=resources,
            consents=registered,
            directory=directory,
            subsumes=subsumes(pairs_asked(registered, resources)),
            by_agreement=laws_opened_by_agreement(),
        )
        judge = Judge(request, facts, as_of)
        votes = [
            ResourceVote(resource=label_of(resource), vote=Vote.DENY, rule=FORBIDDEN)
            if forbids(resource, judge, request, facts.by_agreement)
            else _vote(judge, resource, _DEFAULTS[default])
            for resource in resources
        ]
        rules = ["conflict"] if judge.conflicts() else []
        rules += ["several-people"] if len(judge.people) > 1 else []
    except Exception:  # noqa: BLE001 - INVARIANT: absent never widens; whatever went wrong, nothing is permitted
        return [ResourceVote(resource="", vote=Vote.HOLD, rule="error") for _ in resources], ["error"]
    rules += ["entered-in-error"] if any(text(one, "status") == "entered-in-error" for one in consents) else []
    return votes, rules + ([] if resources else ["nothing-asked"])


def _vote(judge: Judge, resource: Json, default: str) -> ResourceVote:
    voted = judge.vote(resource, default, hold=True)
    if voted.vote is not Vote.DENY and ("implicitRules" in resource or holds_key(resource, "modifierExtension")):
        return ResourceVote(resource=voted.resource, vote=Vote.DENY, rule="not-understood")
    if voted.vote is Vote.PERMIT and is_owed(resource, judge.permitting(resource)):
        # There is no exit here that could perform it (docs/decisions/0044).
        return ResourceVote(resource=voted.resource, vote=Vote.HOLD, rule=OBLIGATION)
    return voted


def _voted(resource: Json, vote: ResourceVote) -> Json:
    return {
        "id": text(resource, "id"),
        "type": text(resource, "resourceType"),
        "outcome": vote.vote.value,
        "consent": vote.consent,
        "version": vote.version,
        "provision": vote.provision,
        "rule": vote.rule,
    }
