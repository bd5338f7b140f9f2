"""A person's record marked sensitive by hand: one person marks it, at once; two different people take the mark back.

It weighs what the same mark of PDS weighs (docs/decisions/0036), and is its own: no message lifts it, and to take it back lifts no mark of a
source. Whoever closes must be quick, whoever opens must not be alone. This module MUST NOT take a mark back without a second person's word.
"""

from functools import partial

from sqlalchemy import Connection

from gateway.failpoints import around
from gateway.journeys.file import flag_by_hand, is_flagged_by_hand
from gateway.parts import Parts
from gateway.steps.openly import tell_openly
from gateway.steps.reasons import require_reason, seal_reason
from gateway.steps.reconsider import reconsider
from gateway.store.locks import hold_person
from gateway.subject.acts import ActError, What, approved, enter, named, person_of


def mark(parts: Parts, some_id: str, *, reason: str, by: str) -> tuple[str, ...]:
    """Mark the person of an id (a person's or a message's). The letters, one a recipient, that left before: a task is about each.

    What waits is decided again here; where that fails the next sweep does it. ActError for an id of nobody, and for who is marked already.
    """
    require_reason(reason)
    act = parts.ids.entry()

    def work(c: Connection) -> tuple[str, tuple[str, ...]]:
        person_id = person_of(c, some_id)
        hold_person(c, person_id)
        if is_flagged_by_hand(c, person_id):
            raise ActError("this person is marked already")
        note = seal_reason(c, parts, person_id, reason=reason, by=named(by))
        enter(c, parts, act, "marked-sensitive", {"note": note}, person_id=person_id)
        flag_by_hand(c, person_id, to=True)
        return person_id, tell_openly(c, parts, person_id)

    with around("marked-sensitive"):
        person_id, letters = parts.store.write(work)
    reconsider(parts, person_id)
    return letters


def unmark(parts: Parts, act_id: str, *, reason: str, by: str) -> None:
    """Take a mark back. ActError unless one person asked and another approved; letters from here on say what the sources let them say."""
    with around("unmarked-sensitive"):
        person_id = parts.store.write(partial(_unmark, parts=parts, act_id=act_id, reason=reason, by=by))
    reconsider(parts, person_id)


def _unmark(c: Connection, *, parts: Parts, act_id: str, reason: str, by: str) -> str:
    act = approved(c, parts, act_id, What.UNMARK)
    hold_person(c, act.person_id)
    # INVARIANT: an approval takes back the mark that it was given for, once.
    if any(event == "unmarked-sensitive" for event, _, _ in act.entries) or not is_flagged_by_hand(c, act.person_id):
        raise ActError("this person is not marked by hand, or this was done already")
    note = seal_reason(c, parts, act.person_id, reason=reason, by=named(by))
    enter(c, parts, act_id, "unmarked-sensitive", {"note": note})
    flag_by_hand(c, act.person_id, to=False)
    return act.person_id
