"""Work for a person, as one closed table: who does it, whether they are told at once, and the sentence they read. Never content.

What the meaning of a message makes comes from `fhir_profiles/tasks.py`; this module says who is told, and the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, exists, or_, select, update

from fhir_profiles import tasks as tasks_of_meaning
from fhir_profiles.profiles import notice_of_withdrawal
from fhir_profiles.shapes import Event, HoldCode, Task
from gateway.among import Several, among
from gateway.parts import Parts
from gateway.store.schema import delivery, task
from gateway.store.statement import Statement, one_of


@dataclass(frozen=True, kw_only=True)
class TaskKind:
    """One row of the table. `tell`: told at once, not only listed."""

    role: str
    tell: bool
    text: str


CLINICAL_LEAD = "clinical-lead"
CALDICOTT_GUARDIAN = "caldicott-guardian"
OPERATOR = "operator"
IG_OFFICER = "ig-officer"

NOT_ENGAGED: Final = "not-engaged"
WORDS_LEFT_OUT: Final = "words-left-out"
CORRECT_BY_HAND: Final = "correct-by-hand"
NOTICE: Final = notice_of_withdrawal.LETTER
PRIVACY_NOTICE: Final = "privacy-notice-missing"
ANSWER_NOT_TAKEN: Final = "answer-not-taken"
OVERDUE: Final = "notice-of-withdrawal-overdue"
"""`NOTICE` of an earlier letter, or of a notice: somebody tells its recipient by hand; that nobody did in time is `OVERDUE`."""
NOTICE_UNREAD: Final = "notice-not-decided"
TOLD_OPENLY: Final = "told-openly"

LISTED_ONLY: Final = frozenset({"purpose-unknown"})
"""Work that a message's meaning makes and that nobody is told at once: silence is the worse mistake for all the others."""

TASKS: Final[Mapping[str, TaskKind]] = {
    **{
        code: TaskKind(role=each.for_, tell=code not in LISTED_ONLY, text=each.text)
        for code, each in tasks_of_meaning.TASKS.items()
    },
    Event.TRANSFER.value: TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="transferred to another prison, and no agreement starts a handover of it: hand over by hand today",
    ),
    PRIVACY_NOTICE: TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="no privacy notice is on record for this person: nothing leaves by their consent until they were given one and that is recorded; "
        "care goes on",
    ),
    Event.COURT.value: TaskKind(
        role=CLINICAL_LEAD, tell=False, text="out to court: no letter is made; release from court is possible"
    ),
    Event.TEMPORARY_ABSENCE.value: TaskKind(
        role=CLINICAL_LEAD, tell=False, text="temporary absence: no letter is made; see to doses due while away"
    ),
    Event.ESCAPE.value: TaskKind(role=CLINICAL_LEAD, tell=False, text="escape: no handover is made"),
    Event.DEATH.value: TaskKind(role=CLINICAL_LEAD, tell=False, text="death: no handover is made"),
    Event.RECEPTION_CANCELLED.value: TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a reception was cancelled: no care was ended by it; see whether the person is here and what still runs",
    ),
    "sent-while-merged": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a letter left while two people's records were one: it may hold another's data; tell the recipient, and send a right one",
    ),
    "unclear-while-merged": TaskKind(
        role=OPERATOR,
        tell=True,
        text="a message names both, or neither, of two people whose records were taken apart: it is in no file; ask the sender",
    ),
    "mostly-positive": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="more than half of those tested for one substance this month had a result that nothing explains: the message's journey says which",
    ),
    "mostly-positive-report": TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="over half of a group of this month is positive: the report says no more than `seen`; see that security learns it from nobody else",
    ),
    "acute-hazard": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a drug test found a substance that kills in small amounts, and nothing prescribed explains it: see the message's journey, and warn people today",
    ),
    "acute-hazard-report": TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a drug test found a substance that kills in small amounts: whoever else is warned learns the substance and never of whom",
    ),
    "agreement-ended": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a letter of care waits because its sharing agreement has ended: hand over by hand today; it can be released once two people "
        "have put the agreement in force again, or by your word",
    ),
    "agreement-not-read": TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a sharing agreement that two people signed cannot be read by the program that runs here, and nothing leaves under it: what it was "
        "for goes by hand today; start the program that it was signed with, or let two people sign a text that this one reads",
    ),
    "handover-not-made": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="somebody left or came back while a signed sharing agreement cannot be read here, and no letter took over the care or corrected one: "
        "see to it by hand today; once the agreement is read again, `throughgate replay` says what the message asks for",
    ),
    **{
        f"agreement-{what}-{when}": TaskKind(role=IG_OFFICER, tell=True, text=text)
        for what, when, text in (
            ("review", "in-90-days", "a sharing agreement is to be reviewed within 90 days: its flow runs on"),
            ("review", "in-30-days", "a sharing agreement is to be reviewed within 30 days: its flow runs on"),
            (
                "review",
                "due",
                "the review of a sharing agreement is due: its flow runs on; agree on a new date, and let two people sign",
            ),
            ("ends", "in-90-days", "a sharing agreement ends within 90 days, and its flow with it"),
            (
                "ends",
                "in-30-days",
                "a sharing agreement ends within 30 days, and its flow with it: renew it, or see that it is not needed",
            ),
            (
                "ends",
                "now",
                "a sharing agreement has ended: nothing leaves under it; letters of care wait and the clinical lead is told of each",
            ),
        )
    },
    "no-recipient": TaskKind(
        role=OPERATOR,
        tell=True,
        text="none, or several, of the recipients serve this person: name one and release the letter",
    ),
    "withheld-by-consent": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a letter of care did not go, by the person's recorded dissent: talk to the person and record the outcome",
    ),
    "withheld-by-rule": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a letter of care did not go, and not because of what the person said: see why, and hand over by hand",
    ),
    "override-given": TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a letter left in an emergency, against what consents say: read who let it go and why with `throughgate override`",
    ),
    "override-to-confirm": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="one clinician let a letter go because a life or health was at stake: somebody else confirms it with `throughgate override second`",
    ),
    "override-to-agree": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a harm test asks for a disclosure without consent: somebody of another role agrees with `throughgate override second`, "
        "or it ends by itself",
    ),
    "override-to-review": TaskKind(
        role=IG_OFFICER, tell=False, text="an override is to be reviewed: `throughgate override review`"
    ),
    "content-was-opened": TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="what a message or a letter says was opened: see in the console, under opened content, who looked, for what, and who said yes",
    ),
    "tell-the-person": TaskKind(
        role=CLINICAL_LEAD,
        tell=False,
        text="something was shared against what the person said: tell the person what, with whom and why, and record it",
    ),
    "override-unconfirmed": TaskKind(
        role=CALDICOTT_GUARDIAN,
        tell=True,
        text="nobody has confirmed in time that a life or health was at stake when a letter left against what consents say",
    ),
    "override-unreviewed": TaskKind(
        role=CALDICOTT_GUARDIAN,
        tell=True,
        text="an override was not reviewed in time: who gave it may start no harm test until it is",
    ),
    NOTICE: TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a recipient had letters under what the person has taken back: tell it that nothing further will come under this agreement, that "
        "it keeps its record and changes no treatment because of this, and whom to ask; then `throughgate task done`",
    ),
    NOTICE_UNREAD: TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="the person has said something since an earlier letter, and nobody can say by a rule whether they took back what it came under (what was kept "
        "with it cannot be read, or what they said is too much, unclear or on terms): see what they said, and whether the letter's recipient has to "
        "hear by hand that nothing further will come; then `throughgate task done`",
    ),
    OVERDUE: TaskKind(
        role=CALDICOTT_GUARDIAN,
        tell=True,
        text="a recipient that had letters was not told in time that the person has taken back what they came under",
    ),
    CORRECT_BY_HAND: TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="an earlier letter told something that was corrected or taken back since, and no letter says so: tell its recipient by hand today",
    ),
    "sensitive-person": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a letter of care waits: the person's record is flagged sensitive; speak with the recipient, then release the letter and name them: it "
        "says neither where the person is nor whom to call; read it first for a place in somebody's own words",
    ),
    TOLD_OPENLY: TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="the person's record is flagged sensitive now, and this recipient had a letter before that says where they are or who near them gives "
        "care: tell it to pass none of that on, and who may see what it has; then `throughgate task done`",
    ),
    "forbidden-by-law": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a letter of care goes without something that a law forbids to tell, and it says nothing of it: talk to the person, and tell it by hand only "
        "where the law lets you",
    ),
    "obligation": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a letter of care waits: what it holds, or the consent to it, asks its recipient to do or to refrain from something that nobody can see "
        "to; speak with the recipient, then release or reject the letter",
    ),
    "undecidable": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a letter of care waits: what the person said cannot be decided, or their record says of itself what this letter cannot (they died, it is in "
        "use no more); read it, then release or reject the letter",
    ),
    "leak-scan": TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a finished letter names an identifier, a place or another person that its recipient may not be told: it did not leave; read it, "
        "and see where in the message, the agreement or this program that comes from",
    ),
    WORDS_LEFT_OUT: TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a letter of care left without a number that somebody wrote into its words: an identifier, a place or another person that its recipient "
        "may not be told; see where it was written, and whether the recipient has to hear it by another way",
    ),
    "letter-leaks": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a letter of care waits: it names an identifier, a place or another person that its recipient may not be told; hand over by hand "
        "today; once somebody has read it and takes it to be right it can be released",
    ),
    "not-written": TaskKind(
        role=OPERATOR,
        tell=True,
        text="a letter could not be written as its recipient takes letters, and waits; the other letters of its message went: see the log, name another "
        "wire for it in the recipient's file or mend this program, then release it, or have its recipient told by hand and reject it",
    ),
    "letter-not-written": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a letter of care waits: it could not be written as its recipient takes letters, and the operator is told; hand over by hand today",
    ),
    "notice-held": TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a notice of withdrawal waits: the person's record is flagged sensitive or says that they died, or the notice's own agreement has ended; "
        "tell the recipient by hand and reject it, or release it",
    ),
    "recalled-left": TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a letter may have arrived before the person's decision changed: it is not sent again",
    ),
    "delivery-parked": TaskKind(
        role=OPERATOR, tell=True, text="a letter could not be delivered: see why, then release it again or reject it"
    ),
    "delivery-refused": TaskKind(
        role=OPERATOR, tell=True, text="the recipient refused a letter: speak to the recipient"
    ),
    "delivery-ambiguous": TaskKind(
        role=OPERATOR, tell=True, text="nobody knows whether a letter arrived: ask the recipient; it is tried again"
    ),
    "handover-refused": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="the recipient refused a handover: hand over by hand today, then find out why",
    ),
    "handover-unconfirmed": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a handover is not confirmed in time: telephone the recipient, and hand over by hand if need be",
    ),
    "handover-unconfirmed-again": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="a handover is still not confirmed after twice the time: the person may be without a prescriber; act today",
    ),
    NOT_ENGAGED: TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="nobody outside has said in time whether a released person came: telephone the provider, and see who looks for the person",
    ),
    "not-acknowledged": TaskKind(
        role=OPERATOR, tell=True, text="a letter was collected and never acknowledged: ask the recipient"
    ),
    "delivery-expired": TaskKind(
        role=OPERATOR, tell=True, text="nobody collected a letter in time: speak to the recipient"
    ),
    "seal-broken": TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a letter in the store is not the one that was decided: it did not leave; find out why",
    ),
    "handover-restored": TaskKind(
        role=CLINICAL_LEAD,
        tell=True,
        text="the database was put back from a backup: this handover may have left or been withdrawn since; ask the recipient today, "
        "then release or reject it",
    ),
    "letter-restored": TaskKind(
        role=OPERATOR,
        tell=True,
        text="the database was put back from a backup: this letter may have left since; ask the recipient, then release or reject it",
    ),
    "message-restored": TaskKind(
        role=OPERATOR,
        tell=True,
        text="the database was put back from a backup: this message may have had its effect since; ask the recipients, then release "
        "or reject it",
    ),
    "message-parked": TaskKind(
        role=OPERATOR, tell=True, text="a message could not be processed: the person's later changes wait behind it"
    ),
    ANSWER_NOT_TAKEN: TaskKind(
        role=OPERATOR,
        tell=True,
        text="an answer that a sender asked to be told later was not taken at its registered address: its message is kept and goes on; correct "
        "the address, and let the sender repeat its message to get it",
    ),
    "consent-error": TaskKind(
        role=IG_OFFICER, tell=True, text="a consent was entered in error: confirm what the person said before"
    ),
    "consent-remarks": TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a consent that was taken in is odd: the console says in what, under consents; ask its source what the person meant",
    ),
    HoldCode.NO_PERSON.value: TaskKind(
        role=OPERATOR, tell=True, text="a message names nobody who can be identified: find out who it is about"
    ),
    HoldCode.TWO_PEOPLE.value: TaskKind(
        role=OPERATOR, tell=True, text="a message is about two people: ask the sender to send it again"
    ),
    HoldCode.IDENTITY_CONFLICT.value: TaskKind(
        role=OPERATOR,
        tell=True,
        text="a message's identifiers belong to different people: find out who it is about, then `person link` or `person separate`",
    ),
    HoldCode.MERGE_WAITS.value: TaskKind(
        role=OPERATOR,
        tell=True,
        text="two records are to be merged and the message does not say it well enough: `person link`, or ask the sender",
    ),
    HoldCode.UNREADABLE_CONTENT.value: TaskKind(
        role=OPERATOR,
        tell=True,
        text="a message was accepted and its content cannot be read: see the issues with `try`",
    ),
    HoldCode.REPLY_UNKNOWN.value: TaskKind(
        role=OPERATOR,
        tell=True,
        text="a reply names no letter that its sender got, or says what cannot be: ask the recipient, then reject the reply",
    ),
    HoldCode.CONSENT_AUTHORITY.value: TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a consent that could widen sharing came from a system that may not register one: confirm it or reject it",
    ),
    HoldCode.CONSENT_BENEFIT.value: TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a consent would let its own sender have more: what it refuses counts at once; see the signed form, then confirm it or reject it",
    ),
    HoldCode.CONSENT_UNCLEAR.value: TaskKind(
        role=IG_OFFICER,
        tell=True,
        text="a consent that could widen sharing contradicts itself, names nobody, or says more than we read: what it refuses counts at once; "
        "ask what the person said, then confirm it or reject it",
    ),
}


_OWNERS: Final = {column.name: column for column in (task.c.message_id, task.c.delivery_id, task.c.agreement)}
"""A task is about a message, about a delivery, about a date of an agreement, or about what was done on a day."""
_INSERT: Final = Statement.insert(task)
_OPEN: Final = {
    name: Several(
        select(column.label("owner"), task.c.code).where(among(column, task.c.code), task.c.ended_at.is_(None)),
        column,
        task.c.code,
    )
    for name, column in _OWNERS.items()
}
_OUTLIVES: Final = (
    NOTICE,
    NOTICE_UNREAD,
    TOLD_OPENLY,
    OVERDUE,
    NOT_ENGAGED,
    WORDS_LEFT_OUT,
    CORRECT_BY_HAND,
    "forbidden-by-law",
    "mostly-positive",
    "mostly-positive-report",
    "override-given",
    "override-to-confirm",
    "override-to-review",
    "override-unconfirmed",
    "override-unreviewed",
    "tell-the-person",
)
"""Work about a letter that its arrival does not do: an override is confirmed, reviewed and told to the person because the letter arrived. And what a
merge makes of a month: to let the held merge go is not to have heard it."""
_ITS_OWN: Final = or_(
    ~one_of(task.c.code, _OUTLIVES),
    exists().where(delivery.c.id == task.c.delivery_id, delivery.c.letter == NOTICE),
)
"""INVARIANT: that an earlier letter arrived, or was confirmed, tells nobody that no other will come, nor that the person came: that work ends by
other ways."""
_END: Final = {
    column: Statement(
        update(task)
        .where(column == bindparam("owner"), task.c.ended_at.is_(None), _ITS_OWN)
        .values(ended_at=bindparam("ended_at"))
    )
    for column in (task.c.message_id, task.c.delivery_id)
}


def task_of(code: str) -> Task:
    """The table's row as a plain task."""
    kind = TASKS[code]
    return Task(for_=kind.role, code=code, text=kind.text)


def is_told(code: str) -> bool:
    """Whether a person is told at once."""
    return TASKS[code].tell


def add_tasks(
    c: Connection,
    parts: Parts,
    tasks: Iterable[Task],
    *,
    message_id: str | None = None,
    delivery_id: str | None = None,
    agreement: str | None = None,
) -> None:
    """Write tasks, each code once for what it is about while it is open; about nothing of these, each time. The teller finds them
    (gateway/desk.py).
    """
    about = TasksOf(tasks=tuple(tasks), message_id=message_id, delivery_id=delivery_id, agreement=agreement)
    add_all_tasks(c, parts, (about,))


@dataclass(frozen=True, kw_only=True)
class TasksOf:
    """Tasks and what they are about: see `add_tasks`."""

    tasks: tuple[Task, ...]
    message_id: str | None = None
    delivery_id: str | None = None
    agreement: str | None = None

    @property
    def owner(self) -> tuple[str, str] | None:
        """What they are about: the column's name, and the id."""
        owners = zip(_OWNERS, (self.message_id, self.delivery_id, self.agreement), strict=True)
        return next(((name, owner) for name, owner in owners if owner is not None), None)


def add_all_tasks(c: Connection, parts: Parts, work: Sequence[TasksOf]) -> None:
    """`add_tasks` for several at once."""
    now = parts.now()
    asked = [(*each.owner, one.code) for each in work if each.owner is not None for one in each.tasks]
    is_open = {
        (name, row.owner, row.code)
        for name, question in _OPEN.items()
        for row in question.of(c, [(owner, code) for of, owner, code in asked if of == name])
    }
    rows: list[Mapping[str, object]] = []
    for each in work:
        for one in each.tasks:
            if each.owner is not None:
                if (*each.owner, one.code) in is_open:
                    continue
                is_open.add((*each.owner, one.code))
            rows.append(
                {
                    "id": parts.ids.entry(),
                    "role": one.for_,
                    "code": one.code,
                    "message_id": each.message_id,
                    "delivery_id": each.delivery_id,
                    "agreement": each.agreement,
                    "tell": is_told(one.code),
                    "tell_attempts": 0,
                    "due_at": now,
                    "created_at": now,
                }
            )
    _INSERT.many(c, rows)


def end_tasks(c: Connection, parts: Parts, *, message_id: str | None = None, delivery_id: str | None = None) -> None:
    """A person saw to it: its tasks are done."""
    owner = message_id if message_id is not None else delivery_id
    _END[task.c.message_id if message_id is not None else task.c.delivery_id].run(c, owner=owner, ended_at=parts.now())


def end_tasks_of(c: Connection, parts: Parts, delivery_ids: Sequence[str]) -> None:
    """The same for several deliveries at once."""
    now = parts.now()
    _END[task.c.delivery_id].many(c, [{"owner": each, "ended_at": now} for each in delivery_ids])


def end_code(c: Connection, parts: Parts, code: str, *, message_id: str) -> None:
    """One kind of work about a message is done; the rest of it is not touched."""
    mine = (task.c.message_id == message_id, task.c.code == code, task.c.ended_at.is_(None))
    c.execute(update(task).where(*mine).values(ended_at=parts.now()))
