"""A letter that did not go, made again for a recipient whom a person names, because people have taken that on (gateway/overrides.py).

It goes through the gate like every other letter: what the agreement does not name does not leave either way. This module MUST NOT judge
whether there is an emergency, and MUST NOT let anything out without an `Override` that somebody gave.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from sqlalchemy import Connection

from consent.decide import overriding
from consent.shapes import Override
from gateway.consents.register import read_consents
from gateway.errors import ThroughgateError
from gateway.failpoints import around
from gateway.journeys.file import Versions, read_file, read_versions
from gateway.keys import SealedGone
from gateway.parts import Parts
from gateway.recipients import Recipient
from gateway.states import DeliveryState
from gateway.steps.kept import Kept, KeptUnread, marks_of, open_kept
from gateway.steps.letters import RESTARTS, Contended, Moved
from gateway.steps.reconsider import sealed_of
from gateway.steps.release import Draft, Owner, Question, draft, request_of, write_draft
from gateway.steps.standing import DeliveryRow, delivery_row
from gateway.store.locks import hold_person

CANNOT: Final = "this letter cannot be let go: "

AfterWriting = Callable[[Connection, str], None]
"""What is written in the same transaction, given the new letter's id."""


class NotOverridden(ThroughgateError):
    """No override lets this letter go: the text says why."""


def release_overridden(
    parts: Parts, delivery_id: str, recipient: Recipient, given: Override, after: AfterWriting
) -> str:
    """The id of the letter that stands for one that was withheld. Raises NotOverridden; nothing is written then."""
    for _ in range(RESTARTS):
        with parts.store.read() as c:
            row = overridable(c, parts, delivery_id, recipient)
            versions = read_versions(c, row.person_id)
            question = _question(c, parts, row, recipient, given)
        if overriding(request_of(question), question.agreement) is None:
            raise NotOverridden(
                CANNOT + "an act for care opens a letter of care, a harm test any other, and both end after hours"
            )
        made = draft(parts, question)
        if made.sealed is None:
            rules = ", ".join(each.rule for each in made.decision.reasons)
            raise NotOverridden(CANNOT + f"something else than a consent keeps it ({rules})")
        try:
            with around("override-released"):
                parts.store.write(partial(_commit, parts=parts, row=row, versions=versions, made=made, after=after))
        except Moved:
            continue
        return made.delivery_id
    raise Contended


def overridable(c: Connection, parts: Parts, delivery_id: str, recipient: Recipient) -> DeliveryRow:
    """A withheld letter about a person, which this recipient takes. Raises NotOverridden."""
    row = delivery_row(c, delivery_id)
    if row is None or row.state != DeliveryState.WITHHELD.value or row.person_id is None:
        raise NotOverridden("no letter with this id was withheld: `throughgate journey` shows where it is")
    agreement = parts.agreements.get(row.agreement)
    if agreement is None:
        raise NotOverridden(
            CANNOT + f"the agreement {row.agreement} is not in force, and it is what says how much may leave"
        )
    if recipient.recipient_class != agreement.recipient_class or agreement.letter not in recipient.letters:
        raise NotOverridden("this recipient does not take this letter: `throughgate check` prints who takes what")
    return row


def _question(c: Connection, parts: Parts, row: DeliveryRow, recipient: Recipient, given: Override) -> Question:
    kept = _kept(c, parts, row)
    file = read_file(c, parts, row.person_id)
    return Question(
        agreement=parts.agreements[row.agreement],
        recipient=recipient,
        context=kept.context,
        resources=file.in_letters(file.resources),
        file=marks_of(file.resources),
        consents=read_consents(c, parts, row.person_id),
        at=parts.now(),
        corrects=kept.corrects,
        override=given,
    )


def _kept(c: Connection, parts: Parts, row: DeliveryRow) -> Kept:
    try:
        return open_kept(c, parts.keys, sealed_of(c, row.decision_id), of=row.decision_id)
    except KeptUnread as error:
        raise NotOverridden(CANNOT + f"{error}; `throughgate replay` of its message makes another") from None
    except SealedGone:
        raise NotOverridden(CANNOT + "retention has taken what it was made from") from None


def _commit(
    c: Connection, *, parts: Parts, row: DeliveryRow, versions: Versions, made: Draft, after: AfterWriting
) -> None:
    hold_person(c, row.person_id)
    now = delivery_row(c, row.id)
    if read_versions(c, row.person_id) != versions or now is None or now.step != row.step:
        raise Moved
    owner = Owner(
        message_id=row.message_id,
        person_id=row.person_id,
        consent_version=versions.consent,
        link_version=versions.link,
    )
    write_draft(c, parts, made, owner, supersedes=row.id)
    after(c, made.delivery_id)
