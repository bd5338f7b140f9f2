"""A released message once more, through today's mapping, agreements and consents, by a person's word; the difference is told, paths only.

Nothing is done twice at a recipient: an unchanged letter is not sent again, a changed one is a new delivery that says which letter it takes
the place of, and one that may or may not have arrived is settled first. The register of consents and the identity of people are not
touched: what a person said, and who is who, is as it is now. `look` shows it and does nothing; `replay` does what was shown, and nothing
where that is another by now (decision 0043). This module MUST NOT let an older word stand for a newer one.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, select

from consent.shapes import Outcome
from fhir_profiles import facts
from fhir_profiles.elements import name_of
from fhir_profiles.letters import LETTERS
from fhir_profiles.shapes import Event, Json, LetterContext, Translation
from gateway.errors import ThroughgateError
from gateway.failpoints import around
from gateway.journeys.cancelled import handover_letters, handovers_of, may_have_arrived
from gateway.journeys.file import Filing, read_versions, write_filing
from gateway.journeys.plan import Wanted
from gateway.journeys.tasks import end_tasks
from gateway.keys import SealedGone
from gateway.log import Code, log
from gateway.moves import move_delivery, note_message
from gateway.parts import Parts
from gateway.states import DELIVERY_OPEN, DELIVERY_RECALLABLE, DeliveryState, MessageState
from gateway.steps.contributions import CHANGES_RESULTS, recount
from gateway.steps.identify import translation_of
from gateway.steps.kept import Kept, KeptUnread, marks_of, open_kept
from gateway.steps.letters import RESTARTS, Contended, Moved, Seen, see_message, wanted_letters
from gateway.steps.read_again import Reading, read_again
from gateway.steps.reasons import require_reason, seal_reason
from gateway.steps.release import (
    Draft,
    Owner,
    Question,
    compose_letter,
    decide_letter,
    draft,
    what_would_leave,
    write_draft,
)
from gateway.steps.standing import LEFT_OR_LEAVING, DeliveryRow
from gateway.steps.told import told_before
from gateway.store.locks import hold_message, hold_person
from gateway.store.schema import decision, delivery, message

D = DeliveryState
DIGEST_CHARACTERS: Final = 16
LEAVES: Final = frozenset({Outcome.RELEASE.value, Outcome.REDUCE.value})
MOVES_THE_PERSON: Final = frozenset(
    {
        Event.RECEPTION,
        Event.RECEPTION_CANCELLED,
        Event.READMISSION,
        Event.RELEASE,
        Event.RELEASE_UNCLEAR,
        Event.RELEASE_CANCELLED,
        Event.TRANSFER,
        Event.COURT,
        Event.TEMPORARY_ABSENCE,
        Event.ESCAPE,
        Event.DEATH,
    }
)
"""After one of these an earlier release is no news: its handover would say that somebody is where they are not."""


class ReplayError(ThroughgateError):
    """What was asked for cannot be replayed at all: the text says why."""


class NotAsShown(ReplayError):
    """It would do another thing now than was shown: nothing was done. `looked` is what it would do now."""

    def __init__(self, looked: "Looked") -> None:
        super().__init__(
            "what it would do is not what was shown: nothing was done; read the difference of now, then apply that"
        )
        self.looked = looked


class Fate(StrEnum):
    """What becomes of one letter of a replayed message."""

    NEW = "new"
    AGAIN = "again"
    UNCHANGED = "unchanged"
    OVERTAKEN = "overtaken"
    UNSETTLED = "unsettled"
    NOT_ASKED = "not-asked"


class Stop(StrEnum):
    """Why nothing at all is done with a message."""

    NOT_RELEASED = "not-released"
    BYTES_GONE = "bytes-gone"
    HELD_NOW = "held-now"
    REPLY = "reply"
    CHANGED = "changed"


LEFT_TO_A_PERSON: Final = frozenset({Fate.OVERTAKEN, Fate.UNSETTLED})

TEXTS: Final[Mapping[str, str]] = {
    Fate.NEW: "a new letter, under the consents of now",
    Fate.AGAIN: "nothing in it is another: it goes again because an earlier one to the same recipient does, which must not stand as the last word",
    Fate.UNCHANGED: "nothing in it is another: it is not sent again unless you ask for it",
    Fate.OVERTAKEN: "something later stands for it: replay from there, or the later ones with it",
    Fate.UNSETTLED: "nobody knows whether the last one arrived: settle that first, with `throughgate held`",
    Fate.NOT_ASKED: "nothing asks for this letter any more: what the recipient has stays with it",
    Stop.NOT_RELEASED: "it was never released: `throughgate held release` takes it through today's mapping",
    Stop.BYTES_GONE: "retention has deleted its bytes",
    Stop.HELD_NOW: "today's mapping would hold it: see why with `throughgate try`; nothing was done",
    Stop.REPLY: "a recipient's reply has no letters",
    Stop.CHANGED: "it would do another thing by now than was shown: nothing was done with it; look again",
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One letter: what was decided last and what would be now, and the paths that leave now and did not, no longer leave, or say another thing.

    The paths are of the file as of the message; `now`, and all below `delivery`, are of the new letter, where there is one.

    `before` is the delivery that stands last, `delivery` the new one; None where there is none. `leaves`: a letter goes to the recipient;
    `corrects`: it says that it takes the place of `before`, which may have arrived; `recalls`: `before` has not left and is taken back.
    """

    letter: str
    recipient: str | None
    recipient_class: str
    was: str | None
    now: str | None
    released: tuple[str, ...]
    withheld: tuple[str, ...]
    changed: tuple[str, ...]
    fate: Fate
    before: str | None
    delivery: str | None
    leaves: bool = False
    corrects: bool = False
    recalls: bool = False


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One message. `stopped` says why nothing was done; `filed` counts the resources of the person's file that are read otherwise now."""

    message: str
    stopped: Stop | None = None
    filed: int = 0
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What a replay would do. `digest` names exactly this, and is what a person gives back to have it done."""

    digest: str
    messages: tuple[Replayed, ...]


@dataclass(frozen=True, kw_only=True)
class ForRecipient:
    """How many letters, over all messages, to one recipient (None: nobody was found): `leaving` to who had none of it, `correcting` one that may
    have arrived, `recalled` before they left, `kept_back` by today's decision, `left_to_a_person` because a person settles something first.
    """

    recipient: str | None
    recipient_class: str
    leaving: int
    correcting: int
    recalled: int
    kept_back: int
    left_to_a_person: int


@dataclass(frozen=True, kw_only=True)
class Act:
    """A person's word, and by message what that person was shown. `resend` sends again what is unchanged."""

    reason: str
    by: str
    shown: Mapping[str, Replayed]


@dataclass(frozen=True, kw_only=True)
class _Letter:
    """A letter that was asked for, and the delivery of it that stands last. `made` only where one is to be written."""

    change: Change
    before: DeliveryRow | None
    made: Draft | None = None


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Among the letters of its kind to one recipient: `overtaken`, something later stands for it; `behind`, an earlier one of this run goes again."""

    overtaken: bool
    behind: bool


@dataclass(frozen=True, kw_only=True)
class _Work:
    """`step` is the message's: whoever replays it at the same time writes another, and this is looked at again."""

    seen: Seen
    step: int
    filing: Filing
    letters: tuple[_Letter, ...]


@dataclass(kw_only=True)
class _Run:
    """One replay of several messages: which they are, and for a look what the earlier ones would have filed, by person and name.

    `act` is None while nobody does more than look.
    """

    act: Act | None
    resend: bool
    asked: Mapping[str, AbstractSet[tuple[str, str | None]] | None]
    ahead: dict[str, dict[str, Json]] = field(default_factory=dict)
    leaving: dict[tuple[str, str, str | None], str] = field(default_factory=dict)
    """(person, letter, recipient) -> the last message, so far, a letter of which goes again."""


def look(parts: Parts, ids: Sequence[str], *, resend: bool = False) -> Looked:
    """What `replay` of messages, or of the one letter of a delivery, would do now: oldest first. Nothing is written.

    Raises ReplayError for an unknown id or a calendar report.
    """
    with parts.store.read() as c:
        asked = _asked(c, ids)
    run = _Run(act=None, resend=resend, asked=asked)
    found = tuple(_one(parts, run, message_id) for message_id in asked)
    text = json.dumps([resend, *(asdict(one) for one in found)], sort_keys=True)
    return Looked(digest=hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARACTERS], messages=found)


def replay(
    parts: Parts, ids: Sequence[str], *, shown: str, reason: str, by: str, resend: bool = False
) -> tuple[Replayed, ...]:
    """Do what `look` showed for the same ids under the digest `shown`.

    Raises NotAsShown where it would do another thing by now, ReplayError as `look`, ReasonMissing without a reason.
    """
    require_reason(reason)
    looked = look(parts, ids, resend=resend)
    # INVARIANT: nothing is done that nobody was shown: not where anything of it is another before the first act, and, of each message, not
    # where its own part is another when it is its turn.
    if looked.digest != shown:
        raise NotAsShown(looked)
    with parts.store.read() as c:
        asked = _asked(c, ids)
    act = Act(reason=reason, by=by, shown={one.message: one for one in looked.messages})
    run = _Run(act=act, resend=resend, asked=asked)
    return tuple(_one(parts, run, message_id) for message_id in asked)


def by_recipient(messages: Sequence[Replayed]) -> tuple[ForRecipient, ...]:
    """What it comes to for each recipient of any of the letters, by its id."""
    of: dict[tuple[str, str], list[Change]] = {}
    for each in (change for one in messages for change in one.changes):
        of.setdefault((each.recipient or "", each.recipient_class), []).append(each)
    return tuple(
        ForRecipient(
            recipient=recipient or None,
            recipient_class=recipient_class,
            leaving=sum(each.leaves and not each.corrects for each in changes),
            correcting=sum(each.corrects for each in changes),
            recalled=sum(each.recalls for each in changes),
            kept_back=sum(each.fate is Fate.NEW and not each.leaves for each in changes),
            left_to_a_person=sum(each.fate in LEFT_TO_A_PERSON for each in changes),
        )
        for (recipient, recipient_class), changes in sorted(of.items())
    )


def _asked(c: Connection, ids: Sequence[str]) -> dict[str, AbstractSet[tuple[str, str | None]] | None]:
    """Message id -> which of its letters (None: all), in the order of acceptance."""
    found: dict[str, set[tuple[str, str | None]] | None] = {}
    for some_id in ids:
        if c.execute(select(message.c.id).where(message.c.id == some_id)).first() is not None:
            found[some_id] = None
            continue
        row = c.execute(select(delivery).where(delivery.c.id == some_id)).one_or_none()
        if row is None:
            raise ReplayError(f"no message or delivery has the id {some_id[:40]}")
        if row.message_id is None:
            raise ReplayError("a calendar report is not replayed: nobody knows any more whom it counted")
        letters = found.setdefault(row.message_id, set())
        if letters is not None:
            letters.add((row.letter, row.recipient))
    order = c.execute(select(message.c.id, message.c.sequence).where(message.c.id.in_(found))).all()
    return {row.id: found[row.id] for row in sorted(order, key=lambda row: row.sequence)}


def _one(parts: Parts, run: _Run, message_id: str) -> Replayed:
    for _ in range(RESTARTS):
        looked = _look(parts, run, message_id)
        if isinstance(looked, Stop):
            return Replayed(message=message_id, stopped=looked)
        found = Replayed(
            message=message_id, filed=len(looked.filing.added), changes=tuple(each.change for each in looked.letters)
        )
        act = run.act
        if act is None:
            return found
        if _as_shown(found) != act.shown[message_id]:
            return Replayed(message=message_id, stopped=Stop.CHANGED)
        try:
            with around("replay"):
                parts.store.write(lambda c: _commit(c, parts, act, looked))  # noqa: B023  used at once
        except Moved:
            continue
        return found
    raise Contended


def _as_shown(found: Replayed) -> Replayed:
    """Without the ids of new letters, which nobody could be shown."""
    return replace(found, changes=tuple(replace(each, delivery=None) for each in found.changes))


def _look(parts: Parts, run: _Run, message_id: str) -> _Work | Stop:
    """Read, translate, join, compose and decide: nothing is written."""
    with parts.store.read() as c:
        row = c.execute(select(message).where(message.c.id == message_id)).one()
        if row.state != MessageState.RELEASED:
            return Stop.NOT_RELEASED
        if row.kind == "fhir-response" or row.person_id is None:
            return Stop.REPLY
        try:
            translation = translation_of(c, parts, row)
        except SealedGone:
            return Stop.BYTES_GONE
        if translation.hold is not None:
            return Stop.HELD_NOW
        seen = see_message(c, parts, row)
        seen = replace(seen, carried=told_before(c, parts, row.person_id, row.sequence))
        ahead = run.ahead.setdefault(seen.file.person_id, {})
        reading = read_again(c, parts, seen, translation, ahead)
        if run.act is None:
            ahead |= {name_of(each): each for each in reading.filing.added}
        letters = tuple(_letters(c, parts, run, seen, translation, reading))
    return _Work(seen=seen, step=row.step, filing=reading.filing, letters=letters)


def _letters(
    c: Connection, parts: Parts, run: _Run, seen: Seen, translation: Translation, reading: Reading
) -> Iterator[_Letter]:
    only = run.asked[seen.message_id]
    standing = _standing(c, parts, seen.message_id)
    resources = reading.filing.resources
    file = marks_of(resources)
    moved = _person_moved(c, parts, seen)
    # INVARIANT: who is asked for follows from the file as of the message: what came later brings no letter to anybody new.
    for wanted in wanted_letters(parts, seen, translation, reading.then, reading.before).letters:
        name = (wanted.agreement.letter, wanted.recipient.id if wanted.recipient else None)
        before = standing.pop(name, None) or standing.pop(
            (name[0], None), None
        )  # held until now for want of a recipient
        if only is not None and name not in only and (before is None or (name[0], before.recipient) not in only):
            continue
        question = Question(
            agreement=wanted.agreement,
            recipient=wanted.recipient,
            context=wanted.context,
            resources=seen.file.in_letters(resources),
            consents=seen.consents,
            at=parts.now(),
            file=file,
            corrects=wanted.corrects,
        )
        overtaken = (moved and name[0] in handover_letters(parts)) or _is_overtaken(c, run, seen, wanted, before)
        behind = run.leaving.get((seen.file.person_id, *name), seen.message_id) != seen.message_id
        place = _Place(overtaken=overtaken, behind=behind)
        letter = _letter(c, parts, run, question, before, seen.file.in_letters(reading.then), place)
        if letter.change.leaves:
            run.leaving[seen.file.person_id, *name] = seen.message_id
        yield letter
    for name, row in standing.items():
        if only is None or name in only:
            yield _Letter(change=_no_longer(row), before=row)


def _standing(c: Connection, parts: Parts, message_id: str) -> dict[tuple[str, str | None], DeliveryRow]:
    """(letter, recipient) -> the last delivery of a message. What is asked for once, by what it corrects or takes back, is left out."""
    once = {Event.RELEASE_CANCELLED.value, Event.WITHDRAWAL.value, Event.HARM_TEST.value}
    corrections = {each.letter for each in parts.agreements.values() if once & set(each.events)}
    rows = c.execute(
        select(delivery, decision.c.sealed_id.label("kept_id"), decision.c.outcome.label("outcome"))
        .join(decision, decision.c.id == delivery.c.decision_id)
        .where(delivery.c.message_id == message_id, delivery.c.letter.not_in(corrections))
        .order_by(delivery.c.sequence)
    ).all()
    return {(row.letter, row.recipient): row for row in rows}


def _person_moved(c: Connection, parts: Parts, seen: Seen) -> bool:
    """Has a later message moved the person, so that this one's release is no news?"""
    rows = c.execute(
        select(message)
        .where(
            message.c.person_id == seen.file.person_id,
            message.c.sequence > seen.sequence,
            message.c.state == MessageState.RELEASED.value,
            message.c.kind != "fhir-response",
            message.c.body_id.is_not(None),
        )
        .order_by(message.c.sequence.desc())
    ).all()
    return any(MOVES_THE_PERSON & set(translation_of(c, parts, row).events) for row in rows)


def _is_overtaken(c: Connection, run: _Run, seen: Seen, wanted: Wanted, before: DeliveryRow | None) -> bool:
    """INVARIANT: per person and recipient, order holds. A later letter that has left, of a message that is not replayed too, stands for it."""
    later = (
        select(delivery.c.message_id)
        .join(message, message.c.id == delivery.c.message_id)
        .where(
            delivery.c.person_id == seen.file.person_id,
            delivery.c.recipient == (wanted.recipient.id if wanted.recipient else None),
            delivery.c.letter == wanted.agreement.letter,
            delivery.c.state.in_(LEFT_OR_LEAVING),
            message.c.sequence > seen.sequence,
        )
    )
    after = later.where(delivery.c.sequence > before.sequence) if before is not None else later
    return any(message_id not in run.asked for message_id in c.execute(after).scalars())


def _letter(
    c: Connection,
    parts: Parts,
    run: _Run,
    question: Question,
    before: DeliveryRow | None,
    then: Sequence[Json],
    place: _Place,
) -> _Letter:
    kept = _kept(c, parts, before)
    arrived = before is not None and may_have_arrived(c, before)
    if kept is not None:
        named = kept.recipient_named and question.recipient is not None and question.recipient.id == kept.recipient
        context = _of_last(question, kept)
        question = replace(question, person_released=kept.person_released, recipient_named=named, context=context)
    change = _compared(question, kept, before, then)
    same = change.was == change.now and not (change.released or change.withheld or change.changed)
    # INVARIANT: per person and recipient, order holds: behind an earlier letter that goes once more, a later one does too.
    again = same and place.behind and change.now in LEAVES
    if same and not (run.resend or again):
        return _Letter(change=replace(change, fate=Fate.UNCHANGED), before=before)
    if place.overtaken:
        return _Letter(change=replace(change, fate=Fate.OVERTAKEN), before=before)
    if before is not None and arrived and D(before.state) in DELIVERY_OPEN:
        return _Letter(change=replace(change, fate=Fate.UNSETTLED), before=before)
    if before is not None and arrived:
        question = replace(question, context=replace(question.context, replaces=before.id))
    made = draft(parts, question)
    # INVARIANT: what is shown to leave is what is written: also where the file of now, or a last look at the letter, comes to another decision.
    leaves = made.sealed is not None
    change = replace(
        change,
        now=made.decision.outcome.value,
        released=change.released if leaves else (),
        changed=change.changed if leaves else (),
        fate=Fate.AGAIN if again else Fate.NEW,
        delivery=None if run.act is None else made.delivery_id,
        leaves=leaves,
        corrects=leaves and arrived,
        recalls=before is not None and D(before.state) in DELIVERY_RECALLABLE,
    )
    return _Letter(change=change, before=before, made=made)


def _of_last(question: Question, kept: Kept) -> LetterContext:
    """What a letter carried, and what it took back, stands beside what the message brings by today's reading: a replay never takes it out."""
    if LETTERS[question.agreement.letter].carries is None:
        return question.context
    focus = tuple(dict.fromkeys((*kept.context.focus, *question.context.focus)))
    last = kept.context
    return replace(question.context, focus=focus, taken_back=last.taken_back, was_wrong=last.was_wrong)


def _kept(c: Connection, parts: Parts, before: DeliveryRow | None) -> Kept | None:
    if before is None:
        return None
    try:
        return open_kept(c, parts.keys, before.kept_id, of=before.decision_id)
    except SealedGone:
        return None
    except KeptUnread:
        # INVARIANT: the message's other letters are looked at all the same, and this one is made from the message.
        log(Code.DECISION_NOT_READ, delivery=before.id)
        return None


def _compared(question: Question, kept: Kept | None, before: DeliveryRow | None, file: Sequence[Json]) -> Change:
    """What today's reading, agreement and consents make another in the last letter: of the file as of its message, at its instant and
    under its names. What came later is in a new letter too, and is no reason for one.
    """
    last = kept if kept is not None and kept.composed is not None else None
    then = question
    if last is not None:
        context = replace(question.context, replaces=last.context.replaces)
        then = replace(question, resources=file, at=last.decision.as_of, context=context)
    composed = compose_letter(then)
    now = decide_letter(question, composed.bundle)
    id_key = last.id_key if last is not None else bytes(32)
    old = said_in(what_would_leave(last.composed, last.decision, id_key)) if last is not None and last.composed else {}
    new = said_in(what_would_leave(composed.bundle, now, id_key)) if question.recipient is not None else {}
    outcome = now.outcome if question.recipient is not None else Outcome.HOLD
    return Change(
        letter=question.agreement.letter,
        recipient=question.recipient.id if question.recipient else None,
        recipient_class=question.agreement.recipient_class,
        was=str(before.outcome) if before is not None else None,
        now=outcome.value,
        released=tuple(sorted(new.keys() - old.keys())),
        withheld=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(sorted(path for path in new.keys() & old.keys() if new[path] != old[path])),
        fate=Fate.NEW,
        before=before.id if before is not None else None,
        delivery=None,
    )


def _no_longer(row: DeliveryRow) -> Change:
    return Change(
        letter=row.letter,
        recipient=row.recipient,
        recipient_class=row.recipient_class,
        was=str(row.outcome),
        now=None,
        released=(),
        withheld=(),
        changed=(),
        fate=Fate.NOT_ASKED,
        before=row.id,
        delivery=None,
    )


def said_in(bundle: Json | None) -> Mapping[str, frozenset[str]]:
    """Path without places -> what stands there, each with its resource. Values are compared and never shown: paths are what is told."""
    found: dict[str, set[str]] = {}

    def walk(value: Any, path: str, holder: str) -> None:
        if isinstance(value, dict):
            for name, below in value.items():
                walk(below, f"{path}.{name}", holder)
        elif isinstance(value, list):
            for below in value:
                walk(below, path, holder)
        else:
            found.setdefault(path, set()).add(f"{holder}={value!s}")

    for entry in (bundle or {}).get("entry", ()):
        each = entry["resource"]
        walk({name: below for name, below in each.items() if name != "resourceType"}, each["resourceType"], each["id"])
    return {path: frozenset(values) for path, values in found.items()}


def _commit(c: Connection, parts: Parts, act: Act, work: _Work) -> None:
    """Everything of one message in one transaction, or `Moved`."""
    seen, person_id = work.seen, work.seen.file.person_id
    hold_person(c, person_id)
    hold_message(c, seen.message_id)
    # INVARIANT: two replays of one message at the same time make one new letter, not two.
    step = c.execute(select(message.c.step).where(message.c.id == seen.message_id)).scalar_one()
    if (
        step != work.step
        or read_versions(c, person_id) != seen.file.versions
        or handovers_of(c, person_id, handover_letters(parts)) != seen.handovers
        or any(_has_moved(c, each.before) for each in work.letters if each.before is not None)
    ):
        raise Moved
    write_filing(c, parts, person_id, seen.message_id, work.filing)
    _count_again(c, parts, work)
    owner = Owner(
        message_id=seen.message_id,
        person_id=person_id,
        consent_version=seen.file.versions.consent,
        link_version=seen.file.versions.link,
    )
    written = [each for each in work.letters if each.made is not None]
    note = seal_reason(c, parts, person_id, reason=act.reason, by=act.by)
    facts_of: dict[str, str | int | bool] = {"note": note, "letters": len(written)}
    note_message(c, parts, seen.message_id, "replayed", facts_of)
    for each in written:
        assert each.made is not None
        if each.before is not None and D(each.before.state) in DELIVERY_RECALLABLE:
            move_delivery(c, parts, each.before.id, D.RECALLED, reason="replayed")
            end_tasks(c, parts, delivery_id=each.before.id)
        write_draft(c, parts, each.made, owner, supersedes=each.before.id if each.before is not None else None)


def _has_moved(c: Connection, row: DeliveryRow) -> bool:
    return bool(c.execute(select(delivery.c.step).where(delivery.c.id == row.id)).scalar_one() != row.step)


def _count_again(c: Connection, parts: Parts, work: _Work) -> None:
    """A result that is read otherwise now is counted otherwise, in every month that is not closed."""
    if not any(each["resourceType"] in CHANGES_RESULTS for each in work.filing.added):
        return
    tests = facts.tests(work.filing.resources)
    places = facts.establishments((*work.seen.file.resources, *work.filing.resources))
    for name in work.seen.closed:
        recount(c, parts, name, work.seen.file.person_id, tests, places)
