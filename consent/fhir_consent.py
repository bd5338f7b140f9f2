"""FHIR R4 Consent: every consent of a person against every resource, and one vote for each (consent.md 3.4).

Lineages are read on their own; between them a deny overrides. A vote is a permit only if every resolution of what is unknown permits; it is a
hold where the known facts would permit and only an unknown could deny; otherwise it is a deny. There is no clock and no code list here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from itertools import cycle, islice

from consent.extent import is_too_much
from consent.graph import Graph
from consent.labels import ACT_CODE
from consent.lineages import Lineage, lineages
from consent.parties import Directory, Recipient
from consent.provisions import (
    DENY,
    NONE,
    PERMIT,
    SILENCE,
    Finding,
    Question,
    Source,
    fold,
    join,
    subject_name,
)
from consent.purposes import ACT_REASON, LOCAL_PURPOSE, covers
from consent.reading import concept_codings, identifiers, label_of, obj, objects, text
from consent.shapes import Coding, Conflict, Decision, Facts, Json, Request, ResourceVote, Said, Vote
from consent.ternary import Match, any_of
from consent.when import instant

SCOPE_SYSTEM = "http://terminology.hl7.org/CodeSystem/consentscope"
PRIVACY = Coding(system=SCOPE_SYSTEM, code="patient-privacy")
_OTHER_SCOPES = frozenset({"research", "adr", "treatment"})
CATEGORY_SYSTEM = "http://terminology.hl7.org/CodeSystem/consentcategorycodes"
LOCAL_CATEGORY = "https://throughgate.example/code/consent-category"
CATEGORY_PURPOSES = {
    **{(CATEGORY_SYSTEM, code): Coding(system=ACT_REASON, code="HRESCH") for code in ("research", "rsdid", "rsreid")},
    **{(ACT_CODE, code): Coding(system=ACT_REASON, code="HRESCH") for code in ("RESEARCH", "RSDID", "RSREID")},
    (CATEGORY_SYSTEM, "emrgonly"): Coding(system=ACT_REASON, code="ETREAT"),
    (LOCAL_CATEGORY, "ndtms"): Coding(system=LOCAL_PURPOSE, code="ndtms"),
}
"""Categories that are about one purpose only (http://hl7.org/fhir/R4/valueset-consent-category.html): refusing NDTMS never blocks a referral,
and the reverse (requirements.md 2, trap 7); a consent to research permits no treatment, and one for emergencies only nothing else."""
_NOT_ABOUT_SHARING = frozenset({"acd", "dnr", "hcd", "polst", "npp"})

IMPLIED, NOTHING = "implied", "nothing"


def votes(request: Request, facts: Facts, as_of: datetime, default: str, *, hold: bool) -> tuple[ResourceVote, ...]:
    """One vote for each resource, in their order. `default` is what holds where no consent speaks; `hold` says that unknowns are held."""
    judge = Judge(request, facts, as_of)
    return tuple(judge.vote(resource, default, hold=hold) for resource in facts.resources)


def permitting(request: Request, facts: Facts, decision: Decision) -> tuple[Json, ...]:
    """The versions of consents by which what leaves by this decision was permitted, each once. Of no others is anything said."""
    leaving = {each.resource for each in decision.votes if each.rule == "consent-permit"}
    as_of = instant(decision.as_of)
    if not leaving or as_of is None:
        return ()
    judge = Judge(request, facts, as_of)
    named = (each for each in facts.resources if label_of(each) in leaving)
    return tuple({id(each): each for resource in named for each in judge.permitting(resource)}.values())


class Judge:
    """One question, with everything that is the same for all resources read once."""

    def __init__(self, request: Request, facts: Facts, as_of: datetime) -> None:
        self._request = request
        self._facts = facts
        self._as_of = as_of
        self.people = _people(facts.resources)
        self.is_too_much = is_too_much(
            facts.consents, len(facts.resources), len(request.purpose), by_person=request.person_released
        )
        """Is there more to compare than one letter may cost? Then no consent is asked at all."""
        grouped = [] if self.is_too_much else lineages(facts.consents, as_of)
        self._lineages = [Lineage(versions, self._question, self._standing) for versions in grouped]
        apart = request.purpose if len(request.purpose) > 1 else ()
        self._each = [Judge(replace(request, purpose=(one,)), facts, as_of) for one in apart]
        """Several purposes are several questions, judged each for itself."""
        self._sharing: dict[int, Match] = {}
        self._subjects: dict[tuple[int, str], Match] = {}

    @cached_property
    def _directory(self) -> Directory:
        return Directory.of((*self._facts.directory, *self._facts.resources))

    @cached_property
    def _question(self) -> Question:
        """Asked only where there is a consent."""
        recipient = Recipient(self._request.recipient, self._directory, self._as_of)
        graph = Graph(self._facts.resources, self._directory)
        return Question(self._request, self._as_of, recipient, graph, self._facts.subsumes)

    def vote(self, resource: Json, default: str, *, hold: bool) -> ResourceVote:
        if self.is_too_much:
            # INVARIANT: neither a permit nor a denial is read out of a part of what the person said.
            vote = Vote.HOLD if hold else Vote.DENY
            return ResourceVote(resource=label_of(resource), vote=vote, rule="too-much-to-compare")
        if self._each:  # a permit must cover every purpose, for a deny one is enough
            said = {held.vote: held for held in (judge.vote(resource, default, hold=hold) for judge in self._each)}
            return next(said[one] for one in (Vote.DENY, Vote.HOLD, Vote.PERMIT) if one in said)
        found = self.finding(resource)
        fallback = PERMIT if default == IMPLIED else DENY
        known = fallback if found.known == NONE else found.known
        possible = fold(found.possible, fallback, _after_default)
        name = label_of(resource)
        if possible == PERMIT:
            return _voted(name, Vote.PERMIT, found, found.known, default)
        if known == DENY:
            return _voted(name, Vote.DENY, found, found.known, default)
        if self._request.person_released:
            return ResourceVote(resource=name, vote=Vote.PERMIT, rule="person-released", **_origin(found))
        return ResourceVote(resource=name, vote=Vote.HOLD if hold else Vote.DENY, rule="undecidable", **_origin(found))

    def finding(self, resource: Json) -> Finding:
        result = SILENCE
        for lineage in self._lineages:
            result = join(result, lineage.finding(resource))
        return result

    def permitting(self, resource: Json) -> tuple[Json, ...]:
        """The versions by which the consents on record permit this resource: the very ones, whatever number their sender gives them."""
        if self._each:
            return tuple(found for judge in self._each for found in judge.permitting(resource))
        found: list[Json] = []
        for lineage in self._lineages:
            said = lineage.finding(resource)
            if said.known == PERMIT and said.permit is not None:
                found += said.permit.said_in
        return tuple(found)

    def conflicts(self) -> tuple[Conflict, ...]:
        """Where one lineage permits and another denies: the denial stood. Each of them is named, with one that it disagrees with and not with every
        one: hundreds against hundreds would be more than the comparisons that `extent` bounds.
        """
        if self._each:
            return tuple(dict.fromkeys(found for judge in self._each for found in judge.conflicts()))
        if len(self._lineages) < 2:
            return ()
        found: dict[Conflict, None] = {}
        for resource in self._facts.resources:
            said = [lineage.finding(resource) for lineage in self._lineages]
            permits = [_said(each.permit) for each in said if each.known == PERMIT]
            denies = [_said(each.deny) for each in said if each.known == DENY]
            pairs = islice(zip(cycle(permits), cycle(denies), strict=False), max(len(permits), len(denies)))
            found |= {Conflict(resource=label_of(resource), permits=yes, denies=no): None for yes, no in pairs}
        return tuple(found)

    def _standing(self, consent: Json, resource: Json) -> Match:
        """Is this consent about sharing, for this kind of purpose, and about the person whom the resource is about?"""
        sharing = self._sharing.get(id(consent))
        if sharing is None:
            sharing = self._sharing[id(consent)] = min(_scope(consent), _category(consent, self._request.purpose))
        if sharing is Match.NO:
            return sharing
        who = subject_name(resource)
        subject = self._subjects.get((id(consent), who))
        if subject is None:
            subject = self._subjects[(id(consent), who)] = self._same_person(consent, who)
        return min(sharing, subject)

    def about_person(self, consent: Json) -> Match:
        """Is this about the person of the letter?"""
        return self._same_person(consent, "")

    def _same_person(self, consent: Json, who: str) -> Match:
        """INVARIANT: one person's consent never decides about another's record (consent.md 1.3, group 2)."""
        patient = obj(consent, "patient")
        if not patient:
            return Match.UNKNOWN if "patient" in consent else Match.YES
        people = self.people
        if not people:
            return Match.YES  # nobody is named: these are the resources and the consents of one person
        about = who or (next(iter(people)) if len(people) == 1 else "")
        literal = text(patient, "reference").split("/_history/", 1)[0]
        own = set(identifiers(patient))
        for entry in self._directory.find(literal):
            own |= set(identifiers(entry))
        held = people.get(about, frozenset())
        if about and not own.isdisjoint(held):
            return Match.YES
        conflict = bool({system for system, _ in own} & {system for system, _ in held})
        if about and literal == about:
            return Match.UNKNOWN if conflict else Match.YES
        return Match.NO if about and (conflict or literal in people) else Match.UNKNOWN


def is_about(consent: Json, purpose: Coding) -> Match:
    """Is it about sharing, for this kind of purpose?"""
    return min(_scope(consent), _category(consent, (purpose,)))


def _people(resources: Sequence[Json]) -> dict[str, frozenset[tuple[str, str]]]:
    """Everyone these resources are about, by literal reference, with the identifiers that are known of them."""
    found: dict[str, frozenset[tuple[str, str]]] = {}
    for resource in resources:
        name = subject_name(resource)
        if resource.get("resourceType") == "Patient" and name:
            found[name] = found.get(name, frozenset()) | frozenset(identifiers(resource))
        elif name:
            found.setdefault(name, frozenset())
    return found


def _scope(consent: Json) -> Match:
    if "scope" not in consent:
        return Match.UNKNOWN
    held = concept_codings(consent["scope"])
    if PRIVACY in held:
        return Match.YES
    others = all(item.system == SCOPE_SYSTEM and item.code in _OTHER_SCOPES for item in held)
    return Match.NO if others else Match.UNKNOWN


def _category(consent: Json, purposes: Iterable[Coding]) -> Match:
    """A category that is about one purpose only speaks for that purpose; one that is not about sharing does not speak."""
    concepts = objects(consent, "category")[0]
    if not concepts:
        return Match.YES
    return any_of(_one_category(concept_codings(concept), tuple(purposes)) for concept in concepts)


def _one_category(held: Sequence[Coding], purposes: Sequence[Coding]) -> Match:
    for item in held:
        only = CATEGORY_PURPOSES.get((item.system, item.code))
        if only is not None:
            return any_of(covers(only, purpose) for purpose in purposes)
        if item.system == CATEGORY_SYSTEM and item.code in _NOT_ABOUT_SHARING:
            return Match.NO
    return Match.YES


def _after_default(one: int, fallback: int) -> int:
    return fallback if one == NONE else one


def _voted(name: str, vote: Vote, found: Finding, known: int, default: str) -> ResourceVote:
    if known == NONE:
        return ResourceVote(resource=name, vote=vote, rule="implied" if default == IMPLIED else "no-consent")
    source = found.permit if known == PERMIT else found.deny
    rule = "consent-permit" if known == PERMIT else "dissent" if source and source.rule == "dissent" else "consent-deny"
    return ResourceVote(resource=name, vote=vote, rule=rule, **_named(source))


def _said(source: Source | None) -> Said:
    return Said(**{"consent": "", "version": "", "provision": "", **_named(source)})


def _origin(found: Finding) -> dict[str, str]:
    return _named(found.deny or found.permit)


def _named(source: Source | None) -> dict[str, str]:
    return (
        {} if source is None else {"consent": source.consent, "version": source.version, "provision": source.provision}
    )
