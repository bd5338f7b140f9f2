"""Overrides: somebody gives or asks for one, a second person's word, the review. What may be done, and by whom, `gateway.overrides` says."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from sqlalchemy import select

from consent.shapes import OverrideKind
from fhir_profiles.profiles.harm_disclosure import LETTER as HARM
from gateway import overrides
from gateway.console.asking import Ask, Elsewhere, NotTaken, NotThere, Page
from gateway.console.staff import Role
from gateway.overrides import Actor, Given, Limb
from gateway.recipients import Recipient
from gateway.states import DeliveryState
from gateway.store.schema import delivery, message

E = TypeVar("E", bound=StrEnum)
TELL, UNSAFE = "tell", "unsafe"
ACTS_AS: Final[Mapping[Role, overrides.Role]] = {
    Role.CLINICAL_SAFETY: overrides.Role.CLINICAL_LEAD,
    Role.IG_OFFICER: overrides.Role.IG_OFFICER,
    Role.CALDICOTT_GUARDIAN: overrides.Role.CALDICOTT_GUARDIAN,
}
"""In which role somebody speaks about an override."""


def open_ones(ask: Ask) -> tuple[Given, ...]:
    """Those that are not at their end, oldest first."""
    return tuple(each for each in reversed(overrides.listed(ask.gateway)) if _waits(each, ask))


def _waits(given: Given, ask: Ask) -> bool:
    if given.letter is not None:
        return given.ended_at is None or given.second_by is None
    return given.ended_at is None and given.until > ask.gateway.now()


def one_override(ask: Ask) -> Page:
    """GET /console/overrides/{id}."""
    given = _given(ask)
    values = {
        "given": given,
        "waits": _waits(given, ask),
        "may": ask.member.role in ACTS_AS,
        "reason": ask.form.get("reason", ""),
    }
    return Page(template="override.html", values=values, about=given.id)


def settle(ask: Ask) -> Elsewhere:
    """POST /console/overrides/{id}: a second person's word, or the review. The rules of both are those of `gateway.overrides`."""
    given, choice = _given(ask), ask.form.get("choice")
    actor = Actor(by=ask.member.name, role=ACTS_AS[ask.member.role], reason=ask.form.get("reason", ""))
    if not actor.reason.strip():
        raise NotTaken("Say why: the reason is kept, sealed.")
    if choice == "second":
        overrides.second(ask.gateway, given.id, actor)
    elif choice == "review":
        overrides.review(ask.gateway, given.id, actor)
    else:
        raise NotTaken("Choose what is to be done.")
    return Elsewhere(path=f"/console/overrides/{given.id}")


@dataclass(frozen=True, kw_only=True)
class About:
    """What an override is asked for: a withheld letter, or a message whose tests are to be told; and who could receive."""

    id: str
    letter: str
    kinds: tuple[OverrideKind, ...]
    recipients: tuple[Recipient, ...]

    @property
    def is_letter(self) -> bool:
        """Whether it is a letter."""
        return bool(self.letter)


def new_override(ask: Ask) -> Page:
    """GET /console/overrides?about=ID: the form. It says of nobody anything."""
    about = _about(ask)
    typed = {name: ask.form.get(name, "") for name in ("kind", "limb", "recipient", "tell", "reason")}
    values = {"about": about, "limbs": tuple(Limb), "typed": typed}
    return Page(template="new_override.html", values=values, about=about.id if about is not None else "")


def give_or_ask(ask: Ask) -> Elsewhere:
    """POST /console/overrides: a vital interest at once, or a harm test that a second person has to agree to."""
    about = _about(ask)
    if about is None:
        raise NotTaken("No message, and no letter that was withheld, has this id: begin at its page.")
    actor = Actor(by=ask.member.name, role=ACTS_AS[ask.member.role], reason=ask.form.get("reason", ""))
    if not actor.reason.strip():
        raise NotTaken("Say why: the reason is kept, sealed.")
    kind, limb = _one_of(about.kinds, ask, "kind"), _one_of(tuple(Limb), ask, "limb")
    recipient = ask.form.get("recipient", "")
    # INVARIANT: absent never decides: that the person must not hear of it is said, and so is that they may.
    if ask.form.get("tell") not in (TELL, UNSAFE):
        raise NotTaken("Say whether it is safe to tell the person.")
    if recipient not in {each.id for each in about.recipients}:
        raise NotTaken("Choose who is to have it.")
    tell_person = ask.form["tell"] == TELL
    if about.is_letter:
        made = overrides.give(ask.gateway, about.id, recipient, kind, limb, actor, tell_person=tell_person)
    else:
        made = overrides.ask(ask.gateway, about.id, recipient, limb, actor, tell_person=tell_person)
    return Elsewhere(path=f"/console/overrides/{made.id}")


def _about(ask: Ask) -> About | None:
    some_id, everybody = ask.form.get("about") or ask.query.get("about", ""), ask.gateway.recipients.values()
    with ask.gateway.store.read() as c:
        row = c.execute(select(delivery).where(delivery.c.id == some_id)).one_or_none()
        of_message = c.execute(select(message.c.id).where(message.c.id == some_id)).first()
    if row is not None and row.state == DeliveryState.WITHHELD.value:
        fits = (each for each in everybody if (row.letter, row.recipient_class) in _taken_by(each))
        return About(id=row.id, letter=row.letter, kinds=tuple(OverrideKind), recipients=tuple(fits))
    if of_message is not None:
        fits = (each for each in everybody if HARM in each.letters)
        return About(id=some_id, letter="", kinds=(OverrideKind.HARM_TEST,), recipients=tuple(fits))
    return None


def _taken_by(recipient: Recipient) -> frozenset[tuple[str, str]]:
    return frozenset((letter, recipient.recipient_class) for letter in recipient.letters)


def _one_of(words: tuple[E, ...], ask: Ask, name: str) -> E:
    found = next((each for each in words if each.value == ask.form.get(name)), None)
    if found is None:
        raise NotTaken("Choose what is at stake, and for whom.")
    return found


def _given(ask: Ask) -> Given:
    found = next((each for each in overrides.listed(ask.gateway) if each.id == ask.path["id"]), None)
    if found is None:
        raise NotThere("no override has this id")
    return found
