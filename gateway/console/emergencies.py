"""Overrides that wait for a second person's word or for a review. What may be done, and by whom, `gateway.overrides` says."""

from collections.abc import Mapping
from typing import Final

from gateway import overrides
from gateway.console.asking import Ask, Elsewhere, NotTaken, NotThere, Page
from gateway.console.staff import Role
from gateway.overrides import Actor, Given

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


def _given(ask: Ask) -> Given:
    found = next((each for each in overrides.listed(ask.gateway) if each.id == ask.path["id"]), None)
    if found is None:
        raise NotThere("no override has this id")
    return found
