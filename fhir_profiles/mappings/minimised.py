"""What the product does not carry of an HL7 v2 message, and by which rule: `minimised.toml`, read once. It must never take back what a mapping carries.

A rule applies to what no mapping reads. Each says why no purpose of the product needs the field (UK GDPR article 5(1)(c)).
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from typing import Final

WHOLE_SEGMENT: Final = 0
_PLACE: Final = re.compile(r"([A-Z][A-Z0-9]{2})(?:-([1-9][0-9]*)(?:\.\.([1-9][0-9]*))?)?")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule: its name, what it keeps out and why, the places that it names as `minimised.toml` writes them, and in words what a mapping leaves out by it."""

    name: str
    because: str
    why: str
    fields: tuple[str, ...]
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
