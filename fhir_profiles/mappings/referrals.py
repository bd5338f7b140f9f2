"""What a person has to do about a referral that came. It must never start care by itself, nor take an order of a laboratory for one."""

from collections.abc import Iterable, Iterator
from typing import Final

from fhir_profiles.elements import as_text
from fhir_profiles.referrals import is_referral
from fhir_profiles.shapes import Json, Task
from fhir_profiles.tasks import TASKS

_WITHDRAWN: Final = frozenset({"revoked", "entered-in-error"})


def task_of_referral(status: str) -> str:
    """Give the code of the work that a referral with this status makes; R4 request-status. BaRS cancels with `revoked`, deletes with `entered-in-error`."""
    return "referral-withdrawn" if status in _WITHDRAWN else "referral-received"


def referral_tasks(resources: Iterable[Json]) -> Iterator[Task]:
    """Give the work that the referrals among these resources make, once for each kind."""
    codes = {task_of_referral(as_text(each.get("status"))) for each in resources if is_referral(each)}
    yield from (TASKS[code] for code in sorted(codes))
