"""One person's disclosures: asked for by an exact number, with a purpose and a reason, opened by a second person, shown as a journey.

INVARIANT: before a second person has said yes, nobody learns whether the number is on file. A number is posted, looked up by its keyed
index and forgotten: it MUST NOT stand in an address, a row, a log or an entry. The handle is random, for one officer, and ends.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from consent.document import Table
from fhir_profiles.identifiers import (
    nhs_number_is_valid,
    normal_nhs_number,
    normal_prison_number,
    prison_number_is_valid,
)
from fhir_profiles.shapes import PersonIdentifier
from fhir_profiles.systems import NHS_NUMBER, PRISON_NUMBER
from gateway import names, whole_way
from gateway.clients import note
from gateway.console import staff
from gateway.console.asking import Ask, Elsewhere, NotTaken, NotThere, Page
from gateway.console.staff import Role
from gateway.console.ways import Done, Shown, done_about, shown_row
from gateway.instants import to_text
from gateway.keys import SealedGone
from gateway.moves import enter
from gateway.people.find import owners_of
from gateway.steps.merge import survivor_of
from gateway.steps.reasons import seal_reason
from gateway.store.locks import held
from gateway.store.schema import decision, delivery, lookup, message
from gateway.whole_way import DeliveryWay

PURPOSES: Final[Mapping[str, str]] = {
    "subject-access": "The person asked what was shared about them",
    "complaint": "A complaint or an incident about sharing",
    "safety": "A concern for the person's safety",
    "audit": "A planned audit",
    "legal-duty": "A court order or another legal duty",
}
OPEN_HOURS: Final = 8
MOST_A_DAY: Final = 30
"""Of one officer: more is trawling, and is refused."""
AT_ONCE: Final = 20
MOST_TAKEN: Final = 1_000
"""Messages about a person that are taken away at once: what was decided on each is opened for it."""
LISTED: Final = 50


@dataclass(frozen=True, kw_only=True)
class Step:
    """One message about the person: what was decided for whom, and the letters of each decision."""

    message: Mapping[str, Any]
    decisions: tuple[tuple[Shown, tuple[DeliveryWay, ...]], ...]
    done: tuple[Done, ...]


def disclosures(ask: Ask) -> Page:
    """GET /console/disclosures: the form, what waits for a second person, and who asked lately."""
    with ask.gateway.store.read() as c:
        newest = select(lookup).order_by(lookup.c.expires_at.desc(), lookup.c.id).limit(ask.most(LISTED))
        rows = c.execute(newest).all()
        known = staff.names(c)
    now = ask.gateway.now()
    asked = [_listed(row, known, ask, now) for row in rows]
    columns = ("at", "by", "purpose", "second", "state")
    return Page(
        template="disclosures.html",
        table=Table(
            caption="Who asked about a person",
            columns=("Asked", "By", "Purpose", "Second person", "State"),
            rows=tuple(tuple(each[name] for name in columns) for each in asked),
        ),
        values={
            "asked": asked,
            "may_ask": ask.member.role is Role.IG_OFFICER,
            "purposes": PURPOSES,
            "typed": {name: ask.form.get(name, "") for name in ("purpose", "reason")},
        },
    )


def _listed(row: Row[tuple[object, ...]], known: Mapping[str, str], ask: Ask, now: str) -> dict[str, Any]:
    mine = row.asked_by == ask.member.id
    waits = row.approved is None and row.expires_at > now
    return {
        "id": row.id,
        "by": known[row.asked_by],
        "second": known[row.settled_by] if row.settled_by else "",
        "purpose": PURPOSES.get(row.purpose, row.purpose),
        "at": row.asked_at,
        "state": _state(row, now),
        "opens": (mine and row.expires_at > now) or (waits and not mine),
    }


def _state(row: Row[tuple[object, ...]], now: str) -> str:
    if row.approved is None:
        return "waits for a second person" if row.expires_at > now else "nobody answered"
    if not row.approved:
        return "declined"
    return "open" if row.expires_at > now else "ended"


def ask_for(ask: Ask) -> Elsewhere:
    """POST /console/disclosures: an exact number, a purpose, a reason. What it finds is not said yet."""
    purpose, reason = ask.form.get("purpose", ""), ask.form.get("reason", "").strip()
    if purpose not in PURPOSES:
        raise NotTaken("Choose the purpose.")
    if not reason:
        raise NotTaken("Say why: the second person reads it, and it is kept, sealed.")
    number = _number(ask.form.get("number", ""))
    gateway, handle = ask.gateway, ask.gateway.ids.entry()
    day = to_text(gateway.clock() - timedelta(days=1))

    def work(c: Connection) -> None:
        kept = to_text(gateway.clock() - timedelta(days=gateway.settings.retention.days("task")))
        c.execute(delete(lookup).where(lookup.c.expires_at <= kept))
        mine = (lookup.c.asked_by == ask.member.id, lookup.c.asked_at > day)
        if c.execute(select(func.count()).where(*mine)).scalar_one() >= MOST_A_DAY:
            raise NotTaken("This is more than one officer may ask for in a day: ask a colleague.")
        person_id = next(iter(owners_of(c, gateway.keys, (number,))), None)
        note_id = seal_reason(c, gateway, person_id, reason=reason, by=ask.member.name)
        c.execute(
            insert(lookup).values(
                id=handle,
                person_id=person_id,
                asked_by=ask.member.id,
                purpose=purpose,
                note_id=note_id,
                asked_at=gateway.now(),
                expires_at=gateway.after(seconds=3600 * OPEN_HOURS),
            )
        )
        note(c, gateway, handle, "searched", {"staff": ask.member.id, "purpose": purpose, "note": note_id})

    gateway.store.write(work)
    return Elsewhere(path=f"/console/disclosures/{handle}")


def _number(typed: str) -> PersonIdentifier:
    """The exact number; NotTaken, which does not quote it, for what is none."""
    for system, normal, is_valid in (
        (NHS_NUMBER, normal_nhs_number, nhs_number_is_valid),
        (PRISON_NUMBER, normal_prison_number, prison_number_is_valid),
    ):
        value = normal(typed)
        if is_valid(value):
            return PersonIdentifier(system=system, value=value, valid=True, path="")
    raise NotTaken("This is neither a whole NHS number nor a whole prison number: nobody is searched for by a part.")


def disclosure(ask: Ask) -> Page:
    """GET /console/disclosures/{id}: for who asked, the journey once it is open; for anybody else who may, the question."""
    with ask.gateway.store.read() as c:
        row, known = _row(c, ask), staff.names(c)
        values = {"row": row, "purpose": PURPOSES.get(row.purpose, row.purpose), "by": known[row.asked_by]}
        if row.asked_by != ask.member.id:
            values["reason"] = _reason(c, ask, row)
            return Page(template="second.html", values=values, about=row.id)
        values["second"] = known[row.settled_by] if row.settled_by else ""
        steps, more = _journey(c, ask, row.person_id) if row.approved else ((), False)
        asked = _asked(c, ask, row.person_id, known) if row.approved else ()
    values |= {
        "asked": asked,
        "steps": steps,
        "more": more,
        "page": _page(ask),
        "state": _state(row, ask.gateway.now()),
    }
    return Page(template="journey.html", values=values, about=row.id, table=_table(steps) if steps else None)


def _table(steps: Sequence[Step]) -> Table:
    """A row for each letter, and for each decision that made none."""
    heads = "Received Message Kind Sender Letter Recipient Decision Decided Because Left Withheld Delivery State Ended"
    rows = [
        _line(step, *decided, letter)
        for step in steps
        for decided in step.decisions
        for letter in decided[1] or (None,)
    ]
    return Table(caption="One person's disclosures, newest first", columns=tuple(heads.split()), rows=tuple(rows))


def _line(step: Step, shown: Shown, _letters: Sequence[DeliveryWay], letter: DeliveryWay | None) -> tuple[str, ...]:
    kept = shown.kept.kept if shown.kept is not None else None
    said = step.message
    return (
        *(said["received_at"], said["id"], said["kind"], said["client"]),
        *(shown.row["letter"], shown.row["recipient"] or shown.row["recipient_class"]),
        *(shown.row["outcome"], shown.row["decided_at"]),
        "; ".join(each.text for each in kept.decision.reasons) if kept is not None else "not kept any more",
        "; ".join(f"{kind}: {', '.join(elements)}" for kind, elements in shown.left.items()),
        "; ".join(f"{path}: {rule}" for path, rule, _ in shown.withheld),
        *((letter.id, letter.state, letter.ended_at or "") if letter is not None else ("", "", "")),
    )


def settle(ask: Ask) -> Elsewhere:
    """POST /console/disclosures/{id}: the second person's word."""
    gateway, answer = ask.gateway, ask.form.get("answer")
    if answer not in ("yes", "no"):
        raise NotTaken("Choose whether it may be opened.")

    def work(c: Connection) -> None:
        row = _row(c, ask, locked=True)
        # INVARIANT: nobody opens what they asked for themselves, under whichever of their accounts.
        if names.is_same(staff.names(c)[row.asked_by], ask.member.name) or row.approved is not None:
            raise NotThere("nothing waits for this person")
        said = {"approved": answer == "yes", "settled_by": ask.member.id}
        c.execute(update(lookup).where(lookup.c.id == row.id).values(**said))
        # INVARIANT: whose data were looked at says the entry, so that their own report has it; not before a second person's yes.
        about = row.person_id if answer == "yes" else None
        event = "search-approved" if answer == "yes" else "search-declined"
        enter(c, gateway, row.id, 2, event, {"staff": ask.member.id}, person_id=about)

    gateway.store.write(work)
    return Elsewhere(path="/console/disclosures")


def _row(c: Connection, ask: Ask, *, locked: bool = False) -> Row[tuple[object, ...]]:
    """A lookup that has not ended: of who asked, or one that waits for a second person. NotThere for everything else."""
    query = select(lookup).where(lookup.c.id == ask.path["id"], lookup.c.expires_at > ask.gateway.now())
    row = c.execute(held(query) if locked else query).one_or_none()
    if row is None or (row.asked_by != ask.member.id and row.approved is not None):
        raise NotThere("nothing is open under this handle")
    return row


def _reason(c: Connection, ask: Ask, row: Row[tuple[object, ...]]) -> str:
    try:
        return str(json.loads(ask.gateway.keys.unseal(c, row.note_id))["reason"])
    except SealedGone:
        return "(not kept any more)"


def _asked(c: Connection, ask: Ask, person_id: str | None, known: Mapping[str, str]) -> list[dict[str, Any]]:
    """Who asked about the same person, newest first; a handle is its asker's alone."""
    if person_id is None:
        return []
    rows = c.execute(
        select(lookup)
        .where(lookup.c.person_id == person_id)
        .order_by(lookup.c.asked_at.desc(), lookup.c.id)
        .limit(LISTED)
    )
    return [_listed(row, known, ask, ask.gateway.now()) for row in rows]


def _page(ask: Ask) -> int:
    typed = ask.query.get("page", "1")
    if not typed.isdecimal() or not 1 <= int(typed[:6]) <= 99_999:
        raise NotThere("there is no such page")
    return int(typed)


def _journey(c: Connection, ask: Ask, person_id: str | None) -> tuple[tuple[Step, ...], bool]:
    """The messages about a person, newest first, and whether there are older ones."""
    person = survivor_of(c, person_id) if person_id is not None else None
    if person is None:
        return (), False
    most = MOST_TAKEN if ask.takes else AT_ONCE
    rows = c.execute(
        select(message)
        .where(message.c.person_id == person)
        .order_by(message.c.sequence.desc())
        .offset((_page(ask) - 1) * AT_ONCE)
        .limit(most + 1)
    ).all()
    return tuple(_steps(c, ask, rows[:most])), len(rows) > most


def _steps(c: Connection, ask: Ask, rows: Sequence[Row[Any]]) -> Iterator[Step]:
    """A step for each message, in their order. What stands beside them is asked for once, and not message by message."""
    ids = [row.id for row in rows]
    decided: dict[str, list[Row[Any]]] = {}
    of_messages = select(decision).where(decision.c.message_id.in_(ids))
    for one in c.execute(of_messages.order_by(decision.c.decided_at, decision.c.id)):
        decided.setdefault(one.message_id, []).append(one)
    under = whole_way.letters_under(c, [one.id for some in decided.values() for one in some])
    letters: dict[str, list[DeliveryWay]] = {}
    left = c.execute(select(delivery).where(delivery.c.message_id.in_(ids)).order_by(delivery.c.sequence)).all()
    for each in whole_way.delivery_ways(c, left):
        letters.setdefault(each.decision, []).append(each)
    asked = {row.id: (row.id, *(one.id for one in decided.get(row.id, ()))) for row in rows}
    named = {
        some: {*known, *(letter.id for each in known for letter in letters.get(each, ()))}
        for some, known in asked.items()
    }
    done = done_about(c, ask, [each for some in named.values() for each in some])
    for row in rows:
        yield Step(
            message=dict(row._mapping),  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
            decisions=tuple(
                (shown_row(c, ask.gateway, one, under.get(one.id, ())), tuple(letters.get(one.id, ())))
                for one in decided.get(row.id, ())
            ),
            done=tuple(each for each in done if each.about & named[row.id]),
        )
