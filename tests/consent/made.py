"""Made-up consents, resources and questions with keyword defaults: a test says only what it is about."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import consent
from consent.agreement_file import read_agreement
from consent.decide import decide
from consent.shapes import (
    Agreement,
    Coding,
    Decision,
    Facts,
    Naming,
    Override,
    OverrideKind,
    Party,
    RegisteredConsent,
    Request,
)

Json = dict[str, Any]

ODS = "https://fhir.nhs.uk/Id/ods-organization-code"
NHS = "https://fhir.nhs.uk/Id/nhs-number"
PRISON_NUMBER = "https://throughgate.example/id/prison-number"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CONF = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
SNOMED = "http://snomed.info/sct"
TYPES = "http://hl7.org/fhir/resource-types"
AS_OF = "2026-01-15T12:00:00Z"
US = "RXA01"
THEM = "RXA02"
AGREEMENTS = Path(consent.__file__).parent / "agreements"
NAMING = Naming(id_key=b"a naming key of 32 bytes, secret")
CONTEXT_PURPOSE = (Coding(system=REASON, code="TREAT"),)
DISCLOSE = Coding(system=ACTION, code="disclose")


@cache
def agreement(name: str) -> Agreement:
    return read_agreement((AGREEMENTS / f"{name}.toml").read_text(encoding="utf-8"), name)


def organization(name: str = "us", ods: str = US, **more: Any) -> Json:
    return {"resourceType": "Organization", "id": name, "identifier": [{"system": ODS, "value": ods}], **more}


DIRECTORY = (organization("us", US), organization("them", THEM))


def label(code: str) -> Json:
    return {"system": CONF if code in "ULMNRV" else ACT, "code": code}


def patient(**more: Any) -> Json:
    return {"resourceType": "Patient", "id": "patient", "meta": {"security": [label("N")]}, **more}


def resource(
    kind: str = "Observation", name: str = "one", labels: Iterable[str] | None = ("R", "SUD"), **more: Any
) -> Json:
    made: Json = {"resourceType": kind, "id": name, "subject": {"reference": "Patient/patient"}, **more}
    if labels is not None:
        made["meta"] = {"security": [label(code) for code in labels], **more.get("meta", {})}
    return made


def code(value: str, system: str = SNOMED) -> Json:
    return {"coding": [{"system": system, "code": value}]}


def actor(to: str = US, role: str = "IRCP") -> Json:
    return {
        "role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": role}]},
        "reference": {"identifier": {"system": ODS, "value": to}},
    }


def purpose(value: str = "TREAT") -> Json:
    return {"system": REASON, "code": value}


def provision(kind: str | None = None, **elements: Any) -> Json:
    made = {key.rstrip("_"): value for key, value in elements.items()}
    return made if kind is None else {"type": kind, **made}


def fhir_consent(
    root: Json | None = None,
    *,
    rule: str | None = None,
    name: str = "c1",
    status: str = "active",
    issued: str = "2026-01-01",
    version: str = "1",
    lineage: str | None = None,
    **more: Any,
) -> Json:
    made: Json = {
        "resourceType": "Consent",
        "id": name,
        "meta": {"versionId": version},
        "status": status,
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [{"coding": [{"system": ACT, "code": "INFA"}]}],
        "patient": {"reference": "Patient/patient"},
        "dateTime": issued,
        **more,
    }
    if lineage is not None:
        made["identifier"] = [{"system": "urn:example:lineage", "value": lineage}]
    if rule is not None:
        made["policyRule"] = {"coding": [{"system": ACT, "code": rule}]}
    if root is not None:
        made["provision"] = root
    return made


def registered(*consents: Json, authority: bool = True, withdrawn: bool = False) -> tuple[RegisteredConsent, ...]:
    return tuple(
        RegisteredConsent(
            consent=item, authority=authority, registered="2026-01-02T00:00:00Z", withdrawn_by_person=withdrawn
        )
        for item in consents
    )


def notice(name: str = "notice", **more: Any) -> Json:
    """That the person was given a privacy notice, long ago."""
    npp = {"system": "http://terminology.hl7.org/CodeSystem/consentcategorycodes", "code": "npp"}
    return fhir_consent(name=name, **{"issued": "2020-01-01", "category": [{"coding": [npp]}], **more})


NOTICED = registered(notice())


def subsumes(**pairs: Iterable[str]) -> Mapping[tuple[str, str], bool]:
    """`subsumes(HIV=[], SUD=["OPIOIDUD"])`: a whole table over the labels that it names."""
    names = set(pairs) | {item for held in pairs.values() for item in held} | set("ULMNRV")
    full = {item: f"{label(item)['system']}|{item}" for item in names}
    return {(full[one], full[two]): two in pairs.get(one, ()) for one in names for two in names if one != two}


LABELS = subsumes(HIV=[], SUD=["OPIOIDUD", "ETHUD"], PSY=[])


def request(
    agreed: Agreement,
    *,
    to: str = US,
    as_of: str = AS_OF,
    released: bool = False,
    named: bool = False,
    roles: tuple[str, ...] = (),
) -> Request:
    return Request(
        recipient=Party(identifiers=((ODS, to),), recipient_class=agreed.recipient_class, roles=roles),
        purpose=agreed.purpose,
        action=agreed.action,
        letter=agreed.letter,
        as_of=as_of,
        person_released=released,
        recipient_named=named,
    )


def facts_about(
    *consents: Json | RegisteredConsent,
    resources: Iterable[Json] | None = None,
    table: Mapping[tuple[str, str], bool] = LABELS,
    directory: Iterable[Json] = DIRECTORY,
    noticed: bool = True,
    opened: frozenset[str] = frozenset(),
) -> Facts:
    """A patient and a result, these consents, and that the person was given a notice."""
    given = tuple(item if isinstance(item, RegisteredConsent) else registered(item)[0] for item in consents)
    found = tuple(resources) if resources is not None else (patient(), resource())
    said = (*given, *(NOTICED if noticed else ()))
    return Facts(resources=found, consents=said, directory=tuple(directory), subsumes=table, by_agreement=opened)


def ask(
    *consents: Json | RegisteredConsent,
    resources: Iterable[Json] | None = None,
    under: str | Agreement = "handover",
    table: Mapping[tuple[str, str], bool] = LABELS,
    directory: Iterable[Json] = DIRECTORY,
    to: str = US,
    as_of: str = AS_OF,
    released: bool = False,
    named: bool = False,
    roles: tuple[str, ...] = (),
    noticed: bool = True,
    opened: frozenset[str] = frozenset(),
    override: Override | None = None,
) -> Decision:
    agreed = agreement(under) if isinstance(under, str) else under
    if under == "probation-summary" and not consents:
        consents = (fhir_consent(provision("permit")),)  # by its name: as it leaves, which is by consent alone
    if under == "harm-disclosure" and override is None:
        # by its name it is asked for as two people let it go: else nothing of it ever leaves
        override = Override(kind=OverrideKind.HARM_TEST, until="9999-12-31T00:00:00+00:00")
    facts = facts_about(
        *consents, resources=resources, table=table, directory=directory, noticed=noticed, opened=opened
    )
    asked = request(agreed, to=to, as_of=as_of, released=released, named=named, roles=roles)
    return decide(replace(asked, override=override), facts, agreed)


def asks_first() -> Agreement:
    """An agreement like the handover's but without a default: nothing leaves unless a consent permits it."""
    text = (AGREEMENTS / "handover.toml").read_text(encoding="utf-8")
    text = text.replace('without_consent = "implied"', 'without_consent = "nothing"').replace(
        'letter = "handover"', 'letter = "family"'
    )
    return read_agreement(text.replace('undecidable = "hold"', 'undecidable = "withhold"'), "family")


ASKS_FIRST = asks_first()


def vote(decision: Decision, name: str = "Observation/one") -> str:
    return next(str(item.vote) for item in decision.votes if item.resource == name)


def rule(decision: Decision, name: str = "Observation/one") -> str:
    return next(item.rule for item in decision.votes if item.resource == name)
