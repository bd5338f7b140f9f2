"""What another text of an agreement would have done to past traffic: every decision of then asked once more under it, before anybody signs.

The question of then, with the consents, the file and the instant of then; only the agreement is another. Read only: what comes out is counted
and thrown away. It MUST NOT write, queue or show anything of a letter: outcomes, paths and ids are what is told.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import select

from consent.shapes import Agreement, Outcome
from gateway.errors import ThroughgateError
from gateway.parts import Parts
from gateway.steps.rederive import Found, RederiveError, decide_counting_again, find, question_of, version_gone
from gateway.steps.release import LEAVES, decide_letter, what_would_leave
from gateway.steps.replay import said_in
from gateway.store.schema import decision

NOT_ASKED = "not asked"
"""The letter would not have been made: the text does not name the event that started it."""


class WhatIfError(ThroughgateError):
    """There is nothing to compare with: the text says why."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One decision under both texts. `released` and `withheld` are paths that leave under one and not under the other."""

    decision: str
    recipient: str
    recipient_class: str
    was: str
    now: str
    released: tuple[str, ...]
    withheld: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Would the text have changed nothing?"""
        return self.was == self.now and not self.released and not self.withheld


@dataclass(frozen=True, kw_only=True)
class Count:
    """So many decisions about one recipient that went from one outcome to the other. `more`, `less`: paths that leave or stay."""

    recipient: str
    recipient_class: str
    was: str
    now: str
    more: bool
    less: bool
    decisions: int


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """`gone`: decisions of which too much has been deleted to ask again. `events`: what the text adds and drops beside the one in force."""

    agreement: str
    digest: str
    decisions: int
    same: int
    gone: tuple[str, ...]
    counts: tuple[Count, ...]
    changed: tuple[Compared, ...]
    events_added: tuple[str, ...]
    events_dropped: tuple[str, ...]


def what_if(
    parts: Parts, agreement: Agreement, *, instead_of: str, since: str = "", newest: int | None = None
) -> WhatIf:
    """Ask every decision under `instead_of` since an instant, or only so many of the newest, again under `agreement`.

    WhatIfError where there is none to compare with.
    """
    query = select(decision.c.id, decision.c.letter, decision.c.recipient_class).where(
        decision.c.agreement == instead_of, decision.c.decided_at >= since
    )
    with parts.store.read() as c:
        rows = c.execute(query.order_by(decision.c.decided_at.desc(), decision.c.id.desc()).limit(newest)).all()[::-1]
    if not rows:
        raise WhatIfError(
            f"nothing was decided under {instead_of} since then: name another agreement with --instead-of"
        )
    if any((row.letter, row.recipient_class) != (agreement.letter, agreement.recipient_class) for row in rows):
        raise WhatIfError(
            f"the letters of {instead_of} are `{rows[-1].letter}` to `{rows[-1].recipient_class}`, and those of the new text "
            f"`{agreement.letter}` to `{agreement.recipient_class}`: what another letter would have held cannot be said"
        )
    compared, gone = [], []
    for row in rows:
        found = compare(parts, row.id, agreement)
        if found is None:
            gone.append(row.id)
        else:
            compared.append(found)
    before = parts.agreements.get(instead_of)
    events = (set(before.events) if before is not None else set(), set(agreement.events))
    return WhatIf(
        agreement=instead_of,
        digest=agreement.digest,
        decisions=len(rows),
        same=sum(each.is_same for each in compared),
        gone=tuple(gone),
        counts=tuple(_counted(compared)),
        changed=tuple(each for each in compared if not each.is_same),
        events_added=tuple(sorted(events[1] - events[0])),
        events_dropped=tuple(sorted(events[0] - events[1])),
    )


def compare(parts: Parts, decision_id: str, agreement: Agreement) -> Compared | None:
    """One decision, asked again under the text, which is about the same letter. None where too much of it has been deleted."""
    try:
        with parts.store.read() as c:
            found = find(c, parts, decision_id)
    except RederiveError:
        return None
    if version_gone(found) is not None:
        return None
    outcome, now = _asked_again(found, agreement)
    kept = found.kept
    before = said_in(what_would_leave(kept.composed, kept.decision, kept.id_key)) if kept.composed is not None else {}
    return Compared(
        decision=decision_id,
        recipient=str(found.row.recipient or ""),
        recipient_class=str(found.row.recipient_class),
        was=str(found.row.outcome),
        now=outcome,
        released=tuple(sorted(now - before.keys())),
        withheld=tuple(sorted(before.keys() - now)),
    )


def _asked_again(found: Found, agreement: Agreement) -> tuple[str, frozenset[str]]:
    """The outcome under the text, and the paths that would leave; as the gate decides it (`steps/release.py`)."""
    kept = found.kept
    if kept.context.event and kept.context.event not in agreement.events:
        return NOT_ASKED, frozenset()
    if kept.composed is None:
        return decide_counting_again(kept, agreement).outcome.value, frozenset()
    decided = decide_letter(question_of(found, agreement), kept.composed)
    if kept.asked is None and decided.outcome not in (Outcome.WITHHOLD, Outcome.COUNTED):
        return Outcome.HOLD.value, frozenset()
    leaves = what_would_leave(kept.composed, decided, kept.id_key)
    if leaves is None and decided.outcome in LEAVES:
        outcome = Outcome.HOLD if agreement.undecidable == "hold" else Outcome.WITHHOLD
        return outcome.value, frozenset()
    return decided.outcome.value, frozenset(said_in(leaves))


def _counted(compared: list[Compared]) -> Iterator[Count]:
    groups: Counter[Count] = Counter(
        Count(
            recipient=each.recipient,
            recipient_class=each.recipient_class,
            was=each.was,
            now=each.now,
            more=bool(each.released),
            less=bool(each.withheld),
            decisions=0,
        )
        for each in compared
    )
    for one, number in sorted(groups.items(), key=lambda item: (item[0].recipient, item[0].was, item[0].now, item[1])):
        yield replace(one, decisions=number)
