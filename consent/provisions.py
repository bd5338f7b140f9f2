"""One FHIR R4 Consent against one resource: dialect, root, and the tree of provisions (consent.md 3.4 b to e, 3.4b 2, 5).

The answer is not one verdict but every verdict that some resolution of the unknowns could give, and the one that the known facts give. So
"would it matter?" is answered at the end, once, instead of by a guess in each element.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from consent import codes, labels, prohibitions, purposes, when
from consent.graph import Graph
from consent.labels import ACT_CODE, Side
from consent.parties import Recipient
from consent.reading import coding, concept_codings, label_of, obj, objects, text
from consent.shapes import Coding, Json, Request
from consent.ternary import Match, all_of, any_of

PERMIT, DENY, NONE = 1, 2, 4
"""Verdict bits: permitted, denied, not applicable."""
ANY = PERMIT | DENY | NONE

ACTION_SYSTEM = "http://terminology.hl7.org/CodeSystem/consentaction"
_ACTIONS = frozenset({"collect", "access", "use", "disclose", "correct"})
TYPE_SYSTEM = "http://hl7.org/fhir/resource-types"
_URI_SYSTEM = "urn:ietf:rfc:3986"
SCOPE_ELEMENTS = ("actor", "action", "purpose", "period")
DATA_ELEMENTS = ("securityLabel", "class", "code", "data", "dataPeriod")
_DEPTH = 64


class Base(StrEnum):
    """What the root says where no nested provision decides."""

    PERMIT = "permit"
    DENY = "deny"
    SILENT = "silent"
    """The policy leaves it to the default of the flow (v3-ActCode IMPLIED: nothing was asked)."""
    UNKNOWN = "unknown"


POLICY_RULES: Mapping[str, Base] = {
    "OPTIN": Base.PERMIT,
    "OPTINR": Base.PERMIT,
    "OPTOUT": Base.DENY,
    "OPTOUTE": Base.DENY,
    "IMPLIED": Base.SILENT,
    "IMPLIEDD": Base.SILENT,
}
"""Consent.policyRule codes of v3-ActCode that we read. Any other rule is unknown: it may deny, it never permits."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a verdict comes from."""

    rule: str
    consent: str = ""
    version: str = ""
    provision: str = ""
    said_in: tuple[Json, ...] = field(default=(), compare=False, repr=False)
    """The versions that say it: a sender may number none of them, so that a name is no identity."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`possible`: the bits some resolution of the unknowns gives. `known`: the one bit with every unknown taken as no match."""

    possible: int
    known: int
    permit: Source | None = None
    deny: Source | None = None


SILENCE = Finding(NONE, NONE)


@dataclass(frozen=True)
class Dialect:
    """`pcf`: IHE PCF, a type at the root. Otherwise core R4: the policy is the root's type."""

    pcf: bool
    base: Base
    contradictory: bool = False


def dialect(consent: Json) -> Dialect:
    """Which of the two dialects a Consent is written in, and its base (consent.md 3.4 b)."""
    stated = obj(consent, "provision").get("type")
    rules = {POLICY_RULES.get(item.code, Base.UNKNOWN) for item in _policy_codings(consent)} - {Base.UNKNOWN}
    ruled = rules.pop() if len(rules) == 1 else Base.UNKNOWN
    mixed = bool(rules)
    if stated is None:
        return Dialect(False, ruled if _says_what(consent) else Base.UNKNOWN, contradictory=mixed)
    if stated not in ("permit", "deny"):
        return Dialect(True, Base.UNKNOWN)
    opposed = mixed or (ruled in (Base.PERMIT, Base.DENY) and ruled != stated)
    return Dialect(True, Base.UNKNOWN if opposed else Base(stated), contradictory=opposed)


def _says_what(consent: Json) -> bool:
    """An opt-in with restrictions that states none has them on paper, where nobody here reads them."""
    restricted = any(item.code == "OPTINR" for item in _policy_codings(consent))
    return not restricted or bool(set(obj(consent, "provision")) - {"id", "extension"})


def _policy_codings(consent: Json) -> list[Coding]:
    if "policyRule" not in consent:
        return []
    return [item for item in concept_codings(consent["policyRule"]) if item.system == ACT_CODE]


@dataclass
class Question:
    """What one decision asks of every consent: who, what for, when, and over which resources. Made once, used for every pair."""

    request: Request
    as_of: datetime
    recipient: Recipient
    graph: Graph
    subsumes: codes.Subsumes

    @cached_property
    def document_types(self) -> list[Coding]:
        """Types of the document that these resources are in (Composition.type of the letter). A DocumentReference lends its type to nobody."""
        return [
            item
            for resource in self.graph.resources
            if resource.get("resourceType") == "Composition"
            for item in concept_codings(resource.get("type"))
        ]


def fold(left: int, right: int, rule: Callable[[int, int], int]) -> int:
    """Every verdict that the rule can give for one of the left and one of the right."""
    result = 0
    for one in (PERMIT, DENY, NONE):
        if left & one:
            for other in (PERMIT, DENY, NONE):
                if right & other:
                    result |= rule(one, other)
    return result


def deny_overrides(one: int, other: int) -> int:
    if DENY in (one, other):
        return DENY
    return PERMIT if PERMIT in (one, other) else NONE


def join(left: Finding, right: Finding) -> Finding:
    """Deny over permit over silence: among paths of one consent, and between lineages."""
    if left is SILENCE:
        return right
    if right is SILENCE:
        return left
    return Finding(
        fold(left.possible, right.possible, deny_overrides),
        deny_overrides(left.known, right.known),
        left.permit if left.known & PERMIT or right.permit is None else right.permit,
        left.deny if left.known & DENY or right.deny is None or (left.deny and not right.known & DENY) else right.deny,
    )


@dataclass
class Reading:
    """One Consent read for one question. `dissent` reads what it covers (recipients, purposes, data), whatever it said of it and when."""

    consent: Json
    question: Question
    dissent: bool = False

    def __post_init__(self) -> None:
        self.dialect = dialect(self.consent)
        self.identity = text(self.consent, "id")
        self.version = text(obj(self.consent, "meta"), "versionId")
        self.contained = {text(item, "id"): item for item in objects(self.consent, "contained")[0] if text(item, "id")}
        self._scope: dict[tuple[int, ...], Match] = {}
        self._looks_at = {name for node in codes.provisions(self.consent) for name in DATA_ELEMENTS if name in node}
        self._by_labels: dict[tuple[tuple[Coding, ...], frozenset[str]], Finding] = {}

    def finding(self, resource: Json) -> Finding:
        """What this consent says of this resource, before its own standing (status, scope, subject, authority) is looked at.

        One that looks at nothing but labels, and what a law protects, says the same of every resource that carries the same.
        """
        if not self._looks_at <= {"securityLabel"}:
            return self._finding(resource)
        labelled = tuple(labels.resource_labels(resource)) if self._looks_at else ()
        carried = (labelled, prohibitions.marks(resource))
        held = self._by_labels.get(carried)
        if held is None:
            held = self._by_labels[carried] = self._finding(resource)
        return held

    def _finding(self, resource: Json) -> Finding:
        base = self.dialect.base
        if "provision" not in self.consent:
            if self.dissent:
                return self._of(DENY, "policyRule" if "policyRule" in self.consent else "status")
            return self._of_base(base, "policyRule", {}, resource)
        root = self.consent["provision"]
        if not isinstance(root, dict):
            return Finding(ANY, NONE, deny=self._source("provision"))
        scope = self._match_scope(root, ())
        if scope is Match.NO:
            return SILENCE
        return self._maybe(self._root(root, resource), scope)

    def _root(self, root: Json, resource: Json) -> Finding:
        base = self.dialect.base
        nested = self._children(root, resource, "provision", ())
        side = {Base.DENY: Side.DENY, Base.UNKNOWN: Side.EITHER}.get(base, Side.PERMIT)
        data = self._match_data(root, resource, side)
        if base is Base.UNKNOWN and not self.dissent:
            return self._neither(nested, data)
        if self.dialect.pcf and (base is Base.PERMIT or (base is Base.UNKNOWN and self.dissent)):
            # IHE PCF: nested provisions are exceptions and may go beyond the root's data limits; what the root does not name is forbidden.
            if self.dissent:  # it spoke of all data: of those that it named, and of the others that it kept back
                return self._under(nested, self._of(DENY, "provision"))
            own = {
                Match.YES: self._permits(root, resource, "provision"),
                Match.NO: self._of(DENY, "provision"),
                Match.UNKNOWN: Finding(PERMIT | DENY, NONE, deny=self._source("provision")),
            }[data]
            return self._under(nested, own)
        return self._inside(nested, self._root_own(root, resource), data, root, resource)

    def _neither(self, nested: Finding, data: Match) -> Finding:
        """A consent of neither dialect, or of both: a stated deny still stands, nothing here permits."""
        if data is Match.NO and not self.dialect.pcf:
            return SILENCE
        stands = nested.known == DENY
        found = nested if stands else Finding(ANY, NONE, deny=nested.deny or self._source("provision"))
        return self._maybe(found, data) if stands and not self.dialect.pcf else found

    def _root_own(self, root: Json, resource: Json) -> Finding:
        base = self.dialect.base
        if self.dissent and base in (Base.SILENT, Base.UNKNOWN):
            # also by what we do not know: a modifier extension may say anything
            if "provision" not in root or root.keys() - {"id", "extension", "provision"}:
                return self._of(DENY, "provision")
            # A refusal covers what it states. What an active consent covered whose rule we do not read, or that left the rest to the flow, is
            # not known: refused without what is nested in it, it would deny everything.
            was_in_force = self.consent.get("status") == "active"
            return Finding(DENY | NONE, NONE, deny=self._source("provision")) if was_in_force else SILENCE
        return self._of_base(base, "provision", root, resource)

    def _of_base(self, base: Base, path: str, root: Json, resource: Json) -> Finding:
        if base is Base.UNKNOWN:
            return Finding(ANY, NONE, deny=self._source(path))
        if base is Base.SILENT:
            return SILENCE
        return self._permits(root, resource, path) if base is Base.PERMIT else self._of(DENY, path)

    def _permits(self, node: Json, resource: Json, path: str) -> Finding:
        """INVARIANT: of what a law protects a permit is silent, unless it names that law and its recipient; a refused one was about everything."""
        protected = () if self.dissent else prohibitions.marks(resource)
        return self._of(PERMIT, path) if not protected or prohibitions.names(node, protected) else SILENCE

    def _children(self, node: Json, resource: Json, path: str, place: tuple[int, ...]) -> Finding:
        if "provision" not in node:
            return SILENCE
        found, readable = objects(node, "provision")
        result = SILENCE
        for index, child in enumerate(found):
            result = join(result, self._node(child, resource, f"{path}.provision[{index}]", (*place, index)))
        if not readable:
            result = join(result, Finding(DENY | NONE, NONE, deny=self._source(path)))
        return result

    def _node(self, node: Json, resource: Json, path: str, place: tuple[int, ...]) -> Finding:
        if len(place) > _DEPTH:
            return Finding(ANY, NONE, deny=self._source(path))
        kind = node.get("type")
        scope = self._match_scope(node, place)
        if scope is Match.NO:
            return SILENCE
        if kind in ("permit", "deny"):
            matched = self._match_data(node, resource, Side.PERMIT if kind == "permit" else Side.DENY)
            own = self._permits(node, resource, path) if kind == "permit" else self._of(DENY, path)
        else:
            # "Required in all nested rules": without one it may mean either, so it may deny and cannot permit.
            matched = self._match_data(node, resource, Side.EITHER)
            own = self._of(DENY, path) if self.dissent else Finding(PERMIT | DENY, NONE, deny=self._source(path))
        if matched is Match.NO and "provision" not in node:
            return SILENCE
        nested = self._children(node, resource, path, place)
        return self._maybe(self._inside(nested, own, matched, node, resource), scope)

    def _inside(self, nested: Finding, own: Finding, matched: Match, node: Json, resource: Json) -> Finding:
        """A provision whose data match, perhaps. What is denied inside a permit is denied wherever the permit touches the resource.

        INVARIANT: a label, a time or a code more never releases more (consent.md 3.6): a permit that does not cover it falls silent, and the
        denial inside that permit does not.
        """
        if matched is Match.YES:
            return self._under(nested, own)
        denied = Finding(nested.possible & DENY, nested.known & DENY, None, nested.deny)
        touched = self._match_data(node, resource, Side.EITHER) if denied.possible and own.known != DENY else matched
        if touched is Match.NO:
            return SILENCE
        rest = NONE if nested.possible & ~DENY else 0
        found = Finding(denied.possible | rest, denied.known or NONE, None, denied.deny)
        if matched is Match.UNKNOWN:
            whole = self._under(nested, own)
            found = Finding(found.possible | whole.possible, found.known, whole.permit, whole.deny)
        return self._maybe(found, touched)

    @staticmethod
    def _under(nested: Finding, own: Finding) -> Finding:
        """The deepest matching provision decides: the own type speaks only where nothing nested does."""
        if nested is SILENCE:
            return own
        possible = nested.possible & ~NONE
        if nested.possible & NONE:
            possible |= own.possible
        known = own.known if nested.known == NONE else nested.known
        return Finding(possible, known, nested.permit or own.permit, nested.deny or own.deny)

    @staticmethod
    def _maybe(found: Finding, matched: Match) -> Finding:
        if matched is Match.YES or found is SILENCE:
            return found
        return Finding(found.possible | NONE, NONE, found.permit, found.deny)

    def _source(self, path: str) -> Source:
        return Source("dissent" if self.dissent else "consent", self.identity, self.version, path, (self.consent,))

    def _of(self, bit: int, path: str) -> Finding:
        source = self._source(path)
        return Finding(bit, bit, source if bit == PERMIT else None, source if bit == DENY else None)

    def _match_scope(self, node: Json, place: tuple[int, ...]) -> Match:
        """Actor, action, purpose and period: the same for every resource, so looked up once."""
        held = self._scope.get(place)
        if held is None:
            held = self._scope[place] = all_of(self._scope_answers(node))
        return held

    def _scope_answers(self, node: Json) -> list[Match]:
        ask = self.question
        answers: list[Match] = []
        if "period" in node and not self.dissent:
            period = node["period"]
            answers.append(when.contains(period, ask.as_of) if isinstance(period, dict) else Match.UNKNOWN)
        answers.append(_some(node, "actor", lambda item: ask.recipient.is_actor(item, self.contained)))
        answers.append(
            _some(
                node,
                "action",
                lambda item: any_of(same_action(held, ask.request.action) for held in concept_codings(item)),
            )
        )
        if "purpose" in node:
            answers.append(self._match_purpose(node))
        return answers

    def _match_purpose(self, node: Json) -> Match:
        """The one purpose that is asked: several purposes are several questions (consent/fhir_consent.py)."""
        asked = self.question.request.purpose
        if not asked:
            return Match.UNKNOWN
        return _some(node, "purpose", lambda item: purposes.covers(coding(item), asked[0]))

    def _match_data(self, node: Json, resource: Json, side: Side) -> Match:
        """Security label, class, code, data and dataPeriod: about the resource.

        A permit that was refused is read as a deny too: one label of the resource that it names is then enough.
        """
        if not any(name in node for name in DATA_ELEMENTS):
            return Match.YES
        if side is Side.PERMIT and self.dissent:
            side = Side.EITHER
        ask = self.question
        answers: list[Match] = []
        if "securityLabel" in node:
            found, readable = objects(node, "securityLabel")
            stated = [coding(item) for item in found]
            answer = labels.match(stated, labels.resource_labels(resource), ask.subsumes, side)
            answers.append(answer if readable else max(answer, Match.UNKNOWN))
        answers.append(_some(node, "class", lambda item: self._is_class(coding(item), resource)))
        if "code" in node:
            held = codes.resource_codings(resource, ask.graph.by_name, wide=side is not Side.PERMIT)
            answers.append(
                _some(node, "code", lambda item: codes.any_covers(concept_codings(item), held, ask.subsumes))
            )
        answers.append(_some(node, "data", lambda item: ask.graph.is_meant(item, resource, both_ways=self.dialect.pcf)))
        if "dataPeriod" in node:
            period = node["dataPeriod"]
            answers.append(
                when.data_within(period, resource, every=side is Side.PERMIT)
                if isinstance(period, dict)
                else Match.UNKNOWN
            )
        return all_of(answers)

    def _is_class(self, stated: Coding, resource: Json) -> Match:
        """A resource type, a profile, or the type of the document it is in."""
        if stated.system == TYPE_SYSTEM:
            same = stated.code in (resource.get("resourceType"), "Resource", "DomainResource")
            return Match.YES if same else Match.NO
        if stated.system == _URI_SYSTEM:
            return _has_profile(stated.code, resource)
        if not stated.system or not stated.code:
            return Match.UNKNOWN
        held: Sequence[Coding] = self.question.document_types
        if resource.get("resourceType") == "DocumentReference":
            held = [*held, *concept_codings(resource.get("type"))]
        return codes.any_covers([stated], held, self.question.subsumes)


def _has_profile(canonical: str, resource: Json) -> Match:
    profiles = obj(resource, "meta").get("profile")
    if not isinstance(profiles, list) or not profiles:
        return Match.UNKNOWN
    url, _, version = canonical.partition("|")
    claimed = [item.partition("|") for item in profiles if isinstance(item, str)]
    versions = {other for one, _, other in claimed if one == url}
    if not versions:
        return Match.NO
    return Match.YES if not version or version in versions else Match.UNKNOWN


def same_action(stated: Coding, asked: Coding) -> Match:
    if not stated.system or not stated.code:
        return Match.UNKNOWN
    if stated == asked:
        return Match.YES
    known = all(item.system == ACTION_SYSTEM and item.code in _ACTIONS for item in (stated, asked))
    return Match.NO if known else Match.UNKNOWN


def _some(node: Json, name: str, test: Callable[[Json], Match]) -> Match:
    """OR inside an element. An absent element does not constrain; one that cannot be read is unknown."""
    if name not in node:
        return Match.YES
    found, readable = objects(node, name)
    answer = any_of(test(item) for item in found)
    return answer if readable else max(answer, Match.UNKNOWN)


def subject_name(resource: Json) -> str:
    """The literal reference of who a resource is about: itself for a Patient, else `subject` or `patient`. Empty where it names nobody."""
    if resource.get("resourceType") == "Patient":
        return label_of(resource)
    for key in ("subject", "patient", "individual"):
        literal = text(obj(resource, key), "reference")
        if literal:
            return literal.split("/_history/", 1)[0]
    return ""
