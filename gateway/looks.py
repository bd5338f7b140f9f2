"""Who looked at what at the terminal, or with a reason in the console, entered before it is shown; other pages are entered by the console itself.

It knows ids and closed words; who looked and why is sealed. It MUST NOT decide who may look: whoever may run the command can.
"""

from typing import Final

from sqlalchemy import Connection, or_, select

from gateway import names
from gateway.errors import ThroughgateError
from gateway.moves import enter
from gateway.parts import Parts
from gateway.steps.reasons import seal_reason
from gateway.store.schema import decision, message

LIST: Final = "a list of ids and codes"
"""Why somebody looks at what is about nobody: it needs no reason of their own."""


class LookError(ThroughgateError):
    """Nobody says who looks."""


def enter_look(parts: Parts, page: str, *, by: str, reason: str = LIST, about: str = "", staff_id: str = "") -> None:
    """Commit who looked at the page of this name. `about` is the id of the message or decision that it shows, empty for a list; `staff_id` is the
    account that is logged in, empty at the terminal.

    LookError without a name, ReasonMissing without a reason.
    """
    if not names.is_name(by):
        raise LookError("say who you are: --by")

    def work(c: Connection) -> None:
        person_id = _person_of(c, about) if about else None
        note = seal_reason(c, parts, person_id, reason=reason, by=names.as_written(by))
        facts = {
            "page": page,
            "note": note,
            **{name: value for name, value in (("about", about), ("staff", staff_id)) if value},
        }
        # INVARIANT: whose data were looked at says the entry, so that their own report has it
        enter(c, parts, parts.ids.entry(), 1, "viewed", facts, person_id=person_id)

    parts.store.write(work)


def _person_of(c: Connection, about: str) -> str | None:
    decided = select(decision.c.message_id).where(decision.c.id == about).scalar_subquery()
    of_message = or_(message.c.id == about, message.c.id == decided)
    return c.execute(select(message.c.person_id).where(of_message)).scalar()
