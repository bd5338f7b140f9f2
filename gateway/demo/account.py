"""What the demo prints: for every message who got what, what was withheld and why; then the month, the ledger, the invariants."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from gateway.demo.invariants import Invariant
from gateway.demo.play import Played
from gateway.demo.stage import Stage
from gateway.ledger import Verification
from gateway.whole_way import DecisionWay, DeliveryWay, MessageWay

WIDTH = 118
INDENT = " " * 8
Json = dict[str, Any]


def opening(stage: Stage) -> Iterator[str]:
    yield "One prison and its neighbours, played on this machine. Everybody is made up (NHS numbers of the 999 test range)."
    yield ""
    yield "  the gateway listens    " + f"\n{' ' * 25}".join(stage.doors)
    for recipient in sorted(stage.gateway.recipients.values(), key=lambda one: one.id):
        how = (
            f"http on port {stage.servers[recipient.id].port}"
            if recipient.id in stage.servers
            else "collects from its mailbox"
        )
        yield f"  {recipient.recipient_class:<21}  {recipient.name}, {how}"
    yield ""


def act(played: Played) -> Iterator[str]:
    """One message: what came in, what was decided for whom and why, what left, what was withheld by which rule, who was told."""
    one, way = played.act, played.way
    yield f"{played.number:>3}  {one.at:%d %b %H:%M}  {one.title}"
    yield f"{INDENT}in        {way.kind if way else 'the same bytes'} over {one.over}, answered {played.answer}"
    if way is not None:
        if way.state != "released":
            yield f"{INDENT}{way.state:<9} {way.reason or ''}"
        yield from _decisions(way, played)
        for delivery in way.deliveries:
            yield f"{INDENT}{_fate(delivery)}"
            if delivery.id in played.holds:
                yield from _wrapped("holding", [played.holds[delivery.id]])
    yield from _wrapped("so", [one.note])
    yield from (f"{INDENT}NOT AS THE STORY SAYS: {difference}" for difference in played.differences)
    yield ""


def _decisions(way: MessageWay, played: Played) -> Iterator[str]:
    before = ""
    told = [f"{INDENT}told      {task.role}: {task.code}" for task in way.tasks if task.told_at is not None]
    for decision in way.decisions:
        if f"{decision.letter} {decision.recipient} {decision.outcome}" == before:
            continue  # decided again with the same outcome before it left
        if before and played.was_held:
            yield from told
            told = []
            yield f"{INDENT}person    released it, saying: {played.act.then_release}"
        before = f"{decision.letter} {decision.recipient} {decision.outcome}"
        yield from _decision(decision)
    yield from told


def _decision(decision: DecisionWay) -> Iterator[str]:
    whom = decision.recipient or f"any {decision.recipient_class}"
    yield f"{INDENT}decided   {decision.outcome}: {decision.letter} for {whom} (agreement {decision.agreement})"
    yield from _wrapped("because", (text for _rule, text in decision.reasons))
    if decision.counted:
        cells = ", ".join(sorted({cell for _report, _period, cell in decision.counted}))
        yield from _wrapped("counted", [f"{decision.counted[0][1]}: {cells}"])
    yield from _withheld(decision)
    if decision.missing and decision.outcome in ("release", "reduce"):
        yield from _wrapped("missing", [f"named in the letter as not on file: {', '.join(decision.missing)}"])


def _fate(delivery: DeliveryWay) -> str:
    whom = delivery.recipient or f"no {delivery.recipient_class}"
    if delivery.state != "delivered":
        reason = f" ({delivery.reason})" if delivery.reason else ""
        return f"{'nothing':<9} {whom} did not get the {delivery.letter}: {delivery.state}{reason}"
    failed = [attempt.code or attempt.outcome or "" for attempt in delivery.attempts[:-1]]
    tries = f" at attempt {len(delivery.attempts)}, after {', '.join(dict.fromkeys(failed))}" if failed else ""
    return f"{'got':<9} {whom}: {delivery.letter} as {delivery.wire}, delivered{tries}{', provisional' if delivery.provisional else ''}"


def _withheld(decision: DecisionWay) -> Iterator[str]:
    rules: dict[str, list[str]] = {}
    for path, rule in decision.withheld:
        if not path.endswith(".meta"):  # labels of our own: nobody sent them
            rules.setdefault(rule, []).append(path)
    for rule, paths in rules.items():
        counted = Counter(paths)
        listed = ", ".join(path if number == 1 else f"{path} x{number}" for path, number in counted.items())
        yield from _wrapped("withheld", [f"{rule}: {listed}"])


def _wrapped(heading: str, texts: Sequence[str] | Iterator[str]) -> Iterator[str]:
    first = f"{INDENT}{heading:<9} "
    for text in texts:
        yield from textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first)) or [
            first.rstrip()
        ]


def background(played: Sequence[Played]) -> Iterator[str]:
    """The people who only make up the month, in one paragraph."""
    if not played:
        return
    people = len({one.act.person for one in played})
    kinds = Counter(one.way.kind for one in played if one.way)
    yield f"{played[0].number:>3}-{played[-1].number}  {people} more people in treatment, tested through March"
    yield f"{INDENT}in        {', '.join(f'{number} {kind}' for kind, number in sorted(kinds.items()))}"
    yield f"{INDENT}so        their files grow, their therapeutic tests are counted; nothing is sent"
    yield from (
        f"{INDENT}NOT AS THE STORY SAYS: {one.number}: {difference}" for one in played for difference in one.differences
    )
    yield ""


def month(report: DeliveryWay | None, cells: dict[str, str]) -> Iterator[str]:
    yield "     08 Apr 06:00  March is closed: the report to security"
    if report is None:
        yield f"{INDENT}NOT AS THE STORY SAYS: no report was made"
        return
    yield f"{INDENT}{_fate(report)}"
    for group, shown in cells.items():
        yield f"{INDENT}          {group:<24} {shown}"
    yield f"{INDENT}so        people over the whole month, `seen` or `not seen` and never how many; a cell of fewer than 12 says nothing"
    yield ""


def closing(verification: Verification, invariants: Sequence[Invariant]) -> Iterator[str]:
    yield f"ledger    {verification.entries} entries, root {verification.root}, {'verified' if verification.verified else 'NOT VERIFIED'}"
    yield from (f"          {fault}" for fault in verification.faults)
    yield "held      what had to be true, looked at from outside:"
    yield from (f"  {'yes' if one.held else 'NO '}     {one.name}" for one in invariants)
    yield ""


def as_json(
    played: Sequence[Played],
    deliveries: Sequence[DeliveryWay],
    verification: Verification,
    invariants: Sequence[Invariant],
) -> Json:
    """DESIGN section 6: `demo --json`."""
    return {
        "messages": [_message(one) for one in played],
        "deliveries": [asdict(one) for one in deliveries],
        "ledger": {"entries": verification.entries, "root": verification.root, "verified": verification.verified},
        "invariants": [asdict(one) for one in invariants],
    }


def _message(played: Played) -> Json:
    return {
        "number": played.number,
        "title": played.act.title,
        "at": played.act.at.isoformat(),
        "over": played.act.over.value,
        "answer": played.answer,
        "message": asdict(played.way) if played.way else None,
        "told": list(played.told),
        "differences": list(played.differences),
        "note": played.act.note,
    }
