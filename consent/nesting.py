"""Does a nested provision lie outside what the one above it covers, so that it never applies? Asked before a Consent takes effect.

It says so only where it is sure: what is not known to be apart may meet. It decides nothing, and MUST NOT be asked by a decision.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from consent import codes, purposes
from consent.labels import CONFIDENTIALITY, asks_for_something, levels_apart
from consent.parties import CLASS_SYSTEM, Directory, Recipient
from consent.provisions import TYPE_SYSTEM, Base, dialect, same_action
from consent.reading import coding, concept_codings, identifiers, obj, objects, text
from consent.shapes import Coding, Json, Party
from consent.ternary import Match
from consent.when import BEGINNING, bounds

_CODED = ("class", "code", "securityLabel")
_CHANGES = frozenset({"Group", "CareTeam"})
"""Who is in one of these is another tomorrow."""
_ANY_TYPE = frozenset({"Resource", "DomainResource"})

_COMPARED = ("actor", "action", "purpose")
MOST_COMPARED = 1_000
"""Comparisons that one Consent is worth before it takes effect: everybody's letters wait for them. No form of a person's words comes near."""

Cover = Callable[[Coding, Coding], Match]


def provisions_within(consent: Json) -> Iterator[tuple[Json, Json, int]]:
    """Every provision with the one above it and its depth; the root is at 0."""
    root = obj(consent, "provision")
    waiting: list[tuple[Json, Json, int]] = [(root, {}, 0)] if root else []
    while waiting:
        node, above, depth = waiting.pop()
        yield node, above, depth
        waiting.extend((child, node, depth + 1) for child in objects(node, "provision")[0])


def is_too_wide(consent: Json) -> bool:
    """Would comparing its provisions with each other cost more than `MOST_COMPARED`? Then nobody compares them."""
    return compared(consent) > MOST_COMPARED


def compared(consent: Json) -> int:
    """Comparisons that it asks for; of one that is too wide, some number above `MOST_COMPARED`."""
    contained = len(objects(consent, "contained")[0])
    count = 0
    for node, above, _ in provisions_within(consent):
        count += len(objects(node, "provision")[0]) ** 2 // 2 + len(objects(node, "actor")[0]) * contained
        count += sum(len(_codings(above, name)) * len(_codings(node, name)) for name in _CODED)
        count += sum(_width(above, name) * _width(node, name) for name in _COMPARED)
        if count > MOST_COMPARED:
            break
    return count


def _width(node: Json, name: str) -> int:
    held = objects(node, name)[0]
    return sum(max(1, len(concept_codings(one))) for one in held) if name == "action" else len(held)


def pairs_nested(consent: Json) -> tuple[tuple[str, str], ...]:
    """Every pair of `system|code` that `Nesting` may look up, sorted: what its `subsumes` table must answer. None where it is too wide."""
    if is_too_wide(consent):
        return ()
    found: set[tuple[str, str]] = set()
    for node, above, depth in provisions_within(consent):
        for name in _CODED if depth else ():
            for one in _codings(above, name):
                for other in _codings(node, name):
                    found |= {(codes.key(one), codes.key(other)), (codes.key(other), codes.key(one))}
    return tuple(sorted(pair for pair in found if pair[0] != pair[1] and "|" not in pair))


@dataclass(frozen=True, kw_only=True)
class Nesting:
    """One Consent with what its references and its codes are known to mean."""

    consent: Json
    directory: Directory
    subsumes: codes.Subsumes

    def is_outside(self, node: Json, above: Json, depth: int) -> bool:
        """INVARIANT: a root of IHE PCF that permits is no limit to the data of its exceptions; all else limits what is inside it."""
        written = dialect(self.consent)
        tests = [_period_apart, self._actor_apart, _action_apart, _purpose_apart]
        if not (written.pcf and depth == 1 and written.base is Base.PERMIT):
            tests += [self._class_apart, self._code_apart, self._label_apart]
        return any(test(node, above) for test in tests)

    def _actor_apart(self, node: Json, above: Json) -> bool:
        pairs = product(objects(node, "actor")[0], objects(above, "actor")[0])
        return _every(self._are_apart(one, other) for one, other in pairs)

    def _are_apart(self, one: Json, other: Json) -> bool:
        sides = (self._entries(one), self._entries(other))
        if any(text(entry, "resourceType") in _CHANGES for side in sides for entry in side):
            return False
        return self._is_no(one, sides[0], other) and self._is_no(other, sides[1], one)

    def _is_no(self, one: Json, entries: tuple[Json, ...], other: Json) -> bool:
        """Whoever the first actor names is certainly not the second."""
        party = Party(
            identifiers=tuple(pair for held in (obj(one, "reference"), *entries) for pair in identifiers(held)),
            recipient_class=next(
                (item.code for item in concept_codings(one.get("role")) if item.system == CLASS_SYSTEM), ""
            ),
        )
        recipient = Recipient(party, self.directory, BEGINNING)
        return recipient.is_actor(other, self._contained) is Match.NO

    @property
    def _contained(self) -> Mapping[str, Json]:
        return {text(item, "id"): item for item in objects(self.consent, "contained")[0]}

    def _entries(self, actor: Json) -> tuple[Json, ...]:
        literal = text(obj(actor, "reference"), "reference")
        if literal.startswith("#"):
            held = self._contained.get(literal[1:])
            return () if held is None else (held,)
        return self.directory.find(literal) if literal else ()

    def _class_apart(self, node: Json, above: Json) -> bool:
        return _apart(_codings(node, "class"), _codings(above, "class"), self._class_covers)

    def _class_covers(self, general: Coding, specific: Coding) -> Match:
        if TYPE_SYSTEM in (general.system, specific.system) and general.system != specific.system:
            return Match.UNKNOWN
        if general.system == TYPE_SYSTEM:
            return Match.YES if general.code in (specific.code, *_ANY_TYPE) else Match.NO
        return self._covers(general, specific)

    def _code_apart(self, node: Json, above: Json) -> bool:
        return _apart(_codings(node, "code"), _codings(above, "code"), self._covers)

    def _label_apart(self, node: Json, above: Json) -> bool:
        """A denial inside finds what carries its label beside the one above; a permit covers only what carries no other. Its terms pick nothing."""
        if node.get("type") != "permit":
            return False
        denied = above.get("type") == "deny"
        inner = [each for each in _codings(node, "securityLabel") if not asks_for_something(each)]
        outer = [each for each in _codings(above, "securityLabel") if denied or not asks_for_something(each)]
        pairs = product(inner, outer)
        return _every(self._labels_apart(one, other, denied=denied) for one, other in pairs)

    def _labels_apart(self, one: Coding, other: Coding, *, denied: bool) -> bool:
        if CONFIDENTIALITY in (one.system, other.system):
            return denied and levels_apart(one, other)
        return self._covers(one, other) is Match.NO and self._covers(other, one) is Match.NO

    def _covers(self, general: Coding, specific: Coding) -> Match:
        return codes.covers(general, specific, self.subsumes)


def _codings(node: Json, name: str) -> list[Coding]:
    found = objects(node, name)[0]
    return (
        [item for held in found for item in concept_codings(held)] if name == "code" else [coding(one) for one in found]
    )


def _every(answers: Iterable[bool]) -> bool:
    """An absent element limits nothing: it is apart from nothing."""
    held = list(answers)
    return bool(held) and all(held)


def _apart(inner: Sequence[Coding], outer: Sequence[Coding], covers: Cover) -> bool:
    return _every(
        covers(one, other) is Match.NO and covers(other, one) is Match.NO for one, other in product(inner, outer)
    )


def _period_apart(node: Json, above: Json) -> bool:
    if "period" not in node or "period" not in above:
        return False
    inner, outer = bounds(obj(node, "period")), bounds(obj(above, "period"))
    return inner.end <= outer.start or outer.end <= inner.start


def _purpose_apart(node: Json, above: Json) -> bool:
    return _apart(
        [coding(item) for item in objects(node, "purpose")[0]],
        [coding(item) for item in objects(above, "purpose")[0]],
        purposes.covers,
    )


def _action_apart(node: Json, above: Json) -> bool:
    held, stated = (
        [item for concept in objects(where, "action")[0] for item in concept_codings(concept)]
        for where in (node, above)
    )
    return _apart(held, stated, same_action)
