"""Back to RELEASE: a person's letters that have not left are looked at again when consent, agreement, recipient or link moved.

All of one person's, in their order, in one transaction: what may still go keeps its bytes under a new decision; where it is another
letter now, or none, the old one is recalled and a new one stands for it. What may have arrived is never called recalled.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, select

from consent.shapes import Agreement, Decision, Outcome, Override
from gateway.consents.register import read_consents
from gateway.failpoints import pass_point
from gateway.journeys.cancelled import may_have_arrived
from gateway.journeys.file import Versions, read_file, read_versions
from gateway.journeys.tasks import add_tasks, end_tasks, task_of
from gateway.log import Code, log
from gateway.moves import move_delivery, note_delivery
from gateway.parts import Parts
from gateway.recipients import Recipient
from gateway.states import DeliveryState
from gateway.steps.kept import Kept, KeptUnread, marks_of, open_kept
from gateway.steps.letters import RESTARTS, Contended, Moved
from gateway.steps.reasons import seal_reason
from gateway.steps.release import LEAVES, Draft, Owner, Question, draft, refill, restamp, write_draft
from gateway.steps.standing import DELIVERIES, DeliveryRow, delivery_row, moved_since
from gateway.store.locks import hold_person
from gateway.store.schema import decision, delivery
from gateway.store.statement import Statement

D = DeliveryState
LOOKED_AT = (D.QUEUED, D.WAITING, D.PARKED, D.HELD, D.AMBIGUOUS)

_OF_PERSON: Final = Statement(
    DELIVERIES.where(delivery.c.person_id == bindparam("person_id")).order_by(delivery.c.sequence)
)
_KEPT: Final = Statement(select(decision.c.sealed_id).where(decision.c.id == bindparam("decision_id")))


@dataclass(frozen=True, kw_only=True)
class LetGo:
    """A person's word that a held delivery goes, and why; to `recipient`, where one was named."""

    delivery_id: str
    recipient: Recipient | None
    reason: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Again:
    """One delivery looked at again. `made` is None when its agreement is not in force any more, or `kept` cannot be read (None)."""

    row: DeliveryRow
    moved: str
    kept: Kept | None
    made: Draft | None


def reconsider(parts: Parts, person_id: str, let_go: LetGo | None = None) -> bool:
    """Look at every open letter of the person that was decided under other versions. True when anything was written.

    What a person lets go is decided again whatever moved.
    """
    for _ in range(RESTARTS):
        with parts.store.read() as c:
            versions = read_versions(c, person_id)
            again = tuple(_look(c, parts, person_id, let_go))
        if not again:
            return False
        pass_point("reconsider.before-commit")
        try:
            parts.store.write(lambda c: _commit(c, parts, person_id, versions, again, let_go))  # noqa: B023  used at once
        except Moved:
            continue
        pass_point("reconsider.after-commit")
        return True
    raise Contended


def _look(c: Connection, parts: Parts, person_id: str, let_go: LetGo | None) -> list[Again]:
    boxes = {each.id for each in parts.recipients.values() if each.adapter == "mailbox"}
    found = []
    for row in _OF_PERSON.all(c, person_id=person_id):
        state = DeliveryState(row.state)
        if state not in LOOKED_AT and not (state is D.SENDING and row.recipient in boxes):
            continue
        if is_a_persons(c, row):
            continue
        word = let_go if let_go is not None and let_go.delivery_id == row.id else None
        moved = "person" if word is not None else moved_since(c, parts, row)
        if moved is not None:
            found.append(_again(c, parts, row, moved, word))
    return found


def is_a_persons(c: Connection, row: DeliveryRow) -> bool:
    """Is it parked, and may it have arrived? A person finds out whether it has; what they let go comes to the door again."""
    return DeliveryState(row.state) is D.PARKED and may_have_arrived(c, row)


def _again(c: Connection, parts: Parts, row: DeliveryRow, moved: str, word: LetGo | None) -> Again:
    """`word`: a person's, that this one goes."""
    by_person, named = word is not None, word.recipient if word is not None else None
    try:
        kept = open_kept(c, parts.keys, sealed_of(c, row.decision_id), of=row.decision_id)
    except KeptUnread:
        # INVARIANT: what nobody can decide again does not leave, is told, and keeps none of the person's other letters back.
        log(Code.DECISION_NOT_READ, delivery=row.id)
        return Again(row=row, moved=moved, kept=None, made=None)
    agreement = parts.agreements.get(row.agreement)
    if agreement is None:
        return Again(row=row, moved=moved, kept=kept, made=None)
    held = read_file(c, parts, row.person_id)
    file = marks_of(held.resources)
    recipient = named or _recipient(parts, kept, agreement)
    question = Question(
        agreement=agreement,
        recipient=recipient,
        context=kept.context,
        resources=held.in_letters(held.resources),
        file=file,
        consents=read_consents(c, parts, row.person_id),
        at=parts.now(),
        corrects=kept.corrects,
        person_released=kept.person_released or by_person,
        recipient_named=named is not None or (kept.recipient_named and _is_whom_they_named(kept, recipient)),
        # INVARIANT: what was read is this content: with anything new in the file it is looked at again.
        leak_read=(kept.leak_read or (by_person and _leaks(kept))) and frozenset(kept.file) == frozenset(file),
        override=_override(parts, kept, named),
        delivery_id=row.id if DeliveryState(row.state) is D.HELD else None,
    )
    return Again(row=row, moved=moved, kept=kept, made=draft(parts, question))


def _leaks(kept: Kept) -> bool:
    """Was it held by the last look at its bytes, and by nothing else?"""
    return any(reason.rule == "leak-scan" for reason in kept.decision.reasons)


def _override(parts: Parts, kept: Kept, named: Recipient | None) -> Override | None:
    """INVARIANT: an override is for whom its people named, and after its hours there is none: a letter that is allowed without is not its own."""
    given = kept.override
    if given is None or parts.now() >= given.until or (named is not None and named.id != kept.recipient):
        return None
    return given


def _is_whom_they_named(kept: Kept, recipient: Recipient | None) -> bool:
    """INVARIANT: a name that a person gave is of an organisation: whoever has its place in our files since was named by nobody."""
    asked = kept.asked
    if recipient is None or asked is None:
        return False
    was = (asked.recipient, asked.recipient_class, asked.ods)
    return was == (recipient.id, recipient.recipient_class, recipient.ods)


def sealed_of(c: Connection, decision_id: str) -> str:
    """The id of what was sealed with a decision."""
    return str(_KEPT.one(c, decision_id=decision_id).sealed_id)


def _recipient(parts: Parts, kept: Kept, agreement: Agreement) -> Recipient | None:
    """The same recipient, if it still is one for this letter."""
    found = parts.recipients.get(kept.recipient or "")
    # INVARIANT: what no consent is asked for goes to the very organisation that had the letters, whoever has its place now.
    if agreement.without_consent == "duty" and (found is None or kept.asked is None or found.ods != kept.asked.ods):
        return None
    fits = (
        found is not None and found.recipient_class == agreement.recipient_class and agreement.letter in found.letters
    )
    return found if fits else None


def _commit(
    c: Connection, parts: Parts, person_id: str, versions: Versions, again: tuple[Again, ...], let_go: LetGo | None
) -> None:
    hold_person(c, person_id)
    if read_versions(c, person_id) != versions:
        raise Moved
    owner_versions = {"consent_version": versions.consent, "link_version": versions.link}
    for each in again:
        now = delivery_row(c, each.row.id)
        if now is None or now.step != each.row.step:
            raise Moved
        owner = Owner(message_id=each.row.message_id, person_id=person_id, **owner_versions)
        word = let_go if let_go is not None and let_go.delivery_id == each.row.id else None
        if word is not None:
            note = seal_reason(c, parts, person_id, reason=word.reason, by=word.by)
            note_delivery(c, parts, each.row.id, "held-released", {"note": note})
        _write(c, parts, each, owner)
        if word is not None:
            _end_hold(c, parts, each.row.id)


def _end_hold(c: Connection, parts: Parts, delivery_id: str) -> None:
    """INVARIANT: the work of a hold ends in the commit that ends the hold; what a person's word did not resolve keeps it."""
    row = delivery_row(c, delivery_id)
    if row is not None and row.state != D.HELD and Outcome(row.outcome) is not Outcome.WITHHOLD:
        end_tasks(c, parts, delivery_id=delivery_id)


def _write(c: Connection, parts: Parts, each: Again, owner: Owner) -> None:
    row, made, state = each.row, each.made, DeliveryState(each.row.state)
    if state is D.HELD and made is not None:
        refill(c, parts, made, owner)
        return
    if made is not None and each.kept is not None and _is_same(each.moved, each.kept.decision, made.decision):
        restamp(c, parts, made, owner, delivery_id=row.id, decision_id=row.decision_id)
        return
    # INVARIANT: what may have arrived is never called recalled, also where a person let it go again since.
    if may_have_arrived(c, row):
        move_delivery(c, parts, row.id, D.PARKED, reason=f"{each.moved}-moved")
        add_tasks(c, parts, (task_of("recalled-left"),), delivery_id=row.id)
    else:
        log(Code.DELIVERY_RECALLED, delivery=row.id, recipient=row.recipient or "")
        move_delivery(c, parts, row.id, D.RECALLED, reason=f"{each.moved}-moved")
    if each.kept is None:
        add_tasks(c, parts, (task_of("seal-broken"),), delivery_id=row.id)
    if made is not None:
        write_draft(c, parts, made, owner, supersedes=row.id)
    elif each.kept is None or each.kept.decision.outcome is not Outcome.WITHHOLD:
        # A letter that nobody sends any more is told: silence is what kills.
        add_tasks(c, parts, (task_of("withheld-by-rule"),), delivery_id=row.id)


def _is_same(moved: str, before: Decision, now: Decision) -> bool:
    """Is exactly the same allowed to the same recipient, so that the bytes may stay?"""
    return (
        moved == "consent"
        and now.outcome in LEAVES
        and now.outcome is before.outcome
        and _said(now) == _said(before)
        and now.permitted == before.permitted
    )


def _said(made: Decision) -> tuple[tuple[str, str, str], ...]:
    """What was decided of each resource and by which rule; under which version of a consent makes no other letter."""
    return tuple((vote.resource, vote.vote.value, vote.rule) for vote in made.votes)
