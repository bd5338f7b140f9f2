"""The short forms in which an agreement writes its examples, and running them. It speaks of nobody: every person and consent here is made up.

given = [{ status = "rejected", to = "this recipient" }]        -> a FHIR Consent
has = ["Patient", "CarePlan", "Observation HIV"]                -> labelled FHIR resources
"""

from collections.abc import Mapping
from typing import Any

from consent import codes
from consent.decide import decide
from consent.labels import ACT_CODE, CONFIDENTIALITY
from consent.lineages import WITHDRAWN_CODES
from consent.paths import compile_paths, permits
from consent.privacy_notice import NOTICE
from consent.purposes import ACT_REASON, LOCAL_PURPOSE
from consent.shapes import (
    Agreement,
    Decision,
    Example,
    Facts,
    Json,
    Outcome,
    Override,
    OverrideKind,
    Party,
    RegisteredConsent,
    Request,
)

ODS = "https://fhir.nhs.uk/Id/ods-organization-code"
THIS = ((ODS, "THIS"),)
_TO = {
    "this recipient": {"identifier": {"system": ODS, "value": "THIS"}},
    "another recipient": {"identifier": {"system": ODS, "value": "OTHER"}},
    "somebody unknown": {"reference": "Organization/nobody-knows"},
}
DIRECTORY: tuple[Json, ...] = (
    {"resourceType": "Organization", "id": "this", "identifier": [{"system": ODS, "value": "THIS"}]},
)
GIVEN_KEYS = frozenset({"status", "says", "to", "for", "labels", "types", "from", "until", "issued", "lineage"})
STATUSES = frozenset({"active", "rejected", "withdrawn", "inactive", "entered-in-error", "proposed"})
_BY_TWO = Override(kind=OverrideKind.HARM_TEST, until="9999-12-31T00:00:00+00:00")
_NOTICE_GIVEN = RegisteredConsent(
    consent={
        "resourceType": "Consent",
        "id": "example-notice",
        "status": "active",
        "category": [{"coding": [{"system": NOTICE.system, "code": NOTICE.code}]}],
        "patient": {"reference": "Patient/patient"},
    },
    authority=True,
    registered="2000-01-01T00:00:00+00:00",
)
_NARROWER = {"SUD": {"OPIOIDUD", "ETHUD"}, "ETH": {"OPIOIDUD", "ETHUD"}}


class ExampleError(ValueError):
    """An example that cannot be read. The text quotes the agreement, which holds nothing about anyone."""


def consent_of(given: Mapping[str, Any], place: int) -> Json:
    """A FHIR Consent in the IHE PCF dialect from the short form; a refusal that names nobody says nothing but its status."""
    unknown = set(given) - GIVEN_KEYS
    if unknown or given.get("status") not in STATUSES or given.get("to", "everybody") not in {"everybody", *_TO}:
        raise ExampleError(f"given[{place}]: unknown {', '.join(sorted(unknown)) or 'status or recipient'}")
    withdrawn = given["status"] == "withdrawn"
    made: Json = {
        "resourceType": "Consent",
        "id": f"example-{place}",
        "status": "inactive" if withdrawn else given["status"],
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [
            {"coding": [{"system": system, "code": code}]} for system, code in sorted(WITHDRAWN_CODES)[:1] if withdrawn
        ],
        "patient": {"reference": "Patient/patient"},
        "dateTime": str(given.get("issued", "2026-01-01")),
        "identifier": [{"system": "urn:example:lineage", "value": str(given.get("lineage", place))}],
        "provision": _provision(given),
    }
    return {key: value for key, value in made.items() if value}


def _provision(given: Mapping[str, Any]) -> Json:
    period = {key: str(given[word]) for key, word in (("start", "from"), ("end", "until")) if word in given}
    made: Json = {
        "type": given.get("says", "permit"),
        "period": period,
        "actor": [{"role": {"coding": [_role()]}, "reference": _TO[given["to"]]}]
        if given.get("to", "everybody") in _TO
        else [],
        "purpose": [_purpose(given["for"])] if "for" in given else [],
        "securityLabel": [_label(code) for code in given.get("labels", ())],
        "class": [{"system": "http://hl7.org/fhir/resource-types", "code": kind} for kind in given.get("types", ())],
    }
    return {key: value for key, value in made.items() if value}


def _purpose(code: str) -> Json:
    """Codes of v3-ActReason are in capitals, purposes of ours are not."""
    return {"system": ACT_REASON if code.isupper() else LOCAL_PURPOSE, "code": code}


def _role() -> Json:
    return {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}


def _label(code: str) -> Json:
    return {"system": CONFIDENTIALITY if code in "ULMNRV" else ACT_CODE, "code": code}


def resource_of(words: str, place: int) -> Json:
    """A minimal labelled resource: `Observation` (R, SUD), `Observation HIV` (R, HIV), `Flag unlabelled`."""
    kind, *labels = words.split()
    frame = kind in ("Patient", "Organization", "MeasureReport")
    made: Json = {"resourceType": kind, "id": "patient" if kind == "Patient" else f"example-{place}"}
    if labels != ["unlabelled"]:
        sensitivities = labels or ([] if frame else ["SUD"])
        made["meta"] = {"security": [_label("N" if frame else "R"), *(_label(code) for code in sensitivities)]}
    if not frame:
        made["subject"] = {"reference": "Patient/patient"}
    return made


def run(agreement: Agreement, example: Example) -> Decision:
    """Decide one example under its agreement."""
    consents = tuple(
        RegisteredConsent(consent=consent, authority=example.authority, registered=example.as_of)
        for consent in example.consents
    )
    consents += (_NOTICE_GIVEN,) if example.notice else ()
    resources = example.resources
    pairs = codes.pairs_asked(consents, resources)
    return decide(
        Request(
            recipient=Party(
                identifiers=example.recipient_identifiers or THIS, recipient_class=agreement.recipient_class
            ),
            purpose=agreement.purpose,
            action=agreement.action,
            letter=agreement.letter,
            as_of=example.as_of,
            override=_BY_TWO if example.harm_test else None,
        ),
        Facts(
            resources=resources,
            consents=consents,
            directory=DIRECTORY,
            subsumes={(general, specific): _is_narrower(general, specific) for general, specific in pairs},
        ),
        agreement,
    )


def _is_narrower(general: str, specific: str) -> bool:
    return specific.rpartition("|")[2] in _NARROWER.get(general.rpartition("|")[2], set())


def faults(agreement: Agreement, example: Example, decision: Decision) -> list[str]:
    """What is not as the example says; empty when it holds."""
    found = [] if decision.outcome is example.expect else [f"expected {example.expect}, decided {decision.outcome}"]
    permitted = compile_paths(decision.permitted)
    leaves = decision.outcome in (Outcome.RELEASE, Outcome.REDUCE)
    found += [f"{path} does not leave" for path in example.leaves if leaves and not permits(permitted, path)]
    every = compile_paths(tuple(item.path for item in agreement.fields))
    return found + [f"{path} leaves" for path in example.stays if permits(every, path)]
