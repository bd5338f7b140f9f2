"""RELEASE of one message: file it, find its letters, decide them, queue them. The order: gateway/pipeline.py. The gate: release.py.

Read, translated, composed and decided outside a transaction; the commit compares the versions of the person's consents, file and links
and everything else it was made from, and raises `Moved` when one is another now. This module MUST NOT touch bytes that leave.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, func, select

from consent.decide import decide
from consent.shapes import Agreement, Decision, Facts, Outcome, Reason, RegisteredConsent, Request
from fhir_profiles import facts
from fhir_profiles.letters import LETTERS
from fhir_profiles.movements import stays_that_go_on
from fhir_profiles.shapes import Composed, Event, Json, LetterContext, Task, Translation
from gateway.among import Several, among
from gateway.consents.register import (
    CONFIRMED,
    NOTHING,
    Registration,
    SealedConsents,
    Sender,
    Standing,
    find_consents,
    give_authority,
    open_consents,
    prepare,
    registered_by,
    write_consents,
)
from gateway.failpoints import around, pass_point
from gateway.journeys.cancelled import (
    Handover,
    arrived_of,
    handover_letters,
    handovers_of_all,
    in_the_light_of,
    of_last_movement,
    recall_unsent,
    told_before,
    waits_for_prison,
)
from gateway.journeys.file import (
    Filing,
    PersonFile,
    SealedFile,
    Versions,
    find_files,
    hold_people,
    join_file,
    keep_longer,
    open_file,
    read_versions,
    write_filings,
)
from gateway.journeys.plan import (
    LEAVES_CUSTODY,
    NEVER_A_HANDOVER,
    Circumstances,
    Neighbourhood,
    Wanted,
    event_tasks,
    overtaken,
    plan,
    untold,
)
from gateway.journeys.tasks import CORRECT_BY_HAND, TasksOf, add_all_tasks, add_tasks, end_tasks, task_of
from gateway.log import Code, log
from gateway.moves import MessageMove, move_delivery, move_messages
from gateway.parts import Parts
from gateway.people.named import waiting_of
from gateway.recipients import Recipient, choose
from gateway.states import DeliveryState, MessageState
from gateway.steps.alerts import mostly_positive, mostly_positive_tasks, new_hazards
from gateway.steps.at_once import MESSAGES, fitting
from gateway.steps.contributions import CHANGES_RESULTS, counted_of, counting, read_closed, recount
from gateway.steps.identify import give_person, hold_message, translation_of
from gateway.steps.kept import Counted, marks_of
from gateway.steps.openly import tell_openly
from gateway.steps.release import (
    Draft,
    Owner,
    Question,
    compose_for_all,
    draft_composed,
    party_of,
    under_agreement,
    write_counted,
    write_drafts,
)
from gateway.steps.told import NONE_BEFORE, Before, may_correct
from gateway.steps.told import told_before as carried_before
from gateway.store.away import is_away
from gateway.store.in_one import write_in_one
from gateway.store.schema import client, decision, message

RESTARTS = 20
NOT_COUNTED = "not-counted"
OPEN_MESSAGES = (MessageState.HELD.value, MessageState.PARKED.value)


_STATES: Final = Several(select(message.c.id, message.c.state).where(among(message.c.id)), message.c.id)
_MESSAGES: Final = Several(MESSAGES.where(among(message.c.id)), message.c.id)
_FIRST: Final = Several(
    select(message.c.person_id, func.min(message.c.sequence).label("sequence"))
    .where(among(message.c.person_id), message.c.state == MessageState.RECEIVED.value)
    .group_by(message.c.person_id),
    message.c.person_id,
)
_NUMBERED: Final = Several(
    select(message.c.person_id, message.c.id).where(among(message.c.sequence)), message.c.sequence
)
_SENDERS: Final = Several(
    select(client.c.name, client.c.consent_authority, client.c.recipient).where(
        among(client.c.name), client.c.ended_at.is_(None)
    ),
    client.c.name,
)
_DECIDED: Final = Several(
    select(decision.c.message_id).where(among(decision.c.message_id)).distinct(), decision.c.message_id
)


class Moved(Exception):
    """What a draft was made from is another now: make it again. An answer of one of several; raised where there is one alone."""


class Contended(Exception):
    """It moved every time: try again later."""


class Fate(StrEnum):
    """What one call did with a message."""

    RELEASED = "released"
    HELD = "held"
    WAITS = "waits"  # for an earlier message of the same person
    NOTHING = "nothing"  # it is finished, or not identified yet


@dataclass(frozen=True, kw_only=True)
class Done:
    """`queued` are its letters that can be sent, `following` the person's next message, which waited for this one; `stale` says that
    open letters of the person need another look.
    """

    fate: Fate
    person_id: str | None = None
    stale: bool = False
    queued: tuple[str, ...] = ()
    following: str | None = None


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A message that can go on: what there is about its person, and what it means."""

    seen: "Seen"
    translation: Translation


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One message and everything about its person, as of one snapshot."""

    message_id: str
    sequence: int
    state: MessageState
    reason: str | None
    file: PersonFile
    consents: tuple[RegisteredConsent, ...]
    authority: bool
    source: str | None
    """The recipient whose system sent it."""
    registered: bool
    decided: bool
    handovers: tuple[Handover, ...]
    not_contained: int
    closed: dict[str, dict[str, str]]
    carried: Before = NONE_BEFORE
    """The earlier letters of which the message may correct or take back something; read only where it can."""

    @property
    def last_handovers(self) -> tuple[Handover, ...]:
        """Those of `handovers` that were made of the last movement."""
        return of_last_movement(self.handovers, self.file.resources)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a message asks for: letters; and the deliveries that it makes wrong, unsent ones and those of which no letter can say so."""

    letters: tuple[Wanted, ...]
    overtaken: tuple[str, ...]
    untold: tuple[str, ...]


NOTHING_ASKED: Final = Asked(letters=(), overtaken=(), untold=())


@dataclass(frozen=True, kw_only=True)
class Counting:
    """What a message's results were counted in, under one agreement."""

    agreement: Agreement
    decision: Decision
    recipient: Recipient | None
    context: LetterContext
    counted: tuple[Counted, ...]


@dataclass(frozen=True, kw_only=True)
class Work:
    """Everything that the commit of one message writes."""

    seen: Seen
    translation: Translation
    filing: Filing
    registration: Registration
    drafts: tuple[Draft, ...]
    counting: tuple[Counting, ...]
    overtaken: tuple[str, ...]
    """Deliveries that have not left and that the message makes wrong."""
    untold: tuple[str, ...]
    """Deliveries that told something wrong, of which no letter can say so."""
    tests: tuple[facts.Test, ...] | None
    tasks: tuple[Task, ...]


def release_message(parts: Parts, message_id: str, *, by_person: bool = False) -> Done:
    """Take one identified message all the way to the outbox. `by_person`: a person released a held or parked message."""
    if by_person and (held := _identify_again(parts, message_id)) is not None:
        return held
    (done,) = release_messages(parts, (message_id,), by_person=by_person)
    if isinstance(done, Exception):
        raise done
    return done


def release_messages(parts: Parts, message_ids: Sequence[str], *, by_person: bool = False) -> list[Done | Exception]:
    """The same for several: as many as fit are read in one snapshot, worked out, committed together. What one of them raises is its own."""
    done: dict[str, Done | Exception] = {}
    restarts = 0
    while restarts < RESTARTS and (left := [each for each in dict.fromkeys(message_ids) if each not in done]):
        works: dict[str, Work] = {}
        for each, looked in _look_at(parts, left, by_person=by_person).items():
            if not isinstance(looked, Looked):
                done[each] = looked
                continue
            try:
                works[each] = _work(parts, looked.seen, looked.translation, by_person=by_person)
            except Exception as error:  # noqa: BLE001  one message that breaks a letter must not stop the others
                done[each] = error
        if not works:
            continue
        pass_point("release.before-commit")
        commit = partial(_commit, parts=parts, by_person=by_person)
        became = dict(zip(works, write_in_one(parts.store, commit, tuple(works.values())), strict=True))
        done |= {each: what for each, what in became.items() if not isinstance(what, Moved)}
        restarts += any(isinstance(what, Moved) for what in became.values())
        pass_point("release.after-commit")
    return [done.get(each, Contended()) for each in message_ids]


def _look_at(parts: Parts, message_ids: Sequence[str], *, by_person: bool) -> dict[str, "Looked | Done | Exception"]:
    """The first of them, as many as fit, in one snapshot; where one of them breaks that, each in its own."""
    try:
        with parts.store.read() as c:
            return _look_at_all(c, parts, message_ids, by_person=by_person)
    except Exception as error:  # noqa: BLE001  it is a message's, and the others go on
        if len(message_ids) == 1 or is_away(error):
            return dict.fromkeys(message_ids, error)
    alone = [_look_at(parts, (each,), by_person=by_person) for each in message_ids]
    return {each: what for some in alone for each, what in some.items()}


def _look_at_all(
    c: Connection, parts: Parts, message_ids: Sequence[str], *, by_person: bool
) -> dict[str, "Looked | Done | Exception"]:
    found: dict[str, Looked | Done | Exception] = {}
    rows = {row.id: row for row in _MESSAGES.of(c, message_ids)}
    first = _first_of(c, [row.person_id for row in rows.values() if row.person_id is not None])
    going = []
    for each in message_ids:
        row = rows.get(each)
        if row is None or row.person_id is None or not _may_go(row.state, by_person=by_person):
            # or another worker was faster, and may have held it
            found[each] = Done(fate=Fate.NOTHING, person_id=None if row is None else row.person_id)
        elif not by_person and _waits(first, row.person_id, row.sequence):
            found[each] = Done(fate=Fate.WAITS, person_id=row.person_id)
        else:
            going.append(row)
    beside_each_other = fitting(going)
    surroundings = _look_around(c, parts, beside_each_other)
    for row in beside_each_other:
        try:
            found[row.id] = _look(c, parts, row, surroundings)
        except Exception as error:  # noqa: BLE001  it is this message's
            found[row.id] = error
    return found


def _look(c: Connection, parts: Parts, row: Any, there: "Surroundings") -> "Looked":
    translation = translation_of(c, parts, row)
    seen = _seen(parts, row, there)
    if may_correct(translation, seen.file.resources):
        seen = replace(seen, carried=carried_before(c, parts, row.person_id, row.sequence))
    return Looked(seen=seen, translation=translation)


def _may_go(state: str, *, by_person: bool) -> bool:
    return state == MessageState.RECEIVED or (by_person and state in OPEN_MESSAGES)


def _identify_again(parts: Parts, message_id: str) -> Done | None:
    """A person releases a message that may have nobody: look again, under today's register of people. None: it has somebody."""
    with parts.store.read() as c:
        row = next(iter(_MESSAGES.of(c, (message_id,))), None)
        if row is None or row.person_id is not None or not _may_go(row.state, by_person=True):
            return None
        translation = translation_of(c, parts, row)

    def work(c: Connection) -> bool:
        return give_person(c, parts, message_id, translation) is not None

    with around("identify-again"):
        return Done(fate=Fate.HELD) if parts.store.write(work) else None


def _first_of(c: Connection, person_ids: Iterable[str]) -> dict[str, int]:
    """The number of the oldest message of each of these people that is not released; of who has none nothing."""
    return {row.person_id: row.sequence for row in _FIRST.of(c, person_ids)}


def _waits(first: Mapping[str, int], person_id: str, sequence: int) -> bool:
    """INVARIANT: releases of one person are serialised in the order of acceptance, by sequence in the database."""
    return first.get(person_id, sequence) < sequence


def _proves_its_client(parts: Parts, channel: str) -> bool:
    """INVARIANT: a channel whose client only a port shows is never a consent authority."""
    try:
        return parts.settings.channel(channel).proves_its_client()
    except KeyError:  # the channel was taken out of the settings since
        return False


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What there is about the people of several messages, each question asked once; what is sealed is opened for each alone."""

    senders: Mapping[str, Any]
    files: Mapping[str, SealedFile]
    consents: Mapping[str, SealedConsents]
    registered: frozenset[str]
    decided: frozenset[str]
    handovers: Mapping[str, tuple[Handover, ...]]
    waiting: Mapping[str, tuple[int, ...]]
    closed: dict[str, dict[str, str]]


def _look_around(c: Connection, parts: Parts, rows: Sequence[Any]) -> Surroundings:
    people = list(dict.fromkeys(row.person_id for row in rows))
    message_ids = [row.id for row in rows]
    return Surroundings(
        senders={each.name: each for each in _SENDERS.of(c, [row.client for row in rows])},
        files=find_files(c, parts, people),
        consents=find_consents(c, parts, people),
        registered=registered_by(c, message_ids),
        decided=frozenset(each.message_id for each in _DECIDED.of(c, message_ids)),
        handovers=handovers_of_all(c, people, handover_letters(parts)),
        waiting=waiting_of(c, people),
        closed={
            agreement.name: dict(read_closed(c, agreement.name, parts.establishments))
            for agreement in (counting(parts) if rows else ())
        },
    )


def see_message(c: Connection, parts: Parts, row: Any) -> Seen:
    """Everything about the person of one message, in one snapshot. `row` is a message that has its person."""
    return _seen(parts, row, _look_around(c, parts, (row,)))


def _seen(parts: Parts, row: Any, there: Surroundings) -> Seen:
    sender = there.senders.get(row.client)
    return Seen(
        message_id=row.id,
        sequence=row.sequence,
        state=MessageState(row.state),
        reason=row.reason,
        file=open_file(parts, there.files[row.person_id]),
        consents=open_consents(parts, there.consents[row.person_id]),
        authority=(sender is not None and bool(sender.consent_authority) and _proves_its_client(parts, row.channel))
        or not parts.register_checked,
        source=sender.recipient if sender is not None else None,
        registered=row.id in there.registered,
        decided=row.id in there.decided,
        handovers=there.handovers[row.person_id],
        not_contained=sum(each < row.sequence for each in there.waiting.get(row.person_id, ())),
        closed=there.closed,
    )


def _work(parts: Parts, seen: Seen, translation: Translation, *, by_person: bool) -> Work:
    """The pure middle: joined file, letters, decisions, counted cells."""
    translation = in_the_light_of(translation, seen.file.resources, seen.last_handovers)
    arrived = tuple(entry["resource"] for entry in translation.bundle.get("entry", []))
    filing = join_file(seen.file.resources, arrived)
    at = parts.now()
    standing = Standing(consents=seen.consents, directory=filing.resources, at=at)
    registration = NOTHING if seen.registered else prepare(arrived, _sender(parts, seen), standing)
    consents = (*seen.consents, *registration.consents)
    asked = NOTHING_ASKED
    drafts: tuple[Draft, ...] = ()
    counting: tuple[Counting, ...] = ()
    changes = any(each["resourceType"] in CHANGES_RESULTS for each in (*arrived, *filing.added))
    tests = facts.tests(filing.resources) if changes else ()
    own = frozenset(f"Observation/{each['id']}" for each in arrived if each["resourceType"] == "Observation")
    if not seen.decided:
        asked = wanted_letters(parts, seen, translation, filing.resources, seen.file.resources)
        drafts = _drafts(parts, asked.letters, seen, filing, consents, at)
        counting = _counting(parts, seen, translation, tests, own, at)
    unstated = any(test.purpose is facts.Purpose.UNKNOWN for test in tests if test.observation in own)
    purpose = (task_of("purpose-unknown"),) if unstated else ()
    hazards = new_hazards(seen.file.resources, filing.resources, own)
    tasks = (
        *translation.tasks,
        *event_tasks(translation.events, parts.agreements),
        *_unmade(parts, translation, drafts),
        *registration.tasks,
        *purpose,
        *hazards,
    )
    return Work(
        seen=seen,
        translation=translation,
        filing=filing,
        registration=registration,
        drafts=drafts,
        counting=counting,
        overtaken=asked.overtaken,
        untold=asked.untold,
        tests=tests if changes else None,
        tasks=tasks if not (by_person and seen.decided) else (),
    )


def _sender(parts: Parts, seen: Seen) -> Sender:
    """Who sent the message, and what may go to its recipient with a consent, or without one.

    INVARIANT: nobody consents to its other half: an organisation is every recipient of its ODS code, whatever file its system is of.
    """
    recipient = parts.recipients.get(seen.source or "")
    if recipient is None:
        return Sender(authority=seen.authority)
    own = [each for each in parts.recipients.values() if each is recipient or (each.ods and each.ods == recipient.ods)]
    classes = {each.recipient_class for each in own}
    held = [each for each in parts.agreements.values() if each.recipient_class in classes]
    if not held:
        return Sender(authority=seen.authority)
    return Sender(
        authority=seen.authority,
        parties=tuple(party_of(held[0], each) for each in own),
        asks=tuple(purpose for each in held if each.without_consent == "nothing" for purpose in each.purpose),
        implied=tuple(purpose for each in held if each.without_consent == "implied" for purpose in each.purpose),
    )


def _unmade(parts: Parts, translation: Translation, drafts: Sequence[Draft]) -> tuple[Task, ...]:
    """INVARIANT: no movement goes untold because a signed agreement cannot be read here: which letters it asks for, nobody knows."""
    events = set(translation.events)
    moved = events & (LEAVES_CUSTODY | {Event.RELEASE_CANCELLED, Event.READMISSION}) and not events & NEVER_A_HANDOVER
    seen_to = any(LETTERS[each.agreement.letter].hands_over or each.corrects for each in drafts)
    return (task_of("handover-not-made"),) if parts.unread and moved and not seen_to else ()


def _was_here(parts: Parts, seen: Seen) -> bool:
    """Whether the file had the person in custody before this message came; of a replay, whose message is in it, nobody knows."""
    return seen.state is not MessageState.RELEASED and bool(stays_that_go_on(seen.file.resources, parts.now()))


def wanted_letters(
    parts: Parts, seen: Seen, translation: Translation, resources: Sequence[Json], before: Sequence[Json]
) -> Asked:
    """What one message asks for. `resources` is the person's file with the message in it, `before` without."""
    neighbourhood = Neighbourhood(
        recipients=parts.recipients,
        agreements=parts.agreements,
        establishments=parts.establishments,
        telephones=parts.settings.establishment_telephones(),
    )
    met = _circumstances(parts, seen, translation, before)
    wanted = plan(neighbourhood, translation, resources, met)
    return Asked(
        letters=wanted,
        overtaken=overtaken(wanted, resources, met),
        untold=untold(neighbourhood, resources, met),
    )


def _circumstances(parts: Parts, seen: Seen, translation: Translation, before: Sequence[Json]) -> Circumstances:
    cancelled = Event.RELEASE_CANCELLED in translation.events
    last = seen.last_handovers
    again = told_before(translation, seen.file.resources, last, seen.message_id)
    return Circumstances(
        as_of=parts.now(),
        before=before,
        not_contained=seen.not_contained,
        source=parts.recipients.get(seen.source or ""),
        arrived=arrived_of(last if cancelled else again),
        told=bool(again),
        waits_for_prison=bool(waits_for_prison(last)),
        sure=any(not each.provisional for each in again),
        carried=seen.carried.told,
        known_to={each.recipient for each in arrived_of(last) if not each.onward},
        already_here=Event.RECEPTION in translation.events and _was_here(parts, seen),
    )


def _drafts(
    parts: Parts,
    wanted: Sequence[Wanted],
    seen: Seen,
    filing: Filing,
    consents: Sequence[RegisteredConsent],
    at: str,
) -> tuple[Draft, ...]:
    file = marks_of(filing.resources) if wanted else ()
    resources = seen.file.in_letters(filing.resources)
    composed: dict[tuple[str, LetterContext], Composed] = {}
    made = []
    for each in wanted:
        question = Question(
            agreement=each.agreement,
            recipient=each.recipient,
            context=each.context,
            resources=resources,
            consents=consents,
            at=at,
            file=file,
            corrects=each.corrects,
        )
        # One letter is the same before anybody has decided who may know, whoever gets it.
        name = (each.agreement.letter, each.context)
        if name not in composed:
            composed[name] = compose_for_all(question)
        made.append(draft_composed(parts, question, under_agreement(question, composed[name])))
    return tuple(made)


def _counting(
    parts: Parts,
    seen: Seen,
    translation: Translation,
    tests: Sequence[facts.Test],
    own: frozenset[str],
    at: str,
) -> tuple[Counting, ...]:
    """What the message's own results are counted in. A calendar report is never made here (gateway/steps/close.py)."""
    events = {event.value for event in translation.events}
    found = []
    for agreement in counting(parts):
        if not events & set(agreement.events):
            continue
        counted = counted_of(agreement.name, tests, own, seen.closed[agreement.name])
        establishment = translation.establishment or ""
        recipient = choose(
            parts.recipients,
            agreement.letter,
            agreement.recipient_class,
            establishment=establishment or None,
            postcode=None,
            gp_ods=None,
            pharmacy_ods=None,
        )
        context = LetterContext(
            establishment=establishment,
            establishment_name=parts.establishments.get(establishment, establishment),
            event=Event.TEST_RESULT.value,
        )
        decided = decide_counting(agreement, recipient, at, counts=bool(counted))
        found.append(
            Counting(
                agreement=agreement,
                decision=decided,
                recipient=recipient,
                context=context,
                counted=counted if decided.outcome is Outcome.COUNTED else (),
            )
        )
    return tuple(found)


def decide_counting(agreement: Agreement, recipient: Recipient | None, at: str, *, counts: bool) -> Decision:
    """The decision about results that a report counts. `counts`: one of them does; else they are not therapeutic, unknown, or too late."""
    asked = Request(
        recipient=party_of(agreement, recipient),
        purpose=agreement.purpose,
        action=agreement.action,
        letter=agreement.letter,
        as_of=at,
    )
    decided = decide(asked, Facts(resources=(), consents=()), agreement)
    if counts:
        return decided
    text = "no result of this message is one that the report counts: nothing leaves"
    return replace(decided, outcome=Outcome.WITHHOLD, reasons=(Reason(rule=NOT_COUNTED, text=text),), permitted=())


def _commit(c: Connection, works: Sequence[Work], *, parts: Parts, by_person: bool) -> list[Done | Moved]:
    """Everything of several messages in one transaction; `Moved` for one of which nothing was written."""
    going, became = _stand(c, parts, works, by_person=by_person)
    if by_person:
        for work in going:
            end_tasks(c, parts, message_id=work.seen.message_id)
    known = [work.seen for work in going if work.seen.file.resources or work.seen.consents]
    keep_longer(c, parts, [seen.file.person_id for seen in known])
    write_filings(c, parts, [(work.seen.file.person_id, work.seen.message_id, work.filing) for work in going])
    owners = {}
    tasks = []
    for work in going:
        confirms = by_person and work.seen.registered and work.seen.reason in CONFIRMED
        told = _write_beside(c, parts, work, confirms=confirms)
        owners[work.seen.message_id] = _owner(c, work, confirms=confirms)
        tasks.append(TasksOf(tasks=(*work.tasks, *told), message_id=work.seen.message_id))
    write_drafts(c, parts, [(made, owners[work.seen.message_id]) for work in going for made in work.drafts])
    for work in going:
        for each in work.counting:
            write_counted(
                c,
                parts,
                decision=each.decision,
                agreement=each.agreement,
                recipient=each.recipient,
                context=each.context,
                counted=each.counted,
                owner=owners[work.seen.message_id],
            )
    add_all_tasks(c, parts, tasks)
    became |= _end(c, parts, going, owners)
    return [became[work.seen.message_id] for work in works]


def _stand(
    c: Connection, parts: Parts, works: Sequence[Work], *, by_person: bool
) -> tuple[list[Work], dict[str, Done | Moved]]:
    """Those whose messages are where they were seen, and whose people are as they were; of the others, what becomes of them."""
    people = [work.seen.file.person_id for work in works]
    # INVARIANT: releases of one person are serialised, whichever worker they are in.
    versions = hold_people(c, people)
    states = {row.id: row.state for row in _STATES.of(c, [work.seen.message_id for work in works])}
    handovers = handovers_of_all(c, people, handover_letters(parts))
    first = {} if by_person else _first_of(c, people)
    going: list[Work] = []
    became: dict[str, Done | Moved] = {}
    for work in works:
        seen, person_id = work.seen, work.seen.file.person_id
        if states.get(seen.message_id) != seen.state:
            became[seen.message_id] = Done(fate=Fate.NOTHING)
        elif _has_moved(c, parts, seen, versions[person_id], handovers[person_id]):
            became[seen.message_id] = Moved()
        elif _waits(first, person_id, seen.sequence):
            became[seen.message_id] = Done(fate=Fate.WAITS, person_id=person_id)
        else:
            going.append(work)
    return going, became


def _has_moved(c: Connection, parts: Parts, seen: Seen, versions: Versions, handovers: tuple[Handover, ...]) -> bool:
    """Is anything that the message was worked out from another now?"""
    # INVARIANT: the commit reads the versions of consent, file and links again and starts over if they moved.
    if versions != seen.file.versions or handovers != seen.handovers:
        return True
    # INVARIANT: what is called unsent has not left meanwhile.
    return seen.carried != NONE_BEFORE and (
        carried_before(c, parts, seen.file.person_id, seen.sequence) != seen.carried
    )


def _write_beside(c: Connection, parts: Parts, work: Work, *, confirms: bool) -> tuple[Task, ...]:
    """What few messages bring: consents, results that are counted, letters that it makes wrong. Who has to hear of a cell by that.

    `confirms`: a person gives its consents their weight.
    """
    seen, person_id = work.seen, work.seen.file.person_id
    write_consents(c, parts, person_id, seen.message_id, work.registration.taken)
    if confirms:
        give_authority(c, parts, person_id, seen.message_id)
    told = _count(c, parts, work)
    if Event.RELEASE_CANCELLED in work.translation.events:
        recall_unsent(c, parts, seen.last_handovers, reason="release-cancelled")
    elif any(each.recipient is not None and each.context.event == Event.TRANSFER for each in work.drafts):
        recall_unsent(c, parts, waits_for_prison(seen.last_handovers), reason="prison-known")
    for delivery_id in work.overtaken:
        move_delivery(c, parts, delivery_id, DeliveryState.RECALLED, reason="corrected")
        end_tasks(c, parts, delivery_id=delivery_id)
    _ask_by_hand(c, parts, work)
    if work.filing.flags and not seen.file.flagged_by_hand:
        tell_openly(c, parts, person_id)
    return told


def _owner(c: Connection, work: Work, *, confirms: bool) -> Owner:
    """Whose the letters of a message are, and the versions after what it has changed itself."""
    seen, person_id = work.seen, work.seen.file.person_id
    moves = confirms or work.registration.taken or work.filing.flags
    after = read_versions(c, person_id) if moves else seen.file.versions
    return Owner(
        message_id=seen.message_id, person_id=person_id, consent_version=after.consent, link_version=after.link
    )


def _ask_by_hand(c: Connection, parts: Parts, work: Work) -> None:
    """Of what no letter can correct, and of what nobody can read any more, a person tells whoever had it."""
    for delivery_id in work.seen.carried.unread:
        log(Code.DECISION_NOT_READ, delivery=delivery_id)
    for delivery_id in (*work.untold, *work.seen.carried.unread):
        add_tasks(c, parts, (task_of(CORRECT_BY_HAND),), delivery_id=delivery_id)


def _count(c: Connection, parts: Parts, work: Work) -> tuple[Task, ...]:
    """Count the person again; who has to hear at once of a cell that is mostly positive by that."""
    if work.tests is None:
        return ()
    found: list[Task] = []
    places = facts.establishments((*work.seen.file.resources, *work.filing.resources))
    unexpected = [test for test in work.tests if test.unexpected]  # no other makes a cell more positive than it was
    for name, closed in work.seen.closed.items():
        before = mostly_positive(c, name, unexpected, closed)
        recount(c, parts, name, work.seen.file.person_id, work.tests, places)
        found += mostly_positive_tasks(before, mostly_positive(c, name, unexpected, closed))
    return tuple(found)


def _end(c: Connection, parts: Parts, works: Sequence[Work], owners: Mapping[str, Owner]) -> dict[str, Done | Moved]:
    """The messages' own state: released, or held for a widening that a person has to confirm."""
    released = [work for work in works if work.registration.hold is None]
    move_messages(
        c, parts, [MessageMove(message_id=work.seen.message_id, to=MessageState.RELEASED) for work in released]
    )
    for work in works:
        if work.registration.hold is not None:
            hold_message(c, parts, work.seen.message_id, work.registration.hold)
    first = _first_of(c, [work.seen.file.person_id for work in works])
    following = {row.person_id: row.id for row in _NUMBERED.of(c, first.values())}
    return {
        work.seen.message_id: Done(
            fate=Fate.RELEASED if work.registration.hold is None else Fate.HELD,
            person_id=work.seen.file.person_id,
            stale=owners[work.seen.message_id].consent_version != work.seen.file.versions.consent,
            queued=tuple(made.delivery_id for made in work.drafts if made.state is DeliveryState.QUEUED),
            following=following.get(work.seen.file.person_id),
        )
        for work in works
    }
