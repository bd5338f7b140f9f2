"""Whose message is it? Every message in order of acceptance gets its person, or is held, before any of it is filed.

After this step the order of one person's messages is a question to the database. A message that cannot be read now is left for another
attempt and holds up nobody: whose it is, is not known. This module MUST NOT decide or release anything.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select, update

from fhir_profiles.fhir_kinds import RESPONSE
from fhir_profiles.shapes import Event, Hold, HoldCode, Translation
from fhir_profiles.translate import translate
from gateway.among import Several, among
from gateway.failpoints import around
from gateway.journeys.tasks import add_tasks, end_tasks, task_of
from gateway.moves import move_message, note_message
from gateway.parts import Parts
from gateway.people.find import Found, Joined, NotFound, join, resolve_all
from gateway.states import MessageState
from gateway.steps.at_once import MESSAGES, fitting
from gateway.steps.merge import merge_people
from gateway.steps.named import note_whom
from gateway.steps.replies import ReplyMessage, read_reply_message, take_reply
from gateway.store.away import is_away
from gateway.store.locks import held
from gateway.store.schema import message
from gateway.store.statement import Statement

BATCH = 64

_IS_OF_NOBODY: Final = (message.c.state == MessageState.RECEIVED.value, message.c.person_id.is_(None))
_OF_NOBODY: Final = Statement(
    MESSAGES.where(*_IS_OF_NOBODY, message.c.sequence <= bindparam("until"))
    .order_by(message.c.sequence)
    .limit(bindparam("limit"))
)
_LAST_WANTED: Final = Several(
    select(func.max(message.c.sequence).label("sequence")).where(*_IS_OF_NOBODY, among(message.c.id)), message.c.id
)
_LAST: Final = Statement(select(func.max(message.c.sequence)).where(*_IS_OF_NOBODY))
_HELD: Final = Several(
    held(select(message.c.id, message.c.state, message.c.person_id).where(among(message.c.id)).order_by(message.c.id)),
    message.c.id,
)
_KEPT: Final = Several(
    select(message.c.id, message.c.body_id, message.c.answer_id).where(among(message.c.id)), message.c.id
)
_GIVE: Final = Statement(
    update(message).where(message.c.id == bindparam("message_id")).values(person_id=bindparam("person_id"))
)


@dataclass(frozen=True, kw_only=True)
class Identified:
    """What one pass did: messages that have a person now, that are held, and that could not be read (with what was raised).

    `merges` are those of `known` that joined two records: letters of that person wait for another look. `more`: there may be more.
    """

    known: tuple[str, ...]
    held: tuple[str, ...]
    merges: tuple[str, ...]
    failed: tuple[tuple[str, Exception], ...]
    more: bool


def identify(parts: Parts, wanted: Sequence[str] | None = None, skip: frozenset[str] = frozenset()) -> Identified:
    """Give the next received messages their person, oldest first, in one transaction. `skip` are messages that wait for another attempt.

    Up to the last of `wanted`, for which somebody waits: a backlog behind them is read when it is wanted. None: all of it.
    """
    with parts.store.read() as c:
        until = _last(c, wanted)
        found = () if until is None else _OF_NOBODY.all(c, until=until, limit=BATCH + len(skip))
        next_ones = [row for row in found if row.id not in skip][:BATCH]
        rows = fitting(next_ones)
        read: dict[str, Translation | ReplyMessage] = {}
        failed: list[tuple[str, Exception]] = []
        unread = [row.body_id for row in rows if row.body_id is not None and row.id not in parts.translations]
        sealed = parts.keys.sealed_rows(c, unread)
        for row in rows:
            try:
                read[row.id] = _read(parts, row, sealed)
            except Exception as error:
                # INVARIANT: a store that is away is no fault of a message: nothing is skipped for it, so that nobody is overtaken.
                if is_away(error):
                    raise
                failed.append((row.id, error))  # one message that breaks a mapping must not stop the others
    known, held = _commit(parts, read, failed) if read else ((), ())
    merges = tuple(each for each in known if isinstance(said := read[each], Translation) and said.absorbed)
    return Identified(
        known=known,
        held=held,
        merges=merges,
        failed=tuple(failed),
        more=len(rows) < len(next_ones) or len(rows) == BATCH,
    )


def _last(c: Connection, wanted: Sequence[str] | None) -> int | None:
    """The number of the last of these that has nobody; None when each has."""
    if wanted is None:
        last: int | None = _LAST.value(c)
        return last
    found = _LAST_WANTED.of(c, wanted)
    return max((row.sequence for row in found if row.sequence is not None), default=None)


def _commit(
    parts: Parts, read: dict[str, Translation | ReplyMessage], failed: list[tuple[str, Exception]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All in one transaction; where one of them breaks it, each in its own."""
    try:
        with around("identify"):
            return parts.store.write(lambda c: _give_people(c, parts, read))
    except Exception as error:
        if is_away(error):
            raise
        if len(read) == 1:  # it is this message's, and the others go on
            failed.append((next(iter(read)), error))
            return (), ()
        halves = [_commit(parts, {name: read[name]}, failed) for name in read]
        return tuple(k for known, _ in halves for k in known), tuple(h for _, held in halves for h in held)


def _read(parts: Parts, row: Any, sealed: Mapping[str, Any]) -> Translation | ReplyMessage:
    """A reply is about a letter of ours, whose person is known; everything else has a meaning of its own."""
    if row.kind == RESPONSE:
        return read_reply_message(row.client, parts.keys.unsealed(row.body_id, sealed))
    return _translated(parts, row, lambda: parts.keys.unsealed(row.body_id, sealed))


def translation_of(c: Connection, parts: Parts, row: Any) -> Translation:
    """The message's meaning, read once where it can be remembered. `row` is a message. SealedGone when its bytes are."""
    return _translated(parts, row, lambda: parts.keys.unseal(c, row.body_id))


def _translated(parts: Parts, row: Any, body: Callable[[], bytes]) -> Translation:
    message_id = str(row.id)
    found = parts.translations.get(message_id)
    if found is None or row.body_id is None:
        shape = parts.settings.channel(row.channel).shape(row.client, row.establishment)
        said = body()
        found = translate(shape, said)
        parts.translations.keep(message_id, found, len(said))
    return found


def _give_people(
    c: Connection, parts: Parts, read: dict[str, Translation | ReplyMessage]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    now = {row.id: row for row in _HELD.of(c, sorted(read))}
    is_known: dict[str, bool] = {}
    plain: dict[str, Translation] = {}
    for message_id, found in read.items():
        if now[message_id].state != MessageState.RECEIVED or now[message_id].person_id is not None:
            continue  # somebody else was faster
        if isinstance(found, Translation) and not _merges(found):
            plain[message_id] = found
            continue
        # INVARIANT: what came before a merge or a reply is its person's before that is taken up.
        is_known |= {each: hold is None for each, hold in give_all(c, parts, plain).items()}
        plain = {}
        is_known[message_id] = _settled(c, parts, message_id, found)
    is_known |= {each: hold is None for each, hold in give_all(c, parts, plain).items()}
    known = tuple(each for each, yes in is_known.items() if yes)
    return known, tuple(each for each, yes in is_known.items() if not yes)


def _settled(c: Connection, parts: Parts, message_id: str, found: Translation | ReplyMessage) -> bool:
    if isinstance(found, ReplyMessage):
        return take_reply(c, parts, message_id, found)
    return give_person(c, parts, message_id, found) is None


def give_person(c: Connection, parts: Parts, message_id: str, translation: Translation) -> Hold | None:
    """Give a message its person and wrap it under that person's key, or hold it. What it holds for, or None."""
    return give_all(c, parts, {message_id: translation})[message_id]


def give_all(c: Connection, parts: Parts, read: Mapping[str, Translation]) -> dict[str, Hold | None]:
    """The same for several, in the order of acceptance; a merge is given alone."""
    asked = {each: said for each, said in read.items() if said.hold is None}
    found: dict[str, Found | Joined | NotFound] = {
        each: _join(c, parts, each, said) for each, said in asked.items() if _merges(said)
    }
    plain = [each for each in asked if each not in found]
    persons = [asked[each].persons for each in plain]
    found |= dict(zip(plain, resolve_all(c, parts.keys, persons, parts.now()), strict=True))
    owners = {each: one.person_id for each, one in found.items() if not isinstance(one, NotFound)}
    kept = {
        sealed_id: owners[row.id]
        for row in _KEPT.of(c, owners)
        for sealed_id in (row.body_id, row.answer_id)
        if sealed_id is not None
    }
    # INVARIANT: in the transaction that gives a message its person it is wrapped by that person's key.
    _GIVE.many(c, [{"message_id": each, "person_id": owner} for each, owner in owners.items()])
    parts.keys.wrap_each(c, kept)
    holds: dict[str, Hold | None] = {}
    for message_id, translation in read.items():
        one = found.get(message_id)
        hold = Hold(code=one.code, path=one.path, text=one.text) if isinstance(one, NotFound) else translation.hold
        if hold is not None:
            _hold(c, parts, message_id, translation, hold)
        holds[message_id] = hold
    return holds


def _hold(c: Connection, parts: Parts, message_id: str, translation: Translation, hold: Hold) -> None:
    # INVARIANT: the work of an earlier hold ends in the commit that holds it for another reason, or (letters.py) in the one that ends the hold.
    end_tasks(c, parts, message_id=message_id)
    hold_message(c, parts, message_id, hold.code)
    note_whom(c, parts, message_id, translation)
    add_tasks(c, parts, translation.tasks, message_id=message_id)


def _merges(translation: Translation) -> bool:
    return Event.MERGE in translation.events and bool(translation.absorbed)


def _join(c: Connection, parts: Parts, message_id: str, translation: Translation) -> Joined | NotFound:
    """A merge joins the two records here, in the order of acceptance, so that every later message reaches who stays."""
    found = join(c, parts.keys, translation.persons, translation.absorbed, parts.now())
    if isinstance(found, NotFound):
        return found
    if found.absorbed is not None:
        add_tasks(c, parts, merge_people(c, parts, found.person_id, found.absorbed), message_id=message_id)
    note_message(c, parts, message_id, "linked", {"person": found.person_id, "absorbed": found.absorbed or ""})
    return found


def hold_message(c: Connection, parts: Parts, message_id: str, code: HoldCode) -> None:
    """Hold a message for a person, who is told."""
    move_message(c, parts, message_id, MessageState.HELD, reason=code.value)
    add_tasks(c, parts, (task_of(code.value),), message_id=message_id)
