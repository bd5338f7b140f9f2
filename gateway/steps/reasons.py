"""Who acts, and why: sealed, so that the ledger holds only the id of what was sealed. No act of a person is without one."""

import json

from sqlalchemy import Connection

from gateway.errors import ThroughgateError
from gateway.parts import Parts


class ReasonMissing(ThroughgateError):
    """A person acts and does not say why."""


def require_reason(reason: str) -> None:
    """Raises ReasonMissing for a reason that says nothing."""
    if not reason.strip():
        raise ReasonMissing("a reason is needed")


def seal_reason(c: Connection, parts: Parts, person_id: str | None, *, reason: str, by: str) -> str:
    """The id of a sealed note, kept under the key of the person that it is about where there is one. ReasonMissing without a reason."""
    require_reason(reason)
    return parts.keys.seal(
        c,
        category="task",
        plaintext=json.dumps({"by": by, "reason": reason}).encode(),
        person_id=person_id,
        now=parts.now(),
        ends_at=parts.after(days=parts.settings.retention.days("task")),
    )
