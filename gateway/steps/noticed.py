"""Who had letters under what a person has taken back since: each of them is to hear that nothing further will come (a notice of withdrawal).

The notice is a letter and goes through the gate like every letter (docs/decisions/0024). Where its recipient takes no such letter, or only may
have had one, a person is asked to tell it; what nobody acknowledges in time goes to people too. A notice MUST NOT ask anybody to delete, to
stop or to change care, and MUST NOT reach anybody who has had no letter about this person. Which recipients it is about is decided anew under
the consents of now.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, bindparam, exists, select, update

from consent.agreement_file import AgreementError
from consent.decide import OBLIGATION
from consent.shapes import Agreement, Outcome
from fhir_profiles import fhir_json
from fhir_profiles.shapes import Event, Json, LetterContext
from gateway.activation import agreement_of_then
from gateway.consents.register import read_consents
from gateway.failpoints import around
from gateway.instants import to_text
from gateway.journeys.cancelled import MAY_HAVE_LEFT, may_have_arrived
from gateway.journeys.file import Versions, read_file, read_versions
from gateway.journeys.tasks import NOTICE, NOTICE_UNREAD, OVERDUE, add_tasks, end_tasks, task_of
from gateway.keys import SealedError, SealedGone
from gateway.ledger import LedgerEvent
from gateway.ledger.entry import decode
from gateway.log import Code, log
from gateway.moves import move_delivery
from gateway.parts import Parts
from gateway.states import DELIVERY_RECALLABLE, DeliveryState
from gateway.steps.kept import Kept, KeptUnread, marks_of, open_kept, recipient_of
from gateway.steps.letters import RESTARTS, Moved
from gateway.steps.reconsider import sealed_of
from gateway.steps.release import (
    LEAVES,
    SAID_BY_THE_PERSON,
    Draft,
    Owner,
    Question,
    compose_letter,
    decide_letter,
    draft,
    what_would_leave,
    write_draft,
)
from gateway.steps.standing import DELIVERIES, DeliveryRow, delivery_row
from gateway.store.away import is_away
from gateway.store.locks import hold_person
from gateway.store.schema import delivery, ledger_entry, person, task
from gateway.store.statement import Statement, one_of

AT_ONCE: Final = 200
HAS_IT: Final = frozenset({DeliveryState.DELIVERED.value, DeliveryState.CONFIRMED.value})
"""Where a letter has arrived for certain: of one that only may have, its recipient learns nothing by a letter of ours."""
IDENTITY: Final = ("identifier", "name", "gender", "birthDate")
_UNCLEAR: Final = frozenset({"too-much-to-compare", "undecidable", OBLIGATION})
"""Rules by which what the person said keeps a letter back and is neither a yes nor a no: it is not compared, not known, or on terms."""

_TO_NOTICE: Final = Statement(select(person.c.id).where(person.c.to_notice == bindparam("yes")).limit(AT_ONCE))
_MARKED: Final = Statement(select(person.c.to_notice).where(person.c.id == bindparam("person_id")))
_OTHER: Final = task.alias("other")
_LATE: Final = Statement(
    select(task.c.delivery_id)
    .where(task.c.code == NOTICE, task.c.ended_at.is_(None), task.c.created_at <= bindparam("since"))
    .where(~exists().where(_OTHER.c.delivery_id == task.c.delivery_id, _OTHER.c.code == OVERDUE))
    .limit(AT_ONCE)
)
"""Letters whose notice is open for longer than a handover may be unconfirmed, and nobody above was told."""
_HAD: Final = Statement(
    DELIVERIES.where(
        delivery.c.person_id == bindparam("person_id"),
        one_of(delivery.c.state, MAY_HAVE_LEFT),
        delivery.c.letter != NOTICE,
    ).order_by(delivery.c.sequence)
)
_NOTICES: Final = Statement(
    DELIVERIES.where(
        delivery.c.person_id == bindparam("person_id"),
        delivery.c.letter == NOTICE,
        delivery.c.state != DeliveryState.RECALLED.value,
    ).order_by(delivery.c.sequence)
)


class Unread(Enum):
    """Nobody can say: of no letter of a group can the decision be read, or what the person said is not decided by itself."""

    YES = 1


@dataclass(frozen=True, kw_only=True)
class Had:
    """What one recipient has, or may have, under one agreement. `last` is the last letter that has arrived, None where none has for certain."""

    rows: tuple[DeliveryRow, ...]

    @property
    def last(self) -> DeliveryRow | None:
        return next((row for row in reversed(self.rows) if row.state in HAS_IT), None)

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(row.id for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class Said:
    """A notice that was made, and the letters that it names."""

    row: DeliveryRow
    letters: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """An earlier letter, and whom it was about in its own words: `numbers` tell one record of its recipient from another."""

    row: DeliveryRow
    known_as: str
    numbers: frozenset[tuple[str, str]]
    context: LetterContext


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A notice to write, under the message of the last letter that it names."""

    made: Draft
    message_id: str | None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one person's consents of now ask for: letters to write, deliveries whose recipient a person tells, and what is not so any more."""

    letters: tuple[Notice, ...]
    by_hand: tuple[str, ...]
    unread: tuple[str, ...]
    """Letters of which nobody can say whether they came under what was taken back: a person finds out."""
    recalled: tuple[DeliveryRow, ...]
    settled: tuple[str, ...]
    on_its_way: bool
    """A notice that is not so any more is being sent at this moment: whether it has left is known a moment later."""


def notice_withdrawals(parts: Parts) -> None:
    """Everyone whose consents moved and whose earlier recipients nobody has thought of yet; and notices that nobody gave in time."""
    with parts.store.read() as c:
        people = _TO_NOTICE.column(c, yes=True)
        late = _LATE.column(c, since=_since(parts))
    for person_id in people:
        try:
            notice(parts, person_id)
        except Exception as error:
            if is_away(error):
                raise
            log(
                Code.SWEEP_FAILED, error=type(error).__name__
            )  # one person's sealed things that do not open hold up nobody else
    for delivery_id in late:
        with around("notice-overdue"):
            parts.store.write(lambda c: add_tasks(c, parts, (task_of(OVERDUE),), delivery_id=delivery_id))  # noqa: B023  used at once


def notice(parts: Parts, person_id: str) -> None:
    """One person's earlier recipients. What moves meanwhile is looked at again; after that the next sweep does it."""
    for _ in range(RESTARTS):
        with parts.store.read() as c:
            if not _is_marked(c, person_id):
                return
            versions = read_versions(c, person_id)
            found = _look(c, parts, person_id)
        try:
            with around("notice"):
                parts.store.write(
                    partial(_commit, parts=parts, person_id=person_id, versions=versions, found=found),
                )
        except Moved:
            continue
        return


def _is_marked(c: Connection, person_id: str) -> bool:
    return bool(_MARKED.value(c, person_id=person_id))


# ── what the consents of now ask for ──


def _look(c: Connection, parts: Parts, person_id: str) -> Found:
    grouped: dict[tuple[str, str], list[DeliveryRow]] = {}
    for row in filter(partial(may_have_arrived, c), _HAD.all(c, person_id=person_id)):
        grouped.setdefault((row.recipient, row.agreement), []).append(row)
    withdrawn: list[Had] = []
    standing: set[str] = set()
    unread: list[str] = []
    for rows in grouped.values():
        had = Had(rows=tuple(rows))
        is_withdrawn = _of_newest(c, parts, rows)
        if is_withdrawn is Unread.YES:
            unread.append(rows[-1].id)
        elif is_withdrawn:
            withdrawn.append(had)
        elif is_withdrawn is False:
            standing |= had.ids
    said = [_said(c, parts, row) for row in _NOTICES.all(c, person_id=person_id)]
    untrue = [each for each in said if each.letters & standing]
    stopped = [each.row for each in untrue if _has_not_left(c, each.row)]
    heard = [each for each in said if each.row not in stopped]
    letters, by_hand = [], []
    for recipient_id in dict.fromkeys(each.rows[-1].recipient for each in withdrawn):
        own = [each for each in withdrawn if each.rows[-1].recipient == recipient_id]
        agreement = _agreement(parts, recipient_id)
        unheard = [each for each in own if not _has_heard(each, heard)]
        told, untold = _told(c, parts, own) if agreement is not None else ((), own)
        for about in told:
            if agreement is not None and any(each.ids & {one.row.id for one in about} for each in unheard):
                letters.append(_notice(c, parts, agreement, about))
                stopped += [each.row for each in heard if _is_replaced(c, each, recipient_id, about)]
        by_hand += [each.rows[-1].id for each in untold if each in unheard and not _was_asked(c, each)]
    return Found(
        letters=tuple(letters),
        by_hand=tuple(by_hand),
        unread=tuple(unread),
        recalled=tuple(stopped),
        settled=(*sorted(standing), *(each.row.id for each in untrue)),
        on_its_way=any(_is_on_its_way(parts, each.row) for each in untrue),
    )


def _of_newest(c: Connection, parts: Parts, rows: Sequence[DeliveryRow]) -> bool | Unread | None:
    """`_is_withdrawn` of the newest letter whose decision can be read. INVARIANT: one that cannot keeps nobody else from hearing."""
    answer: bool | Unread | None = None
    for number, row in enumerate(reversed(rows)):
        try:
            answer = _is_withdrawn(c, parts, row)
        except KeptUnread:
            log(Code.DECISION_NOT_READ, delivery=row.id)
            continue
        return Unread.YES if answer is None and number else answer
    return Unread.YES


def _is_withdrawn(c: Connection, parts: Parts, row: DeliveryRow) -> bool | Unread | None:
    """Would this letter be withheld now, because of what the person said? An agreement that ended is no word of the person, and keeps nobody from
    hearing one: who had letters under it has them still. It is asked as if it ran on.

    INVARIANT: None where that cannot be asked any more (the text of the agreement, or what was decided, is not kept): it is no new yes, and what
    was asked for or written under the person's last clear word stays. So it does where a person has to say what the consents of now come to: Unread,
    since a new no could be among them. Raises KeptUnread.
    """
    agreement, kept = _agreement_of(c, parts, row), _opened(c, parts, row)
    if agreement is None or kept is None or kept.decision.outcome not in LEAVES:
        return None
    recipient = parts.recipients.get(row.recipient) or recipient_of(kept.asked, row.letter)
    question = _question(c, parts, row.person_id, agreement, kept.context, recipient=recipient, corrects=kept.corrects)
    decided = decide_letter(question, compose_letter(question).bundle)
    rules = {reason.rule for reason in decided.reasons}
    if decided.outcome is Outcome.WITHHOLD and rules & SAID_BY_THE_PERSON:
        return True
    return Unread.YES if decided.outcome not in LEAVES and rules & _UNCLEAR else False


def _agreement_of(c: Connection, parts: Parts, row: DeliveryRow) -> Agreement | None:
    """What a letter went under: the text in force, else the one of then; without its last day."""
    try:
        found = parts.agreements.get(row.agreement) or agreement_of_then(c, parts, row.agreement, row.agreement_digest)
    except (AgreementError, SealedError):
        return None  # an older program's, or another one's: that it cannot be read here is told apart
    return replace(found, text={**found.text, "ends": ""}) if found is not None else None


def _question(
    c: Connection,
    parts: Parts,
    person_id: str,
    agreement: Agreement,
    context: LetterContext,
    *,
    recipient: Any,
    corrects: str | None = None,
) -> Question:
    file = read_file(c, parts, person_id)
    return Question(
        agreement=agreement,
        recipient=recipient,
        context=context,
        resources=file.in_letters(file.resources),
        file=marks_of(file.resources),
        consents=read_consents(c, parts, person_id),
        at=parts.now(),
        corrects=corrects,
    )


def _opened(c: Connection, parts: Parts, row: DeliveryRow) -> Kept | None:
    """Raises KeptUnread."""
    try:
        return open_kept(c, parts.keys, sealed_of(c, row.decision_id), of=row.decision_id)
    except SealedGone:
        return None  # retention has taken the letter too: there is nothing left to be told about


def _kept(c: Connection, parts: Parts, row: DeliveryRow) -> Kept | None:
    """None also where it cannot be read: then no letter is made of it, and a person is asked."""
    try:
        return _opened(c, parts, row)
    except KeptUnread:
        return None


def _said(c: Connection, parts: Parts, row: DeliveryRow) -> Said:
    kept = _kept(c, parts, row)
    return Said(row=row, letters=frozenset(kept.context.withdrawn if kept is not None else ()))


def _has_not_left(c: Connection, row: DeliveryRow) -> bool:
    return DeliveryState(row.state) in DELIVERY_RECALLABLE and not may_have_arrived(c, row)


def _is_on_its_way(parts: Parts, row: DeliveryRow) -> bool:
    """Being sent at this moment. What its recipient fetched from a mailbox has left."""
    recipient = parts.recipients.get(row.recipient)
    return row.state == DeliveryState.SENDING.value and recipient is not None and recipient.adapter != "mailbox"


def _has_heard(had: Had, heard: Iterable[Said]) -> bool:
    """A recipient hears it once for its last letter, however often the person says it."""
    last = had.last
    return last is not None and any(each.letters & had.ids and each.row.sequence > last.sequence for each in heard)


def _is_replaced(c: Connection, said: Said, recipient_id: str, about: Sequence[Earlier]) -> bool:
    """A notice that has not left, and that the new one says too."""
    return (
        said.row.recipient == recipient_id
        and said.letters <= {each.row.id for each in about}
        and _has_not_left(c, said.row)
    )


def _agreement(parts: Parts, recipient_id: str) -> Agreement | None:
    """The agreement under which this recipient is told by letter; None where a person has to tell it."""
    recipient = parts.recipients.get(recipient_id)
    if recipient is None or NOTICE not in recipient.letters:
        return None
    fits = (
        each
        for each in parts.agreements.values()
        if each.letter == NOTICE and each.recipient_class == recipient.recipient_class
    )
    return next(fits, None)


def _told(c: Connection, parts: Parts, own: Iterable[Had]) -> tuple[list[list[Earlier]], list[Had]]:
    """The last letter that has arrived under each agreement, by whom it was about in its own words; and what cannot be said by letter."""
    records: dict[frozenset[tuple[str, str]], list[Earlier]] = {}
    untold = []
    for had in own:
        of_this = {}
        for row in had.rows:
            told = _as_told(c, parts, row) if row.state in HAS_IT else None
            if told is not None:
                of_this[told.numbers] = told
        for numbers, told in of_this.items():
            records.setdefault(numbers, []).append(told)
        if not of_this:
            untold.append(had)
    return [sorted(each, key=lambda one: one.row.sequence) for each in records.values()], untold


def _as_told(c: Connection, parts: Parts, row: DeliveryRow) -> Earlier | None:
    """INVARIANT: whom a notice is about is read from what left with the earlier letter: nothing that came into the file since is told."""
    kept, recipient = _kept(c, parts, row), parts.recipients.get(row.recipient)
    if kept is None or kept.composed is None:
        return None
    # INVARIANT: an organisation that has taken over the place of a recipient has had no letter, and learns of nobody by a notice.
    if recipient is None or kept.asked is None or kept.asked.ods != recipient.ods:
        return None
    left = what_would_leave(kept.composed, kept.decision, kept.id_key)
    people = [
        entry["resource"] for entry in (left or {}).get("entry", ()) if entry["resource"]["resourceType"] == "Patient"
    ]
    if len(people) != 1:
        return None
    who: Json = {"resourceType": "Patient", **{key: people[0][key] for key in IDENTITY if key in people[0]}}
    numbers = frozenset((str(each.get("system")), str(each.get("value"))) for each in who.get("identifier", ()))
    return Earlier(row=row, known_as=fhir_json.encode(who).decode(), numbers=numbers, context=kept.context)


def _notice(c: Connection, parts: Parts, agreement: Agreement, about: Sequence[Earlier]) -> Notice:
    last = about[-1]
    agency = last.context.establishment
    context = LetterContext(
        establishment=agency,
        establishment_name=last.context.establishment_name,
        establishment_telephone=parts.settings.establishment_telephones().get(agency, ""),
        event=Event.WITHDRAWAL.value,
        withdrawn=tuple(each.row.id for each in about),
        known_as=last.known_as,
    )
    recipient = parts.recipients[last.row.recipient]
    made = draft(parts, _question(c, parts, last.row.person_id, agreement, context, recipient=recipient))
    return Notice(made=made, message_id=last.row.message_id)


# ── writing it ──


def _commit(c: Connection, *, parts: Parts, person_id: str, versions: Versions, found: Found) -> None:
    hold_person(c, person_id)
    # INVARIANT: one look writes its notices, whoever else looked at the same time.
    if not _is_marked(c, person_id):
        return
    # INVARIANT: the mark goes only with the notices of the very consents that set it.
    if read_versions(c, person_id) != versions:
        raise Moved
    for seen in found.recalled:
        now = delivery_row(c, seen.id)
        if now is None or now.step != seen.step:
            raise Moved
        move_delivery(c, parts, seen.id, DeliveryState.RECALLED, reason="notice-overtaken")
        end_tasks(c, parts, delivery_id=seen.id)
    for each in found.letters:
        owner = Owner(
            message_id=each.message_id,
            person_id=person_id,
            consent_version=versions.consent,
            link_version=versions.link,
        )
        write_draft(c, parts, each.made, owner)
    for delivery_id in found.by_hand:
        add_tasks(c, parts, (task_of(NOTICE),), delivery_id=delivery_id)
    for delivery_id in found.unread:
        add_tasks(c, parts, (task_of(NOTICE_UNREAD),), delivery_id=delivery_id)
    about = task.c.code.in_((NOTICE, NOTICE_UNREAD, OVERDUE))
    again = (task.c.delivery_id.in_(found.settled), about, task.c.ended_at.is_(None))
    c.execute(update(task).where(*again).values(ended_at=parts.now()))  # the person has said yes again
    # INVARIANT: an attempt that fails does not leave a notice behind that is not so any more: it is looked at again before the next one.
    if not found.on_its_way:
        c.execute(update(person).where(person.c.id == person_id).values(to_notice=None))


def _was_asked(c: Connection, had: Had) -> bool:
    """Is a person asked to tell it now, or has one said that it was told since its last letter?

    What ended because the person said yes again was told to nobody, and who was told before had a letter since.
    """
    asked = select(task.c.id, task.c.ended_at, task.c.delivery_id).where(
        task.c.delivery_id.in_(had.ids), task.c.code == NOTICE
    )
    tasks = c.execute(asked).all()
    if any(each.ended_at is None for each in tasks):
        return True
    of_last = [each.id for each in tasks if each.delivery_id == had.rows[-1].id]
    own = select(ledger_entry.c.body).where(ledger_entry.c.chain.in_(of_last))
    return any(decode(body)["event"] == LedgerEvent.TASK_ENDED for body in c.execute(own).scalars())


def _since(parts: Parts) -> str:
    """A notice that has been open since then is late, as a handover is that nobody confirms."""
    return to_text(parts.clock() - timedelta(seconds=parts.settings.delivery.confirm_seconds))
