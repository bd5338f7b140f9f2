"""A decision made again from what is kept of it, byte for byte: the same question, the same versions, the same names.

Read only. It goes through the same gate as the letter did and throws away what comes out; it MUST NOT write, queue or show any of it.
What a result was counted in cannot be counted again (the keys are destroyed): of those the decision is made again and its cells are not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, select

from consent.outcomes import path_outcomes
from consent.shapes import Agreement, Decision, RegisteredConsent
from fhir_profiles import fhir_json
from fhir_profiles.label import is_sensitive
from fhir_profiles.shapes import Composed, Json
from gateway.activation import agreement_of_then
from gateway.engine import MadeBy, made_by
from gateway.errors import ThroughgateError
from gateway.journeys.file import flagged_by_hand
from gateway.keys import SealedBroken, SealedGone
from gateway.parts import Parts
from gateway.steps.kept import (
    ConsentMark,
    Kept,
    KeptUnread,
    consent_mark,
    is_bound,
    mark_of,
    read_kept,
    recipient_of,
    write_kept,
)
from gateway.steps.letters import NOT_COUNTED, decide_counting
from gateway.steps.release import Draft, Drawn, Question, compose_letter, draft_composed
from gateway.store.schema import consent, decision, delivery, resource


class RederiveError(ThroughgateError):
    """There is nothing to make again: the text says why."""


@dataclass(frozen=True, kw_only=True)
class Rederived:
    """What came of it. `first` is the path of the first thing that differs, with no value of it; `checked` is what was compared."""

    decision: str
    same: bool
    first: str | None
    text: str
    checked: tuple[str, ...]
    another: tuple[str, ...] = ()
    """What of the program is another now: `engine`, `terminology`; a difference then is no sign that somebody changed anything."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is kept of a decision: the row, what was sealed with it, and what of the person is still kept. None stands for a version that is gone."""

    row: Row[tuple[object, ...]]
    stored: bytes
    kept: Kept
    consents: tuple[RegisteredConsent | None, ...]
    file: tuple[Json | None, ...]
    digest: str | None
    letter: bytes | None


def rederive(parts: Parts, decision_id: str) -> Rederived:
    """Make a decision again. RederiveError when nobody knows it, or retention has taken what it was made from."""
    result, made = _rederive(parts, decision_id)
    another = _another(made)
    if not another:
        return result
    since = " and ".join(another)
    text = f"{result.text}: it was made by another {since}"
    return replace(
        result, another=another, text=text if result.same else f"{text}, which is no sign that anything was changed"
    )


def _another(made: MadeBy | None) -> tuple[str, ...]:
    """Which parts of the program are not those of then. What was decided before that was kept counts as made by another."""
    now, then = asdict(made_by()), asdict(made) if made is not None else {}
    return tuple(name for name in now if now[name] != then.get(name))


def _rederive(parts: Parts, decision_id: str) -> tuple[Rederived, MadeBy | None]:
    with parts.store.read() as c:
        found = find(c, parts, decision_id)
        agreement = agreement_of_then(c, parts, found.row.agreement, found.row.agreement_digest)
    return _asked_again(parts, decision_id, found, agreement), found.kept.made_by


def _asked_again(parts: Parts, decision_id: str, found: Found, agreement: Agreement | None) -> Rederived:
    gone = _gone(found, agreement)
    if gone is not None:
        return _differs(decision_id, *gone, checked=())
    assert agreement is not None
    if found.kept.composed is None:
        return _compared(decision_id, found, _counted_again(found.kept, agreement), ("decision",))
    made = _made_again(parts, found, agreement)
    result = _compared(decision_id, found, made.kept, _checked(found))
    if not result.same or found.digest is None or made.sealed is None:
        return result
    if made.sealed.digest != found.digest:
        place = (
            first_difference(fhir_json.decode(found.letter), fhir_json.decode(made.sealed.body)) if found.letter else ""
        )
        return _differs(decision_id, f"letter{place or ''}", "the letter's bytes differ", checked=result.checked)
    return Rederived(decision=decision_id, same=True, first=None, text=result.text, checked=(*result.checked, "letter"))


def find(c: Connection, parts: Parts, decision_id: str) -> Found:
    """A decision with all that it was made from. RederiveError when nobody knows it, or retention has taken it."""
    row = c.execute(select(decision).where(decision.c.id == decision_id)).one_or_none()
    if row is None:
        raise RederiveError("no decision has this id: `throughgate journey` lists a message's decisions")
    try:
        stored = parts.keys.unseal(c, row.sealed_id)
        is_bound(c, row.sealed_id, of=decision_id)
        kept = read_kept(stored)
    except SealedGone:
        raise RederiveError("retention has deleted what this decision was made from") from None
    except SealedBroken:
        raise RederiveError(str(KeptUnread())) from None
    except KeptUnread as error:
        raise RederiveError(str(error)) from None
    letter = c.execute(
        select(delivery.c.digest, delivery.c.sealed_id).where(delivery.c.decision_id == decision_id)
    ).one_or_none()
    return Found(
        row=row,
        stored=stored,
        kept=kept,
        consents=tuple(_consents(c, parts, row.person_id, kept.consents)),
        file=tuple(_file(c, parts, row.person_id, kept.file)),
        digest=letter.digest if letter is not None else None,
        letter=_body(c, parts, letter.sealed_id) if letter is not None else None,
    )


def _body(c: Connection, parts: Parts, sealed_id: str | None) -> bytes | None:
    try:
        return parts.keys.unseal(c, sealed_id) if sealed_id is not None else None
    except SealedGone:
        return None


def _consents(
    c: Connection, parts: Parts, person: str | None, marks: Sequence[ConsentMark]
) -> Iterator[RegisteredConsent | None]:
    """The very versions that were asked, as they stood then: a confirmation by a person since does not count."""
    known: dict[tuple[str, str], Json] = {}
    for row in c.execute(select(consent).where(consent.c.person_id == person)).all():
        said = fhir_json.decode(parts.keys.unseal(c, row.sealed_id))
        stands = RegisteredConsent(consent=said, authority=row.authority, registered=row.registered_at)
        known[(row.registered_at, consent_mark(stands).digest)] = said
    for mark in marks:
        said_then = known.get((mark.registered, mark.digest))
        yield (
            RegisteredConsent(
                consent={**said_then, "id": mark.id} if mark.id else said_then,
                authority=mark.authority,
                registered=mark.registered,
                withdrawn_by_person=mark.withdrawn_by_person,
            )
            if said_then is not None
            else None
        )


def _file(c: Connection, parts: Parts, person: str | None, marks: Sequence[str]) -> Iterator[Json | None]:
    if not marks:
        return
    rows = c.execute(select(resource.c.sealed_id).where(resource.c.person_id == person)).scalars().all()
    stored = [parts.keys.unseal(c, sealed_id) for sealed_id in rows]
    known = {mark_of(one): one for one in stored}
    for mark in marks:
        yield fhir_json.decode(known[mark]) if mark in known else None


def _gone(found: Found, agreement: Agreement | None) -> tuple[str, str] | None:
    """(path, sentence) of the first thing that it was made from and that is not there as it was."""
    if agreement is None:
        return "agreement", f"the text of the agreement {found.row.agreement} of then is not kept here"
    return version_gone(found)


def version_gone(found: Found) -> tuple[str, str] | None:
    """(path, sentence) of the first version of a consent or of the file that is not kept any more."""
    for name, versions in (("consents", found.consents), ("file", found.file)):
        for place, version in enumerate(versions):
            if version is None:
                return f"{name}[{place}]", "this version is not kept any more"
    return None


def question_of(found: Found, agreement: Agreement) -> Question:
    """The question of then, under an agreement. Every version that it names is there."""
    kept = found.kept
    file = tuple(each for each in found.file if each is not None)
    return Question(
        agreement=agreement,
        recipient=recipient_of(kept.asked, agreement.letter),
        context=kept.context,
        resources=flagged_by_hand(file) if kept.composed is not None and _is_flagged(kept.composed) else file,
        consents=tuple(each for each in found.consents if each is not None),
        at=kept.decision.as_of,
        file=kept.file,
        corrects=kept.corrects,
        person_released=kept.person_released,
        recipient_named=kept.recipient_named,
        leak_read=kept.leak_read,
        override=kept.override,
    )


def _is_flagged(composed: Json) -> bool:
    """Was the letter composed of a record that was flagged sensitive? A mark by hand is not in the versions of the file."""
    people = (entry["resource"] for entry in composed.get("entry", ()))
    return any(is_sensitive(each) for each in people if each["resourceType"] == "Patient")


def _made_again(parts: Parts, found: Found, agreement: Agreement) -> Draft:
    kept = found.kept
    assert kept.heading is not None
    assert kept.composed is not None
    question = question_of(found, agreement)
    # A report about nobody is made of figures that are gone: its composed form is what it was made from.
    as_kept = Composed(bundle=kept.composed, missing=kept.missing)
    composed = compose_letter(question) if kept.file else as_kept
    drawn = Drawn(
        delivery_id=kept.heading.delivery_id,
        decision_id=str(found.row.id),
        id_key=kept.id_key,
        heading=kept.heading,
        made_by=kept.made_by,
    )
    return draft_composed(parts, question, composed, drawn)


def decide_counting_again(kept: Kept, agreement: Agreement) -> Decision:
    """The decision about results that were counted, under an agreement."""
    counts = all(reason.rule != NOT_COUNTED for reason in kept.decision.reasons)
    return decide_counting(agreement, recipient_of(kept.asked, agreement.letter), kept.decision.as_of, counts=counts)


def _counted_again(kept: Kept, agreement: Agreement) -> bytes:
    decided = decide_counting_again(kept, agreement)
    paths = path_outcomes(None, decided, ())
    return write_kept(
        decision=decided,
        asked=kept.asked,
        context=kept.context,
        counted=kept.counted,
        paths=paths,
        made_by=kept.made_by,
    )


def _checked(found: Found) -> tuple[str, ...]:
    return ("file", "composed", "decision") if found.kept.file else ("decision",)


def _compared(decision_id: str, found: Found, made: bytes, checked: tuple[str, ...]) -> Rederived:
    if made == found.stored:
        return Rederived(decision=decision_id, same=True, first=None, text="the same, byte for byte", checked=checked)
    place = first_difference(fhir_json.decode(found.stored), fhir_json.decode(made))
    return _differs(decision_id, (place or ".order").removeprefix("."), "what comes out differs", checked=checked)


def _differs(decision_id: str, first: str, text: str, *, checked: tuple[str, ...]) -> Rederived:
    return Rederived(decision=decision_id, same=False, first=first, text=text, checked=checked)


def first_difference(before: Any, now: Any) -> str | None:
    """The path of the first difference of two JSON values, as `.decision.votes[3].rule`; None where there is none. It quotes no value."""
    return next(_differences(before, now, ""), None)


def _differences(before: Any, now: Any, path: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in (*before, *(name for name in now if name not in before)):
            both = name in before and name in now
            yield from _differences(before[name], now[name], f"{path}.{name}") if both else (f"{path}.{name}",)
    elif isinstance(before, list) and isinstance(now, list):
        for place, (one, other) in enumerate(zip(before, now, strict=False)):
            yield from _differences(one, other, f"{path}[{place}]")
        if len(before) != len(now):
            yield f"{path}[{min(len(before), len(now))}]"
    elif before != now or str(before) != str(now):
        yield path
