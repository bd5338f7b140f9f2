"""A decision in sentences, for an IG officer. Written from the kept decision alone, never decided again, and it names no person."""

from collections import Counter
from collections.abc import Iterable

from consent.decide import RULES
from consent.shapes import Decision, Outcome, ResourceVote, Vote

_WHOLE = {
    Outcome.RELEASE: "The {letter} was released to the {recipient}, as far as the agreement allows.",
    Outcome.REDUCE: "The {letter} was released to the {recipient} without some of its parts.",
    Outcome.COUNTED: "Nothing was sent to the {recipient}; the result was counted for the {letter}.",
    Outcome.WITHHOLD: "The {letter} was withheld from the {recipient}; nothing left.",
    Outcome.HOLD: "The {letter} to the {recipient} is held; nothing left, and a person has to look.",
}
_VOTES = {Vote.PERMIT: "may leave", Vote.DENY: "stays back", Vote.HOLD: "waits for a person"}


def explain(decision: Decision) -> tuple[str, ...]:
    """The outcome, the rules it rests on, then each group of resources with the rule, consent, version and provision that decided it."""
    names = {"letter": decision.letter, "recipient": decision.recipient_class.replace("-", " ")}
    sentences = [_WHOLE[decision.outcome].format(**names)]
    sentences += [f"Because: {reason.text}." for reason in decision.reasons]
    sentences += list(_votes(decision.votes))
    sentences.append(
        f"Decided as of {decision.as_of} under agreement {decision.agreement} ({decision.agreement_digest})."
    )
    return tuple(sentences)


def _votes(votes: Iterable[ResourceVote]) -> Iterable[str]:
    counted: Counter[tuple[str, str]] = Counter()
    for vote in votes:
        kind = vote.resource.split("/", 1)[0] or "an unnamed resource"
        counted[(kind, f"{_VOTES[vote.vote]}: {RULES[vote.rule]}{_origin(vote)}")] += 1
    for (kind, text), number in sorted(counted.items()):
        yield f"{kind} ({number}) {text}."


def _origin(vote: ResourceVote) -> str:
    if not vote.consent:
        return ""
    version = f" version {vote.version}" if vote.version else ""
    place = f" at {vote.provision}" if vote.provision else ""
    return f" (consent {vote.consent}{version}{place})"
