"""Who did what: the acts of people, as the ledger has them, newest first. It shows ids and closed words; a reason stays sealed."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from consent.document import Table
from gateway.console import staff
from gateway.console.asking import Ask, NotThere, Page
from gateway.ledger import LedgerEvent
from gateway.store.schema import agreement, ledger_entry, ledger_position, override

E = LedgerEvent
ACTS: Final = (
    *(E.VIEWED, E.SEARCHED, E.SEARCH_APPROVED, E.SEARCH_DECLINED, E.EXPORTED, E.ACCESS_REFUSED),
    *(E.CONTENT_ASKED, E.CONTENT_APPROVED, E.CONTENT_DECLINED, E.CONTENT_OPENED),
    *(E.LOGGED_IN, E.LOGGED_OUT, E.STAFF_ADDED, E.STAFF_ENROLLED, E.STAFF_ENDED),
    *(E.HELD_RELEASED, E.HELD_REJECTED, E.TASK_ENDED, E.REPLAYED),
    *(E.OVERRIDDEN, E.OVERRIDE_SECONDED, E.OVERRIDE_REVIEWED, E.OVERRIDE_OVERDUE, E.OVERRIDE_ENDED),
    *(E.AGREEMENT_PROPOSED, E.AGREEMENT_ACTIVATED, E.AGREEMENT_ENDED),
    *(E.ACCESS_ASKED, E.ACCESS_APPROVED, E.ACCESS_REVIEWED, E.LINE_WITHHELD, E.ERASED, E.COMPACTED),
    *(E.MARKED_SENSITIVE, E.UNMARKED_SENSITIVE),
    *(E.CLIENT_ADDED, E.CLIENT_ENDED, E.CLIENT_KEY_ADDED, E.KEY_ROTATED, E.EPOCH_BEGAN),
)
"""What people do, as the ledger calls it."""
LISTED: Final = 100
PIECE: Final = 2_000
READ: Final = 50_000
"""How many entries one page looks through: acts are few among letters, and a page is quick whatever there is."""
READ_TO_TAKE: Final = 500_000
_EVENT: Final = re.compile(rb'"event":"([^"]+)"')


@dataclass(frozen=True, kw_only=True)
class Act:
    """One entry. `who` is empty where the name is sealed with the reason; `position` is None before a signed head has it."""

    event: str
    at: str
    who: str
    position: int | None
    facts: Mapping[str, Any]

    @property
    def about(self) -> str:
        """What the entry names, as words."""
        return ", ".join(f"{name} {value}" for name, value in self.facts.items())


def acts(ask: Ask) -> Page:
    """GET /console/acts: what people did, newest first; `before` is the number of the entry that an earlier page ended at."""
    wanted, before = ask.query.get("event", ""), ask.query.get("before", "")
    if wanted and wanted not in set(ACTS):
        raise NotThere("there is no such act")
    if before and not (before.isascii() and before.isdecimal() and len(before) < len(str(10**18))):
        raise NotThere("there is no such entry")
    events = frozenset(each.encode() for each in ([wanted] if wanted else ACTS))
    with ask.gateway.store.read() as c:
        rows, older = _rows(c, events, int(before) if before else None, ask)
        names, by_act = _known(c)
    found = [_act(row, names, by_act) for row in rows]
    table = Table(
        caption="Who did what, newest first",
        columns=("When", "Who", "Act", "About", "Position"),
        rows=tuple(
            (each.at, each.who, each.event, each.about, "" if each.position is None else str(each.position))
            for each in found
        ),
    )
    events_of = [each.value for each in ACTS]
    values = {"acts": found, "wanted": wanted, "events": events_of, "older": older, "before": before}
    return Page(template="acts.html", values=values, table=table)


def _rows(c: Connection, events: frozenset[bytes], before: int | None, ask: Ask) -> tuple[list[Any], int | None]:
    """The newest acts, and the entry before which older ones are; None where the ledger's beginning was reached."""
    found: list[Any] = []
    most, reads = ask.most(LISTED), READ_TO_TAKE if ask.takes else READ
    for piece in _pieces(c, before, reads):
        for row in piece:
            if _event_of(row.body) in events:
                found.append(row)
                if len(found) == most:
                    return found, row.sequence
        before = piece[-1].sequence
    return found, before if before is not None and before > 1 else None


def _pieces(c: Connection, before: int | None, reads: int) -> Iterator[Any]:
    query = (
        select(ledger_entry.c.sequence, ledger_entry.c.body, ledger_position.c.position)
        .outerjoin(ledger_position, ledger_position.c.entry_id == ledger_entry.c.id)
        .order_by(ledger_entry.c.sequence.desc())
        .limit(PIECE)
    )
    for _ in range(reads // PIECE):
        rows = c.execute(query if before is None else query.where(ledger_entry.c.sequence < before)).all()
        if not rows:
            return
        yield rows
        before = rows[-1].sequence


def _event_of(body: bytes) -> bytes:
    found = _EVENT.search(body)
    return found[1] if found else b""


def _known(c: Connection) -> tuple[Mapping[str, str], Mapping[tuple[str, str], str]]:
    """Names of accounts by id; and of who signed or overrode, by the chain of the act and its word: those stand in tables of their own."""
    by_act: dict[tuple[str, str], str | None] = {}
    for row in c.execute(select(agreement.c.id, agreement.c.proposed_by, agreement.c.approved_by)):
        by_act[row.id, E.AGREEMENT_PROPOSED] = row.proposed_by
        by_act[row.id, E.AGREEMENT_ACTIVATED] = row.approved_by
    for one in c.execute(select(override.c.id, override.c.given_by, override.c.second_by, override.c.reviewed_by)):
        by_act[one.id, E.OVERRIDDEN] = one.given_by
        by_act[one.id, E.OVERRIDE_SECONDED] = one.second_by
        by_act[one.id, E.OVERRIDE_REVIEWED] = one.reviewed_by
    return staff.names(c), {act: name for act, name in by_act.items() if name}


def _act(row: Any, accounts: Mapping[str, str], by_act: Mapping[tuple[str, str], str]) -> Act:
    entry = json.loads(row.body)
    facts = dict(entry["facts"])
    staff_id = str(facts.pop("staff", entry["chain"]))
    return Act(
        event=entry["event"],
        at=entry["at"],
        who=accounts.get(staff_id, "") or by_act.get((entry["chain"], entry["event"]), ""),
        position=row.position,
        facts=facts,
    )
