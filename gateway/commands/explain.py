"""`throughgate explain DECISION`: a decision in sentences, for the IG officer, the person or the recipient. Words and paths, no content."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from consent.explain import View, for_officer, for_person, for_recipient, what_leaves
from gateway.commands.looking import Looker, Purpose, looker
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fhir_profiles.shapes import Field
    from gateway.pipeline import Gateway
    from gateway.steps.field_ways import FieldWay
    from gateway.whole_way import KeptDecision

    Ways: TypeAlias = Mapping[Field, FieldWay | None] | None

DecisionId = Annotated[
    str, typer.Argument(metavar="DECISION", help="The id of a decision: `throughgate journey` prints it in brackets.")
]


def explain(
    decision_id: DecisionId,
    *,
    reason: Purpose,
    by: Looker = "",
    view: Annotated[View, typer.Option("--view", help="Who reads it.")] = View.OFFICER,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say which rule, which consent and which agreement decided, what left, and what stayed back and why."""
    from gateway import looks, whole_way
    from gateway.steps.field_ways import ways_of_decision
    from gateway.steps.kept import KeptUnread

    with opened(config) as gateway:
        try:
            with gateway.store.read() as c:
                found = whole_way.kept_decision(c, gateway, decision_id)
        except KeptUnread as error:
            raise refuse(str(error), Exit.FAULT) from None
        if found is None:
            raise refuse("no decision has this id: `throughgate journey` lists a message's decisions", Exit.ARGUMENTS)
        sentences = _sentences(gateway, found, view)
        ways = None
        if view is View.OFFICER:
            with gateway.store.read() as c:
                ways = ways_of_decision(c, gateway, decision_id, found.kept)
            sentences += _fields(ways)
        looks.enter_look(gateway, "explain", by=looker(by), reason=reason, about=decision_id)
    if as_json:
        paths = [asdict(group) for group in found.kept.paths] if view is View.OFFICER else []
        say_json(
            {"decision": decision_id, "view": view.value, "sentences": sentences, "paths": paths, "fields": _each(ways)}
        )
    else:
        for sentence in sentences:
            typer.echo(sentence)


def _sentences(gateway: "Gateway", found: "KeptDecision", view: View) -> tuple[str, ...]:
    decision = found.kept.decision
    left = what_leaves(decision, found.kept.composed)
    match view:
        case View.OFFICER:
            return (*for_officer(decision, found.kept.paths), *_officers_more(found))
        case View.PERSON:
            return for_person(decision, left, found.kept.withheld, arrived=found.arrived)
        case View.RECIPIENT:
            agreement = gateway.agreements.get(decision.agreement)
            same = agreement is not None and agreement.digest == decision.agreement_digest
            return for_recipient(decision, left, agreement if same else None)


def _fields(ways: "Ways") -> tuple[str, ...]:
    from gateway.steps.field_ways import counted

    if ways is None:
        return ("Fields of a message: none is kept that this letter was made for.",)
    became = ", ".join(f"{number} {outcome}" for outcome, number in counted(ways.values()).items())
    return (f"Of the message's {len(ways)} fields, as they are read today: {became} (--json names each).",)


def _each(ways: "Ways") -> list[dict[str, str]]:
    return [
        {
            "source": field.source,
            "fate": field.fate.value,
            "path": field.path,
            "reason": field.reason,
            "outcome": way.outcome if way is not None else "",
            "rule": way.rule if way is not None else "",
        }
        for field, way in (ways or {}).items()
    ]


def _officers_more(found: "KeptDecision") -> tuple[str, ...]:
    asked = tuple(
        f"Asked: consent {each.id} version {each.version or '-'}, registered {each.registered}, "
        f"{'by a consent authority' if each.authority else 'by a source that may only narrow'}."
        for each in found.kept.consents
    )
    missing = (f"Named in the letter as not on file: {', '.join(found.kept.missing)}.",) if found.kept.missing else ()
    letters = tuple(f"Letter {delivery_id}: {state}." for delivery_id, state in found.letters)
    unbound = () if found.kept.bound else ("It was decided before the ledger held which sealed content is its own.",)
    return (*(asked or ("Asked: no consent was on record.",)), *missing, *letters, *unbound)
