"""One decision, opened up: the consents that it was made from with the provision that decided, and what the letter held beside what left.

Codes, paths and numbers of values: a decision's page MUST NOT show a value of a letter, nor whom a consent names. `values_of` is for who was let see them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from consent.shapes import Json, RegisteredConsent, ResourceVote
from fhir_profiles import fhir_json
from fhir_profiles.compose import with_consents
from fhir_profiles.shapes import Composed
from gateway.steps.fields import Element, elements_of, values_by_element
from gateway.steps.kept import Kept
from gateway.steps.release import says_its_consent, what_would_leave

_CODED: Final = ("action", "securityLabel", "purpose", "class", "code")
"""Elements of a provision that hold codes."""
_NAMED: Final = ("actor", "data")
"""Elements that name somebody or something: only how many there are is shown, and in which role."""

LEAK_SCAN: Final = "leak-scan"
CUT: Final = "(the last look took words out of such a text: the letter has it as it left)"


@dataclass(frozen=True, kw_only=True)
class Provision:
    """One provision of a consent: what it says, in codes; `decided`: it is the one that a vote names."""

    path: str
    says: str
    parts: tuple[str, ...]
    decided: bool


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One version of a consent that was asked; `provisions` are none where it is not kept any more."""

    consent: str
    version: str
    scope: str
    provisions: tuple[Provision, ...]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One element of a letter: how often it stood in what was composed, how often in what left, and the rules that kept the rest."""

    path: str
    composed: int
    left: int
    rules: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FieldValues:
    """One element of a letter by value: what stood in what was composed, beside what stands in what left, and the rules that kept the rest."""

    path: str
    composed: tuple[str, ...]
    left: tuple[str, ...]
    rules: tuple[str, ...]


def asked_of(
    kept: Kept, consents: Sequence[RegisteredConsent | None], votes: Sequence[ResourceVote]
) -> tuple[Asked, ...]:
    """Each version that was asked, in its order, with what it says."""
    found = []
    for mark, registered in zip(kept.consents, consents, strict=True):
        decided = {vote.provision for vote in votes if (vote.consent, vote.version) == (mark.id, mark.version)}
        said = registered.consent if registered is not None else None
        whole = said.get("provision") if said is not None else None
        # the rule of a consent whose outermost provision has no type is its policy's
        base = " ".join(_codes((said or {}).get("policyRule"))) or "-"
        provisions = tuple(_provisions(whole, "provision", decided, base)) if isinstance(whole, dict) else ()
        scope = " ".join(_codes((said or {}).get("scope")))
        found.append(Asked(consent=mark.id, version=mark.version, scope=scope, provisions=provisions))
    return tuple(found)


def _provisions(said: Json, path: str, decided: set[str], base: str) -> Iterator[Provision]:
    yield Provision(path=path, says=str(said.get("type", base)), parts=tuple(_parts(said)), decided=path in decided)
    for number, inner in enumerate(_many(said.get("provision"))):
        if isinstance(inner, dict):
            yield from _provisions(inner, f"{path}.provision[{number}]", decided, "-")


def _parts(said: Json) -> Iterator[str]:
    for name in ("period", "dataPeriod"):
        period = said.get(name)
        if isinstance(period, dict):
            yield f"{name} {period.get('start', '…')} to {period.get('end', '…')}"
    for name in _CODED:
        codes = [code for each in _many(said.get(name)) for code in _codes(each)]
        if codes:
            yield f"{name} {', '.join(codes)}"
    for name in _NAMED:
        named = _many(said.get(name))
        roles = {code for each in named if isinstance(each, dict) for code in _codes(each.get("role"))}
        if named:
            yield " ".join((str(len(named)), name, *sorted(roles)))


def _codes(value: Any) -> list[str]:
    """The codes of a Coding or a CodeableConcept."""
    if not isinstance(value, dict):
        return []
    codings = [value, *(each for each in _many(value.get("coding")) if isinstance(each, dict))]
    return [str(each["code"]) for each in codings if isinstance(each.get("code"), str)]


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def fields_of(kept: Kept, letter: str) -> tuple[Field, ...]:
    """What was composed beside what left, by element. Nothing where nothing was composed."""
    if kept.composed is None:
        return ()
    # What a handover says of consent is said after the decision, and is not kept: here it is how many values that is, not which words.
    told = Composed(bundle=kept.composed)
    told = with_consents(told, None) if says_its_consent(letter, kept.decision) else told
    before = elements_of(told.bundle)
    after = elements_of(what_would_leave(told.bundle, kept.decision, kept.id_key))
    rules, found = _rules(kept), []
    for element in sorted({*before, *after}):
        cut = LEAK_SCAN in rules.get(".".join(element), ())  # as many values, and fewer words
        why = _why(rules, element) if cut or after[element] < before[element] else ()
        found.append(Field(path=".".join(element), composed=before[element], left=after[element], rules=why))
    return tuple(found)


def values_of(kept: Kept) -> tuple[FieldValues, ...]:
    """The same by value. What a handover says of consent is not in it: that is said after the decision, and the letter has it."""
    if kept.composed is None:
        return ()
    before = values_by_element(kept.composed)
    after = values_by_element(_as_cut(what_would_leave(kept.composed, kept.decision, kept.id_key), _cut(kept)))
    rules, found = _rules(kept), []
    for element in sorted({*before, *after}):
        composed, left = (tuple(_text(each) for each in side.get(element, ())) for side in (before, after))
        why = _why(rules, element) if left != composed else ()
        found.append(FieldValues(path=".".join(element), composed=composed, left=left, rules=why))
    return tuple(found)


def _cut(kept: Kept) -> frozenset[str]:
    """`Type/id path` of each text that the last look took words out of; the path alone where it was kept before its resource was."""
    groups = [group for group in kept.paths if group.rule == LEAK_SCAN]
    known = {place.partition(" ")[2] for group in groups for place in group.places}
    return frozenset(place for group in groups for place in (*group.places, *({*group.paths} - known)))


def _as_cut(bundle: Json | None, cut: frozenset[str]) -> Json | None:
    """What left, with CUT for each text of a resource at a path that the last look took words out of there.

    INVARIANT: which words those were is not kept, so nothing of such a text is shown as if it had left; the letter itself says it.
    """

    def shown(value: Any, path: str, within: str) -> Any:
        if isinstance(value, list):
            return [shown(item, path, within) for item in value]
        if isinstance(value, dict):
            return {name: shown(item, f"{_within(value, path)}.{name}", within) for name, item in value.items()}
        return CUT if isinstance(value, str) and cut & {path, f"{within} {path}"} else value

    def of(resource: Json) -> Json:
        kind = resource["resourceType"]
        made: Json = shown(resource, kind, f"{kind}/{resource['id']}")
        return made

    entries = (bundle or {}).get("entry", ())
    told = [{**each, "resource": of(each["resource"])} for each in entries]
    return {**bundle, "entry": told} if bundle is not None else None


def _within(value: Json, path: str) -> str:
    """The path of an object as `Withheld` writes it: an extension's has its url."""
    return f"{path}({value.get('url', '')})" if path.endswith(".extension") else path


def _text(value: Any) -> str:
    return value if isinstance(value, str) else fhir_json.encode(value).decode("utf-8")


def _rules(kept: Kept) -> Mapping[str, Mapping[str, None]]:
    """By path, by kind of resource, and for all of it (``): the rules that kept something back."""
    rules: dict[str, dict[str, None]] = {}
    for group in kept.paths:
        if group.outcome.value == "leaves":
            continue
        for path in group.paths or tuple(name.split("/", 1)[0] for name in group.resources) or ("",):
            element = path.partition("(")[0].split(".")[:2]  # of an extension its url stands behind
            rules.setdefault(".".join(element), {})[group.rule] = None
    return rules


def _why(rules: Mapping[str, Mapping[str, None]], element: Element) -> tuple[str, ...]:
    return tuple({**rules.get(".".join(element), {}), **rules.get(element[0], {}), **rules.get("", {})})
