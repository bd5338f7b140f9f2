"""The least that serves: an allow-list projection of a letter by the paths its decision permits (consent.md section 4).

What is not named does not leave: unknown elements, extensions, contained resources, narrative, primitive extensions and element ids are left
out and listed. Ids, fullUrls and references are rebuilt under a key, so that nothing of the sender's ids is left; a reference to what does not
leave goes too. This module is the only maker of `Released`. It MUST NOT be imported by anything but the gate (`gateway/steps/release.py`).
"""

import hashlib
import hmac
import uuid
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any

from consent.modifiers import left_out_of
from consent.paths import Node, compile_paths, is_reserved
from consent.reading import label_of, obj, objects, text
from consent.sensitive import (
    NAMELESS,
    NOT_NAMED,
    is_of_a_code_or_a_medicine,
    is_where,
    may_name,
    nameless,
    without_words,
)
from consent.shapes import Decision, Json, Naming, Outcome, Vote, Withheld
from consent.standing import NAMED_ANYHOW, is_of_nothing, kept_back, standing

PSEUDONYM = "pseudonym:"
"""An identifier system written `pseudonym:<system>` in an agreement: a pseudonym leaves in place of that identifier."""
PSEUDONYM_SYSTEM = "https://throughgate.example/id/pseudonym"
WITHHELD_TEXT = "Items excluded due to confidentiality and/or patient preferences."
"""The generic marker (GP Connect's wording); it never says what, how much or why."""
_SUBJECTS = frozenset({"subject", "patient", "individual", "beneficiary", "link", "other"})
_OURS = frozenset({"about"})
"""References that name a letter of ours by its delivery id."""
_PERSON_IDENTIFIERS = frozenset({"Patient.identifier", "RelatedPerson.identifier"})
_REFERENCE = frozenset({"reference", "type", "identifier", "display", "id", "extension"})
_MINIMUM_KEY_BYTES = 16
_URN = "urn:uuid:"

_MADE_HERE = object()


class NothingLeaves(ValueError):
    """The letter cannot be minimised as decided, so nothing of it leaves. The text holds no patient data."""


@dataclass(frozen=True, kw_only=True)
class Released:
    """A letter that has been minimised: what leaves, and what was withheld by which rule. Only `minimise` makes one."""

    bundle: Json
    withheld: tuple[Withheld, ...]
    made_by: InitVar[object]

    def __post_init__(self, made_by: object) -> None:
        # INVARIANT: a letter leaves only through the gate; nobody else can make what the gate takes.
        if made_by is not _MADE_HERE:
            raise TypeError("only consent.minimise makes a Released")


def minimise(bundle: Json, decision: Decision, naming: Naming) -> Released:
    """Project a composed letter on what its decision permits.

    `bundle` is a labelled Bundle with internal ids; every resource that stays has a permit vote in `decision`. Raises NothingLeaves where the
    decision does not release, a key is missing, or nothing is left.
    """
    if decision.outcome not in (Outcome.RELEASE, Outcome.REDUCE):
        raise NothingLeaves(f"the decision is {decision.outcome}")
    if len(naming.id_key) < _MINIMUM_KEY_BYTES:
        raise NothingLeaves("the naming key is missing or short")
    if any(system.startswith(PSEUDONYM) for system in decision.identifier_systems):
        if not naming.pseudonym_key:
            raise NothingLeaves("a pseudonym is demanded and there is no key for it")
        if not naming.recipient:
            raise NothingLeaves("a pseudonym is demanded and it is not said for whom")
    return _Projection(bundle, decision, naming).released()


def without(released: Released, words: tuple[str, ...]) -> Released:
    """Give the letter again, minimised as it was, with these words out of every text: NOT_NAMED stands where they stood.

    Codes, identifiers and other elements that are no text are as they were; each text that changed is listed by the rule `leak-scan`.
    """
    changed: dict[str, dict[str, None]] = {}

    def cut(value: Any, key: str, path: str, within: str) -> Any:
        if isinstance(value, list):
            return [cut(item, key, path, within) for item in value]
        if isinstance(value, dict):
            if key == "extension":
                path = f"{path}({text(value, 'url')})"
            return {name: cut(item, name, f"{path}.{name}", within) for name, item in value.items()}
        left = without_words(key, value, words) if isinstance(value, str) else value
        if left != value:
            changed.setdefault(path, {})[within] = None
        return left

    def of(resource: Json) -> Json:
        made: Json = cut(resource, "", resource["resourceType"], label_of(resource))
        return made

    entries = [{**entry, "resource": of(entry["resource"])} for entry in released.bundle["entry"]]
    cuts = (Withheld(path=path, rule="leak-scan", within=tuple(within)) for path, within in changed.items())
    listed = {*released.withheld, *cuts}
    in_order = sorted(listed, key=lambda each: (each.path, each.rule))
    return Released(bundle={**released.bundle, "entry": entries}, withheld=tuple(in_order), made_by=_MADE_HERE)


@dataclass
class _Projection:
    bundle: Json
    decision: Decision
    naming: Naming
    withheld: dict[tuple[str, str], None] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    """`Type/id` and fullUrl of everything that stays -> its new `urn:uuid:`."""

    ids: dict[str, str] = field(default_factory=dict)
    """`Type/id` of everything that stays -> its new id."""

    def released(self) -> Released:
        permitted = compile_paths(self.decision.permitted)
        staying = self._staying(permitted)
        back = kept_back(self.decision.votes)
        while True:
            self.kept = self._names(staying)
            entries = [(entry, self._resource(resource, permitted)) for entry, resource in staying]
            empty = {place for place, (_, made) in enumerate(entries) if not made.keys() - {"resourceType", "id"}}
            unsaid = {
                place for place, (_, made) in enumerate(entries) if is_of_nothing(staying[place][1], made, back)
            } - empty
            if not (empty | unsaid):
                break
            for place in empty | unsaid:
                self._withhold(label_of(staying[place][1]), "not-in-agreement" if place in empty else "nothing-left")
            staying = [item for place, item in enumerate(staying) if place not in empty | unsaid]
        if not entries:
            raise NothingLeaves("no resource is left")
        made = [{"fullUrl": _URN + resource["id"], "resource": resource} for _, resource in entries]
        whole: Json = {"resourceType": "Bundle", "type": text(self.bundle, "type") or "collection", "entry": made}
        if self.decision.withheld_marker:
            _mark(whole)
        listed = tuple(Withheld(path=path, rule=rule) for path, rule in sorted(self.withheld))
        return Released(bundle=whole, withheld=listed, made_by=_MADE_HERE)

    def _staying(self, permitted: Node) -> list[tuple[Json, Json]]:
        votes: dict[str, tuple[Vote, str]] = {}
        for cast in self.decision.votes:
            if cast.vote is not Vote.PERMIT or cast.resource not in votes:
                votes[cast.resource] = (cast.vote, cast.rule)
        staying: list[tuple[Json, Json]] = []
        seen: set[str] = set()
        for entry in objects(self.bundle, "entry")[0]:
            resource = obj(entry, "resource")
            name = label_of(resource)
            vote, rule = votes.get(name, (Vote.DENY, "not-decided"))
            if not name or vote is not Vote.PERMIT:
                self._withhold(name or "entry", rule)
            elif name in seen:
                self._withhold(name, "duplicate")
            elif permitted.child(text(resource, "resourceType")) is None:
                self._withhold(name, "not-in-agreement")
            else:
                seen.add(name)
                staying.append((entry, resource))
        return staying

    def _names(self, staying: list[tuple[Json, Json]]) -> dict[str, str]:
        names: dict[str, str] = {}
        for entry, resource in staying:
            name = label_of(resource)
            self.ids[name] = rebuilt_id(self.naming.id_key, name)
            new = names[name] = _URN + self.ids[name]
            if text(entry, "fullUrl"):
                names[text(entry, "fullUrl")] = new
        return names

    def _withhold(self, path: str, rule: str) -> None:
        self.withheld[(path, rule)] = None

    def _resource(self, resource: Json, permitted: Node) -> Json:
        kind = text(resource, "resourceType")
        node = permitted.child(kind) or Node()
        made: Json = {"resourceType": kind, "id": self.ids[label_of(resource)]}
        hidden = self.decision.unplaced
        if hidden is not None and kind in NAMELESS and label_of(resource) not in hidden.own:
            # INVARIANT: of who is near a person flagged sensitive it leaves that there is somebody, and nothing else.
            for key in resource.keys() - made.keys():
                self._withhold(f"{kind}.{key}", "sensitive-place")
            return {**made, **nameless(kind)}
        made.update(self._members(resource, node, node.whole, kind, kind))
        if kind == "Composition" and "section" in made:
            made["section"] = self._sections(made["section"])
            if not made["section"]:
                del made["section"]
        return made

    def _members(self, item: Json, node: Node, whole: bool, path: str, holder: str) -> Json:
        """The members of an object that may leave. `whole`: a wider path permits everything here that is not reserved."""
        made: Json = {}
        for key, value in item.items():
            if key in ("resourceType", "id") and path == holder:
                continue
            if key == "extension":
                extensions = self._extensions(value, node, path)
                if extensions:
                    made[key] = extensions
                continue
            child = node.child(key)
            if self.decision.unplaced is not None and is_where(f"{path}.{key}"):
                self._withhold(f"{path}.{key}", "sensitive-person")
                continue
            if child is None and (not whole or is_reserved(key)):
                self._withhold(f"{path}.{key}", "not-in-agreement")
                continue
            below = whole or (child is not None and child.whole)
            if type(value) is str:  # most of what there is
                if below:
                    made[key] = value if self.decision.unplaced is None else self._said(value, key, f"{path}.{key}")
                continue
            kept = self._value(value, child or _EMPTY, below, f"{path}.{key}", key)
            if kept is not None:
                made[key] = kept
        if made and path != holder and left_out_of(path, item, made):
            # INVARIANT: what turns round what an element says leaves with it, or the element stays.
            self._withhold(path, "modifier-left-out")
            return {}
        return made

    def _value(self, value: Any, node: Node, whole: bool, path: str, key: str) -> Any:
        if isinstance(value, list):
            made = [kept for item in value if (kept := self._value(item, node, whole, path, key)) is not None]
            return made or None
        if not isinstance(value, dict):
            said = self._said(value, key, path) if type(value) is str else value
            return said if whole and said is not None else None
        if key == "text" and ("div" in value or "status" in value):
            self._withhold(path, "narrative")
            return None
        if path in _PERSON_IDENTIFIERS:
            return self._identifier(value, node, whole, path)
        if _is_reference(value):
            return self._reference(value, node, whole, path, key)
        held = self._members(value, node, whole, path, "")
        left = standing(path, held) if held else None
        if held and left is None:
            self._withhold(path, "nothing-left")
        return left

    def _said(self, value: str, key: str, path: str) -> str:
        """Text as it stands; of a person flagged sensitive without the words for places."""
        hidden = self.decision.unplaced
        if hidden is None or path.startswith("Patient.") or is_of_a_code_or_a_medicine(path):
            return value
        left = without_words(key, value, hidden.words)
        if left != value:
            self._withhold(path, "sensitive-place")
        return left

    def _reference(self, value: Json, node: Node, whole: bool, path: str, key: str) -> Json | None:
        made: Json = {}
        literal = text(value, "reference").split("/_history/", 1)[0]
        if literal and whole:
            new = self.kept.get(literal)
            if new is None:
                self._withhold(path, "not-in-letter")
            else:
                made["reference"] = new
        hidden = self.decision.unplaced
        for name in ("identifier", "display"):
            child = node.child(name)
            if name not in value:
                continue
            if hidden is not None and key not in _SUBJECTS | _OURS and not may_name(value, key, hidden.own):
                self._withhold(f"{path}.{name}", "sensitive-place")
                if name == "display" and child is not None:
                    made[name] = NOT_NAMED  # that there is somebody leaves, as of a resource
                continue
            if child is None:
                self._withhold(f"{path}.{name}", "not-in-agreement")
                continue
            person = key in _SUBJECTS or text(value, "type") in ("Patient", "RelatedPerson")
            found = value[name]
            if name == "identifier" and person:
                kept = (
                    self._identifier(found, child, child.whole, f"{path}.{name}") if isinstance(found, dict) else None
                )
            else:
                kept = self._value(found, child, child.whole, f"{path}.{name}", name)
            if kept is not None:
                made[name] = kept
        if not made and path in NAMED_ANYHOW:
            made["display"] = NOT_NAMED
        return made or None

    def _identifier(self, value: Json, node: Node, whole: bool, path: str) -> Json | None:
        """A person's identifier: only of a system that the agreement names, or a pseudonym in its place."""
        system = text(value, "system")
        if f"{PSEUDONYM}{system}" in self.decision.identifier_systems:
            return {"system": PSEUDONYM_SYSTEM, "value": self._pseudonym(system, text(value, "value"))}
        if not system or system not in self.decision.identifier_systems:
            self._withhold(path, "identifier-system")
            return None
        return self._members(value, node, whole, path, "") or None

    def _pseudonym(self, system: str, value: str) -> str:
        key = self.naming.pseudonym_key
        if not key:
            raise NothingLeaves("a pseudonym is demanded and there is no key for it")
        # INVARIANT: one recipient, one purpose (its agreement), one period (a calendar year): between any two of them nobody can be linked.
        period = self.decision.as_of[:4]
        scope = (self.naming.recipient, self.decision.recipient_class, self.decision.agreement, period, system, value)
        return hmac.new(key, "\x1f".join(scope).encode(), hashlib.sha256).hexdigest()

    def _extensions(self, value: Any, node: Node, path: str) -> list[Json]:
        made: list[Json] = []
        for item in objects({"extension": value}, "extension")[0]:
            url = text(item, "url")
            child = node.extension(url)
            if child is None:
                self._withhold(f"{path}.extension", "not-in-agreement")
                continue
            content = {key: held for key, held in item.items() if key not in ("url", "id")}
            kept = self._members(content, child, child.whole, f"{path}.extension({url})", "")
            if kept:
                made.append({"url": url, **kept})
        return made

    def _sections(self, sections: list[Any]) -> list[Json]:
        """Sections that still hold something: an empty one would say what had been there."""
        made: list[Json] = []
        for section in sections:
            if not isinstance(section, dict):
                continue
            kept = dict(section)
            if "section" in kept:
                nested = self._sections(kept["section"]) if isinstance(kept["section"], list) else []
                kept = (
                    {**kept, "section": nested}
                    if nested
                    else {key: held for key, held in kept.items() if key != "section"}
                )
            if kept.keys() & {"entry", "section", "emptyReason"}:
                made.append(kept)
            else:
                self._withhold("Composition.section", "nothing-left")
        return made


_EMPTY = Node()


def _is_reference(value: Json) -> bool:
    if isinstance(value.get("reference"), str):
        return True
    return (
        value.keys() <= _REFERENCE
        and not isinstance(value.get("type"), (dict, list))
        and not isinstance(value.get("identifier"), list)
    )


def rebuilt_id(id_key: bytes, name: str) -> str:
    """The id that leaves for `Type/id`: a UUID made of HMAC-SHA-256 under the letter's own key (random form, RFC 9562 version 4)."""
    digest = hmac.digest(id_key, name.encode(), "sha256")
    return str(uuid.UUID(bytes=digest[:16], version=4))


def _mark(bundle: Json) -> None:
    """The agreed generic marker: on the Bundle, and as a section where there is a document."""
    bundle["meta"] = {
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "REDACTED"}]
    }
    for entry in bundle["entry"]:
        resource: Mapping[str, Any] = entry["resource"]
        if resource["resourceType"] == "Composition":
            reason = {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "withheld"}],
                "text": WITHHELD_TEXT,
            }
            entry["resource"] = {
                **resource,
                "section": [*resource.get("section", []), {"title": "Information not included", "emptyReason": reason}],
            }
