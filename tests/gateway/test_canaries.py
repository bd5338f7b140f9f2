"""The sites of HL7 v2 and of transport where something of a person could leave: a canary of its own in each, and everything that comes out read.

One story with every field, segment and escape of HL7 v2 filled that no recipient is promised, in eight spellings each; then each recipient's
requests with their headers and paths, the answers, the log, the bus, the metrics, the clear columns, the names of files and what people were
told are searched. What care does get of free text is a list, exact in both directions. Resources and Bundles:
tests/consent/test_leaks.py. At DEBUG, on both modes and where things go wrong: test_canaries_at_debug.py.
"""

import base64
import html
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest

from gateway.bus import UnreliableBus
from gateway.bus.protocol import Topic
from gateway.clients import add_client
from gateway.demo.fhir_messages import appointment
from gateway.metrics import exposition
from tests.builders import (
    Course,
    adt_a01,
    adt_a03,
    adt_a13,
    fhir_message,
    oru_r01,
    rde_o11,
)
from tests.line import WITH_PRACTICE_AND_RECORD, RecipientOfTests, running
from tests.world import clear_columns

LONG_AGO = "20260102090000+0000"


@dataclass(frozen=True, kw_only=True)
class Site:
    """A place of HL7 v2: its letter in consent.md section 4, its segment, and its field or the whole segment that is added."""

    ref: str
    segment: str
    field: int = 0
    added: str = ""
    """A segment that no builder writes, with `@` where the canary goes; it is put after `segment`."""

    @property
    def name(self) -> str:
        """As the table below writes it: `V7 PV1-7`, or the added segment and what it follows, `V11 NTE after OBX`."""
        return (
            f"{self.ref} {self.segment}-{self.field}"
            if self.field
            else f"{self.ref} {_kind(self)} after {self.segment}"
        )


def _kind(site: Site) -> str:
    name, _, rest = site.added.partition("|")
    return f"{name}-{rest.split('|')[1]}" if name == "OBX" else name


def fields(ref: str, segment: str, numbers: Iterable[int]) -> list[Site]:
    return [Site(ref=ref, segment=segment, field=number) for number in numbers]


def added(ref: str, after: str, *segments: str) -> list[Site]:
    return [Site(ref=ref, segment=after, added=each) for each in segments]


SITES = [
    *fields("V1", "MSH", (3, 5, 6, 22, 23)),
    *fields("V2", "MSH", (10,)),
    *fields("V3", "MSH", (8, 14, 17, 19, 20, 21)),
    *fields("V4", "EVN", (3, 4, 5, 7)),
    *fields("V5", "PID", (2, 4, 6, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 26, 27, 28, 35, 36, 39)),
    *fields("V6", "PD1", (1, 2, 3, 5, 6, 8, 9, 11, 14, 20)),
    *added(
        "V6",
        "PID",
        "NK1|1|@^@|@^@|@|@|@||||||||||||||||||||||||@",
        "GT1|1|@|@^@||@|@|||||@|||||@",
        "IN1|1|@|@|@|@|@|@|@|||||||||@^@",
        "IN2|@|@|@|||||||@",
        "ROL|@|AD|@|@^@^@",
        "PRT|@|AD|@|@|@^@^@",
        "CON|1|@|@|@|@||||@|||@|||||||||@^@",
        "ARV|1|A|@|@|@",
    ),
    *fields("V7", "PV1", (5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 37, 38, 39, 40, 42, 43, 50, 51, 52, 53, 54)),
    *added("V7", "PV1", "PV2|@|@|@|@|@|||||||@|@^@"),
    *fields("V8", "ORC", (4, 10, 11, 12, 13, 14, 17, 18, 19, 20, 21, 22, 23, 24, 26, 30)),
    *fields("V9", "OBR", (10, 12, 13, 15, 16, 17, 18, 19, 20, 21, 26, 28, 30, 32, 33, 34, 35, 39, 43, 46, 49)),
    *fields("V10", "OBX", (4, 7, 13, 15, 16, 18, 20, 23, 24, 25)),
    *added(
        "V10",
        "OBX",
        "OBX|9|ED|29576-6^Document^LN||@^TEXT^^Base64^@||||||F",
        "OBX|10|RP|29576-6^Pointer^LN||@^@^@||||||F",
    ),
    *added("V11", "PV1", "NTE|1|@|@", "DG1|1||@^@|@|||||||||||||@^@", "AL1|1||@^@|@|@", "PRB|@|@|@^@", "GOL|@|@|@^@"),
    *added("V11", "OBX", "NTE|1|L|@"),
    *fields("V12", "RXE", (8, 9, 13, 14, 15, 20, 21, 30, 31, 32, 34, 40)),
    *added("V12", "RXE", "NTE|1|P|@", "RXO|@|@|||@|@^@|@^@|@"),
    *fields("V13", "PID", (41, 60)),
    *fields("V13", "PV1", (70,)),
    *added("V13", "PV1", "ZPI|1|@|@^@|@&@", "ZZZ|@"),
    *fields("V14", "TQ1", (2, 4, 5, 10, 11, 13)),
    *added("V14", "PV1", r"ZES|\X@\|\T\@\S\@~@&@"),
    *added("V17", "PV1", "DSC|@|F", "ADD|@", "SFT|@|@|@|@", "UAC|@|^^^^@"),
]


def word(number: int) -> str:
    """A canary: no real word, never part of another one, and split in two it is found by its halves."""
    return f"Qvx{number:03d}Zwj"


@cache
def spellings(number: int) -> Mapping[str, str]:
    plain = word(number)
    return {
        "plain": plain,
        "upper": plain.upper(),
        "reversed": plain[::-1],
        "base64": base64.b64encode(plain.encode()).decode().rstrip("="),
        "hex": plain.encode().hex(),
        "url": "".join(f"%{octet:02X}" for octet in plain.encode()),
        "entities": "".join(f"#{ord(letter)};" for letter in plain),
        "split": ".".join(plain),
    }


STARTS = [
    "".join(one for one, other in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=True)))
    for first, last in zip(spellings(0).values(), spellings(999).values(), strict=True)
]
"""How every canary begins, in each spelling: where none of these is, none of them is."""


def plant(body: bytes, planted: set[int]) -> bytes:
    """Every site that this message has; what the builder wrote stays, and the canary is a component that nobody reads."""
    if body == BOOKED:
        return body
    lines = body.decode().rstrip("\r").split("\r")
    for number, site in enumerate(SITES):
        text = " ".join(spellings(number).values())
        at = next((at for at, line in reversed(list(enumerate(lines))) if line.startswith(site.segment)), None)
        if at is None:
            continue
        planted.add(number)
        if site.added:
            lines.insert(at + 1, site.added.replace("@", text))
            continue
        parts = lines[at].split("|")
        place = site.field - (site.segment == "MSH")
        parts += [""] * (place + 1 - len(parts))
        held = parts[place].count("^")
        parts[place] = parts[place] + "^" * (14 - held) + text if parts[place] else text
        lines[at] = "|".join(parts)
    return ("\r".join(lines) + "\r").encode()


def readings(text: bytes) -> str:
    """What a reader makes of bytes: as they are, and with the encodings of the web, JSON and HL7 undone."""
    plain = text.decode("utf-8", "replace")
    return "\n".join((plain, html.unescape(plain), urllib.parse.unquote(plain), plain.replace("\\u0023", "#")))


def found(text: bytes) -> set[int]:
    """The canaries in it, by number, whatever their spelling."""
    read = readings(text)
    if not any(start in read for start in STARTS):
        return set()
    return {number for number in range(len(SITES)) if any(each in read for each in spellings(number).values())}


def names(numbers: Iterable[int]) -> set[str]:
    return {SITES[number].name for number in numbers}


def file_names(folder: Path) -> list[str]:
    return [str(each) for each in folder.rglob("*")]


def story() -> list[bytes]:
    """Prescriptions, reception, test, release and its cancellation, of one person."""
    outside = rde_o11(message_id="RDE-2")
    return [
        outside.replace(b"\rTQ1", b"|" * 33 + b"ZZP01^Exampleton Pharmacy^ODS\rTQ1"),
        rde_o11(course=Course(start=LONG_AGO, order_type="I")),
        adt_a01(),
        oru_r01(),
        BOOKED,
        adt_a03(),
        adt_a13(),
    ]


BOOKED = fhir_message(
    resources=[
        appointment(
            resource_id="first", start="2026-01-20T10:00:00+00:00", minutes=30, description="First", where="Northfell"
        )
    ],
    message_id="BOOK",
    event="appointment",
)
"""What a provider outside tells the prison's record; it is FHIR, and here only so that the record gets a letter."""


BATCH = (
    b"FHS|^~\\&|" + " ".join(spellings(0).values()).encode() + b"\rBHS|^~\\&|" + word(1).encode() + b"\r" + adt_a01()
)
"""V15: a batch is refused, and what it is called is not said again."""


def with_notice(recipient: RecipientOfTests) -> RecipientOfTests:
    *who, letters = recipient
    return (who[0], who[1], who[2], {**letters, "reception-notice": "fhir-message"})


EVERYBODY = {
    name: with_notice(each) if name in ("surgery", "pharmacy") else each
    for name, each in WITH_PRACTICE_AND_RECORD.items()
}
"""Every neighbour with every letter that this story makes for it."""


async def told_everybody(
    tmp_path: Path, sent: list[bytes]
) -> tuple[dict[str, bytes], dict[str, bytes], set[tuple[str, str]]]:
    """Play it to the end: what each recipient got, what stands everywhere else, and the (letter, recipient) that arrived."""
    crossed: list[str] = []

    class Watched(UnreliableBus):
        async def publish(self, topic: Topic, id: str) -> None:  # noqa: A002  watches what crosses
            crossed.append(f"{topic} {id}")
            await super().publish(topic, id)

    async with running(tmp_path, recipients=EVERYBODY, bus=Watched(3)) as line:
        add_client(
            line.gateway, name="outside", kinds=("fhir-message",), establishments=("ZFG",), recipient="northfell"
        )
        answers = []
        for body in sent:
            answers.append(await line.send(body, client="outside" if body == BOOKED else None))
            assert line.is_accepted(answers[-1]), answers[-1]
            await line.settle(60)
        refused = [await line.send(body) for body in (plant(adt_a03(message_id="T", processing_id="T"), set()), BATCH)]
        assert not any(map(line.is_accepted, refused))
        answers += refused
        line.clock.advance(days=60)
        await line.settle(60)
        got = {
            name: b"\n".join(each.head + each.body for each in neighbour.got)
            for name, neighbour in line.neighbours.items()
        }
        places = {
            "the answers": b"".join(answer.body + repr(answer.headers).encode() for answer in answers),
            "the bus": "\n".join(crossed).encode(),
            "the metrics": exposition(line.gateway),
            "the clear columns": clear_columns(line.gateway),
            "what people were told": repr(line.told).encode(),
            "the tasks": repr(line.tasks()).encode(),
            "the names of files": repr(file_names(tmp_path)).encode(),
        }
        letters = {(row.letter, row.recipient) for row in line.deliveries(state="delivered")}
        return got, places, letters


PATIENT = ("V5 PID-12", "V5 PID-13", "V5 PID-14", "V5 PID-15", "V6 PD1-3")
"""District, telephones, language and the practice: of a Patient whom the recipient treats."""
INSTRUCTIONS = ("V12 NTE after RXE", "V12 RXE-21", "V14 TQ1-10", "V14 TQ1-11")
"""How a medicine is to be taken."""
MAY_LEAVE: Mapping[str, frozenset[str]] = {
    "northfell": frozenset((*PATIENT, *INSTRUCTIONS, "V11 AL1 after PV1", "V11 DG1 after PV1", "V11 NTE after OBX")),
    "surgery": frozenset((*PATIENT, *INSTRUCTIONS, "V12 RXE-15", "V11 AL1 after PV1", "V11 DG1 after PV1")),
    "pharmacy": frozenset(("V5 PID-12", *INSTRUCTIONS, "V12 RXE-15")),
    "record": frozenset(),
    "security": frozenset(),
    "the answers": frozenset(("V1 MSH-3", "V1 MSH-5", "V1 MSH-6")),
}
"""Exact: free text that care gets because its agreement says so. An acknowledgement says sender and receiver to the sender (HL7 2.9.2)."""


async def test_a_canary_of_every_site_leaves_only_where_the_table_says(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    planted: set[int] = set()
    sent = [plant(body, planted) for body in story()]
    everywhere = set(range(len(SITES)))
    assert planted == everywhere, "void: a site was not planted"
    for body in sent:
        for number in found(body):
            assert all(each in readings(body) for each in spellings(number).values()), (
                "void: a spelling was not planted"
            )
    assert set().union(*map(found, sent)) == everywhere, "void: the search does not find what was sent"

    got, places, letters = await told_everybody(tmp_path, sent)
    assert letters >= {
        *(("handover", "northfell"), ("gp-copy", "surgery"), ("correction", "northfell"), ("correction", "surgery")),
        *(("prescription-copy", "pharmacy"), ("prescription-copy", "surgery")),
        *(("write-back", "record"), ("report", "security")),
        *(("reception-notice", "surgery"), ("reception-notice", "pharmacy")),
    }, "void: a letter was not sent"
    places["the log"] = "".join(capfd.readouterr()).encode()
    assert all(got.values())
    assert {place for place, text in places.items() if text} >= {"the bus", "the clear columns", "the log"}
    left = {place: names(found(text)) for place, text in {**got, **places}.items()}
    assert left == {place: set(MAY_LEAVE.get(place, ())) for place in left}


def test_the_matrix_can_fail() -> None:
    """Sabotage: each spelling of each site would be seen wherever it stood, in an answer or in the middle of a word."""
    for number in range(len(SITES)):
        for spelling in spellings(number).values():
            assert found(f"x{spelling}y".encode()) == {number}
    assert found(urllib.parse.quote(" ".join(spellings(3).values())).encode()) == {3}
    assert len(spellings(0)) >= 6
    assert len({site.name for site in SITES}) == len(SITES)
    refs = {site.ref for site in SITES}
    assert refs | NOT_HERE.keys() == {f"V{number}" for number in range(1, 21)}


NOT_HERE = {
    "V15": "the batch in the story, which is refused",
    "V16": "the answers of the story, of what was taken and of what was refused",
    "V18": "nothing redacts by lines: a letter is built from what is permitted",
    "V19": "no letter is HL7 v2: nothing is numbered that could show a gap",
    "V20": "tests/fhir_profiles/hl7v2/test_tokenizer.py",
}
"""Sites that are no field of a message of this story, and where they are shown."""
