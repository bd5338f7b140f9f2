"""A harm disclosure as it is asked for: the letter of one message's positive tests, decided, withheld, and waiting for two people's word.

INVARIANT: nothing leaves here. What is written is withheld, whatever the person agreed to: only `gateway/overrides.py` lets it go, by two people
of different roles, for hours. This module MUST NOT choose the recipient, and MUST NOT make a letter of anything but positive clinical tests.
"""

from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from consent.shapes import Agreement
from fhir_profiles.profiles.harm_disclosure import LETTER
from fhir_profiles.shapes import Event, LetterContext
from gateway.consents.register import read_consents
from gateway.failpoints import around
from gateway.journeys.file import Versions, read_file, read_versions
from gateway.keys import SealedGone
from gateway.parts import Parts
from gateway.recipients import Recipient
from gateway.states import DeliveryState, MessageState
from gateway.steps.identify import translation_of
from gateway.steps.kept import marks_of
from gateway.steps.letters import RESTARTS, Contended, Moved
from gateway.steps.overridden import CANNOT, NotOverridden
from gateway.steps.release import Draft, Owner, Question, compose_letter, draft, write_draft
from gateway.store.locks import hold_person
from gateway.store.schema import message
from gateway.store.statement import Statement

_MESSAGE: Final = Statement(select(message).where(message.c.id == bindparam("message_id")))


def ask_for(parts: Parts, message_id: str, recipient: Recipient, *, limb: str, unsafe_to_tell: bool) -> str:
    """The id of the withheld letter. `limb` is whose harm. Raises NotOverridden; nothing is written then."""
    agreement = _agreement(parts, recipient)
    for _ in range(RESTARTS):
        with parts.store.read() as c:
            row = _MESSAGE.first(c, message_id=message_id)
            if row is None or row.person_id is None or row.state != MessageState.RELEASED.value:
                raise NotOverridden("no message with this id was released for a person: `throughgate journey` shows it")
            versions = read_versions(c, row.person_id)
            question = _question(c, parts, row, agreement, recipient, limb=limb, unsafe_to_tell=unsafe_to_tell)
        if "positive-test" in compose_letter(question).missing:
            raise NotOverridden(
                CANNOT
                + "the message has no positive clinical test that nothing prescribed explains; a mandatory one is not ours to tell"
            )
        made = draft(parts, question)
        if made.state is not DeliveryState.WITHHELD:
            raise NotOverridden(CANNOT + "it would leave without two people's word")
        try:
            with around("disclosure-asked"):
                parts.store.write(partial(_commit, parts=parts, row=row, versions=versions, made=made))
        except Moved:
            continue
        return made.delivery_id
    raise Contended


def _agreement(parts: Parts, recipient: Recipient) -> Agreement:
    fits = (
        each
        for each in parts.agreements.values()
        if each.letter == LETTER and each.recipient_class == recipient.recipient_class and LETTER in recipient.letters
    )
    found = next(fits, None)
    if found is None:
        raise NotOverridden(f"this recipient does not take `{LETTER}`, or no agreement for it is in force")
    return found


def _question(
    c: Connection,
    parts: Parts,
    row: Any,
    agreement: Agreement,
    recipient: Recipient,
    *,
    limb: str,
    unsafe_to_tell: bool,
) -> Question:
    try:
        translation = translation_of(c, parts, row)
    except SealedGone:
        raise NotOverridden(CANNOT + "retention has taken the message") from None
    agency = translation.establishment or row.establishment or ""
    brought = (entry["resource"] for entry in translation.bundle.get("entry", ()))
    file = read_file(c, parts, row.person_id)
    return Question(
        agreement=agreement,
        recipient=recipient,
        context=LetterContext(
            establishment=agency,
            establishment_name=parts.establishments.get(agency, agency),
            establishment_telephone=parts.settings.establishment_telephones().get(agency, ""),
            event=Event.HARM_TEST.value,
            focus=tuple(f"Observation/{each['id']}" for each in brought if each["resourceType"] == "Observation"),
            limb=limb,
            unsafe_to_tell=unsafe_to_tell,
        ),
        resources=file.in_letters(file.resources),
        file=marks_of(file.resources),
        consents=read_consents(c, parts, row.person_id),
        at=parts.now(),
    )


def _commit(c: Connection, *, parts: Parts, row: Any, versions: Versions, made: Draft) -> None:
    hold_person(c, row.person_id)
    if read_versions(c, row.person_id) != versions:
        raise Moved
    owner = Owner(
        message_id=row.id, person_id=row.person_id, consent_version=versions.consent, link_version=versions.link
    )
    write_draft(c, parts, made, owner)
