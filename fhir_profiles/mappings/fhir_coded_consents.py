"""Consent as coded entries of a record (given, declined, withdrawn, unable): each becomes the FHIR Consent that it means, or is left as it is.

A yes is a permit only where the entry is settled and says nothing against it; a no counts whatever its state; "unable to consent" is never a
permit, and a clinician is asked. What a code is about (its topic) stays apart: a refusal of notification to NDTMS is no dissent to care. That the
person was given a privacy notice is a Consent of category `npp`, which is the person's word about nothing.
This module must never decide a disclosure, nor guess whom an unnamed third party is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhir_profiles import systems, terminology
from fhir_profiles.fhir_message import object_of, objects_of, text_of
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.shapes import Fate, Field, Json, Task
from fhir_profiles.tasks import TASKS
from fhir_profiles.terminology import ConsentCode
from fhir_profiles.terminology.concepts import words_of

KINDS: Final = frozenset({"Observation", "Procedure", "Condition"})
WITHDRAWN_EXTENSION: Final = "https://throughgate.example/extension/withdrawn-by-person"
LINEAGE: Final = systems.LOCAL_ID + "coded-consent"
"""Entries of one sender about the same thing and the same third party are one lineage: the newest word counts."""
PRIVACY_NOTICE: Final = "privacy-notice"
POLICY: Final = systems.LOCAL_ID + "privacy-notice"
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PURPOSES: Final = {"v3": systems.ACT_REASON, "local": systems.LOCAL_CODE + "purpose"}
_STATUS: Final = {"given": "active", "declined": "rejected", "withdrawn": "inactive"}
_SETTLED: Final = frozenset({"final", "amended", "corrected", "completed", "confirmed", ""})
_NOT_DONE: Final = frozenset({"not-done", "cancelled", "refuted"})
_YES: Final = frozenset({"yes", "y", "true"})
_NO: Final = frozenset({"no", "n", "false"})
_WORST_FIRST: Final = ("declined", "withdrawn", "unable", "given")
_ACTORS: Final = (
    "Organization/",
    "Practitioner/",
    "PractitionerRole/",
    "RelatedPerson/",
    "CareTeam/",
    "Device/",
    "Group/",
)
_PERFORMERS: Final = ("Organization/", "Practitioner/", "PractitionerRole/", "RelatedPerson/", "Patient/")
_TIMES: Final = (
    "effectiveDateTime", "effectiveInstant", "effectivePeriod", "performedDateTime", "performedPeriod", "recordedDate", "onsetDateTime", "issued",
)  # fmt: skip
_PATHS: Final = {
    "resourceType": "Consent",
    "id": "Consent.id",
    "meta": "Consent.meta",
    "identifier": "Consent.identifier",
    "code": "Consent.category",
    "status": "Consent.status",
    "verificationStatus": "Consent.status",
    "valueBoolean": "Consent.status",
    "valueString": "Consent.status",
    "valueCodeableConcept": "Consent.status",
    "subject": "Consent.patient",
    "performer": "Consent.performer",
    "focus": "Consent.provision.actor",
    **dict.fromkeys(_TIMES, "Consent.dateTime"),
}
_STAYS: Final = "a coded entry of consent is a Consent here: this stays in the original message"


@dataclass(frozen=True, kw_only=True)
class CodedConsents:
    """The resources with Consents in the place of coded entries, what a person has to do, and which resources changed their type."""

    resources: list[Json]
    tasks: tuple[Task, ...]
    changed: frozenset[str]
    """`Observation/<id>` of each entry that is a Consent now."""


def is_coded_consent(resource: Json) -> bool:
    """Is this entry a statement of consent, by a code that a row knows?"""
    return text_of(resource.get("resourceType")) in KINDS and bool(
        terminology.consent_codes(object_of(resource.get("code")))
    )


def coded_consents(resources: Sequence[Json], sender: str) -> CodedConsents:
    """Read the coded entries of one message. `sender` names who speaks: two senders never end each other's entries."""
    made: list[Json] = []
    tasks: dict[Task, None] = {}
    changed: set[str] = set()
    for resource in resources:
        codes = terminology.consent_codes(object_of(resource.get("code"))) if resource["resourceType"] in KINDS else ()
        if not codes:
            made.append(resource)
            continue
        code = min(codes, key=lambda one: _WORST_FIRST.index(one.state))
        state = _state(resource, code.state)
        if state in ("unable", "unclear"):
            tasks[TASKS["unable-to-consent" if state == "unable" else "consent-unclear"]] = None
            made.append(resource)
            continue
        made.append(_consent(resource, code, state, sender))
        changed.add(f"{resource['resourceType']}/{resource['id']}")
    return CodedConsents(resources=made, tasks=tuple(tasks), changed=frozenset(changed))


def _state(resource: Json, coded: str) -> str:
    """What the entry says: the code's state, `entered-in-error`, or `unclear`."""
    status = text_of(resource.get("status")) or _verification(resource)
    if status == "entered-in-error":
        return status
    if status in _NOT_DONE:
        return "unclear"
    answer = _answer(resource)
    if coded == "given":
        if answer == "no":
            return "declined"
        return "given" if status in _SETTLED and answer in ("", "yes") else "unclear"
    if coded == "unable":
        return coded if answer != "no" else "unclear"
    # INVARIANT: a no counts, whatever state its entry is in and however it is worded; only "no, not declined" is no refusal.
    return "unclear" if answer == "no" else coded


def _verification(resource: Json) -> str:
    codes = [
        text_of(one.get("code")) for one in objects_of(object_of(resource.get("verificationStatus")).get("coding"))
    ]
    return codes[0] if codes else ""


def _answer(resource: Json) -> str:
    """`yes`, `no`, nothing where there is no value, `?` for a value that is neither."""
    values = [key for key in resource if key.startswith("value")]
    if not values:
        return "?" if "dataAbsentReason" in resource else ""
    flag = resource.get("valueBoolean")
    if isinstance(flag, bool):
        return "yes" if flag else "no"
    words = set(words_of(resource.get("valueCodeableConcept") or text_of(resource.get("valueString"))))
    if words and words <= _YES:
        return "yes"
    return "no" if words and words <= _NO else "?"


def _consent(resource: Json, code: ConsentCode, state: str, sender: str) -> Json:
    refused = state in ("declined", "withdrawn") or code.state in ("declined", "withdrawn")
    parties = [one["reference"] for one in objects_of(resource.get("focus") or []) if _leads(one, _ACTORS)]
    purposes = code.refused if refused else code.given
    provision: Json = {}
    if parties:
        role = {"coding": [{"system": _PARTICIPATION, "code": "IRCP"}]}
        provision["actor"] = [{"role": role, "reference": {"reference": party}} for party in parties]
    provision["purpose"] = [_purpose(one) for one in purposes]
    lineage = stable_id("coded-consent", sender, code.topic, *sorted(parties))
    made: Json = {"resourceType": "Consent", "id": resource["id"]}
    if "meta" in resource:
        made["meta"] = resource["meta"]
    if state == "withdrawn":
        made["extension"] = [{"url": WITHDRAWN_EXTENSION, "valueBoolean": True}]
    about = [{"coding": [{"system": systems.ACT_CODE, "code": "INFA"}]}, resource["code"]]
    if code.topic == PRIVACY_NOTICE:
        codings = [
            {"system": systems.CONSENT_CATEGORY, "code": "npp"},
            *objects_of(resource["code"].get("coding") or []),
        ]
        about = [{**resource["code"], "coding": codings}]
    made |= {
        "identifier": [*objects_of(resource.get("identifier") or []), {"system": LINEAGE, "value": lineage}],
        "status": _STATUS.get(state, "entered-in-error"),
        "scope": {"coding": [{"system": systems.CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": about,
        "patient": {"reference": PATIENT_REFERENCE},
    }
    said = next(_times(resource), "")
    if said:
        made["dateTime"] = said
    performers = [one for one in objects_of(resource.get("performer") or []) if _leads(one, _PERFORMERS)]
    if performers and resource["resourceType"] == "Observation":
        made["performer"] = performers
    if code.topic == PRIVACY_NOTICE:
        made["policy"] = [{"uri": POLICY}]  # ppc-1: a Consent names its policy or its rule, and this one has no rule
        return made
    made["policyRule"] = {"coding": [{"system": systems.ACT_CODE, "code": "OPTOUT" if refused else "OPTIN"}]}
    made["provision"] = provision
    return made


def _leads(value: Any, kinds: tuple[str, ...]) -> bool:
    return text_of(object_of(value).get("reference")).startswith(kinds)


def _purpose(written: str) -> Json:
    system, _, code = written.partition(":")
    return {"system": _PURPOSES[system], "code": code}


def _times(resource: Json) -> Iterator[str]:
    for name in _TIMES:
        value = resource.get(name)
        found = text_of(value) or text_of(object_of(value).get("start"))
        if found:
            yield found


def moved_field(found: Field, kind: str, element: str) -> Field:
    """The field of a coded entry, told where it went in the Consent."""
    if found.fate is not Fate.MAPPED:
        return found
    path = _PATHS.get(element)
    if path is None or (element == "performer" and kind != "Observation"):
        return Field(source=found.source, fate=Fate.RESIDUAL, reason=_STAYS)
    return Field(source=found.source, fate=Fate.MAPPED, path=path)
