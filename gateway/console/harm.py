"""What waits for a person, of every kind, in one order: by what silence can do, then by age.

It orders and says why; it MUST NOT leave anything out. An open task whose code is not in a set below is as urgent as the person whose work it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consent.shapes import OverrideKind
from fhir_profiles.shapes import Event
from gateway.desk import HeldItem, TaskItem
from gateway.journeys.tasks import CALDICOTT_GUARDIAN, CLINICAL_LEAD, CORRECT_BY_HAND, NOT_ENGAGED, OPERATOR
from gateway.overrides import Given
from gateway.steps.unconfirmed import UNCONFIRMED

HARM: Final = ("someone may be without care", "a message waits", "a letter about somebody waits", "a report waits")
"""Of a letter or a message, by its place in the order: 0 is the worst."""
DANGER: Final = "someone may be in danger"
OF_TASKS: Final = (
    HARM[0],
    "somebody's care may go wrong",
    "what is known or told of somebody may be wrong",
    "nobody comes to harm by it today",
)
_DANGERS: Final = frozenset({"acute-hazard", "acute-hazard-report", "override-to-agree"})
_WITHOUT_CARE: Final = UNCONFIRMED | {
    Event.TRANSFER.value,
    "agreement-ended",
    "agreement-not-read",
    "controlled-date-missing",
    "controlled-dose-missing",
    "controlled-preparation-missing",
    "controlled-prescriber-missing",
    "controlled-quantity-missing",
    "discharge-short-supply",
    "end-by-update",
    "handover-not-made",
    "handover-refused",
    "handover-restored",
    "instalments-electronic",
    "instalments-incomplete",
    "instalments-not-allowed",
    "instalments-too-long",
    "instalments-wording",
    "letter-leaks",
    "letter-not-written",
    "no-recipient",
    NOT_ENGAGED,
    "obligation",
    "release-taken-back",
    "release-unclear",
    "sensitive-person",
    "undecidable",
    "withheld-by-consent",
    "withheld-by-rule",
}
_CARE_WAITS: Final = frozenset(
    {CORRECT_BY_HAND, "message-parked", "no-person", "identity-conflict", "unreadable-content"}
)
_BY_ROLE: Final[Mapping[str, int]] = {CLINICAL_LEAD: 1, CALDICOTT_GUARDIAN: 2, OPERATOR: 2}


@dataclass(frozen=True, kw_only=True)
class Waits:
    """One thing that waits. `harm` 0 is the worst and `why` says it; `path` is its page; `state` and `reason` are closed words; `whose` a role."""

    kind: str
    id: str
    path: str
    what: str
    state: str
    reason: str
    since: str
    harm: int
    why: str
    role: str
    todo: str


def harm_of_task(code: str, role: str) -> tuple[int, str]:
    """Its place in the order, and the words for it."""
    if code in _DANGERS:
        return 0, DANGER
    harm = 0 if code in _WITHOUT_CARE else 1 if code in _CARE_WAITS else _BY_ROLE.get(role, 3)
    return harm, OF_TASKS[harm]


def harm_of_override(given: Given) -> tuple[int, str]:
    """Who asks to warn somebody and waits for a second person's word waits in a danger; what already left waits for a word on it."""
    if given.kind is OverrideKind.HARM_TEST and given.letter is None:
        return 0, DANGER
    return 2, "what left in an emergency waits for another person's word"


def of_their_own(tasks: Iterable[TaskItem], items: Iterable[HeldItem]) -> list[TaskItem]:
    """Tasks but those about what waits itself, whose row says what to do. INVARIANT: none that says of a danger hides behind such a row."""
    ids = {item.id for item in items}
    return [
        each
        for each in tasks
        if (each.message not in ids and each.delivery not in ids) or harm_of_task(each.code, each.role)[1] == DANGER
    ]


def in_order(items: Iterable[HeldItem], tasks: Iterable[TaskItem], overrides: Iterable[Given]) -> Sequence[Waits]:
    """All of them, worst first and then oldest first."""
    found = (
        [_of_item(each) for each in items]
        + [_of_task(each) for each in tasks]
        + [_of_override(each) for each in overrides]
    )
    return sorted(found, key=lambda each: (each.harm, each.since, each.id))


def _of_item(item: HeldItem) -> Waits:
    what = f"{item.letter} to {item.recipient_class.replace('-', ' ')}" if item.letter else "a message"
    return Waits(
        kind=item.kind,
        id=item.id,
        path=f"/console/work/{item.id}",
        what=what,
        state=item.state,
        reason=item.reason,
        since=item.since,
        harm=item.harm,
        why=HARM[item.harm],
        role=item.role,
        todo=item.todo,
    )


def _of_task(task: TaskItem) -> Waits:
    harm, why = harm_of_task(task.code, task.role)
    return Waits(
        kind="task",
        id=task.id,
        path=f"/console/tasks/{task.id}",
        what="a handover that nobody has confirmed" if task.code in UNCONFIRMED else "a task",
        state="open",
        reason=task.code,
        since=task.since,
        harm=harm,
        why=why,
        role=task.role,
        todo=task.todo,
    )


def _of_override(given: Given) -> Waits:
    harm, why = harm_of_override(given)
    todo = "a second person's word" if given.second_by is None else "its review"
    return Waits(
        kind="override",
        id=given.id,
        path=f"/console/overrides/{given.id}",
        what=f"an override to {given.recipient}",
        state="open",
        reason=given.kind.value,
        since=given.given_at,
        harm=harm,
        why=why,
        role="",
        todo=f"given by {given.given_by}: {todo}",
    )
