"""What happens to the people of these tests, told without the ledger and without the store: bytes in, and what every wire saw.

Each person lives one of the stories in which a disclosure can go another way than straight. Nothing here MUST ask the ledger or a table
what left: the wires are the oracle.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from consent.shapes import OverrideKind
from gateway import desk, overrides
from gateway.demo.people import SyntheticPerson, synthetic_person
from gateway.overrides import Actor, Limb, Role
from gateway.steps.link import link
from tests.builders import adt_a01, adt_a03, adt_a13, adt_a40, consent, fhir_message, oru_r01, rde_o11
from tests.line import Line

BOX = "ZB1 1AA"
"""A release address whose service collects its letters."""
SECOND = 3_000
"""The second record of somebody who has two is that of the person of so much higher a number."""
ENDS = {200: ("delivered",), 400: ("refused",), 0: ("ambiguous", "delivered")}
"""What the ledger may say last of a letter for which the other side answered this: what is unclear is so until a person has asked."""
UNACKNOWLEDGED = ("sending", "ambiguous")
"""What was opened in a mailbox and not acknowledged is still being sent, and unclear when its time is over."""


class Story(StrEnum):
    """What is out of the ordinary in a stay."""

    JOINED = "two records of one person are merged"
    STRAIGHT = "nothing is"
    UNCLEAR = "the service hangs up after it took the handover"
    OVERRIDDEN = "they said no, and an emergency lets the handover go"
    REFUSED = "the service refuses the handover"
    LEFT_LYING = "the service opens the handover in its mailbox and acknowledges nothing"
    COLLECTED = "the service collects the handover"
    RECALLED = "they say no while the handover lies in the mailbox"
    CORRECTED = "the release is cancelled after the handover arrived"


STORIES = tuple(Story)
_BOXED = frozenset({Story.COLLECTED, Story.LEFT_LYING, Story.RECALLED})


@dataclass(frozen=True, kw_only=True)
class Lived:
    """One person: every record of theirs, the story, and the message with which they came in."""

    records: tuple[SyntheticPerson, ...]
    story: Story
    first: str


@dataclass(frozen=True, kw_only=True)
class Passed:
    """One passage of a letter over a wire: its key, its bytes, and what the ledger may say of it by what the other side answered."""

    key: str
    body: bytes
    ends: tuple[str, ...]


@dataclass
class Mailbox:
    """What the owner of the mailbox was given, in order."""

    passed: list[Passed] = field(default_factory=list)

    async def open_newest(self, line: Line, *, acknowledge: bool = True) -> None:
        """The letter that came last is opened; and acknowledged, if the owner does that."""
        client = line.box_client()
        item = (await line.gateway.mailbox_list(client))[-1]
        letter = await line.gateway.mailbox_open(client, item.id)
        assert letter is not None
        took = acknowledge and await line.gateway.mailbox_acknowledge(client, item.id)
        self.passed.append(Passed(key=item.id, body=letter.body, ends=ENDS[200] if took else UNACKNOWLEDGED))


def wires(line: Line, mailbox: Mailbox) -> tuple[Passed, ...]:
    """INVARIANT: everything that left this gateway about anybody, as those saw it who got it."""
    posted = (
        Passed(key=got.key, body=got.body, ends=ENDS[got.answered])
        for neighbour in line.neighbours.values()
        for got in neighbour.got
    )
    return (*posted, *mailbox.passed)


def about(passed: Sequence[Passed], *records: SyntheticPerson) -> tuple[Counter[str], dict[str, tuple[str, ...]]]:
    """Of all letters whose bytes name one of these records: how often each left, and how its last passage may have ended."""
    numbers = [number.encode() for each in records for number in (each.nhs_number, each.prison_number)]
    theirs = [each for each in passed if any(number in each.body for number in numbers)]
    return Counter(each.key for each in theirs), {each.key: each.ends for each in theirs}


async def lived(line: Line, count: int, *, first: int, mailbox: Mailbox, choose: random.Random) -> list[Lived]:
    """So many people, one after the other, each with the next story; most have prescriptions and tests besides."""
    return [
        await _live(line, first + number, STORIES[number % len(STORIES)], mailbox, choose) for number in range(count)
    ]


async def _live(line: Line, number: int, story: Story, mailbox: Mailbox, choose: random.Random) -> Lived:
    who = synthetic_person(number, postcode=BOX if story in _BOXED else "ZA1 1AA")
    bodies = [adt_a01(who, message_id=f"IN{number}")]
    if choose.random() < 0.6 or story is Story.OVERRIDDEN:
        bodies.append(rde_o11(who, message_id=f"RX{number}"))
    if choose.random() < 0.6:
        bodies.append(oru_r01(who, message_id=f"OR{number}"))
    await line.play(*bodies)
    first = str(line.messages()[-len(bodies)].id)
    out = adt_a03(who, message_id=f"OUT{number}")
    records: tuple[SyntheticPerson, ...] = (who,)
    match story:
        case Story.JOINED:
            records = (who, other := synthetic_person(number + SECOND))
            await line.play(adt_a01(other, message_id=f"IN-2-{number}"), adt_a03(other, message_id=f"OUT-2-{number}"))
            # the prison says it too, and has to wait: two NHS numbers are one person only by a person's word
            await line.play(adt_a40(who, prior_prison_number=other.prison_number, message_id=f"JO{number}"))
            link(line.gateway, first, str(line.messages()[-2].id), reason="one person", by="Ada Example")
            await line.play(out)
        case Story.STRAIGHT:
            await line.play(out)
        case Story.COLLECTED:
            await line.play(out)
            await mailbox.open_newest(line)
        case Story.LEFT_LYING:
            await line.play(out)
            for _ in range(2):
                await mailbox.open_newest(line, acknowledge=False)
        case Story.RECALLED:
            await line.play(out, _no(who))
        case Story.UNCLEAR | Story.REFUSED:
            line.neighbours["northfell"].answers = [0 if story is Story.UNCLEAR else 400]
            await line.play(out)
        case Story.OVERRIDDEN:
            await line.play(_no(who), out)
            _emergency(line)
            await line.settle()
        case Story.CORRECTED:
            await line.play(out, adt_a13(who, message_id=f"BACK{number}"))
    return Lived(records=records, story=story, first=first)


def _no(who: SyntheticPerson) -> bytes:
    said = consent(resource_id=f"no-{who.prison_number}", at="2026-01-15T11:59:00+00:00", decision="deny")
    return fhir_message(who, resources=[said], message_id=f"NO{who.prison_number}", event="consent")


def _emergency(line: Line) -> None:
    """A clinician lets the newest handover go, which consent withheld."""
    nurse = Actor(by="Ana Nurse", role=Role.CLINICIAN, reason="overdose an hour ago; they need the dose")
    kept_back = line.deliveries(letter="handover", state="withheld")[-1].id
    overrides.give(
        line.gateway, kept_back, "northfell", OverrideKind.VITAL_INTEREST, Limb.PERSON, nurse, tell_person=True
    )


async def finished(line: Line, mailbox: Mailbox) -> None:
    """People end what is open: what is unclear arrived, what is held nobody supplies, and the mailbox is emptied."""
    for each in line.deliveries():
        if each.state == "held":
            desk.reject_held(line.gateway, each.id, reason="nobody supplies it", by="Ada Example")
        if each.state == "ambiguous" and each.recipient != "southfell":
            desk.say_delivered(line.gateway, each.id, reason="they have it", by="Ada Example")
    while await line.gateway.mailbox_list(line.box_client()):
        await mailbox.open_newest(line)
