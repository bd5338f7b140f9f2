"""The engine, asked the oracle's questions. It MUST only translate: no answer is made or changed here."""

from dataclasses import replace

from consent.decide import OBLIGATION, decide
from consent.fhir_consent import Judge, votes
from consent.prohibitions import forbids
from consent.shapes import Coding, Facts, Party, RegisteredConsent, Request
from tests.consent.made import ASKS_FIRST, NOTICED, agreement
from tests.consent.oracle.generator import ACTION, REASON
from tests.consent.oracle.oracle import Question


def engine_votes(asked: Question) -> list[str]:
    """permit, deny or hold for each resource, in their order."""
    request, facts = _in_its_words(asked)
    default = "implied" if asked.default == "permit" else "nothing"
    return [str(item.vote) for item in votes(request, facts, asked.as_of, default, hold=True)]


def engine_forbids(asked: Question, opened: frozenset[str]) -> list[bool]:
    """Does a law forbid each resource, in their order? `opened`: the laws that an agreement opens to care."""
    request, facts = _in_its_words(asked)
    judge = Judge(request, facts, asked.as_of)
    return [forbids(resource, judge, request, opened) for resource in asked.resources]


def engine_leaves(asked: Question) -> list[str]:
    """What becomes of each resource of the whole decision, in their order: permit, deny, hold, or `owed`."""
    request, facts = _in_its_words(asked)
    alike = agreement("handover") if asked.default == "permit" else ASKS_FIRST
    agreed = replace(
        alike,
        recipient_class=asked.recipient_class,
        letter=request.letter,
        purpose=request.purpose,
        action=request.action,
        undecidable="hold",
    )
    decided = decide(request, replace(facts, consents=(*facts.consents, *NOTICED)), agreed)
    return ["owed" if each.rule == OBLIGATION else str(each.vote) for each in decided.votes]


def asked_of_engine(asked: Question) -> tuple[Judge, Facts]:
    """The engine with this question before it, and its facts."""
    request, facts = _in_its_words(asked)
    return Judge(request, facts, asked.as_of), facts


def _in_its_words(asked: Question) -> tuple[Request, Facts]:
    request = Request(
        recipient=Party(
            identifiers=tuple(sorted(asked.recipient)), recipient_class=asked.recipient_class, roles=asked.roles
        ),
        purpose=tuple(Coding(system=REASON, code=code) for code in asked.purposes),
        action=Coding(system=ACTION, code=asked.action),
        letter="any",
        as_of=asked.as_of.isoformat(),
    )
    registered = tuple(
        RegisteredConsent(
            consent=item,
            authority=number not in asked.narrowing,
            registered="2025-10-01T00:00:00Z",
            withdrawn_by_person=number in asked.withdrawn,
        )
        for number, item in enumerate(asked.consents)
    )
    facts = Facts(
        resources=asked.resources,
        consents=registered,
        directory=tuple(asked.directory.values()),
        subsumes=asked.subsumes,
    )
    return request, facts
