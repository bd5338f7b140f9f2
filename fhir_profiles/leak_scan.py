"""The last look at a letter: do its finished bytes name what was not let go? (consent.md section 3.3, the leak gate).

It reads bytes and not the object that they were written from, so that a fault of minimising, of a mapping or of a wire is seen all the same.
What may be named is said to it. It MUST NEVER change a letter, decide who may know, or say what it found: only of which kind it is.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
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
_STAY: Final = frozenset({"", "IMP"})
"""Encounter.class of a stay in custody; one that does not say what it is may be one."""
_NUMBERS: Final = ("identifier", "requisition", "groupIdentifier")
_GAPS: Final = frozenset(" -.~\n\r\t\u00a0\u00ad\u2007\u2009\u2010\u2011\u2012\u2013\u2014\u2015\u202f\u2212".encode())
"""What can stand between the signs of a number, as bytes: blanks, hyphens, dots, ends of lines (of HL7 v2 also `~`)."""
_SHAPES: Final = bytes(
    ord("0") if chr(sign) in "0123456789" else ord(" ") if sign in _GAPS else ord("x") for sign in range(256)
)
"""Every digit as 0, every gap as blanks: a number is found by its shape, as fast as a word is."""
_IN_ONE: Final = b"0000000000"
_MIDDLE: Final = b" 000 "
_IN_THREE: Final = re.compile(rb"000 {1,8}000 {1,8}0000")
_ALL_GAPS: Final = bytes(sorted(_GAPS))
_GAP: Final = rb"[%s]{0,8}" % re.escape(_ALL_GAPS)
_NO_DIGIT: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")
_JSON_LINE: Final = re.compile(rb"\\[nrt]")
_V2_LINE: Final = re.compile(rb"\\\.br\\")
"""Ends of lines as they are written there: the letter in one is no part of the word that follows."""
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

    `own` are the person's NHS numbers, and the numbers of things: any other one is another person's.
    """

    words: tuple[tuple[bytes, Leak], ...]
    runs: tuple[bytes, ...]
    """Identifiers of letters and digits, one word, that are found however they are spaced."""
    json_marks: tuple[tuple[bytes, Leak], ...]
    v2_marks: tuple[tuple[bytes, Leak], ...]
    own: frozenset[bytes]


def unsaid(
    resources: Iterable[Json], *, said_systems: Collection[str], said_places: bool, letter: Iterable[Json] = ()
) -> Unsaid:
    """What a letter about the person of these resources must not name.

    `said_systems` are the identifier systems that may leave; `said_places` says that where inside an establishment somebody lives may. Where an
    appointment, an organisation or a place of the `letter` as it leaves is, is not where the person lives.
    """
    identifiers: dict[tuple[str, str], None] = {}
    places: dict[str, None] = {}
    inside: dict[str, None] = {}
    own: set[str] = set()
    for resource in resources:
        name = kind(resource)
        if name in _PEOPLE:
            found = dict.fromkeys(_identifiers(resource))
            identifiers |= found
            if name == "Patient":
                own.update(value for system, value in found if system == systems.NHS_NUMBER)
            continue
        own.update(
            value for system, value in _identifiers(resource) if len(value) >= 10 and system != systems.NHS_NUMBER
        )
        if said_places:
            continue
        if name == "Encounter":
            for at in as_objects(resource.get("location")):
                if _is_inside(at):
                    inside |= dict.fromkeys(_named(at))
                elif as_text(as_object(resource.get("class")).get("code")) in _STAY:
                    places |= dict.fromkeys(_named(at))
        elif name == "Location" and _is_inside(resource):
            inside |= dict.fromkeys([as_text(resource.get("name")), *(value for _, value in _identifiers(resource))])
    if places:
        inside |= dict.fromkeys(places.keys() - {each for resource in letter for each in _elsewhere(resource)})
    said = {value.lower() for system, value in identifiers if system in said_systems}
    kept = [
        (system, value) for system, value in identifiers if system not in said_systems and value.lower() not in said
    ]
    words = {each: Leak.IDENTIFIER for _, value in kept if not _run(value) for each in _written(value)}
    words |= {each: Leak.PLACE for place in inside for each in _written(place)}
    runs = {run for _, value in kept if (run := _run(value))}
    # an authority's system that may not leave is a mark by itself; of any other the value is looked for where identifiers stand
    others = [(system, leaf(value)) for system, value in kept if system not in AUTHORITIES]
    barred = {system: written for system, written in AUTHORITIES.items() if system not in said_systems}
    json_marks = {f'"{system}"': Leak.SYSTEM for system in barred}
    json_marks |= {f'"system":"{system}","value":"{value}"': Leak.IDENTIFIER for system, value in others}
    v2_marks = {f"^^^{authority}^{code}": Leak.SYSTEM for authority, code in barred.values()}
    v2_marks |= {f"{before}{value}^^^": Leak.IDENTIFIER for _, value in others for before in "|~"}
    return Unsaid(
        words=tuple(words.items()),
        runs=tuple(sorted(runs)),
        json_marks=_small(json_marks),
        v2_marks=_small(v2_marks),
        own=frozenset(normal_nhs_number(value).encode() for value in own),
    )


def leak_in(letter: Rendered, held: Unsaid) -> Leak | None:
    """The first thing that the finished letter names and must not. It takes microseconds: only places that look like one are read twice."""
    text = _small_text(letter, held)
    for mark, leak in held.json_marks if text.startswith(b"{") else held.v2_marks:
        if mark in text:
            return leak
    for word, leak in held.words:
        if word in text and any(_stands_alone(text, place, len(word)) for place in _everywhere(text, word)):
            return leak
    if next(_runs(text, held.runs), None):
        return Leak.IDENTIFIER
    return Leak.ANOTHER_PERSON if next(_of_others(text, held.own), None) else None


def words_in(letter: Rendered, held: Unsaid) -> tuple[str, ...]:
    """Give every word of its texts that the finished letter must not hold, in small letters; a mark where identifiers stand is none."""
    text = _small_text(letter, held)
    found = {
        word
        for word, _ in held.words
        if any(_stands_alone(text, place, len(word)) for place in _everywhere(text, word))
    }
    return tuple(sorted(each.decode() for each in found.union(_runs(text, held.runs), _of_others(text, held.own))))


def _identifiers(resource: Json) -> Iterator[tuple[str, str]]:
    for name in _NUMBERS:
        if name in resource:
            for each in as_objects(resource[name]):
                if value := as_text(each.get("value")):
                    yield as_text(each.get("system")), value


def _named(at: Json) -> tuple[str, str]:
    place = as_object(at.get("location"))
    return as_text(place.get("display")), as_text(as_object(place.get("identifier")).get("value"))


def _elsewhere(resource: Json) -> Iterator[str]:
    """How a letter calls a place that it may tell."""
    name = kind(resource)
    if name == "Appointment":
        for each in as_objects(resource.get("participant")):
            yield as_text(as_object(each.get("actor")).get("display"))
    elif name in ("Organization", "Location"):
        yield as_text(resource.get("name"))


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


def _run(value: str) -> bytes:
    """The letters and digits of an identifier that is one word with a digit in it; nothing where it is none, or too short."""
    bare = "".join(sign for sign in value if sign.isalnum())
    least = SHORTEST_NUMBER if bare.isdigit() else SHORTEST
    known = len(bare) >= least and value.isascii() and any(map(str.isdigit, bare))
    plain = (set(value) - set(bare)).issubset(" -." if bare.isdigit() else "-.")
    return bare.lower().encode() if known and plain else b""


def _small_text(letter: Rendered, held: Unsaid) -> bytes:
    """The text in small letters, blanks for every end of a line: as long as it was. Letters beyond ASCII only where one is looked for."""
    plain = all(word.isascii() for word, _ in held.words)
    text = letter.text.lower() if plain else letter.text.decode("utf-8", "replace").lower().encode()
    line = _JSON_LINE if text.startswith(b"{") else _V2_LINE
    return line.sub(lambda found: b"\n".rjust(len(found[0])), text) if b"\\" in text else text


def _runs(text: bytes, runs: tuple[bytes, ...]) -> Iterator[bytes]:
    if not runs:
        return
    closed = text.translate(None, _ALL_GAPS)
    for run in runs:
        if run in closed and re.search(
            rb"(?<![a-z0-9])" + _GAP.join(bytes([each]) for each in run) + rb"(?![a-z0-9])", text
        ):
            yield run


def _small(marks: Mapping[str, Leak]) -> tuple[tuple[bytes, Leak], ...]:
    return tuple((mark.lower().encode(), leak) for mark, leak in marks.items())


def _everywhere(text: bytes, word: bytes) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + 1)


def _stands_alone(text: bytes, place: int, length: int) -> bool:
    return not (text[max(place - 1, 0) : place].isalnum() or text[place + length : place + length + 1].isalnum())


def _of_others(text: bytes, own: frozenset[bytes]) -> Iterator[bytes]:
    """NHS numbers, by form and check digit, that are not the person's: the digits of each."""
    shape = text.translate(_SHAPES)
    found = [(place, len(_IN_ONE)) for place in _everywhere(shape, _IN_ONE)]
    found += [
        (three.start(), len(three[0]))
        for middle in _everywhere(shape, _MIDDLE)  # a find is ten times as fast as the expression
        if (three := _IN_THREE.search(shape, max(middle - 10, 0), middle + 16))
    ]
    for place, length in found:
        # three rows of figures are a table: one number goes over one end of a line at most
        if _is_a_number(text, place, length) and text.count(b"\n", place, place + length) < 2:
            number = text[place : place + length].translate(None, _NO_DIGIT)
            if number not in own and nhs_number_is_valid(number.decode()):
                yield number


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
