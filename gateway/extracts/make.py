"""Makes one extract: who had contact in a quarter, without whoever opted out or did not agree, each by their own decision, closed, entered, as CSV.

INVARIANT: nothing of a person's file is opened before it is known that their number has no national opt-out and that they said anything at all.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from consent.document import Table
from consent.extracts import COLUMNS, Extract, K, Row, close_extract
from consent.shapes import Agreement, Outcome
from fhir_profiles import fhir_json
from fhir_profiles.evaluation_row import TYPES, InContact, cells_of, compose_row
from fhir_profiles.letters import HANDING_OVER
from fhir_profiles.shapes import Event, LetterContext
from gateway.consents.register import read_consents
from gateway.extracts.approval import EXTRACT, Approval, approved, refuse_another
from gateway.failpoints import around
from gateway.instants import LONDON, from_text
from gateway.journeys.file import flagged_by_hand, is_flagged_by_hand
from gateway.ledger import record
from gateway.ledger.entry import decode
from gateway.opt_outs import without_opt_out
from gateway.parts import Parts
from gateway.recipients import Recipient
from gateway.spreadsheet import csv_of
from gateway.states import DeliveryState
from gateway.steps.indicators import bounds
from gateway.steps.release import DIRECTORY, Question, decide_letter, pseudonymised
from gateway.store.locks import hold
from gateway.store.schema import delivery, ledger_entry, message, resource
from gateway.subject.acts import ActError

WHAT: Final = "evaluation-extract"
_COUNTED_APART: Final = (("sensitive-person", "sensitive"), ("no-privacy-notice", "not_noticed"))
HANDED_OVER: Final = ("in-time", "late", "unconfirmed", "none")
"""The best that became of a person's handovers in the quarter, the best first."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Why people who had contact are not in the file, and how many. Never who."""

    opted_out: int
    """Opted out, or nobody asked the national service about their number."""
    not_agreed: int
    """Said nothing, refused, or agreed to something else; or the file has no NHS number of theirs."""
    sensitive: int
    not_noticed: int
    """Agreed, and no privacy notice is on record."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """The file, and what is told of it to whoever makes it."""

    csv: bytes
    sha256: str
    evaluator: str
    quarter: str
    extract: Extract
    left_out: LeftOut


def make(parts: Parts, act_id: str, k: int = K) -> Made:
    """The extract of an act. ActError unless a second person approved; OptOutError without a list of the last days."""
    with parts.store.read() as c:
        act, agreement = approved(c, parts, act_id)
        rows, left_out = _rows(c, parts, agreement, act.quarter)
    extract = close_extract(rows, k)
    if not extract.rows:
        raise ActError(f"nobody is left: fewer than {k} people who look alike agreed, and have no opt-out")
    csv = csv_of(_table(extract))
    made = Made(
        csv=csv,
        sha256=hashlib.sha256(csv).hexdigest(),
        evaluator=agreement.text["evaluator"],
        quarter=act.quarter,
        extract=extract,
        left_out=left_out,
    )
    _enter(parts, act, made, k)
    return made


def _table(extract: Extract) -> Table:
    rows = tuple(tuple(row.cells[name] for name in COLUMNS) for row in extract.rows)
    return Table(caption="", columns=COLUMNS, rows=rows)


def _rows(c: Connection, parts: Parts, agreement: Agreement, quarter: str) -> tuple[list[Row], LeftOut]:
    counts = {"opted_out": 0, "not_agreed": 0, "sensitive": 0, "not_noticed": 0}
    rows: list[Row] = []
    cleared = without_opt_out(c, parts)
    at = parts.now()
    for person_id, contact in _contacts(c, parts, quarter):
        if person_id not in cleared:
            counts["opted_out"] += 1
            continue
        cells = _cells(c, parts, agreement, person_id, contact, quarter=quarter, at=at)
        if isinstance(cells, str):
            counts[cells] += 1
        else:
            rows.append(Row(cells={name: cells.get(name, "") for name in COLUMNS}))
    return rows, LeftOut(**counts)


def _cells(
    c: Connection, parts: Parts, agreement: Agreement, person_id: str, contact: InContact, *, quarter: str, at: str
) -> Mapping[str, str] | str:
    """What of this person may leave; else the name of the count of `LeftOut`. INVARIANT: asked of the gate, as for a letter."""
    consents = read_consents(c, parts, person_id)
    if not consents:
        return "not_agreed"
    sealed_ids = c.execute(
        select(resource.c.sealed_id)
        .where(resource.c.person_id == person_id, resource.c.current, resource.c.type.in_((*TYPES, *DIRECTORY)))
        .order_by(resource.c.created_at, resource.c.type, resource.c.fhir_id)
    ).scalars()
    file = tuple(fhir_json.decode(parts.keys.unseal(c, each)) for each in sealed_ids)
    file = flagged_by_hand(file) if is_flagged_by_hand(c, person_id) else file
    composed = compose_row(file, contact)
    if composed is None:
        return "not_agreed"
    evaluator = agreement.text["evaluator"]
    question = Question(
        agreement=agreement,
        recipient=_recipient(agreement),
        context=LetterContext(
            establishment=contact.establishment, establishment_name="", event=Event.EVALUATION, occurred=at
        ),
        resources=file,
        consents=consents,
        at=at,
    )
    decision = decide_letter(question, composed)
    if decision.outcome in (Outcome.WITHHOLD, Outcome.HOLD):
        rules = {each.rule for each in decision.reasons}
        return next((count for rule, count in _COUNTED_APART if rule in rules), "not_agreed")
    # INVARIANT: one evaluator, one agreement, one quarter: between any two of them nobody can be linked.
    cells = cells_of(pseudonymised(parts, composed, decision, f"{evaluator}|{agreement.name}|{quarter}"))
    return cells if cells.get("pseudonym") else "not_agreed"


def _recipient(agreement: Agreement) -> Recipient:
    """The evaluator, as consents name a recipient. It is reached by no wire."""
    return Recipient(
        id=agreement.name,
        name="",
        recipient_class=agreement.recipient_class,
        ods=agreement.text["evaluator"],
        letters={},
        adapter="",
        adapter_settings={},
        serves_ods=(),
        serves_postcode_areas=(),
        serves_establishments=(),
        version="",
    )


def _contacts(c: Connection, parts: Parts, quarter: str) -> Iterator[tuple[str, InContact]]:
    """Everybody of whom a message came in the quarter, from an establishment of ours."""
    first, after = bounds(parts, quarter)
    query = (
        select(message.c.person_id, message.c.establishment, message.c.received_at)
        .where(message.c.person_id.is_not(None), message.c.received_at >= first, message.c.received_at < after)
        .order_by(message.c.sequence)
    )
    began: dict[str, str] = {}
    last: dict[str, str] = {}
    for row in c.execute(query):
        if row.establishment in parts.establishments:
            began.setdefault(row.person_id, _month(row.received_at))
            last[row.person_id] = row.establishment
    handed_over = _handed_over(c, parts, first, after)
    months = tuple(f"{quarter[:4]}-{3 * int(quarter[-1]) - 2 + each:02}" for each in range(3))
    for person_id, month in began.items():
        best = HANDED_OVER[handed_over.get(person_id, len(HANDED_OVER) - 1)]
        yield (
            person_id,
            InContact(months=months, month=month, establishment=last[person_id], handover=best),
        )


def _handed_over(c: Connection, parts: Parts, first: str, after: str) -> Mapping[str, int]:
    """Person -> place in `HANDED_OVER`. In time: confirmed before the clinical lead is told that it is not."""
    query = select(delivery.c.person_id, delivery.c.state, delivery.c.created_at, delivery.c.ended_at).where(
        delivery.c.letter.in_(HANDING_OVER),
        delivery.c.person_id.is_not(None),
        delivery.c.created_at >= first,
        delivery.c.created_at < after,
    )
    allowed = timedelta(seconds=parts.settings.delivery.confirm_seconds)
    best: dict[str, int] = {}
    for row in c.execute(query):
        place = HANDED_OVER.index("unconfirmed")
        if row.state == DeliveryState.CONFIRMED.value and row.ended_at is not None:
            in_time = from_text(row.ended_at) - from_text(row.created_at) <= allowed
            place = HANDED_OVER.index("in-time" if in_time else "late")
        best[row.person_id] = min(best.get(row.person_id, place), place)
    return best


def _month(at: str) -> str:
    return from_text(at).astimezone(LONDON).strftime("%Y-%m")


def _enter(parts: Parts, act: Approval, made: Made, k: int) -> None:
    """INVARIANT: it is entered before it is written, and once: two of one quarter can be subtracted, so the same may be made again and no other."""
    chain = f"{EXTRACT}:{act.agreement}:{act.quarter}"
    facts: dict[str, str | int | bool] = {
        "what": WHAT,
        "act": act.id,
        "agreement": act.agreement,
        "agreement_digest": act.agreement_digest,
        "recipient": made.evaluator,
        "quarter": act.quarter,
        "sha256": made.sha256,
        "k": k,
        "rows": len(made.extract.rows),
        "suppressed": made.extract.suppressed,
        "opted_out": made.left_out.opted_out,
        "not_agreed": made.left_out.not_agreed,
        "sensitive": made.left_out.sensitive,
        "not_noticed": made.left_out.not_noticed,
    }

    def work(c: Connection) -> None:
        hold(c, EXTRACT, act.quarter)
        refuse_another(c, act.agreement, made.evaluator, act.quarter)
        earlier = c.execute(select(ledger_entry.c.body).where(ledger_entry.c.chain == chain)).scalars().all()
        if any(decode(body)["facts"]["sha256"] != made.sha256 for body in earlier):
            raise ActError(
                "another extract of this quarter was made under this agreement: what changed since could be subtracted"
            )
        last = c.execute(select(func.max(ledger_entry.c.step)).where(ledger_entry.c.chain == chain)).scalar() or 0
        entry = parts.ids.entry()
        record(c, entry_id=entry, chain=chain, step=last + 1, event="exported", at=parts.now(), facts=facts)

    with around("extract-entry"):
        parts.store.write(work)
