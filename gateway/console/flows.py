"""Who sends to whom: the newest letters, counted by sender, letter and recipient. A picture and its table; names of systems, never of people."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select

from consent.document import Table
from gateway.console.asking import Ask, NotThere, Page
from gateway.console.sankey import picture
from gateway.states import DeliveryState
from gateway.store.schema import delivery, message

WINDOW: Final = 10_000
"""The newest letters that are counted: a bound on the work, however much is in the store."""
LISTED: Final = 100
REPORTS: Final = "the calendar"
"""Who sends what no message made: a report on a period."""
D = DeliveryState
NOT_FOUND: Final = "nobody was found"
_BACK: Final = frozenset({D.WITHHELD.value, D.RECALLED.value})
_ARRIVED: Final = frozenset({D.DELIVERED.value, D.CONFIRMED.value})


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One row of the table."""

    source: str
    letter: str
    recipient: str
    recipient_class: str
    letters: int
    arrived: int
    back: int

    @property
    def share(self) -> int:
        """Per cent that was withheld or recalled."""
        return round(100 * self.back / self.letters)


def flows(ask: Ask) -> Page:
    """GET /console/flows."""
    with ask.gateway.store.read() as c:
        found = _flows(c)
    values = {"flows": found, "picture": picture(_columns(found)), "window": WINDOW, "total": _total(found)}
    return Page(template="flows.html", values=values, table=_table(found))


def _table(found: Iterable[Flow]) -> Table:
    columns = ("Sender", "Letter", "Recipient", "Class", "Letters", "Arrived", "Withheld or recalled")
    rows = [
        (
            *(each.source, each.letter, each.recipient, each.recipient_class),
            *(str(number) for number in (each.letters, each.arrived, each.back)),
        )
        for each in found
    ]
    return Table(caption="Who sends to whom", columns=columns, rows=tuple(rows))


def _newest(c: Connection) -> int:
    """The sequence above which the window begins."""
    last = c.execute(select(func.max(delivery.c.sequence))).scalar() or 0
    return int(last) - WINDOW


def _flows(c: Connection) -> tuple[Flow, ...]:
    keys = (message.c.client, delivery.c.letter, delivery.c.recipient, delivery.c.recipient_class, delivery.c.state)
    rows = c.execute(
        select(*keys, func.count().label("letters"))
        .select_from(delivery.outerjoin(message, message.c.id == delivery.c.message_id))
        .where(delivery.c.sequence > _newest(c))
        .group_by(*keys)
    )
    counted: dict[tuple[str, str, str, str], list[int]] = {}
    for row in rows:
        key = (row.client or REPORTS, row.letter, row.recipient or NOT_FOUND, row.recipient_class)
        numbers = counted.setdefault(key, [0, 0, 0])
        numbers[0] += row.letters
        numbers[1] += row.letters if row.state in _ARRIVED else 0
        numbers[2] += row.letters if row.state in _BACK else 0
    return tuple(
        Flow(
            source=source,
            letter=letter,
            recipient=recipient,
            recipient_class=recipient_class,
            letters=numbers[0],
            arrived=numbers[1],
            back=numbers[2],
        )
        for (source, letter, recipient, recipient_class), numbers in sorted(counted.items())
    )


def _columns(found: Iterable[Flow]) -> list[dict[tuple[str, str], tuple[int, int]]]:
    first: dict[tuple[str, str], tuple[int, int]] = {}
    second: dict[tuple[str, str], tuple[int, int]] = {}
    for each in found:
        for links, link in ((first, (each.source, each.letter)), (second, (each.letter, each.recipient))):
            amount, back = links.get(link, (0, 0))
            links[link] = (amount + each.letters, back + each.back)
    return [first, second]


def _total(found: Iterable[Flow]) -> dict[str, int]:
    rows = list(found)
    return {name: sum(getattr(each, name) for each in rows) for name in ("letters", "arrived", "back")}


def letters(ask: Ask) -> Page:
    """GET /console/letters: the newest letters, of one letter, recipient or state where that is asked."""
    wanted = {name: ask.query[name] for name in ("letter", "recipient", "state") if ask.query.get(name)}
    if "state" in wanted and wanted["state"] not in set(D):
        raise NotThere("there is no such state")
    with ask.gateway.store.read() as c:
        rows = _letters(c, wanted, ask.most(LISTED))
    columns = ("created_at", "id", "letter", "recipient", "recipient_class", "state", "reason", "ended_at")
    heads = ("Queued", "Letter's id", "Letter", "Recipient", "Class", "State", "Reason", "Ended")
    return Page(
        template="letters.html",
        values={"letters": rows, "wanted": wanted, "listed": LISTED},
        table=Table(
            caption="The newest letters",
            columns=heads,
            rows=tuple(tuple(row[name] or "" for name in columns) for row in rows),
        ),
    )


def _letters(c: Connection, wanted: dict[str, str], most: int) -> list[dict[str, Any]]:
    columns = delivery.c
    named = {name: value for name, value in wanted.items() if value != NOT_FOUND}
    query = (
        select(columns.id, columns.letter, columns.recipient, columns.recipient_class, columns.state, columns.reason)
        .add_columns(columns.created_at, columns.ended_at, columns.decision_id)
        .where(columns.sequence > _newest(c), *(columns[name] == value for name, value in named.items()))
        .order_by(columns.sequence.desc())
        .limit(most)
    )
    if len(named) < len(wanted):
        query = query.where(columns.recipient.is_(None))
    return [dict(row) for row in c.execute(query).mappings()]
