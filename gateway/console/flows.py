"""Who sends to whom: the newest letters, counted by sender and recipient, and by letter, purpose or kind of data. A picture and its table;
names of systems, never of people.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from consent.document import Table
from consent.shapes import Agreement, Outcome
from gateway.console.asking import Ask, NotThere, Page
from gateway.console.sankey import Flows, Link, picture
from gateway.console.through import NO_AGREEMENT, Pair, Through, through
from gateway.states import DeliveryState
from gateway.store.schema import decision, delivery, message

WINDOW: Final = 10_000
"""The newest letters that are counted: a bound on the work, however much is in the store."""
LISTED: Final = 100
REPORTS: Final = "the calendar"
"""Who sends what no message made: a report on a period."""
BY: Final[Mapping[Through, str]] = {
    Through.LETTER: "Letter",
    Through.PURPOSE: "Purpose",
    Through.DATA: "Kind of data",
}
_FIELDS: Final = (
    func.sum(decision.c.fields_composed).label("composed"),
    func.sum(decision.c.fields_left).label("left"),
)
D = DeliveryState
NOT_FOUND: Final = "nobody was found"
LETTERS_BY: Final = ("sender", "recipient", "state", *Through)
"""By what the list of letters can be asked."""
_BACK: Final = frozenset({D.WITHHELD.value, D.RECALLED.value})
_ARRIVED: Final = frozenset({D.DELIVERED.value, D.CONFIRMED.value})


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One row of the table. `middle` is a letter, a purpose or a kind of data; `part`: letters without what a consent keeps back.

    `fields` are those of the letters that were decided, `stayed` those of them that did not leave.
    """

    source: str
    middle: str
    recipient: str
    recipient_class: str
    letters: int
    arrived: int
    part: int
    back: int
    fields: int
    stayed: int

    @property
    def share(self) -> int:
        """Per cent that was withheld or recalled."""
        return round(100 * self.back / self.letters)

    @property
    def withheld(self) -> str:
        """Per cent of the fields that stayed; a dash where there were none, or nobody counted them."""
        return f"{share_of(self.stayed, self.fields)} %" if self.fields else "-"


def share_of(some: int, whole: int) -> int:
    """Per cent."""
    return round(100 * some / whole)


def flows(ask: Ask) -> Page:
    """GET /console/flows: `by` is what stands in the middle."""
    wanted = ask.query.get("by", Through.LETTER.value)
    if wanted not in set(Through):
        raise NotThere("there is no such picture")
    by, agreements = Through(wanted), tuple(ask.gateway.agreements.values())
    with ask.gateway.store.read() as c:
        letters = _flows(c)
    found = _by(letters, by, agreements)
    values = {
        "flows": found,
        "picture": picture(_columns(found)),
        "window": WINDOW,
        "total": (total := _total(letters)),
        "share": share_of(total["stayed"], total["fields"]) if total["fields"] else 0,
        "by": by.value,
        "middle": BY[by],
        "views": [(each.value, name) for each, name in BY.items()],
    }
    return Page(template="flows.html", values=values, table=_table(found, BY[by]))


def _by(letters: Iterable[Flow], by: Through, agreements: Iterable[Agreement]) -> tuple[Flow, ...]:
    """The same flows with another middle; a letter of several kinds of data is counted with each."""
    found: dict[tuple[str, str, str, str], Flow] = {}
    named: dict[Pair, tuple[str, ...]] = {}
    for each in letters:
        pair = (each.middle, each.recipient_class)
        named[pair] = names = named.get(pair) or through(agreements, by, pair)
        for name in names:
            key = (each.source, name, each.recipient, each.recipient_class)
            one = replace(each, middle=name)
            found[key] = _sum(found[key], one) if key in found else one
    return tuple(flow for _, flow in sorted(found.items()))


def _sum(one: Flow, other: Flow) -> Flow:
    return replace(
        one,
        letters=one.letters + other.letters,
        arrived=one.arrived + other.arrived,
        part=one.part + other.part,
        back=one.back + other.back,
        fields=one.fields + other.fields,
        stayed=one.stayed + other.stayed,
    )


def _table(found: Iterable[Flow], middle: str) -> Table:
    numbers = ("Letters", "Arrived", "In part", "Withheld or recalled", "Fields", "Fields withheld")
    columns = ("Sender", middle, "Recipient", "Class", *numbers)
    rows = [
        (
            *(each.source, each.middle, each.recipient, each.recipient_class),
            *(str(number) for number in (each.letters, each.arrived, each.part, each.back, each.fields, each.stayed)),
        )
        for each in found
    ]
    return Table(caption="Who sends to whom", columns=columns, rows=tuple(rows))


def _newest(c: Connection) -> int:
    """The sequence above which the window begins."""
    last = c.execute(select(func.max(delivery.c.sequence))).scalar() or 0
    return int(last) - WINDOW


def _flows(c: Connection) -> tuple[Flow, ...]:
    keys = (message.c.client, delivery.c.letter, delivery.c.recipient, delivery.c.recipient_class)
    became = (delivery.c.state, decision.c.outcome)
    rows = c.execute(
        select(*keys, *became, func.count().label("letters"), *_FIELDS)
        .select_from(
            delivery.outerjoin(message, message.c.id == delivery.c.message_id).outerjoin(
                decision, decision.c.id == delivery.c.decision_id
            )
        )
        .where(delivery.c.sequence > _newest(c))
        .group_by(*keys, *became)
    )
    counted: dict[tuple[str, str, str, str], list[int]] = {}
    for row in rows:
        key = (row.client or REPORTS, row.letter, row.recipient or NOT_FOUND, row.recipient_class)
        numbers = counted.setdefault(key, [0, 0, 0, 0, 0, 0])
        numbers[0] += row.letters
        numbers[1] += row.letters if row.state in _ARRIVED else 0
        numbers[2] += row.letters if row.outcome == Outcome.REDUCE and row.state not in _BACK else 0
        numbers[3] += row.letters if row.state in _BACK else 0
        if row.outcome != Outcome.HOLD or row.state in _BACK:  # of what waits for a person nobody can say yet
            numbers[4] += row.composed or 0
            numbers[5] += (row.composed or 0) - (0 if row.state in _BACK else row.left or 0)
    return tuple(
        Flow(
            source=source,
            middle=letter,
            recipient=recipient,
            recipient_class=recipient_class,
            letters=numbers[0],
            arrived=numbers[1],
            part=numbers[2],
            back=numbers[3],
            fields=numbers[4],
            stayed=numbers[5],
        )
        for (source, letter, recipient, recipient_class), numbers in sorted(counted.items())
    )


def _columns(found: Iterable[Flow]) -> list[dict[Link, Flows]]:
    first: dict[Link, Flows] = {}
    second: dict[Link, Flows] = {}
    for each in found:
        for links, link in ((first, (each.source, each.middle)), (second, (each.middle, each.recipient))):
            so_far = links.get(link, Flows(amount=0, fields=0, stayed=0))
            links[link] = Flows(
                amount=so_far.amount + each.letters,
                fields=so_far.fields + each.fields,
                stayed=so_far.stayed + each.stayed,
            )
    return [first, second]


def _total(found: Iterable[Flow]) -> dict[str, int]:
    rows = list(found)
    return {
        name: sum(getattr(each, name) for each in rows)
        for name in ("letters", "arrived", "part", "back", "fields", "stayed")
    }


def letters(ask: Ask) -> Page:
    """GET /console/letters: the newest letters, of one sender, recipient, state, letter, purpose or kind of data where that is asked."""
    wanted = {name: ask.query[name] for name in LETTERS_BY if ask.query.get(name)}
    if "state" in wanted and wanted["state"] not in set(D):
        raise NotThere("there is no such state")
    with ask.gateway.store.read() as c:
        rows = _letters(c, wanted, ask.most(LISTED), tuple(ask.gateway.agreements.values()))
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


def _letters(
    c: Connection, wanted: Mapping[str, str], most: int, agreements: tuple[Agreement, ...]
) -> list[dict[str, Any]]:
    columns = delivery.c
    query = (
        select(columns.id, columns.letter, columns.recipient, columns.recipient_class, columns.state, columns.reason)
        .add_columns(columns.created_at, columns.ended_at, columns.decision_id)
        .select_from(delivery.outerjoin(message, message.c.id == columns.message_id))
        .where(columns.sequence > _newest(c), *_where(wanted, agreements))
        .order_by(columns.sequence.desc())
        .limit(most)
    )
    return [dict(row) for row in c.execute(query).mappings()]


def _where(wanted: Mapping[str, str], agreements: tuple[Agreement, ...]) -> Iterator[ColumnElement[bool]]:
    """What each thing that is asked for means in the tables."""
    columns = delivery.c
    for name, value in wanted.items():
        if (name, value) == ("recipient", NOT_FOUND):
            yield columns.recipient.is_(None)
        elif (name, value) == ("sender", REPORTS):
            yield columns.message_id.is_(None)
        elif name == "sender":
            yield message.c.client == value
        elif name in (Through.PURPOSE, Through.DATA):
            yield _for(Through(name), value, agreements)
        else:
            yield columns[name] == value


def _for(by: Through, value: str, agreements: tuple[Agreement, ...]) -> ColumnElement[bool]:
    """Letters whose agreement in force has this purpose, or lets this kind of data leave."""
    pairs = {(each.letter, each.recipient_class) for each in agreements}
    if value == NO_AGREEMENT:
        return and_(True, *(~_is(pair) for pair in pairs))
    return or_(False, *(_is(pair) for pair in pairs if value in through(agreements, by, pair)))


def _is(pair: Pair) -> ColumnElement[bool]:
    return and_(delivery.c.letter == pair[0], delivery.c.recipient_class == pair[1])
