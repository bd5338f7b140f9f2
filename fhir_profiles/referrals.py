"""Referrals as they stand in messages: which ServiceRequest is one, whom it asks, and how it stands. It must never start or end care.

BaRS calls a referral so in `ServiceRequest.category`; HL7 v2 sends one as REF^I12. A laboratory order is a ServiceRequest too, and none.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, as_text, codes, find, identifier_value, kind
from fhir_profiles.shapes import Json

REFERRAL: Final = "referral"
_SYSTEMS: Final = (systems.BARS_SERVICE, systems.SERVICE, systems.LOCAL_CODE + "message-event")
"""Of Booking and Referral, and ours in its style: as a category, or as what is asked for."""
_TAKEN_BACK: Final = {"revoked": "update", "entered-in-error": "delete"}
"""BaRS: a cancelled referral is an update that says `revoked`, a deleted one was made in error."""


def is_referral(resource: Json) -> bool:
    """Say whether a resource refers somebody."""
    if kind(resource) != "ServiceRequest" or resource.get("doNotPerform") not in (None, False):
        return False
    concepts = [*as_objects(resource.get("category")), as_object(resource.get("code"))]
    return any(REFERRAL in codes(concepts, system) for system in _SYSTEMS)


def is_taken_back(request: Json) -> bool:
    """Say whether a referral does not stand any more."""
    return as_text(request.get("status")) in _TAKEN_BACK


def reason_of(request: Json, *, known: bool) -> str:
    """Why a message about it is sent (message-reason-bars): `new`, `update` or `delete`. `known`: it was told before."""
    return _TAKEN_BACK.get(as_text(request.get("status")), "update" if known else "new")


def asked_of(request: Json, resources: Sequence[Json]) -> frozenset[str]:
    """Give the ODS codes of the organisations that a referral asks; empty when it names none by one."""
    found = set()
    for performer in as_objects(request.get("performer")):
        target = as_object(find(resources, performer))
        organisation = as_object(target.get("organization") or target.get("providedBy"))
        named = as_object(find(resources, organisation))
        for holder in (performer, target, organisation, named):
            identifier = holder.get("identifier")
            found.add(identifier_value(identifier, systems.ODS).upper() if identifier else "")
    return frozenset(found - {""})
