"""Search of messages: by id, sender, kind, state, establishment, time or consent, newest first, however many there are.

INVARIANT: no page reads a table through: it walks down one index from where the last page ended, and looks at a bounded number of rows. It
finds by ids and closed words; a person is found under *Disclosures* alone, and what a form says comes into an address only where it has the
shape of such a word. It MUST NOT take anything that could be somebody's number or name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, Connection, Select, select

from consent.document import Table
from fhir_profiles.fhir_kinds import AS_MESSAGE, BY_ITSELF
from fhir_profiles.hmpps import KIND as HMPPS_EVENT
from gateway.console.asking import Ask, Elsewhere, NotTaken, NotThere, Page
from gateway.instants import LONDON, to_text
from gateway.states import MessageState
from gateway.steps.receive import UNREADABLE
from gateway.store.schema import client, consent, message
from gateway.whole_way import find_message

LISTED: Final = 50
PIECE: Final = 2_000
LOOKED_AT: Final = 20_000
LOOKED_AT_TO_TAKE: Final = 500_000
PARAMETERS: Final = ("id", "sender", "establishment", "kind", "state", "from", "to", "consent", "before")
_BY: Final[Mapping[str, ColumnElement[Any]]] = {
    "sender": message.c.client,
    "establishment": message.c.establishment,
    "kind": message.c.kind,
    "state": message.c.state,
}
"""Each has an index with the order of acceptance; of several the first given is walked down, and the others are looked at row by row."""
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2})?)?")
_KINDS: Final = (*sorted(AS_MESSAGE | BY_ITSELF), HMPPS_EVENT, UNREADABLE)
_SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "id": re.compile(r"[0-9A-HJKMNP-TV-Z]{20}(?:[0-9A-HJKMNP-TV-Z]{6})?"),
    "consent": re.compile(r"[0-9A-HJKMNP-TV-Z]{26}"),
    "kind": re.compile("|".join((r"[A-Z]{3}\^[A-Z][A-Z0-9][0-9]", *_KINDS))),
    "from": _INSTANT,
    "to": _INSTANT,
}
"""What a word looks like. INVARIANT: no number and no name of anybody looks like one of these; a state, a sender and an establishment are those
that there are."""
_SLACK: Final = timedelta(minutes=5)
"""Several processes accept at once: the order of acceptance is that of time but for moments."""
_SHOWN: Final = (
    *(message.c.sequence, message.c.id, message.c.kind, message.c.client, message.c.establishment, message.c.state),
    *(message.c.reason, message.c.received_at),
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is searched for. `since` and `until` are instants of the store; `before` is the sequence that an earlier page ended at."""

    words: Mapping[str, str]
    since: str | None
    until: str | None
    before: int | None
    ids: tuple[str, ...] | None


def begin(ask: Ask) -> Elsewhere:
    """POST /console/search: the address of what is found. NotTaken, which quotes nothing, for a word that nothing could have.

    INVARIANT: a number or a name that somebody typed into a wrong field stands in no address, and so in no history, referrer or log of a proxy.
    """
    words = _words(ask.form)
    with ask.gateway.store.read() as c:
        could_be = _could_be(c, words, ask)
    if not could_be:
        raise NotTaken("One of the fields is not as it has to be. A person is searched for under Disclosures.")
    return Elsewhere(path=f"/console/search?{urlencode(words or {'state': ''})}")


def _words(given: Mapping[str, str]) -> dict[str, str]:
    """What is searched for: the fields that are not empty."""
    return {name: given[name].strip() for name in PARAMETERS if name != "before" and given.get(name, "").strip()}


def _could_be(c: Connection, words: Mapping[str, str], ask: Ask) -> bool:
    """Could anything have these words?"""
    sender = words.get("sender")
    if sender is not None and c.execute(select(client.c.id).where(client.c.name == sender)).first() is None:
        return False
    place = words.get("establishment")
    if place is not None and place not in ask.gateway.settings.establishment_names():
        of_old = select(message.c.id).where(message.c.establishment == place).limit(1)  # it is in no setting any more
        if c.execute(of_old).first() is None:
            return False
    if not all(_SHAPES[name].fullmatch(word) for name, word in words.items() if name in _SHAPES):
        return False
    try:
        _instant(words.get("from", "")), _instant(words.get("to", ""))
    except NotThere:
        return False
    return words.get("state") in {None, *MessageState}


def search(ask: Ask) -> Page:
    """GET /console/search."""
    with ask.gateway.store.read() as c:
        wanted = _wanted(c, ask)
        rows, older = _found(c, wanted, ask) if ask.query else ([], None)
        senders = c.execute(select(client.c.name).order_by(client.c.name)).scalars().all()
    columns = ("received_at", "id", "kind", "client", "establishment", "state", "reason")
    typed = {name: ask.query.get(name, "") for name in PARAMETERS if name != "before"}
    return Page(
        template="search.html",
        event="searched",
        values={
            "typed": typed,
            "asked": bool(ask.query),
            "rows": rows,
            "older": older,
            "senders": senders,
            "states": [each.value for each in MessageState],
            "again": {name: value for name, value in typed.items() if value},
        },
        table=Table(
            caption="Messages",
            columns=("Received", "Message", "Kind", "Sender", "Establishment", "State", "Reason"),
            rows=tuple(tuple(row[name] or "" for name in columns) for row in rows),
        ),
    )


def _wanted(c: Connection, ask: Ask) -> Wanted:
    """NotThere for a word that nothing could have."""
    query = ask.query
    given = _words(query)
    if not _could_be(c, given, ask):
        raise NotThere("nothing has such a word")
    words = {name: given[name] for name in _BY if name in given}
    before = query.get("before", "")
    if before and not (before.isascii() and before.isdecimal() and len(before) < len(str(10**18))):
        raise NotThere("there is no such message")
    ids: set[str] | None = None
    if some_id := given.get("id"):
        ids = {found} if (found := find_message(c, some_id)) is not None else set()
    if some_consent := given.get("consent"):
        of = set(c.execute(select(consent.c.message_id).where(consent.c.id == some_consent)).scalars())
        ids = of if ids is None else ids & of
    return Wanted(
        words=words,
        since=_instant(given.get("from", "")),
        until=_instant(given.get("to", "")),
        before=int(before) if before else None,
        ids=None if ids is None else tuple(sorted(ids)),
    )


def _instant(typed: str) -> str | None:
    """A day or a minute as people in England write it. NotThere for what is none."""
    if not typed.strip():
        return None
    try:
        read = datetime.fromisoformat(typed.strip())
    except ValueError:
        raise NotThere("there is no such time") from None
    return to_text(read if read.tzinfo is not None else read.replace(tzinfo=LONDON))


def _found(c: Connection, wanted: Wanted, ask: Ask) -> tuple[list[Mapping[str, Any]], int | None]:
    """The newest messages, and the sequence before which older ones can be; None at the end."""
    found: list[Mapping[str, Any]] = []
    most, looks = ask.most(LISTED), LOOKED_AT_TO_TAKE if ask.takes else LOOKED_AT
    last: int | None = None
    for piece in _pieces(c, wanted, looks):
        for row in piece:
            if _fits(row, wanted):
                found.append(row)
                if len(found) == most:
                    return found, row["sequence"]
        last = piece[-1]["sequence"] if len(piece) == PIECE else None
    return found, last


def _fits(row: Mapping[str, Any], wanted: Wanted) -> bool:
    words = all(row[_BY[name].key or ""] == value for name, value in wanted.words.items())
    since, until = wanted.since or "", wanted.until
    return words and row["received_at"] >= since and (until is None or row["received_at"] < until)


def _pieces(c: Connection, wanted: Wanted, looks: int) -> Iterator[list[Mapping[str, Any]]]:
    """Pieces of the walk, newest first, down to the beginning of the time that is asked for."""
    first = _sequence_at(c, wanted.since, -_SLACK) if wanted.since is not None else None
    before = wanted.before
    if wanted.until is not None:
        after = _sequence_at(c, wanted.until, _SLACK) + 1
        before = after if before is None else min(before, after)
    for _ in range(looks // PIECE):
        rows: list[Mapping[str, Any]] = [dict(row) for row in c.execute(walk(wanted, first, before)).mappings()]
        if not rows:
            return
        yield rows
        if len(rows) < PIECE:
            return
        before = rows[-1]["sequence"]


def walk(wanted: Wanted, first: int | None, before: int | None) -> Select[Any]:
    """One piece: rows of one index, newest first."""
    query = select(*_SHOWN).order_by(message.c.sequence.desc()).limit(PIECE)
    if wanted.ids is not None:
        query = query.where(message.c.id.in_(wanted.ids))
    else:
        for name in list(wanted.words)[:1]:
            query = query.where(_BY[name] == wanted.words[name])
    if first is not None:
        query = query.where(message.c.sequence >= first)
    return query if before is None else query.where(message.c.sequence < before)


def _sequence_at(c: Connection, instant: str, slack: timedelta) -> int:
    """The last sequence that was accepted by then, found by halving: some twenty steps for a million messages."""
    by = to_text(datetime.fromisoformat(instant) + slack)
    low, high = 0, c.execute(select(message.c.sequence).order_by(message.c.sequence.desc()).limit(1)).scalar() or 0
    while low < high:
        middle = (low + high + 1) // 2
        row = c.execute(
            select(message.c.sequence, message.c.received_at)
            .where(message.c.sequence <= middle)
            .order_by(message.c.sequence.desc())
            .limit(1)
        ).one_or_none()
        if row is None or row.received_at <= by:
            low = middle
        else:
            high = row.sequence - 1
    return low
