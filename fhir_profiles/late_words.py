"""Whether a version of a resource is older than the one that is held, by its own sender's clock (FHIR R4 Resource.meta.lastUpdated).

Messages overtake each other: an update of ten o'clock that arrives after that of eleven says nothing any more. It MUST NOT compare the clocks of
two senders, nor take a missing or unreadable time for an old one: absent never decides.
"""

from typing import Final

from fhir_profiles.days import instant_of
from fhir_profiles.elements import as_object, as_text
from fhir_profiles.mappings.fhir_naming import everybodys_number
from fhir_profiles.shapes import Json

_TAKEN_BACK: Final = frozenset({"cancelled", "entered-in-error"})
_STANDING: Final = frozenset({"active", "draft", "on-hold", "unknown"})


def is_late(held: Json, arrived: Json) -> bool:
    """Say whether `arrived` was overtaken by `held`, the version of the same resource that is on file.

    The person, and a prescription that everybody names by one number, are spoken of by many senders: whoever speaks last counts. But such a
    number is given once, and what is prescribed again has another: after its cancellation an order under it can only be the old one.
    """
    if everybodys_number(held):
        # INVARIANT: a prescription that was cancelled never stands again because its order came later.
        return as_text(held.get("status")) in _TAKEN_BACK and as_text(arrived.get("status")) in _STANDING
    if as_text(held.get("resourceType")) == "Patient":
        return False
    before, after = (instant_of(as_object(each.get("meta")).get("lastUpdated")) for each in (held, arrived))
    return before is not None and after is not None and after < before
