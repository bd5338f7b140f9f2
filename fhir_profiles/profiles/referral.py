"""Profile referral: a ServiceRequest that refers somebody, in a use case of ours and none of Booking and Referral (from UK Core ServiceRequest)."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_objects, codes
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.referrals import REFERRAL
from fhir_profiles.shapes import Json

USE_CASES: Final = ("custody-to-community", "mandatory-test-to-treatment")
_BARS_USE_CASES: Final = "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars"
_LEFT_OUT: Final = frozenset({"extension", "encounter", "basedOn", "replaces", "requisition", "insurance", "specimen"})
"""What leads into the sender's own record."""


def _category(use_case: str) -> Json:
    return {
        "coding": [
            {"system": systems.BARS_SERVICE, "code": REFERRAL, "display": "Transfer of Care"},
            {"system": systems.USE_CASE, "code": use_case},
        ]
    }


def build(request: Json) -> Json:
    """Copy a referral to a community provider: its own use case first, a plan and no order; everything that it asks stays as it was."""
    kept = {key: value for key, value in request.items() if key not in _LEFT_OUT}
    others = [each for each in as_objects(request.get("category")) if not codes(each, _BARS_USE_CASES)]
    return {**kept, "intent": "plan", "category": [_category(USE_CASES[0]), *others]}


def made(*, use_case: str, reason: str, subject: str, requester: str, authored: str, about: tuple[str, ...]) -> Json:
    """Write a referral that nobody sent as one. `subject`, `requester` and `about` are `Type/id`, `authored` a FHIR dateTime."""
    written: Json = {
        "resourceType": "ServiceRequest",
        "id": "referral",
        "status": "active",
        "intent": "plan",
        "category": [_category(use_case)],
        "code": {"coding": [{"system": systems.SERVICE, "code": REFERRAL}], "text": "Referral"},
        "subject": {"reference": subject},
        "authoredOn": authored,
        "requester": {"reference": requester},
        "reasonCode": [{"text": reason}],
    }
    return {**written, "supportingInfo": [{"reference": each} for each in about]} if about else written


def _rules(request: Json) -> Iterator[Fault]:
    categories = request.get("category")
    if not set(USE_CASES) & set(codes(categories, systems.USE_CASE)):
        yield "ServiceRequest.category", "no use case of ours"
    if codes(categories, _BARS_USE_CASES):
        yield "ServiceRequest.category", "a use case of Booking and Referral: none is one of prisons"


PROFILE: Final = Profile(name="referral", resource_type="ServiceRequest", rules=_rules)
