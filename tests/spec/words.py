"""What the words in the tables stand for. Each is one line that an engineer and an IG lead can check against each other."""

from typing import Any

from consent.prohibitions import SYSTEM
from consent.shapes import Agreement, RegisteredConsent
from tests.consent.made import (
    ASKS_FIRST,
    NHS,
    THEM,
    TYPES,
    actor,
    agreement,
    fhir_consent,
    label,
    notice,
    provision,
    purpose,
    registered,
)

Json = dict[str, Any]

LETTERS: dict[str, tuple[Agreement, tuple[str, ...]]] = {
    "community provider": (agreement("handover"), ("CarePlan", "MedicationRequest", "Observation")),
    "receiving prison": (agreement("transfer"), ("CarePlan", "MedicationRequest", "Observation")),
    "general practice": (agreement("gp-copy"), ("CarePlan", "MedicationRequest", "Flag")),
    "pharmacy": (agreement("prescription-copy"), ("Communication", "MedicationRequest")),
    "correction": (agreement("correction"), ("Communication",)),
    "referral": (agreement("referral"), ("Communication", "ServiceRequest")),
    "prison record": (agreement("write-back"), ("Communication", "Appointment")),
    "prison team": (agreement("assessment"), ("Communication", "Observation")),
    "mandatory test, to the team": (agreement("mandatory-test-referral"), ("Communication", "ServiceRequest")),
    "safer custody": (agreement("acct-contribution"), ("Communication", "Flag")),
    "probation": (agreement("probation-summary"), ("Communication", "CarePlan")),
    "notice of withdrawal": (agreement("notice-of-withdrawal"), ("Communication",)),
    "harm disclosure": (agreement("harm-disclosure"), ("Observation",)),
    "security": (agreement("report"), ("Observation",)),
    "commissioner and boards": (agreement("indicators"), ("CarePlan",)),
    "family, with consent only": (ASKS_FIRST, ("CarePlan", "MedicationRequest")),
}
OUTCOMES = {"leaves": "release", "reduced": "reduce", "withheld": "withhold", "held": "hold", "counted": "counted"}

YES, TO_US, TO_THEM = (
    provision("permit"),
    provision("permit", actor=[actor()]),
    provision("permit", actor=[actor(THEM)]),
)
TO_NOBODY = [{"reference": {"reference": "Organization/nobody-knows"}}]
LOCAL_CATEGORY = "https://throughgate.example/code/consent-category"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/consentcategorycodes"


def _one(root: Json | None, *, authority: bool = True, withdrawn: bool = False, **more: Any) -> RegisteredConsent:
    return registered(fhir_consent(root, **more), authority=authority, withdrawn=withdrawn)[0]


def _then(root: Json | None, status: str, *, withdrawn: bool = False) -> RegisteredConsent:
    """The next version of the consent before it."""
    return _one(root, status=status, version="2", issued="2026-01-05", withdrawn=withdrawn)


def _of(category: Json) -> RegisteredConsent:
    return _one(None, status="rejected", category=[{"coding": [category]}])


SAID: dict[str, tuple[RegisteredConsent, ...]] = {
    "said nothing": (),
    "agreed to this recipient": (_one(TO_US),),
    "agreed to everybody": (_one(YES),),
    "agreed to everybody, given no privacy notice": (_one(YES),),
    "agreed to everybody, the notice told by a stranger": (_one(YES), *registered(notice(), authority=False)),
    "agreed to another recipient only": (_one(TO_THEM),),
    "agreed, and the time they agreed to is over": (
        _one(provision("permit", actor=[actor()], period={"end": "2026-01-14"})),
    ),
    "agreed from next month on": (_one(provision("permit", actor=[actor()], period={"start": "2026-02"})),),
    "agreed for research only": (_one(provision("permit", purpose=[purpose("HRESCH")])),),
    "refused this recipient": (_one(TO_US, status="rejected"),),
    "refused everybody": (_one(None, status="rejected"),),
    "refused another recipient": (_one(TO_THEM, status="rejected"),),
    "refused this recipient, told by a stranger": (_one(TO_US, status="rejected", authority=False),),
    "agreed to this recipient, told by a stranger": (_one(TO_US, authority=False),),
    "agreed, then took it back": (_one(TO_US), _then(TO_US, "inactive", withdrawn=True)),
    "agreed, then the office ended it": (_one(TO_US), _then(TO_US, "inactive")),
    "refused, then agreed": (_one(TO_US, status="rejected"), _then(TO_US, "active")),
    "agreed, entered in error": (_one(TO_US), _then(TO_US, "entered-in-error")),
    "refused, then something entered in error": (_one(TO_US, status="rejected"), _then(TO_US, "entered-in-error")),
    "agreed and refused, in two places": (
        _one(YES, issued="2026-01-10"),
        _one(TO_US, name="c2", status="rejected", issued="2025-01-10"),
    ),
    "refused somebody whom nobody can identify": (_one(provision("deny", actor=TO_NOBODY)),),
    "agreed to somebody whom nobody can identify": (_one(provision("permit", actor=TO_NOBODY)),),
    "refused NDTMS": (_of({"system": LOCAL_CATEGORY, "code": "ndtms"}),),
    "refused research": (_of({"system": CATEGORIES, "code": "research"}),),
    "is another person, who refused": (
        _one(None, status="rejected", patient={"identifier": {"system": NHS, "value": "9990000026"}}),
    ),
    "may be another person, who refused": (_one(None, status="rejected", patient={"reference": "Patient/unclear"}),),
}


UNNOTICED = ("agreed to everybody, given no privacy notice", "agreed to everybody, the notice told by a stranger")
"""Everybody else was given a privacy notice."""


def _keeps(*denials: Json, root: Json | None = None) -> tuple[RegisteredConsent, ...]:
    return (_one(provision("permit", **(root or {}), provision=list(denials))),)


def _type(*kinds: str) -> list[Json]:
    return [{"system": TYPES, "code": kind} for kind in kinds]


KEEPS_BACK: dict[str, tuple[RegisteredConsent, ...]] = {
    "nothing": (),
    "what is labelled HIV": _keeps(provision("deny", securityLabel=[label("HIV")])),
    "what is labelled SUD": _keeps(provision("deny", securityLabel=[label("SUD")])),
    "what is labelled R or higher": _keeps(provision("deny", securityLabel=[label("R")])),
    "what is labelled V or higher": _keeps(provision("deny", securityLabel=[label("V")])),
    "every observation": _keeps(provision("deny", class_=_type("Observation"))),
    "every prescription": _keeps(provision("deny", class_=_type("MedicationRequest"))),
    "what was written before 2026": _keeps(provision("deny", class_=_type("Observation"), dataPeriod={"end": "2025"})),
    "all but the care plan": _keeps(root={"class": _type("CarePlan")}),
    "who they are": _keeps(provision("deny", class_=_type("Patient"))),
    "what an unknown clinician wrote": _keeps(
        provision("deny", data=[{"meaning": "authoredby", "reference": {"reference": "Practitioner/unclear"}}])
    ),
}


def _law(code: str) -> Json:
    return {"system": SYSTEM, "code": code}


def _to_this(code: str, to: Json, *, authority: bool = True) -> tuple[RegisteredConsent, ...]:
    root = provision("permit", actor=[to], securityLabel=[label("R"), _law(code)])
    return (_one(root, authority=authority),)


BY_LAW: dict[str, tuple[Json, tuple[RegisteredConsent, ...]]] = {
    "gender recognition, said nothing": (_law("gender-recognition"), ()),
    "gender recognition, agreed to everything": (_law("gender-recognition"), (_one(YES),)),
    "gender recognition, agreed to this, them": (
        _law("gender-recognition"),
        _to_this("gender-recognition", actor()),
    ),
    "gender recognition, agreed to this, another": (
        _law("gender-recognition"),
        _to_this("gender-recognition", actor(THEM)),
    ),
    "gender recognition, agreed, told by stranger": (
        _law("gender-recognition"),
        _to_this("gender-recognition", actor(), authority=False),
    ),
    "fertility treatment, agreed to this, them": (
        _law("fertility-treatment"),
        _to_this("fertility-treatment", actor()),
    ),
    "a protected person, agreed to this, them": (_law("protected-person"), _to_this("protected-person", actor())),
    "a law that nobody here knows": (_law("unheard-of"), _to_this("unheard-of", actor())),
}

PARTS = {
    "care plan": "CarePlan/plan",
    "prescription": "MedicationRequest/script",
    "drug test": "Observation/test",
    "HIV test": "Observation/hiv",
    "risk flag": "Flag/risk",
}


TURNS: dict[str, Json] = {
    "that they died": {"resourceType": "Patient", "deceasedBoolean": True},
    "that their record is not in use": {"resourceType": "Patient", "active": False},
    "that their record was joined to another": {"resourceType": "Patient", "link": [{"type": "replaced-by"}]},
    "an order not to give a medicine": {"resourceType": "MedicationRequest", "doNotPerform": True},
    "a product that may no longer be used": {"resourceType": "Medication", "status": "inactive"},
    "an organisation that is no more": {"resourceType": "Organization", "active": False},
}
"""What of a record would turn round what is left of it, were it left out (consent/modifiers.py)."""
PERMITS_ALL: tuple[RegisteredConsent, ...] = (_one(YES),)
