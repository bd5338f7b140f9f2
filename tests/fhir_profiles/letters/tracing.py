"""Where each value of a letter comes from: the record it was made of, or the closed list of the letter's own words (own_words.csv).

Written against what a reader relies on and not against the builders: it MUST NOT import anything that writes a letter or a line of text.
Every resource that leaves has to be one resource of the record with less in it: a value that stands in another resource, or in another place
of the same one, is not where it came from.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fhir_profiles.shapes import Heading, Json, LetterContext

HERE = Path(__file__).parent
LONDON = ZoneInfo("Europe/London")
NOT_TRACED = frozenset({"id", "reference", "fullUrl", "div", "resourceType"})
"""Ids and references are replaced by the gate: where a reference leads is traced below. Narrative is traced as text."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a letter may be made of: a person's resources, and what the letter is told beside them by name."""

    resources: Sequence[Json]
    told: Mapping[str, str]


def record_of(file: Sequence[Json], context: LetterContext, heading: Heading, as_of: str) -> Record:
    place = context.establishment_name or context.establishment
    told = {
        "place": place,
        "agency": context.establishment,
        "telephone": context.establishment_telephone,
        "occurred": context.occurred or "",
        "as_of": as_of,
        "recorded_by": context.recorded_by,
        "corrects": context.corrects or "",
        "known_as": context.known_as,
        "not_contained": str(context.not_contained),
        "taken_back": str(context.taken_back),
        "replaces": context.replaces or "",
        "withdrawn": ", ".join(context.withdrawn),
        "sender": heading.sender_name,
        "sender_ods": heading.sender_ods,
        "sender_endpoint": heading.sender_endpoint,
        "receiver": heading.destination_name,
        "receiver_ods": heading.destination_ods,
        "receiver_endpoint": heading.destination_endpoint,
        "written": heading.time,
        "number": heading.delivery_id,
    }
    return Record(resources=file, told=told)


@dataclass(frozen=True, kw_only=True)
class Own:
    """Words of a letter's own. `{place}` and the like stand for what the letter was told, `{MedicationRequest}` for how many of them are in it,
    `{counts}` for what it counts of all that it carries, `{missing}` for how many facts it names as missing, `{today}` for how many prescriptions under
    "Substitute medication" have begun and are not on hold, `{record:Type.path}` for a value of the
    record at another path than the one it came from.
    """

    letters: str
    path: str
    words: str


@cache
def own_words() -> tuple[Own, ...]:
    with (HERE / "own_words.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Own(letters=row["letters"], path=path, words=row["words"])
            for row in csv.DictReader(file)
            for path in row["path"].split()
        )


@cache
def own_at(letter: str, path: str) -> tuple[Own, ...]:
    return tuple(
        own for own in own_words() if own.path == path and (own.letters == "*" or letter in own.letters.split())
    )


def same(one: Any, other: Any) -> bool:
    """The same value to the last digit: 40.0 is not 40.00, and true is not 1."""
    return type(one) is type(other) and str(one) == str(other)


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}") if key not in NOT_TRACED else ()
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, value


def gaps(got: Any, held: Any, path: str) -> list[tuple[str, Any]]:
    """What of a value is not in the one it should come from: each item of a list in one item of the other, each of those used once."""
    if isinstance(got, dict):
        inside = held if isinstance(held, dict) else {}
        return [
            gap
            for key, item in got.items()
            if key not in NOT_TRACED
            for gap in gaps(item, inside.get(key), f"{path}.{key}")
        ]
    if not isinstance(got, list):
        return [] if same(got, held) else [(path, got)]
    left = list(held) if isinstance(held, list) else []
    rest = []
    for item in got:
        whole = next((at for at, each in enumerate(left) if not gaps(item, each, path)), None)
        rest += [item] if whole is None else []
        left = left if whole is None else [*left[:whole], *left[whole + 1 :]]
    found: list[tuple[str, Any]] = []
    for item in rest:
        tried = [gaps(item, each, path) for each in left]
        nearest = min(range(len(tried)), key=lambda at: len(tried[at]), default=None)
        if nearest is None or len(tried[nearest]) == len(list(leaves(item, path))):
            found += leaves(item, path)
        else:
            found += tried[nearest]
            left.pop(nearest)
    return found


def values_at(value: Any, path: str) -> Iterator[str]:
    """The values of a resource at a path of names."""
    name, _, rest = path.partition(".")
    for item in value if isinstance(value, list) else [value]:
        held = item.get(name) if isinstance(item, dict) else None
        if held is not None and rest:
            yield from values_at(held, rest)
        elif held is not None:
            yield from (str(each) for each in (held if isinstance(held, list) else [held]))


NOT_COUNTED = frozenset(
    {"Patient", "Organization", "Practitioner", "PractitionerRole", "Medication", "MessageHeader", "Composition"}
)


@dataclass
class Trace:
    """The trace of one letter. `used` are the rows of the closed list that something needed."""

    letter: str
    record: Record
    used: set[Own] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def own(self, path: str, value: Any) -> Own | None:
        """The row of the list that has these words for this letter at this path."""
        path = path.replace(".section.section", ".section")
        return next((own for own in own_at(self.letter, path) if self._says(own.words, str(value))), None)

    def _says(self, words: str, value: str) -> bool:
        told = self.record.told
        if "{" not in words:
            return words == value
        if words.startswith("{record:"):
            kind, _, path = words.removeprefix("{record:").removesuffix("}").partition(".")
            held = (each for each in self.record.resources if each["resourceType"] == kind)
            return value.strip().casefold() in {
                text.strip().casefold() for each in held for text in values_at(each, path)
            }
        if words == "{known_as}":
            return bool(value) and f'"{value}"' in told["known_as"]
        if words == "{withdrawn}" and value in told["withdrawn"].split(", "):
            return True
        parts = re.split(r"(\{[\w+]+\})", words)
        found = re.fullmatch("".join(f"({self._asked(part)})" for part in parts), value)
        listed = zip(parts, found.groups(), strict=False) if found else ()
        return found is not None and all(self._counted(text) for part, text in listed if part == "{counts}")

    def _asked(self, part: str) -> str:
        name = part.strip("{}")
        if not part.startswith("{"):
            return re.escape(part)
        if name == "counts":
            return r"[A-Za-z ]+: \d+(?:[,;] [a-z ,]+: \d+)*"
        if name[0].isupper():
            return str(sum(self.counts[kind] for kind in name.split("+")))
        return re.escape(str(self.counts[name]) if name in {"missing", "today"} else self.record.told[name])

    def _counted(self, text: str) -> bool:
        return sum(map(int, re.findall(r": (\d+)", text))) == sum(
            number for kind, number in self.counts.items() if kind not in NOT_COUNTED
        )

    def invented(self, bundle: Json) -> list[str]:
        """Every value of a letter that neither the record holds where it stands nor the list has, and every reference that leads elsewhere."""
        placed = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
        self.counts = Counter(each["resourceType"] for each in placed.values())
        self.counts["Communication"] -= any(is_notice(each) for each in placed.values())
        self.counts["missing"] = sum(map(facts_missing, placed.values()))
        self.counts["today"] = sum(begun(each, self.record.told["as_of"][:10]) for each in substitutes_in(placed))
        sources = {url: self._source(resource) for url, resource in placed.items()}
        found = [f"{path} = {value}" for _, missing in sources.values() for path, value in missing]
        for url, resource in placed.items():
            source = sources[url][0]
            if source is not None:
                kind = resource["resourceType"]
                found += [f"{kind} refers to another {each}" for each in self._elsewhere(resource, source, sources)]
        return found

    def _source(self, resource: Json) -> tuple[Json | None, list[tuple[str, Any]]]:
        """The resource of the record that this one is, and what of it is neither from there nor of the letter's own."""
        kind = resource["resourceType"]
        of_it = () if is_notice(resource) else self.record.resources
        held = [None, *(each for each in of_it if each["resourceType"] == kind)]
        best: tuple[int, int, Json | None, list[tuple[str, Any]]] | None = None
        for each in held:
            apart = gaps(resource, each, kind) if each is not None else list(leaves(resource, kind))
            missing = [(path, value) for path, value in apart if self.own(path, value) is None]
            if best is None or (len(missing), len(apart)) < best[:2]:
                best = (len(missing), len(apart), each, missing)
                owned = [self.own(path, value) for path, value in apart]
            if each is None and not missing:
                break  # it is wholly the letter's own
        assert best is not None
        self.used |= {each for each in owned if each is not None}
        return best[2], best[3]

    def _elsewhere(self, resource: Json, source: Json, sources: Mapping[str, tuple[Json | None, Any]]) -> Iterator[str]:
        wanted = set(references(source))
        for url in references(resource):
            held = sources.get(url, (None, None))[0]
            if held is not None and f"{held['resourceType']}/{held['id']}" not in wanted:
                yield str(held["resourceType"])


def is_notice(resource: Json) -> bool:
    return resource["resourceType"] == "Communication" and "/code/letter" in str(resource.get("category"))


def facts_missing(resource: Json) -> int:
    """How many facts a document names as missing."""
    sections = resource.get("section", ()) if resource["resourceType"] == "Composition" else ()
    return sum(len(each["section"]) for each in sections if "section" in each)


def substitutes_in(placed: Mapping[str, Json]) -> list[Json]:
    """The prescriptions that a document lists as substitute medication."""
    sections = [each for held in placed.values() for each in held.get("section", ()) if isinstance(each, dict)]
    listed = [url for each in sections if each.get("title") == "Substitute medication" for url in references(each)]
    return [placed[url] for url in listed if placed[url]["resourceType"] == "MedicationRequest"]


def begun(request: Json, day: str) -> bool:
    bounds = [each.get("timing", {}).get("repeat", {}).get("boundsPeriod", {}) for each in request["dosageInstruction"]]
    starts = [each["start"] for each in bounds if "start" in each] or [request.get("authoredOn", "")]
    return bool(request["status"] != "on-hold" and min(starts)[:10] <= day)


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [each for item in value.values() for each in references(item)]
    return [each for item in value for each in references(item)] if isinstance(value, list) else []


TOKEN = re.compile(r"\d[\d.:+\-TZ/]*(?<![.:\-/])|[^\W\d_]+")
AMOUNT = re.compile(r"(?<![\w.:-])(\d+(?:\.\d+)?) ([A-Za-zµ%][\w/%]*)")
MEASURES = frozenset(
    [
        "ml",
        "mg",
        "g",
        "microgram",
        "micrograms",
        "tablet",
        "tablets",
        "capsule",
        "capsules",
        "spray",
        "sprays",
        "film",
        "unit",
        "units",
        "mmol/L",
        "ng/mL",
        "U/L",
        "ug/L",
    ]
)
_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_PERIODS = {"s": "second", "min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}


def plain(value: Any) -> str:
    """A value as it is read: a power of ten is written out."""
    return f"{value:f}" if isinstance(value, Decimal) and "e" in str(value).casefold() else str(value)


def tokens(text: str) -> set[str]:
    return {each.casefold() for each in TOKEN.findall(text)}


def _whole(number: int) -> str:
    if number < 20:
        return _SMALL[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_SMALL[number % 10]}" if number % 10 else "")
    rest = f" and {_whole(number % 100)}" if number % 100 else ""
    return (
        f"{_SMALL[number // 100]} hundred{rest}"
        if number < 1000
        else f"{_whole(number // 1000)} thousand {_whole(number % 1000)}"
    )


def in_words(value: str) -> str:
    """A number as it is read aloud, worked out here a second time."""
    number = Decimal(value).normalize()
    whole, _, digits = f"{number:f}".partition(".")
    after = f" point {' '.join(_SMALL[int(each)] for each in digits)}" if digits else ""
    return _whole(int(whole)) + after


def as_said(text: str) -> str:
    """An ISO date or instant as a person says it, in the time of England; nothing for another text."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    moment = moment.astimezone(LONDON) if moment.tzinfo is not None else moment
    day = f"{moment.strftime('%A')} {moment.day} {moment.strftime('%B %Y')}"
    return f"{day} at {moment.strftime('%H:%M')}" if len(text) > 10 else day


@cache
def line_words() -> Mapping[str, frozenset[str]]:
    """The words that a line of a kind of resource may have beside what the resource says."""
    with (HERE / "line_words.csv").open(encoding="utf-8", newline="") as file:
        return {row["kind"]: frozenset(row["words"].split()) for row in csv.DictReader(file)}


@dataclass(frozen=True)
class Basis:
    """What a line may say: of one resource, and of the people, places and products that it names."""

    kind: str
    words: frozenset[str]
    amounts: frozenset[str]
    texts: tuple[str, ...]

    def unsaid(self, line: str) -> list[str]:
        """The words, numbers and amounts of a line that have no basis here."""
        line = re.sub(r"dosage \d of \d; ", "", line)
        allowed = self.words | line_words().get(self.kind, frozenset()) | line_words()["*"]
        found = sorted(tokens(line) - allowed)
        for digits, unit in AMOUNT.findall(line):
            said = f"{digits} {unit}"
            if unit in MEASURES and said not in self.amounts and not any(said in text for text in self.texts):
                found.append(said)
        return found


def _derived(path: str, value: Any) -> str:
    """What a value is read aloud as."""
    last = path.rpartition(".")[2]
    if last in {"frequency", "frequencyMax"}:
        return {1: "once", 2: "twice"}.get(value, "")
    if last in {"periodUnit", "durationUnit"}:
        return f"{_PERIODS.get(value, '')} {_PERIODS.get(value, '')}s"
    if last == "value" and isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 <= value < 10000:
        return in_words(plain(value))
    return as_said(value) if isinstance(value, str) else ""


def _amounts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("value"), int | Decimal):
            yield from (f"{plain(value['value'])} {value[name]}" for name in ("unit", "code") if name in value)
        for item in value.values():
            yield from _amounts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _amounts(item)


def _ratios(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        ends = [value[name]["value"] for name in ("numerator", "denominator") if "value" in value.get(name, {})]
        yield ":".join(map(plain, ends))
        for item in value.values():
            yield from _ratios(item)
    elif isinstance(value, list):
        for item in value:
            yield from _ratios(item)


NAMED = ("Practitioner", "PractitionerRole", "Organization", "Medication", "CareTeam")


def named_order(resource: Json, found: Mapping[str, Json]) -> set[str]:
    """By what a line names the prescriptions that something was issued under: their numbers and days, and nothing else of them."""
    under = [
        found.get(each["reference"], {}) for each in resource.get("authorizingPrescription", ()) if "reference" in each
    ]
    said = [str(each.get("authoredOn", "")) for each in under]
    said += [number["value"] for each in under for number in each.get("identifier", ()) if "value" in number]
    return {word for text in said for word in tokens(text)}


def basis_of(resource: Json, found: Mapping[str, Json]) -> Basis:
    """`found` are the resources of the same letter by fullUrl."""
    held, waiting = [resource], references(resource)
    while waiting:
        named = found.get(waiting.pop())
        if named is not None and named["resourceType"] in NAMED and named not in held:
            held.append(named)
            waiting += references(named)
    every = [leaf for each in held for leaf in leaves(each, each["resourceType"])]
    texts = tuple(plain(value) for _, value in every)
    words = {word for path, value in every for word in tokens(f"{plain(value)} {_derived(path, value)}")}
    words |= {word for each in held for text in _ratios(each) for word in tokens(text)}
    words |= named_order(resource, found)
    return Basis(
        kind=resource["resourceType"],
        words=frozenset(words),
        amounts=frozenset(amount for each in held for amount in _amounts(each)),
        texts=texts,
    )


def unsaid(lines: Sequence[str], bundle: Json) -> list[str]:
    """Every line of a letter that no single resource of it says, with what is too much in it for the nearest."""
    found = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    bases = [basis_of(resource, found) for resource in found.values()]
    wrong = []
    for line in lines:
        nearest = min((basis.unsaid(line) for basis in bases), key=len)
        wrong += [f"{line[:80]}: {', '.join(nearest)}"] if nearest else []
    return wrong
