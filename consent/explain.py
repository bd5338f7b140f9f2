"""A decision in sentences, in three views. Written from what was kept with it alone, never decided again, and it names no person.

The IG officer hears everything: rules, versions, paths. The person hears in plain words what was told to whom and why not. A recipient
hears what its letter is, and MUST NOT hear whether anything was withheld, what or why: its view is not given those.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from consent.decide import FRAME, RULES
from consent.outcomes import PathGroup, PathOutcome
from consent.paths import compile_paths
from consent.prohibitions import FORBIDDEN
from consent.reading import label_of
from consent.shapes import Agreement, Conflict, Decision, Json, Outcome, ResourceVote, Said, Vote


class View(StrEnum):
    """For whom."""

    OFFICER = "officer"
    PERSON = "person"
    RECIPIENT = "recipient"


_WHOLE = {
    Outcome.RELEASE: "The {letter} was released to the {recipient}, as far as the agreement allows.",
    Outcome.REDUCE: "The {letter} was released to the {recipient} without some of its parts.",
    Outcome.COUNTED: "Nothing was sent to the {recipient}; the result was counted for the {letter}.",
    Outcome.WITHHOLD: "The {letter} was withheld from the {recipient}; nothing left.",
    Outcome.HOLD: "The {letter} to the {recipient} is held; nothing left, and a person has to look.",
}
_BECAME = {
    PathOutcome.LEAVES: "Leaves",
    PathOutcome.PART: "Leaves in part",
    PathOutcome.STAYS: "Stays back",
    PathOutcome.WAITS: "Waits",
    PathOutcome.COUNTED: "Counted",
}
_VOTES = {Vote.PERMIT: "may leave", Vote.DENY: "stays back", Vote.HOLD: "waits for a person"}
_MINIMISED: Final = {
    "not-in-agreement": "the agreement does not name it",
    "identifier-system": "the agreement does not name this system of identifiers",
    "narrative": "narrative is made again from what leaves",
    "sensitive-place": "the person's record is flagged sensitive, and it names somebody or some place near them",
    "not-in-letter": "what it refers to does not leave",
    "nothing-left": "nothing in it may leave",
    "duplicate": "it is in the letter already",
    "not-decided": "nothing was decided about it",
}
_LEAVES = frozenset({Outcome.RELEASE, Outcome.REDUCE})

Left = Mapping[str, tuple[str, ...]]
"""Resource type -> its elements that may leave, as `birthDate`."""


def what_leaves(decision: Decision, composed: Json | None) -> Left:
    """What of a composed letter its decision lets leave, by type and element. Nothing where the decision does not release."""
    if decision.outcome not in _LEAVES or composed is None:
        return {}
    permitted = compile_paths(decision.permitted)
    back = {vote.resource for vote in decision.votes if vote.vote is not Vote.PERMIT}
    found: dict[str, dict[str, None]] = {}
    for entry in composed.get("entry", ()):
        resource = entry["resource"]
        node = permitted.child(resource["resourceType"])
        if node is None or label_of(resource) in back:
            continue
        names = [key for key in resource if node.child(key) is not None]
        if names:
            found.setdefault(resource["resourceType"], {}).update(dict.fromkeys(names))
    return {kind: tuple(sorted(names)) for kind, names in sorted(found.items())}


def for_officer(decision: Decision, groups: Iterable[PathGroup]) -> tuple[str, ...]:
    """The outcome and its rules; each group of resources with the rule, consent, version and provision that decided it; and every path
    with what became of it and the one rule that decided it.
    """
    names = {"letter": decision.letter, "recipient": _named(decision.recipient_class)}
    sentences = [_WHOLE[decision.outcome].format(**names)]
    sentences += [f"Because: {reason.text}." for reason in decision.reasons]
    sentences += list(_votes(decision.votes))
    sentences += list(_conflicts(decision.conflicts))
    for group in groups:
        # Which of two results it is, is for the record and not for a sentence: an id is whatever its sender made it of.
        about = group.paths or group.resources or ("the whole letter",)
        paths = ", ".join(dict.fromkeys(_path(name) for name in about))
        sentences.append(f"{_BECAME[group.outcome]}: {paths}, {_why(group.rule)} ({group.rule}){_origin(group)}.")
    sentences.append(
        f"Decided as of {decision.as_of} under agreement {decision.agreement} ({decision.agreement_digest})."
    )
    return tuple(sentences)


def _why(rule: str) -> str:
    return _MINIMISED.get(rule) or RULES.get(rule, "a rule of this program")


def _path(path: str) -> str:
    """The path without the id of a resource, which its sender may have made of anything."""
    return path.split("/", 1)[0]


def _votes(votes: Iterable[ResourceVote]) -> Iterable[str]:
    counted: Counter[tuple[str, str]] = Counter()
    for vote in votes:
        kind = vote.resource.split("/", 1)[0] or "an unnamed resource"
        counted[(kind, f"{_VOTES[vote.vote]}: {RULES[vote.rule]}{_origin(vote)}")] += 1
    for (kind, text), number in sorted(counted.items()):
        yield f"{kind} ({number}) {text}."


def _conflicts(conflicts: Iterable[Conflict]) -> Iterable[str]:
    counted = Counter((_path(each.resource), each.permits, each.denies) for each in conflicts)
    for (kind, yes, no), number in counted.items():
        yield f"{kind} ({number}): one consent permits it{_origin(yes)}, another denies it{_origin(no)}; the denial stands."


def _origin(by: ResourceVote | PathGroup | Said) -> str:
    if not by.consent:
        return ""
    version = f" version {by.version}" if by.version else ""
    place = f" at {by.provision}" if by.provision else ""
    return f" (consent {by.consent}{version}{place})"


# ── the person: short words, short sentences ──

_WHO: Final = {
    "care-team": "the team that looks after you",
    "community-provider": "the drug and alcohol team outside prison",
    "gp": "your GP",
    "pharmacy": "your chemist",
    "receiving-prison": "the health team at the next prison",
    "prison-security": "the prison security team",
    "safer-custody": "the team that keeps people safe in prison",
    "probation": "probation",
    "family": "your family",
}
_SOMEBODY: Final = "another team"
_THINGS: Final = {
    "AllergyIntolerance": "what you are allergic to",
    "Appointment": "when you will be seen next",
    "CarePlan": "your care plan",
    "Condition": "your health problems",
    "DiagnosticReport": "your test results",
    "Encounter": "your time in prison",
    "Flag": "things that could put you in danger",
    "Medication": "your medicine",
    "MedicationAdministration": "the doses you were given",
    "MedicationDispense": "the medicine you were given",
    "MedicationRequest": "your medicine",
    "MedicationStatement": "your medicine",
    "Observation": "your test results",
    "Patient": "who you are",
    "Specimen": "your test results",
}
_OTHER_THINGS: Final = "some other notes on your care"
_SAID_NO: Final = frozenset({"dissent", "consent-deny", "subject-denied"})


def for_person(
    decision: Decision, left: Left, withheld: Iterable[tuple[str, str]], *, arrived: bool
) -> tuple[str, ...]:
    """What was told about them, to whom, and why not the rest, for a reader of nine. `arrived`: the recipient has the letter."""
    who = _WHO.get(decision.recipient_class, _SOMEBODY)
    day = datetime.fromisoformat(decision.as_of).strftime("%d %B %Y").lstrip("0")
    sentences = [f"This is about {day}.", *_what_was_done(decision, left, who, arrived=arrived)]
    rules = {rule for _, rule in withheld} | {vote.rule for vote in decision.votes if vote.vote is not Vote.PERMIT}
    because = {vote.rule for vote in decision.votes}
    if "override-harm-test" in because:  # nobody waits for what the person says: they may have said yes, no, or nothing
        sentences += ["We did not wait for you to say yes.", "We did it to keep someone safe."]
    elif "override-vital-interest" in because:
        sentences += ["You asked us not to share this.", "We did it to keep someone safe."]
    if "duty" in because:
        sentences += ["It says that we will not tell them more.", "It says nothing about your health."]
    if decision.outcome is Outcome.REDUCE:
        sentences.append("We kept some things back.")
    if decision.outcome is Outcome.REDUCE or decision.outcome is Outcome.WITHHOLD:
        rules |= {reason.rule for reason in decision.reasons} if decision.outcome is Outcome.WITHHOLD else set()
        sentences += ["The law does not let us share some of it."] if FORBIDDEN in rules else []
        if rules != {FORBIDDEN}:
            said = "You asked us not to share this." if rules & _SAID_NO else "Our rules do not let us share this."
            sentences.append(said)
    return (*sentences, "You can ask us about it.", "You can tell us what you want us to share.")


def _what_was_done(decision: Decision, left: Left, who: str, *, arrived: bool) -> Iterable[str]:
    match decision.outcome:
        case Outcome.RELEASE | Outcome.REDUCE:
            yield f"We wrote a letter to {who}."
            yield "They have it now." if arrived else "They do not have it yet."
            told = dict.fromkeys(
                _THINGS.get(kind, _OTHER_THINGS) for kind in left if kind == "Patient" or kind not in FRAME
            )
            yield "This is what it tells them:"
            yield from (f"- {thing}" for thing in told)
        case Outcome.COUNTED:
            yield f"We told {who} nothing about you."
            yield "We only added you to a count."
            yield "No one can tell that it is you."
        case Outcome.WITHHOLD:
            yield f"We did not tell {who}."
        case Outcome.HOLD:
            yield f"We did not tell {who} yet."
            yield "One of our staff has to look at it first."


# ── the recipient: its letter, and nothing else ──

NOTHING_SENT: Final = "No letter was sent to you with this decision."


def for_recipient(decision: Decision, left: Left, agreement: Agreement | None) -> tuple[str, ...]:
    """What a letter is, why it came and what it may be used for. `agreement` is the one it was decided under; None where that has changed.

    INVARIANT: what was released whole and what was reduced read alike, and so do all the ways of sending nothing.
    """
    if decision.outcome not in _LEAVES:
        return (NOTHING_SENT,)
    sentences = [f"This is a {decision.letter} under the agreement {decision.agreement} ({decision.agreement_digest})."]
    if agreement is not None:
        sentences += [agreement.text[name] for name in ("purpose", "caveats") if agreement.text.get(name)]
    sentences += [f"It may hold of {kind}: {', '.join(elements)}." for kind, elements in left.items()]
    sentences.append(f"It says what was on file as of {decision.as_of}, as far as the agreement allows.")
    return (*sentences, "It need not be everything that is known: ask the sender before you rely on what is not in it.")


def _named(recipient_class: str) -> str:
    return recipient_class.replace("-", " ")
