"""What the product does not carry of a message, and by which rule: `minimised.toml`, read once. It must never take back what a mapping carries.

A rule applies to what no mapping reads. Each says why no purpose of the product needs the field (UK GDPR article 5(1)(c)).
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files as package_files
from typing import Final

WHOLE_SEGMENT: Final = 0
_ELEMENT: Final = re.compile(r"[A-Z][A-Za-z]+(?:\.[a-z][A-Za-z]*)*|https?://[a-z0-9.]+/\S+")
_REPETITION: Final = re.compile(r"\[[0-9]+\]")
_PLACE: Final = re.compile(r"([A-Z][A-Z0-9]{2})(?:-([1-9][0-9]*)(?:\.\.([1-9][0-9]*))?)?")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule: its name, what it keeps out and why, the places that it names as `minimised.toml` writes them, and in words what a mapping leaves out by it.

    `fields` are of HL7 v2, `elements` of FHIR (`MessageHeader.focus`, a whole type of resource, or an extension by its url) and of HMPPS domain
    events (`HmppsEvent.version`).
    """

    name: str
    because: str
    why: str
    fields: tuple[str, ...]
    elements: tuple[str, ...] = ()
    parts: str

    @property
    def reason(self) -> str:
        """What the field ledger says."""
        return f"{self.name}: {self.because}"


@cache
def rules() -> Mapping[str, Rule]:
    """Give every rule by its name, in the order of the file."""
    text = package_files("fhir_profiles.mappings").joinpath("minimised.toml").read_text("utf-8")
    return {
        each["name"]: Rule(
            name=each["name"],
            because=each["because"],
            why=each["why"],
            fields=tuple(each["fields"]),
            elements=tuple(each.get("elements", ())),
            parts=each.get("parts", ""),
        )
        for each in tomllib.loads(text)["rule"]
    }


def by_place(all_rules: Iterable[Rule]) -> Mapping[str, Mapping[int, Rule]]:
    """Give segment -> field -> rule; field 0 is the whole segment. Raises ValueError for a place that two rules name, or that is none."""
    found: dict[str, dict[int, Rule]] = {}
    for rule in all_rules:
        for place in rule.fields:
            for segment, number in _numbers(place):
                if found.setdefault(segment, {}).setdefault(number, rule) is not rule:
                    raise ValueError(f"two rules for {place}")
    return found


def by_element(all_rules: Iterable[Rule]) -> Mapping[str, Rule]:
    """Give element -> rule; an element stands for all that is below it. Raises ValueError for one that two rules name, or that is none."""
    found: dict[str, Rule] = {}
    for rule in all_rules:
        for element in rule.elements:
            if not _ELEMENT.fullmatch(element):
                raise ValueError(f"not an element: {element!r}")
            if found.setdefault(element, rule) is not rule:
                raise ValueError(f"two rules for {element}")
    return found


_BY_ELEMENT: Final = by_element(rules().values())


@lru_cache(maxsize=4_096)
def rule_of(element: str) -> Rule | None:
    """Give the rule that names an element (or the url of an extension), or one that it stands in; the numbers of repetitions are no part of a name."""
    names = _REPETITION.sub("", element).split(".")
    above = (element, *(".".join(names[:length]) for length in range(len(names), 0, -1)))
    return next((_BY_ELEMENT[name] for name in above if name in _BY_ELEMENT), None)


def _numbers(place: str) -> Iterator[tuple[str, int]]:
    read = _PLACE.fullmatch(place)
    if read is None:
        raise ValueError(f"not a place: {place!r}")
    segment, first, last = read.groups()
    if first is None:
        yield segment, WHOLE_SEGMENT
        return
    for number in range(int(first), int(last or first) + 1):
        yield segment, number
