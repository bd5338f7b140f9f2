"""What is odd about a Consent, before it takes effect; and whether anything in it could permit. It decides nothing."""

from collections.abc import Iterator, Sequence

from consent.codes import Subsumes
from consent.nesting import Nesting, is_too_wide, provisions_within
from consent.parties import Directory
from consent.provisions import DATA_ELEMENTS, SCOPE_ELEMENTS, Base, dialect
from consent.reading import holds_key, obj, objects, text
from consent.shapes import Json, Reason
from consent.when import bounds

_NO_CODES: Subsumes = {}
_KNOWN = frozenset({"id", "type", "provision", *SCOPE_ELEMENTS, *DATA_ELEMENTS})

TEXTS = {
    "dialect-mixed": "the policy rule and the type at the root say different things: it can deny, not permit",
    "dialect-unknown": "neither a type at the root nor a policy rule that we read: it can deny, not permit",
    "not-understood": "an implicit rule or modifier that we do not understand: it can deny, not permit",
    "type-missing": "a nested provision without a type: it can deny, not permit",
    "same-type": "a provision has the type of the one above it: it changes nothing, or something was meant that is not said",
    "too-deep": "IHE PCF has one level of nested provisions; deeper ones are read by their stated type",
    "too-wide": "more provisions, actors or codes than are compared with each other: what else is odd in it nobody knows",
    "unreachable": "a provision lies outside what the one above it covers: it never applies, but to what happens to be both",
    "contradiction": "two provisions beside each other say opposite things of the same; the denial stands",
    "dangling-actor": "an actor that resolves to nobody: for a denial that is unknown and holds letters of direct care",
    "ends": "the period has an end; after it the agreement's default holds",
    "denial-ends": "a nested denial has an end, and then what it denied leaves by what stands above it, without a further word of the person",
    "never": "the period ends before it starts, so it never applies",
    "unsupported": "an element that we do not read",
    "unverified": "it asks to be verified and is not: it can deny, not permit",
}

NEVER_WIDENS = frozenset({"contradiction", "dangling-actor", "too-wide", "unsupported"})
"""Somebody meant something else than what would be read: what such a Consent permits waits for a person; what it refuses does not."""
ORDINARY = frozenset({"ends"})
"""Worth a remark, and nobody's work."""


def widens(consent: Json) -> bool:
    """Could anything in this Consent permit? From a source without authority such a Consent is held for a person; a mere refusal is not."""
    if text(consent, "status") != "active":
        return False
    base = dialect(consent).base
    if base is Base.PERMIT:
        return True
    return any(
        node.get("type") != "deny" for node, _, depth in provisions_within(consent) if depth > 0
    ) or not _readable(consent)


def _readable(consent: Json) -> bool:
    if "provision" in consent and not isinstance(consent["provision"], dict):
        return False
    return all("provision" not in node or objects(node, "provision")[1] for node, _, _ in provisions_within(consent))


def lint(
    consent: Json, directory: Sequence[Json] = (), subsumes: Subsumes = _NO_CODES, *, is_one_too_many: bool = False
) -> tuple[Reason, ...]:
    """Remarks on one Consent, each rule once, sorted. `subsumes` answers `consent.nesting.pairs_nested` of it.

    `is_one_too_many`: those that came with it have used up what is compared of one message.
    """
    found = set(_on_the_whole(consent))
    pcf = dialect(consent).pcf
    for node, above, depth in provisions_within(consent):
        found |= set(_on_a_provision(node, above, depth, pcf=pcf))
    # INVARIANT: no Consent is so wide that others wait for it: one that is, is compared with nothing, and widens by nobody's word but a person's.
    found |= {"too-wide"} if is_one_too_many or is_too_wide(consent) else set(_compared(consent, directory, subsumes))
    return tuple(Reason(rule=rule, text=TEXTS[rule]) for rule in sorted(found))


def _compared(consent: Json, directory: Sequence[Json], subsumes: Subsumes) -> Iterator[str]:
    known = Directory.of((*directory, *objects(consent, "contained")[0]))
    nesting = Nesting(consent=consent, directory=known, subsumes=subsumes)
    for node, above, depth in provisions_within(consent):
        if depth and nesting.is_outside(node, above, depth):
            yield "unreachable"
        if any(_dangles(actor, consent, known) for actor in objects(node, "actor")[0]):
            yield "dangling-actor"
        if _contradicts(objects(node, "provision")[0]):
            yield "contradiction"


def _on_the_whole(consent: Json) -> Iterator[str]:
    written = dialect(consent)
    if written.contradictory:
        yield "dialect-mixed"
    elif written.base is Base.UNKNOWN:
        yield "dialect-unknown"
    if "implicitRules" in consent or holds_key(consent, "modifierExtension"):
        yield "not-understood"
    if any(check.get("verified") is not True for check in objects(consent, "verification")[0]):
        yield "unverified"


def _on_a_provision(node: Json, above: Json, depth: int, *, pcf: bool) -> Iterator[str]:
    kind = node.get("type")
    if depth and kind not in ("permit", "deny"):
        yield "type-missing"
    if depth and kind is not None and kind == above.get("type"):
        yield "same-type"
    if pcf and depth > 1:
        yield "too-deep"
    if set(node) - _KNOWN:
        yield "unsupported"
    period = obj(node, "period")
    if period:
        limits = bounds(period)
        if limits.start >= limits.end:
            yield "never"
        elif "end" in period:
            yield "denial-ends" if depth and kind == "deny" else "ends"


def _contradicts(siblings: Sequence[Json]) -> bool:
    said = [
        ({key: value for key, value in node.items() if key not in ("type", "id")}, node.get("type"))
        for node in siblings
    ]
    return any(
        one[0] == other[0] and one[1] != other[1] for place, one in enumerate(said) for other in said[place + 1 :]
    )


def _dangles(actor: Json, consent: Json, known: Directory) -> bool:
    if "reference" not in actor:
        return "role" not in actor
    reference = obj(actor, "reference")
    literal = text(reference, "reference")
    if "identifier" in reference:
        return False
    if literal.startswith("#"):
        return literal[1:] not in {text(item, "id") for item in objects(consent, "contained")[0]}
    return not known.find(literal)
