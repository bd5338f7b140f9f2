"""The decision: may this recipient have this letter, now? Layers in the order of consent.md 3.3; a later layer can only narrow.

1. integrity: the request fits the agreement, and the letter is about one person
2. regime: what is anonymous is counted, and consent is not asked (nothing about a person leaves)
3. the agreement itself: in force until `ends`
4. each resource: what a statute forbids to tell stays back, whoever agreed or let it go (docs/decisions/0045); so does what we do not understand,
   and what would say something else without an element that may not leave with it (docs/decisions/0059); unlabelled goes to direct care only
5. consent, for each resource; where none speaks, `without_consent`. A duty to tell asks no consent, and what only a harm test lets go neither;
   what needs a consent needs a privacy notice too (docs/decisions/0038)
6. an override, which lets go what 5 did not, and nothing that 1 to 4 keep: never more than the agreement's paths, never as a consent
7. obligations: what has to be done with it and nobody would do is a denial, or waits for a person (docs/decisions/0044)
8. the whole: hold over deny over permit; a letter without its person or without content does not leave

Total: no data makes it raise. An error while deciding releases nothing. There is no clock: `as_of` is in the request.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from consent import labels, modifiers, obligations, privacy_notice, prohibitions, purposes, sensitive
from consent.fhir_consent import Judge
from consent.graph import references
from consent.prohibitions import FORBIDDEN
from consent.reading import holds_key, label_of, text
from consent.shapes import (
    Agreement,
    Conflict,
    Decision,
    Facts,
    Json,
    Outcome,
    Override,
    OverrideKind,
    Reason,
    Request,
    ResourceVote,
    Unplaced,
    Vote,
)
from consent.ternary import Match
from consent.when import instant, span

_FRAME = "Patient Composition Organization Practitioner PractitionerRole Location Provenance MessageHeader Bundle Communication Endpoint Device"
FRAME = frozenset(_FRAME.split())
"""Types that frame a letter. When nothing else may leave, nothing leaves (a bare cover still says whom it is about, and to whom)."""
WHOLE = frozenset({"Patient", "Composition"})
"""Without these there is no letter."""
AGGREGATES = frozenset({"MeasureReport", "Organization"})
"""The only types a report about nobody is made of."""

_BY_CONSENT = frozenset({"consent-permit", "implied"})
"""Rules of what leaves because the consents on record let it, or do not stop it."""
NO_NOTICE = "no-privacy-notice"
NOT_UNDERSTOOD = "not-understood"
TURNED = "modifier-left-out"
_AS_WRITTEN = frozenset({NOT_UNDERSTOOD, TURNED})
"""Rules that keep something back because of how it is written, and by nobody's wish."""
OBLIGATION = "obligation"
TERMS = "terms"
NOT_WRITTEN = "not-written"
RULES = {
    "implied": "direct care: no consent on record speaks against it",
    "no-consent": "no consent on record permits it, and this flow needs one",
    "no-privacy-notice": "the person was given no privacy notice that is on record, and nothing but care goes on without one",
    "consent-permit": "a recorded consent permits it",
    "consent-deny": "a recorded consent denies it",
    "dissent": "the person has refused or withdrawn it",
    FORBIDDEN: "a law forbids to tell it; no agreement, no override and no judgment of harm stands above that",
    "undecidable": "something that is not known could deny it",
    "too-much-to-compare": "the consents on record, with what the letter holds, are more than one letter is compared with: a person looks",
    OBLIGATION: "it may leave only if something is done with it that this program cannot do, and cannot have done by who receives it",
    "person-released": "a person with the right to looked at what is not known and released it",
    "override-vital-interest": "a clinician let it go because a life or health is at stake; it is no consent",
    "override-harm-test": "two people let it go because serious harm is likely otherwise; it is no consent",
    TERMS: "what the recipient must know, in the words of the agreement; it is about nobody, so no consent is asked",
    "duty": "the law has it told, and it tells nothing that its recipient has not got; no consent is asked",
    "harm-test-only": "only two people's harm test lets it go; no consent does, and no silence",
    "anonymous": "counted for a report about nobody; consent is not asked",
    "aggregate": "a finished report about nobody",
    NOT_UNDERSTOOD: "an implicit rule or a modifier that is not understood",
    TURNED: "it would say something else without an element that may not leave under the agreement, so it does not leave either",
    "unlabelled": "a resource without a label, or of which nobody knows what it is about, goes to direct care only",
    "agreement-mismatch": "the request does not fit the agreement",
    "agreement-ended": "the agreement has ended",
    "several-people": "the letter is about more than one person",
    "sensitive-person": "the person's record is flagged sensitive",
    "subject-denied": "the person themselves may not be named, so nothing leaves",
    "nothing-left": "nothing but the frame of the letter may leave",
    "nothing-asked": "the letter holds no resource",
    "leak-scan": "the finished letter names what was not decided for this recipient",
    NOT_WRITTEN: "the letter could not be written in the form in which this recipient takes letters",
    "conflict": "consents of different origin disagree; the denial stands",
    "entered-in-error": "a consent was entered in error; somebody should confirm what holds",
    "error": "an error while deciding; nothing is released",
}
"""Every rule a decision can name, in a sentence."""


def decide(request: Request, facts: Facts, agreement: Agreement) -> Decision:
    """Decide one letter for one recipient (DESIGN section 2, `decide`). Never raises on data."""
    try:
        return _decide(request, facts, agreement)
    except Exception:  # noqa: BLE001 - INVARIANT: absent never widens; whatever went wrong, nothing is released
        outcome = Outcome.HOLD if agreement.undecidable == "hold" else Outcome.WITHHOLD
        return _decision(request, agreement, outcome, ["error"], ())


def _decide(request: Request, facts: Facts, agreement: Agreement) -> Decision:
    as_of = instant(request.as_of)
    if as_of is None:
        raise ValueError("as_of is not an instant")
    hidden = sensitive.unplaced(facts.resources, facts.places, request.recipient)
    if not _fits(request, agreement):
        return _decision(request, agreement, Outcome.WITHHOLD, ["agreement-mismatch"], (), hidden)
    if _has_ended(agreement, as_of) and not (_waits(agreement) and request.person_released):
        outcome = Outcome.HOLD if _waits(agreement) else Outcome.WITHHOLD
        return _decision(request, agreement, outcome, ["agreement-ended"], (), hidden)
    if agreement.regime == "anonymous":
        return _anonymous(request, facts, agreement)
    judge = Judge(request, facts, as_of)
    if len(judge.people) > 1:
        outcome = Outcome.HOLD if agreement.undecidable == "hold" else Outcome.WITHHOLD
        return _decision(request, agreement, outcome, ["several-people"], (), hidden)
    unnoticed = asks_for_notice(agreement) and privacy_notice.is_missing(facts.consents, judge.about_person, as_of)
    votes = tuple(
        _voted(resource, judge, request, facts, agreement, unnoticed=unnoticed) for resource in facts.resources
    )
    outcome, rules = _whole(votes, facts.resources, request, agreement)
    conflicts = judge.conflicts()
    rules += ["conflict"] if conflicts else []
    said = (item.consent for item in facts.consents if not privacy_notice.is_notice(item.consent))
    if any(text(item, "status") == "entered-in-error" for item in said):
        rules.append("entered-in-error")
    return _decision(request, agreement, outcome, rules, votes, hidden, conflicts)


def _anonymous(request: Request, facts: Facts, agreement: Agreement) -> Decision:
    """What is about a person is counted and never leaves; only a finished report, which is about nobody, is released.

    INVARIANT: consent is not asked, because nothing that it could be about leaves: cells pass disclosure control first.
    """
    whole = all(_is_about_nobody(each) and not _as_written(each, agreement) for each in facts.resources)
    if not facts.resources or not whole:
        return _decision(request, agreement, Outcome.COUNTED, ["anonymous"], ())
    votes = tuple(ResourceVote(resource=label_of(item), vote=Vote.PERMIT, rule="aggregate") for item in facts.resources)
    return _decision(request, agreement, Outcome.RELEASE, ["aggregate"], votes)


def _is_about_nobody(resource: Json) -> bool:
    held = {"subject", "patient", "individual", "contained", "extension", "modifierExtension", "evaluatedResource"}
    people_named = any(name.split("/", 1)[0] in ("Patient", "RelatedPerson", "Group") for name in references(resource))
    nobody = resource.get("resourceType") in AGGREGATES and held.isdisjoint(resource) and not people_named
    return nobody and not prohibitions.marks(resource)


def _fits(request: Request, agreement: Agreement) -> bool:
    purposes_fit = bool(request.purpose) and all(
        any(purposes.covers(agreed, asked) is Match.YES for agreed in agreement.purpose) for asked in request.purpose
    )
    return (
        purposes_fit
        and request.letter == agreement.letter
        and request.recipient.recipient_class == agreement.recipient_class
        and request.action == agreement.action
    )


def _direct_care(agreement: Agreement) -> bool:
    return agreement.without_consent == "implied"


def _waits(agreement: Agreement) -> bool:
    """Does a person look where the letter may not leave by itself? Of care, and of what has to be told, silence is the worse mistake."""
    return agreement.without_consent in ("implied", "duty")


def asks_for_notice(agreement: Agreement) -> bool:
    """Does what leaves under this agreement want a privacy notice first? Everything that about a person leaves by their consent alone.

    INVARIANT: never care, what the law has told, or what two people let go because of serious harm: none of these asks what the person was told.
    """
    return agreement.without_consent == "nothing" and agreement.regime != "anonymous"


def overriding(request: Request, agreement: Agreement) -> Override | None:
    """The override of a request, where it is one of the kind that this agreement knows and its time is not over.

    INVARIANT: an act for care opens nothing but care, one for anybody else nothing that is for care, and neither outlives its hours.
    """
    given = request.override
    kind = OverrideKind.VITAL_INTEREST if _direct_care(agreement) else OverrideKind.HARM_TEST
    if given is None or given.kind is not kind or agreement.regime == "anonymous":
        return None
    as_of, until = instant(request.as_of), instant(given.until)
    return given if as_of is not None and until is not None and as_of < until else None


def _has_ended(agreement: Agreement, as_of: datetime) -> bool:
    """`ends` is the last day on which the agreement holds."""
    ends = agreement.text.get("ends", "")
    last = span(ends) if ends else None
    return last is not None and as_of >= last.end


def _voted(
    resource: Json, judge: Judge, request: Request, facts: Facts, agreement: Agreement, *, unnoticed: bool
) -> ResourceVote:
    if is_terms(resource, agreement):
        return ResourceVote(resource=label_of(resource), vote=Vote.PERMIT, rule=TERMS)
    if prohibitions.forbids(resource, judge, request, facts.by_agreement):
        return ResourceVote(resource=label_of(resource), vote=Vote.DENY, rule=FORBIDDEN)
    voted = _vote(resource, judge, request, agreement, unnoticed=unnoticed)
    return _obliged(voted, resource, judge, request, agreement)


def is_terms(resource: Json, agreement: Agreement) -> bool:
    """Is it what the agreement has its recipient know, and nothing else?

    INVARIANT: word for word what two people signed, and about nobody: only therefore is no consent asked.
    """
    words = agreement.text.get("caveats", "")
    said = {"resourceType": "Communication", "status": "completed", "payload": [{"contentString": words}]}
    return bool(words) and {name: value for name, value in resource.items() if name not in ("id", "meta")} == said


def _vote(resource: Json, judge: Judge, request: Request, agreement: Agreement, *, unnoticed: bool) -> ResourceVote:
    name = label_of(resource)
    hold = agreement.undecidable == "hold"
    voted = _asked(resource, judge, agreement)
    if unnoticed and voted.vote is not Vote.DENY:
        voted = ResourceVote(resource=name, vote=Vote.DENY, rule=NO_NOTICE)
    if voted.vote is not Vote.PERMIT and (given := overriding(request, agreement)) is not None:
        voted = replace(voted, vote=Vote.PERMIT, rule=f"override-{given.kind}")
    if voted.vote is Vote.DENY:
        return voted
    written = _as_written(resource, agreement)
    if written:
        if not hold or resource.get("resourceType") not in WHOLE:
            return ResourceVote(resource=name, vote=Vote.DENY, rule=written)
        # Keeping these back would end the whole letter, which no consent has asked for: a person looks.
        return voted if request.person_released else ResourceVote(resource=name, vote=Vote.HOLD, rule=written)
    if not _direct_care(agreement) and labels.counts_as_every(labels.resource_labels(resource)):
        return ResourceVote(resource=name, vote=Vote.DENY, rule="unlabelled")
    return voted


def _as_written(resource: Json, agreement: Agreement) -> str:
    """The rule that keeps it back because of how it is written; empty where nothing does.

    INVARIANT: what turns round what a resource says leaves with it, or the resource stays.
    """
    if "implicitRules" in resource or holds_key(resource, "modifierExtension"):
        return NOT_UNDERSTOOD
    return TURNED if modifiers.left_out(resource, agreement.tree) else ""


def _obliged(voted: ResourceVote, resource: Json, judge: Judge, request: Request, agreement: Agreement) -> ResourceVote:
    """Layer 7. INVARIANT: whoever permits on a condition has not permitted where nobody keeps it; what leaves without any consent asks for no
    condition of one, as it asks for no refusal, and an override stands above a yes on terms as it does above a no. Above what binds the resource
    itself stands only a clinician's word for a life.
    """
    if voted.vote is not Vote.PERMIT:
        return voted
    bound = obligations.owed_for(resource)
    asked = judge.permitting(resource) if voted.rule in _BY_CONSENT else ()
    if not bound and not any(map(obligations.owed_by, asked)):
        return voted
    given = overriding(request, agreement)
    if given is not None and (given.kind is OverrideKind.VITAL_INTEREST or not bound):
        return replace(voted, rule=f"override-{given.kind}")
    if request.person_released:
        return replace(voted, rule="person-released")
    return replace(voted, vote=Vote.HOLD if agreement.undecidable == "hold" else Vote.DENY, rule=OBLIGATION)


def _asked(resource: Json, judge: Judge, agreement: Agreement) -> ResourceVote:
    """Layer 5. INVARIANT: a dissent cannot stop the word about itself; nobody's agreement stands for the two people of a harm test."""
    match agreement.without_consent:
        case "duty":
            return ResourceVote(resource=label_of(resource), vote=Vote.PERMIT, rule="duty")
        case "harm-test":
            return ResourceVote(resource=label_of(resource), vote=Vote.DENY, rule="harm-test-only")
        case "implied" | "nothing":
            return judge.vote(resource, agreement.without_consent, hold=agreement.undecidable == "hold")


def _whole(
    votes: Sequence[ResourceVote], resources: Sequence[Json], request: Request, agreement: Agreement
) -> tuple[Outcome, list[str]]:
    """From the votes to the letter: hold over deny over permit (consent.md 3.4b 11)."""
    rules = sorted({vote.rule for vote in votes})
    if not votes:
        return Outcome.WITHHOLD, ["nothing-asked"]
    denied = [resource for resource, vote in zip(resources, votes, strict=True) if vote.vote is Vote.DENY]
    kept = [
        resource
        for resource, vote in zip(resources, votes, strict=True)
        if vote.vote is not Vote.DENY and vote.rule != TERMS
    ]
    if any(resource.get("resourceType") in WHOLE for resource in denied):
        return Outcome.WITHHOLD, [*rules, "subject-denied"]
    if not any(is_content(resource, resources) for resource in kept):
        # Told to a person where it is not the person's own wish that empties the letter.
        held = agreement.undecidable == "hold" and not _AS_WRITTEN.isdisjoint(rules)
        return (Outcome.HOLD if held else Outcome.WITHHOLD), [*rules, "nothing-left"]
    if any(vote.vote is Vote.HOLD for vote in votes):
        return Outcome.HOLD, rules
    # INVARIANT: of a person flagged sensitive nothing leaves but to whom a person has named; that it was let go names nobody.
    named = request.recipient_named or (_direct_care(agreement) and overriding(request, agreement) is not None)
    if sensitive.is_sensitive(resources) and not named:
        outcome = Outcome.HOLD if _waits(agreement) else Outcome.WITHHOLD
        return outcome, [*rules, "sensitive-person"]
    return (Outcome.REDUCE if denied else Outcome.RELEASE), rules


def is_content(resource: Json, resources: Sequence[Json]) -> bool:
    """A Communication is the content of a letter that has nothing else (a correction), and only its frame otherwise."""
    kind = resource.get("resourceType")
    if kind == "Communication":
        return all(item.get("resourceType") in FRAME for item in resources)
    return kind not in FRAME


def _decision(
    request: Request,
    agreement: Agreement,
    outcome: Outcome,
    rules: Iterable[str],
    votes: tuple[ResourceVote, ...],
    hidden: Unplaced | None = None,
    conflicts: tuple[Conflict, ...] = (),
) -> Decision:
    leaves = outcome in (Outcome.RELEASE, Outcome.REDUCE)
    paths = agreement.paths if leaves else ()
    if hidden is not None:
        paths = tuple(path for path in paths if not sensitive.is_where(path))
    return Decision(
        outcome=outcome,
        recipient_class=agreement.recipient_class,
        agreement=agreement.name,
        agreement_digest=agreement.digest,
        letter=agreement.letter,
        as_of=request.as_of,
        reasons=tuple(Reason(rule=rule, text=RULES[rule]) for rule in rules),
        votes=votes,
        permitted=paths,
        identifier_systems=agreement.identifier_systems if leaves else (),
        withheld_marker=agreement.withheld_marker and leaves and (outcome is Outcome.REDUCE or hidden is not None),
        unplaced=hidden,
        conflicts=conflicts,
    )
