"""The last look at a letter: do its finished bytes name what was not let go? (consent.md section 3.3, the leak gate).

It reads bytes and not the object that they were written from, so that a fault of minimising, of a mapping or of a wire is seen all the same.
What may be named is said to it. It MUST NEVER change a letter, decide who may know, or say what it found: only of which kind it is.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, as_text, codings, kind
from fhir_profiles.identifiers import nhs_number_is_valid, normal_nhs_number
from fhir_profiles.shapes import Json, Rendered
from fhir_profiles.wires.er7 import leaf
from fhir_profiles.wires.v2_person import AUTHORITIES

SHORTEST: Final = 6
"""Signs of an identifier or a place that is looked for in text; it holds a digit, and one without a letter has `SHORTEST_NUMBER` signs."""
SHORTEST_NUMBER: Final = 9
"""Eight digits are a date, six are in many a code. What is shorter is looked for where identifiers stand, and nowhere else."""
_PEOPLE: Final = frozenset({"Patient", "RelatedPerson"})
_INSIDE: Final = frozenset({"wi", "lvl", "ro", "bd"})
"""Location.physicalType of a wing, a landing, a cell, a bed (http://terminology.hl7.org/CodeSystem/location-physical-type)."""
_SHAPES: Final = bytes(
    ord("0") if chr(sign) in "0123456789" else ord(" ") if chr(sign) in " -" else ord("x") for sign in range(256)
)
"""Every digit as 0, a hyphen as a blank: a number is found by its shape, as fast as a word is."""
_SHAPED: Final = (b"0000000000", b"000 000 0000")
_ENDS_OF_LINES: Final = (b"\\n", b"\\r", b"\\t")
"""As JSON writes them: the letter in it is no part of the word that follows."""
_ISSUED: Final = frozenset(b"4679")
"""How NHS numbers of England begin (Personal Demographics Service; 999 is for tests): a code of SNOMED CT with ten digits begins with 1."""
_CODED: Final = (b'"code":"', b'"value":"', b"|", b"^", b"~")
_CODED_UNTIL: Final = (b'"', b"|", b"^", b"~", b"\r")
"""Around a number that is the whole of a code or an identifier. Of those only one that says that it is an NHS number is one."""
_IS_NHS_NUMBER: Final = f'"{systems.NHS_NUMBER}","value":"'.lower().encode()


class Leak(StrEnum):
    """What kind of thing a letter would have told."""

    IDENTIFIER = "identifier"
    SYSTEM = "identifier-system"
    ANOTHER_PERSON = "another-person"
    PLACE = "place"


@dataclass(frozen=True, kw_only=True)
class Unsaid:
    """What must not stand in a letter, all in small letters: words that stand by themselves, and marks of a wire that are looked for in it whole.

    `own` are the person's NHS numbers: any other one is another person's.
    """

    words: tuple[tuple[bytes, Leak], ...]
    json_marks: tuple[tuple[bytes, Leak], ...]
    v2_marks: tuple[tuple[bytes, Leak], ...]
    own: frozenset[bytes]


def unsaid(resources: Iterable[Json], *, said_systems: Collection[str], said_places: bool) -> Unsaid:
    """What a letter about the person of these resources must not name.

    `said_systems` are the identifier systems that may leave; `said_places` says that where inside an establishment somebody lives may.
    """
    identifiers: dict[tuple[str, str], None] = {}
    places: dict[str, None] = {}
    for resource in resources:
        name = kind(resource)
        if name in _PEOPLE:
            identifiers |= dict.fromkeys(_identifiers(resource))
        elif not said_places and name == "Encounter":
            places |= dict.fromkeys(_places(resource))
        elif not said_places and name == "Location" and _is_inside(resource):
            places |= dict.fromkeys([as_text(resource.get("name")), *(value for _, value in _identifiers(resource))])
    said = {value.lower() for system, value in identifiers if system in said_systems}
    kept = [
        (system, value) for system, value in identifiers if system not in said_systems and value.lower() not in said
    ]
    words = {each: Leak.IDENTIFIER for _, value in kept for each in _written(value)}
    words |= {each: Leak.PLACE for place in places for each in _written(place)}
    # an authority's system that may not leave is a mark by itself; of any other the value is looked for where identifiers stand
    others = [(system, leaf(value)) for system, value in kept if system not in AUTHORITIES]
    barred = {system: written for system, written in AUTHORITIES.items() if system not in said_systems}
    json_marks = {f'"{system}"': Leak.SYSTEM for system in barred}
    json_marks |= {f'"system":"{system}","value":"{value}"': Leak.IDENTIFIER for system, value in others}
    v2_marks = {f"^^^{authority}^{code}": Leak.SYSTEM for authority, code in barred.values()}
    v2_marks |= {f"{before}{value}^^^": Leak.IDENTIFIER for _, value in others for before in "|~"}
    own = frozenset(normal_nhs_number(value).encode() for system, value in identifiers if system == systems.NHS_NUMBER)
    return Unsaid(words=tuple(words.items()), json_marks=_small(json_marks), v2_marks=_small(v2_marks), own=own)


def leak_in(letter: Rendered, held: Unsaid) -> Leak | None:
    """The first thing that the finished letter names and must not. It takes microseconds: only places that look like one are read twice."""
    text = letter.text.lower()
    for mark, leak in held.json_marks if text.startswith(b"{") else held.v2_marks:
        if mark in text:
            return leak
    for word, leak in held.words:
        if word in text and any(_stands_alone(text, place, len(word)) for place in _everywhere(text, word)):
            return leak
    return Leak.ANOTHER_PERSON if next(_of_others(text, held.own), None) else None


def words_in(letter: Rendered, held: Unsaid) -> tuple[str, ...]:
    """Give every word of its texts that the finished letter must not hold, in small letters; a mark where identifiers stand is none."""
    text = letter.text.lower()
    found = {
        word
        for word, _ in held.words
        if any(_stands_alone(text, place, len(word)) for place in _everywhere(text, word))
    }
    return tuple(sorted(each.decode() for each in found.union(_of_others(text, held.own))))


def _identifiers(resource: Json) -> Iterator[tuple[str, str]]:
    for each in as_objects(resource.get("identifier")):
        if value := as_text(each.get("value")).strip():
            yield as_text(each.get("system")), value


def _places(encounter: Json) -> Iterator[str]:
    for each in as_objects(encounter.get("location")):
        place = as_object(each.get("location"))
        yield as_text(place.get("display"))
        yield as_text(as_object(place.get("identifier")).get("value"))


def _is_inside(location: Json) -> bool:
    return any(each.get("code") in _INSIDE for each in codings(location.get("physicalType")))


def _written(value: str) -> Iterator[bytes]:
    """How a value can stand in a text, in small letters; nothing where it is too short to be known for what it is."""
    bare = "".join(sign for sign in value if sign.isalnum())
    number = bare.isdigit()
    if len(bare if number else value) < (SHORTEST_NUMBER if number else SHORTEST) or not any(map(str.isdigit, bare)):
        return
    ways = {value, leaf(value)} | ({bare} if number or (len(bare) >= SHORTEST and len(value.split()) == 1) else set())
    if len(bare) == 10 and number:
        ways |= {sign.join((bare[:3], bare[3:6], bare[6:])) for sign in " -"}
    yield from (way.lower().encode() for way in sorted(ways))


def _small(marks: Mapping[str, Leak]) -> tuple[tuple[bytes, Leak], ...]:
    return tuple((mark.lower().encode(), leak) for mark, leak in marks.items())


def _everywhere(text: bytes, word: bytes) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + len(word))


def _stands_alone(text: bytes, place: int, length: int) -> bool:
    before = text[max(place - 2, 0) : place]
    begins = before.endswith(_ENDS_OF_LINES) or not before[-1:].isalnum()
    return begins and not text[place + length : place + length + 1].isalnum()


def _of_others(text: bytes, own: frozenset[bytes]) -> Iterator[bytes]:
    """NHS numbers, by form and check digit, that are not the person's: each as it is written."""
    shape = text.translate(_SHAPES)
    for form in _SHAPED:
        for place in _everywhere(shape, form):
            written = text[place : place + len(form)]
            if _is_a_number(text, place, len(form)) and not own.issuperset(_number(written)):
                yield written


def _number(written: bytes) -> Sequence[bytes]:
    bare = written.replace(b" ", b"").replace(b"-", b"")
    return (bare,) if nhs_number_is_valid(bare.decode()) else ()


def _is_a_number(text: bytes, place: int, length: int) -> bool:
    """Is it read as an NHS number here, and not as a part of something longer, a telephone number or a code?"""
    if text[place] not in _ISSUED or not _stands_alone(text, place, length):
        return False
    before, after = text[max(place - 48, 0) : place], text[place + length : place + length + 8]
    if before[-1:] in (b"+", b".") or before.endswith((b"+44 ", b"+44-", b"0) ", b"(0)")):
        return False
    if before.endswith(_CODED) and after.startswith(_CODED_UNTIL):
        return after.startswith(b"^^^nhs^") or before.endswith(_IS_NHS_NUMBER)
    return True
