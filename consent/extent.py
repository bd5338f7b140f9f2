"""How much there is to compare before one letter is decided: what every Consent on record says, with every resource. A bound, and no opinion.

Whoever sends a person hundreds of wide Consents, or a letter of thousands of resources, would keep everybody else's letters waiting. This
module only counts; it MUST NOT leave a Consent out, or a resource: a letter is compared with all of them, or it waits for a person.
"""

from collections.abc import Iterable
from typing import Any, Final

from consent.reading import obj
from consent.shapes import Json, RegisteredConsent

MOST_STEPS: Final = 2_000_000
"""For one letter to one recipient: about 5 seconds of one core (2.5 microseconds a step, measured). A person with 5 Consents of 6 provisions
each and a letter of 200 resources needs 180,000."""
OF_A_PERSON: Final = 10
"""So many times more for a letter that somebody lets go, who waits for it themselves."""
_CONSENT: Final = 10
_PROVISION: Final = 20


def is_too_much(consents: Iterable[RegisteredConsent], resources: int, purposes: int, *, by_person: bool) -> bool:
    """Would one letter of so many resources, for so many purposes, cost more steps than it may?"""
    most = MOST_STEPS * (OF_A_PERSON if by_person else 1)
    steps = 0
    for number, each in enumerate(consents, 1):
        # each is also held against every other one, for which is the newest
        steps += (_CONSENT + _width(obj(each.consent, "provision"))) * max(1, resources) * max(
            1, purposes
        ) + number // 5
        if steps > most:
            return True
    return False


def _width(root: Json) -> int:
    """What one resource is compared with: each provision, and each thing that it names."""
    width = 0
    waiting: list[tuple[str, Any]] = [("provision", root)] if root else []
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            width += _PROVISION if key == "provision" else 1
            waiting.extend(value.items())
        elif isinstance(value, list):
            waiting.extend((key, each) for each in value)
    return width
