"""Who had letters under what a person has taken back since: each of them is to hear that nothing further will come (a notice of withdrawal).

The gateway finds them and asks a person to tell them; that nobody did in time goes to the Caldicott guardian. A notice MUST NOT ask anybody
to delete, to stop or to change care: who treats keeps its record and goes on treating. Which recipients it is about is decided anew under
the consents of now, through the gate's own question; nothing is minimised, sealed or sent here.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, bindparam, exists, select, update

from consent.shapes import Outcome
from gateway.consents.register import read_consents
from gateway.failpoints import around
from gateway.instants import to_text
from gateway.journeys.cancelled import HAS_ARRIVED
from gateway.journeys.file import Versions, read_file, read_versions
from gateway.journeys.tasks import add_tasks, task_of
from gateway.keys import SealedGone
from gateway.log import Code, log
from gateway.parts import Parts
from gateway.steps.kept import Kept, read_kept
from gateway.steps.letters import RESTARTS, Moved
from gateway.steps.reconsider import sealed_of
from gateway.steps.release import LEAVES, SAID_BY_THE_PERSON, Question, compose_letter, decide_letter
from gateway.steps.standing import DELIVERIES, DeliveryRow
from gateway.store.away import is_away
from gateway.store.locks import hold_person
from gateway.store.schema import delivery, person, task
from gateway.store.statement import Statement, one_of

NOTICE: Final = "notice-of-withdrawal"
OVERDUE: Final = "notice-of-withdrawal-overdue"
AT_ONCE: Final = 200

_TO_NOTICE: Final = Statement(select(person.c.id).where(person.c.to_notice == bindparam("yes")).limit(AT_ONCE))
_HAD: Final = Statement(
    DELIVERIES.where(
        delivery.c.person_id == bindparam("person_id"), one_of(delivery.c.state, [each.value for each in HAS_ARRIVED])
    ).order_by(delivery.c.sequence)
)


def notice_withdrawals(parts: Parts) -> None:
    """Everyone whose consents moved and whose earlier recipients nobody has thought of yet; and notices that nobody gave in time."""
    with parts.store.read() as c:
        people = _TO_NOTICE.column(c, yes=True)
        late = c.execute(_late(parts)).scalars().all()
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
            if not c.execute(select(person.c.to_notice).where(person.c.id == person_id)).scalar():
                return
            versions = read_versions(c, person_id)
            withdrawn, standing = _split(c, parts, person_id)
        try:
            with around("notice"):
                parts.store.write(
                    partial(
                        _commit,
                        parts=parts,
                        person_id=person_id,
                        versions=versions,
                        withdrawn=withdrawn,
                        standing=standing,
                    )
                )
        except Moved:
            continue
        return


def _split(c: Connection, parts: Parts, person_id: str) -> tuple[list[str], list[str]]:
    """The last letter of each recipient under each agreement: those that the person would not have now, and the others."""
    last: dict[tuple[str, str], DeliveryRow] = {
        (row.recipient, row.agreement): row for row in _HAD.all(c, person_id=person_id)
    }
    withdrawn: list[str] = []
    standing: list[str] = []
    for row in last.values():
        (withdrawn if _is_withdrawn(c, parts, row) else standing).append(row.id)
    return withdrawn, standing


def _is_withdrawn(c: Connection, parts: Parts, row: DeliveryRow) -> bool:
    """Would this letter be withheld now, because of what the person said? An agreement that ended is no word of the person."""
    agreement, recipient = parts.agreements.get(row.agreement), parts.recipients.get(row.recipient)
    kept = _kept(c, parts, row)
    if agreement is None or recipient is None or kept is None or kept.decision.outcome not in LEAVES:
        return False
    question = Question(
        agreement=agreement,
        recipient=recipient,
        context=kept.context,
        resources=read_file(c, parts, row.person_id).resources,
        consents=read_consents(c, parts, row.person_id),
        at=parts.now(),
        corrects=kept.corrects,
    )
    decided = decide_letter(question, compose_letter(question).bundle)
    said = any(reason.rule in SAID_BY_THE_PERSON for reason in decided.reasons)
    return decided.outcome is Outcome.WITHHOLD and said


def _kept(c: Connection, parts: Parts, row: DeliveryRow) -> Kept | None:
    try:
        return read_kept(parts.keys.unseal(c, sealed_of(c, row.decision_id)))
    except SealedGone:
        return None  # retention has taken the letter too: there is nothing left to be told about


def _commit(
    c: Connection,
    *,
    parts: Parts,
    person_id: str,
    versions: Versions,
    withdrawn: Sequence[str],
    standing: Sequence[str],
) -> None:
    hold_person(c, person_id)
    # INVARIANT: the mark goes only with the notices of the very consents that set it.
    if read_versions(c, person_id) != versions:
        raise Moved
    for delivery_id in _never_noticed(c, withdrawn):
        add_tasks(c, parts, (task_of(NOTICE),), delivery_id=delivery_id)
    again = (task.c.delivery_id.in_(standing), task.c.code.in_((NOTICE, OVERDUE)), task.c.ended_at.is_(None))
    c.execute(update(task).where(*again).values(ended_at=parts.now()))  # the person has said yes again
    c.execute(update(person).where(person.c.id == person_id).values(to_notice=None))


def _never_noticed(c: Connection, deliveries: Sequence[str]) -> Iterator[str]:
    """A recipient hears it once for its last letter, however often the person says it."""
    query = select(task.c.delivery_id).where(task.c.delivery_id.in_(deliveries), task.c.code == NOTICE)
    heard = set(c.execute(query).scalars())
    return (each for each in deliveries if each not in heard)


def _late(parts: Parts) -> Any:
    """Letters whose notice is open for longer than a handover may be unconfirmed, and nobody above was told."""
    since = to_text(parts.clock() - timedelta(seconds=parts.settings.delivery.confirm_seconds))
    other = task.alias("other")
    told = exists().where(other.c.delivery_id == task.c.delivery_id, other.c.code == OVERDUE)
    return (
        select(task.c.delivery_id)
        .where(task.c.code == NOTICE, task.c.ended_at.is_(None), task.c.created_at <= since, ~told)
        .limit(AT_ONCE)
    )
