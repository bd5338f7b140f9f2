"""Timelines of people in and out of prison, as two feeds, the health record and a community provider tell them, and what had to come of each.

Many people live at once on one gateway, whose clock the test moves. The truth is made with the words, never from what the gateway says:
`python -m tests.faults.timelines SHARD NUMBER` plays one person alone and prints the story beside what arrived.
"""

import asyncio
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from adapters.contract import Arrival, Outcome, Outgoing, Receipt
from gateway import wiring
from gateway.activation import approve, propose
from gateway.bus.in_process import InProcessBus
from gateway.clients import add_client
from gateway.demo.fhir_messages import appointment
from gateway.keys import Keys
from gateway.keys.identifiers import SeededIds
from gateway.ledger import HeadInMemory, Ledger
from gateway.pipeline import Gateway
from gateway.settings import parse_settings
from gateway.store import MemoryStore
from tests.builders import adt_a01, adt_a03, fhir_message, prison_number, synthetic_person
from tests.line import EHR, START, WITH_PRACTICE_AND_RECORD, Line, make_installation, register_clients

Json = dict[str, Any]
FEED, OUTSIDE = "prison-feed", "northfell-system"
AT_ONCE, LATE = "prisoner-offender-search.", "prison-offender-events."
ORIGIN = "throughgate.example/timelines"
SLOT: Final = 15
"""Minutes between two looks at what was sent: what happens in between is told at the next."""
HELD_BACK: Final = 60
"""Minutes after which the late feed tells a movement: its 45, and the next look."""
RELEASES: Final = ("CR", "HR", "NCS", "NG", "BL", "PX", "SC", "ER", "HC")
NO_RELEASES: Final = ("DEC", "UAL", "ESCP", "MRG")
ELSEWHERE: Final = 5_000
"""Added to a number: the second record of the same person."""


@dataclass(frozen=True, kw_only=True)
class Word:
    """One message: when it is sent, by which client."""

    minute: int
    client: str
    body: bytes
    about: str


@dataclass(frozen=True, kw_only=True)
class Came:
    """A letter as its recipient has it, or as it had to come. `says` is of a handover: provisional, or how many earlier ones it lacks."""

    minute: int
    letter: str
    provisional: bool = False
    away: bool = False
    lacks: int = 0


@dataclass(kw_only=True)
class Story:
    """One person's timeline while it is made."""

    shard: int
    number: int
    words: list[Word] = field(default_factory=list)
    wanted: list[Came] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    minute: int = SLOT
    lacks: int = 0
    alive: bool = True

    def __post_init__(self) -> None:
        self.chance = random.Random(self.shard * 100_000 + self.number)
        self.person = synthetic_person(self.number)
        self.say(EHR, adt_a01(self.person, message_id=f"IN-{self.number}", at=hl7(self.minute)), "admission")
        self.later()
        chapters = (released, released, reversed_soon, reversed_soon, *CHAPTERS)
        for _ in range(self.chance.choice((1, 1, 1, 2))):
            if self.alive:
                chapter = self.chance.choice(chapters)
                self.kinds[chapter.__name__] += 1
                chapter(self)
                self.later()

    def later(self, least: int = 60, most: int = 600) -> None:
        """Some time goes by."""
        self.minute = _slot(self.minute + SLOT * self.chance.randint(least // SLOT, most // SLOT))

    def say(self, client: str, body: bytes, about: str, *, at: int | None = None) -> None:
        """A word, now or at another minute."""
        minute = _slot(self.minute if at is None else at)
        self.words.append(Word(minute=minute, client=client, body=body, about=about))

    def event(
        self, name: str, *, reason: str, at: int | None = None, person: int = 0, dated: bool = True, **more: str | None
    ) -> None:
        """A domain event of a movement now, told now or later."""
        number = prison_number(person or self.number)
        told = {"nomsNumber": number, "prisonId": "ZFG", "reason": reason, **more}
        content: Json = {"eventType": name, "additionalInformation": told}
        if dated:
            content["occurredAt"] = iso(self.minute)
        content["personReference"] = {"identifiers": [{"type": "NOMS", "value": number}]}
        mark = f"{self.number}-{len(self.words)}"
        body = {"Type": "Notification", "MessageId": mark, "Message": json.dumps(content)}
        self.say(FEED, json.dumps(body).encode(), f"{name} {reason} {more or ''}", at=at)

    def contact(self, *, written_back: bool) -> None:
        """The community provider books something for the person."""
        mark = f"{self.number}-{len(self.words)}"
        made = appointment(
            resource_id=mark, start="2026-03-20T10:00:00+00:00", minutes=30, description="Seen", where="Northfell"
        )
        body = fhir_message(self.person, resources=[made], message_id=mark, event="appointment", at=iso(self.minute))
        self.say(OUTSIDE, body, "contact")
        if written_back:
            self.came("write-back")

    def handover(self, *, provisional: bool, at: int | None = None) -> None:
        """It had to come, at once."""
        minute = self.minute if at is None else at
        self.wanted.append(Came(minute=minute, letter="handover", provisional=provisional, lacks=self.lacks))

    def back(self, reason: str) -> None:
        """Told at once that the person is in prison."""
        self.event(f"{AT_ONCE}prisoner.received", reason=reason)

    def came(self, letter: str, **more: Any) -> None:
        """It had to come of what was said last."""
        self.wanted.append(Came(minute=_slot(self.minute), letter=letter, **more))


def _slot(minute: int) -> int:
    return -(-minute // SLOT) * SLOT


def released(story: Story) -> None:
    """A real release: told by one feed or both, or by the health record too; after it a recall, days or minutes later."""
    feeds = story.chance.choice(("at-once", "late", "both", "both", "record", "record and both"))
    code = story.chance.choice(RELEASES)
    words: list[Callable[[], None]] = []
    sure = False

    def at_once() -> None:
        story.event(f"{AT_ONCE}prisoner.released", reason="RELEASED")
        story.handover(provisional=not sure)

    def record() -> None:
        nonlocal sure
        mark = f"OUT-{story.number}-{len(story.words)}"
        story.say(EHR, adt_a03(story.person, message_id=mark, at=hl7(story.minute), disposition=code), "discharge")
        story.handover(provisional=False)
        sure = True

    words += [at_once] if feeds in {"at-once", "both", "record and both"} else []
    words += [record] if feeds.startswith("record") else []
    story.chance.shuffle(words)
    for word in words:
        word()
    left = story.minute
    if feeds in {"late", "both", "record and both"}:
        told = f"{LATE}prisoner.released"
        story.event(told, reason="RELEASED", at=left + HELD_BACK, nomisMovementReasonCode=code)
        story.handover(provisional=False, at=left + HELD_BACK)
    arrested = feeds != "late" and story.chance.random() < 0.2
    if arrested:
        story.minute += story.chance.randint(1, 44)
        story.back("NEW_ADMISSION")
        story.minute = left + HELD_BACK
        return
    story.minute = left + HELD_BACK + SLOT
    story.contact(written_back=False)
    story.later(least=60)
    story.back(story.chance.choice(("READMISSION", "READMISSION_SWITCH_BOOKING", "NEW_ADMISSION")))


def reversed_soon(story: Story) -> None:
    """A release that was none: told at once, taken back within 45 minutes, never told by the late feed. Contacts in between count."""
    story.event(f"{AT_ONCE}prisoner.released", reason="RELEASED")
    story.handover(provisional=True)
    left = story.minute
    story.minute += SLOT
    story.contact(written_back=True)
    story.minute = left + story.chance.randint(1, 44)
    story.back(story.chance.choice(("READMISSION", "READMISSION_SWITCH_BOOKING")))
    story.came("correction")
    story.minute = left + HELD_BACK
    story.contact(written_back=True)


def reversed_first(story: Story) -> None:
    """The return is told before the release that it takes back: nobody is handed over, and nothing ends."""
    left = story.minute
    story.minute = left + story.chance.randint(1, 44)
    story.back(story.chance.choice(("READMISSION", "READMISSION_SWITCH_BOOKING")))
    told = _slot(story.minute) + SLOT
    story.minute = left
    story.event(f"{AT_ONCE}prisoner.released", reason="RELEASED", at=told)
    story.minute = told + SLOT
    story.contact(written_back=True)


def reversed_after_two(story: Story) -> None:
    """A release that the feed and the health record told, taken back soon: one correction, of the letter that counts."""
    story.event(f"{AT_ONCE}prisoner.released", reason="RELEASED")
    story.handover(provisional=True)
    left = story.minute
    story.minute += SLOT
    mark = f"OUT-{story.number}-{len(story.words)}"
    story.say(EHR, adt_a03(story.person, message_id=mark, at=hl7(left), disposition="CR"), "discharge")
    story.handover(provisional=False)
    story.minute = left + story.chance.randint(SLOT + 1, 44)
    story.back(story.chance.choice(("READMISSION", "READMISSION_SWITCH_BOOKING")))
    story.came("correction")
    story.minute = left + HELD_BACK
    story.contact(written_back=True)


def undated(story: Story) -> None:
    """A word of no release that does not say when: it takes no handover back, and a person is asked."""
    story.event(f"{AT_ONCE}prisoner.released", reason="RELEASED")
    story.handover(provisional=True)
    told = f"{LATE}prisoner.released"
    code = story.chance.choice(NO_RELEASES)
    story.event(told, reason="RELEASED", at=story.minute + SLOT, dated=False, nomisMovementReasonCode=code)
    story.minute += HELD_BACK
    story.alive = False


def mistaken(story: Story) -> None:
    """A death, an escape or a merged record that the quick feed calls a release: the late one says what it was."""
    code = story.chance.choice(NO_RELEASES)
    story.event(f"{AT_ONCE}prisoner.released", reason="RELEASED")
    story.handover(provisional=True)
    told = f"{LATE}prisoner.released"
    story.event(told, reason="RELEASED", at=story.minute + HELD_BACK, nomisMovementReasonCode=code)
    story.minute += HELD_BACK
    story.came("correction", away=True)
    story.alive = False


def _out_and_in(
    story: Story, out: str, back: str, *, code: str | None = None, left: str = "ZFG", prison: str = "ZFG"
) -> None:
    feeds = story.chance.choice((((AT_ONCE, 0),), ((LATE, HELD_BACK),), ((AT_ONCE, 0), (LATE, HELD_BACK))))
    for feed, wait in feeds:
        more: dict[str, Any] = {"nomisMovementReasonCode": code} if feed == LATE else {}
        story.event(f"{feed}prisoner.released", reason=out, at=story.minute + wait, prisonId=left, **more)
    story.later(least=120)
    for feed, wait in feeds:
        story.event(f"{feed}prisoner.received", reason=back, at=story.minute + wait, prisonId=prison)
    story.minute += HELD_BACK


def court(story: Story) -> None:
    """Out to court and back. The code may be one of a release: it is none."""
    _out_and_in(story, "SENT_TO_COURT", "RETURN_FROM_COURT", code=story.chance.choice(("CRT", "CR", None)))


def absence(story: Story) -> None:
    """A temporary absence."""
    _out_and_in(story, "TEMPORARY_ABSENCE_RELEASE", "TEMPORARY_ABSENCE_RETURN", code="C5")


def transferred(story: Story) -> None:
    """To another prison, and to this one again."""
    _out_and_in(story, "TRANSFERRED", "TRANSFERRED", prison="ZNF", code="NOTR")
    _out_and_in(story, "TRANSFERRED", "TRANSFERRED", left="ZNF", code="NOTR")


def merged(story: Story) -> None:
    """A second record, which is found to be the same person; then there is one."""
    if story.kinds["merged"] > 1:
        return
    other = prison_number(story.number + ELSEWHERE)
    story.event(f"{LATE}prisoner.received", reason="ADMISSION", person=story.number + ELSEWHERE)
    story.event(f"{LATE}prisoner.merged", reason="MERGE", removedNomsNumber=other)


def booking_moved(story: Story) -> None:
    """A booking goes to another record: a person has to look, and every handover says that something waits."""
    other = prison_number(story.number + 2 * ELSEWHERE)
    number = story.person.prison_number
    story.event(f"{LATE}prisoner.booking.moved", reason="MOVED", movedFromNomsNumber=other, movedToNomsNumber=number)
    story.lacks += 1


CHAPTERS: Final = (
    released,
    reversed_soon,
    reversed_first,
    reversed_after_two,
    undated,
    mistaken,
    court,
    absence,
    transferred,
    merged,
    booking_moved,
)


def iso(minute: int) -> str:
    return (START + timedelta(minutes=minute)).isoformat()


def hl7(minute: int) -> str:
    return f"{START + timedelta(minutes=minute):%Y%m%d%H%M%S}+0000"


class _Clock:
    def __init__(self) -> None:
        self.minute, self.ticks = 0, 0

    def __call__(self) -> datetime:
        self.ticks += 1
        return START + timedelta(minutes=self.minute, microseconds=self.ticks)


@dataclass(kw_only=True)
class _Inbox:
    """A recipient that takes everything and writes down when."""

    clock: _Clock
    got: list[tuple[int, Outgoing]] = field(default_factory=list)

    async def send(self, letter: Outgoing) -> Receipt:
        self.got.append((self.clock.minute, letter))
        return Receipt(outcome=Outcome.DELIVERED, code="http-200")

    async def close(self) -> None:
        """Nothing is open."""


SERVED = ("northfell", "record")


@cache
def _installation() -> tuple[Any, Any, Any, Any]:
    wanted = {name: each for name, each in WITH_PRACTICE_AND_RECORD.items() if name in SERVED}
    with TemporaryDirectory() as name:
        config = make_installation(Path(name), dict.fromkeys(SERVED, 9), recipients=wanted)
        settings = parse_settings(config.read_text(), str(config))
        recipients, agreements = wiring.read_sharing(settings)
        texts = {path.stem: path.read_text("utf-8") for path in settings.gateway.agreements_dir.glob("*.toml")}
    return settings, recipients, agreements, texts


def _gateway(clock: _Clock, inboxes: dict[str, _Inbox], seed: int) -> Gateway:
    settings, recipients, agreements, texts = _installation()
    ids = SeededIds(seed)
    store, keys = MemoryStore.create(), Keys.in_memory(ids)
    signer = keys.ledger_signer()
    head = HeadInMemory(Ledger.first_head(signer, ORIGIN))
    gateway = Gateway(
        settings=settings,
        store=store,
        bus=InProcessBus(),
        keys=keys,
        ledger=Ledger(store=store, signer=signer, head=head, origin=ORIGIN, clock=clock),
        clock=clock,
        ids=ids,
        recipients=recipients,
        agreements=agreements,
        establishments=settings.establishment_names(),
        outbounds=dict(inboxes),
    )
    for sign, person in ((propose, "Ada Example"), (approve, "Ben Example")):
        sign(gateway, texts, by=person, reason="for a test")
    register_clients(gateway)
    add_client(gateway, name=FEED, kinds=("hmpps-event",), establishments=("ZFG", "ZNF"))
    add_client(gateway, name=OUTSIDE, kinds=("fhir-message",), establishments=("ZFG",), recipient="northfell")
    return gateway


Arrived = dict[str, list[tuple[int, str, Json]]]


def _lived(stories: Sequence[Story], seed: int) -> Arrived:
    """What arrived, by the person's NHS number. It is not the loop's own answer: at its end a loop writes that out, for a name of its task."""
    found: Arrived = defaultdict(list)
    asyncio.run(_live(stories, seed, found))
    return found


async def _live(stories: Sequence[Story], seed: int, found: Arrived) -> None:
    clock = _Clock()
    inboxes = {name: _Inbox(clock=clock) for name in SERVED}
    gateway = _gateway(clock, inboxes, seed)
    await gateway.start()
    slots: dict[int, list[Word]] = defaultdict(list)
    for story in stories:
        for word in story.words:
            slots[word.minute].append(word)
    for minute in sorted(slots):
        clock.minute = minute
        for word in slots[minute]:
            fhir = word.body.startswith(b"{")
            channel = gateway.settings.http_channel(word.client, "fhir").name if fhir else EHR
            kind = "application/json" if fhir else "text/plain"
            answer = await gateway.accept(
                Arrival(channel=channel, client=word.client, body=word.body, content_type=kind)
            )
            assert Line.is_accepted(answer), (word.about, answer)
        await gateway.settle(600)
    await gateway.abandon()
    for inbox in inboxes.values():
        for minute, letter in inbox.got:
            body = json.loads(letter.body)
            found[_nhs_number(body)].append((minute, letter.delivery_id, body))


def _resources(body: Json, kind: str) -> list[Json]:
    return [entry["resource"] for entry in body["entry"] if entry["resource"]["resourceType"] == kind]


def _nhs_number(body: Json) -> str:
    (patient,) = _resources(body, "Patient")
    return str(next(each["value"] for each in patient["identifier"] if "nhs-number" in each["system"]))


def _came(minute: int, body: Json) -> Came:
    text = json.dumps(body)
    documents = _resources(body, "Composition")
    if documents:
        said = "Earlier messages that it does not contain: "
        lacks = int(text.split(said)[1].split(".")[0]) if said in text else 0
        provisional = documents[0]["status"] == "preliminary"
        assert provisional == ("Provisional: " in text), "the data and the words say different things"
        return Came(minute=minute, letter="handover", provisional=provisional, lacks=lacks)
    if "is withdrawn" in text:
        return Came(minute=minute, letter="correction", away="Where the person is now is not said here" in text)
    return Came(minute=minute, letter="write-back")


def _judge(story: Story, got: Iterable[tuple[int, str, Json]]) -> None:
    """The truth beside what arrived; each correction names the last handover, and whoever tells a release again says of which."""
    found: list[Came] = []
    last = ""
    for minute, delivery_id, body in got:
        came = _came(minute, body)
        found.append(came)
        if came.letter == "handover":
            last = delivery_id
        if came.letter == "correction":
            (notice,) = [each for each in _resources(body, "Communication") if "about" in each]
            assert notice["about"][0]["identifier"]["value"] == last, "it corrects another letter"
    place = f"shard {story.shard}, person {story.number}: python -m tests.faults.timelines {story.shard} {story.number}"
    assert _accounts_for(found, story.wanted), f"{place}\nwanted {story.wanted}\ncame   {found}"


def _accounts_for(found: Sequence[Came], wanted: Sequence[Came]) -> bool:
    """Nothing else came, and everything did; of handovers of one release in one look the newest is enough: an older one must not follow it."""
    missing = Counter(wanted) - Counter(found)
    newest = {each.minute: each for each in wanted if each.letter == "handover"}
    overtaken = all(each.letter == "handover" for each in missing) and all(each in found for each in newest.values())
    return not Counter(found) - Counter(wanted) and (not missing or overtaken)


def play(shard: int, numbers: Sequence[int]) -> Counter[str]:
    """One gateway, these people; what kinds of chapters they had. AssertionError names who was failed."""
    stories = [Story(shard=shard, number=number) for number in numbers]
    found = _lived(stories, shard)
    total: Counter[str] = Counter()
    for story in stories:
        _judge(story, found.get(story.person.nhs_number, ()))
        total += story.kinds
        total["words"] += len(story.words)
        total["letters"] += len(story.wanted)
    return total


def main(shard: int, number: int) -> None:
    """One person alone."""
    story = Story(shard=shard, number=number)
    for word in sorted(story.words, key=lambda each: each.minute):
        sys.stdout.write(f"{word.minute:6} {word.client:18} {word.about}\n")
    sys.stdout.writelines(f"       wanted {each}\n" for each in story.wanted)
    found = _lived([story], shard).get(story.person.nhs_number, [])
    sys.stdout.writelines(f"       came   {_came(minute, body)}\n" for minute, _, body in found)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
