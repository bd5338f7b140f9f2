"""AuditEvents by the IHE Basic Audit Log Patterns (ITI BALP 1.1), for a site's own audit store: a disclosure, a decision, any other act.

They are made from words, ids and commitments of the ledger alone. The patient of an event is the entry's commitment: whoever has not got the
person's key can neither read it nor link two. An AuditEvent of ours MUST NOT hold a name, a number or anything clinical.
Source: https://profiles.ihe.net/ITI/BALP/ (PrivacyDisclosure.Source, AuthZconsent), with what England-AuditEvent requires of each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects
from fhir_profiles.shapes import Json

_BALP: Final = "https://profiles.ihe.net/ITI/BALP/"
DISCLOSURE: Final = f"{_BALP}StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source"
DECISION: Final = f"{_BALP}StructureDefinition/IHE.BasicAudit.AuthZconsent"
_DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_LIFECYCLE: Final = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_ENTITY: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_SOURCE: Final = "http://terminology.hl7.org/CodeSystem/security-source-type"
_LEDGER_EVENT: Final = systems.LOCAL_CODE + "ledger-event"
SUBJECT: Final = systems.LOCAL_ID + "ledger-subject"
_RECIPIENT: Final = systems.LOCAL_ID + "recipient"
_GATEWAY: Final = systems.LOCAL_ID + "gateway"
_CHAIN: Final = systems.LOCAL_ID + "ledger-chain"
_DECISION_ID: Final = systems.LOCAL_ID + "decision"
PERMITTED, MINOR, SERIOUS = "0", "4", "8"
"""Outcomes: it was done; it was not, or nobody knows; it was denied or failed."""

Code = tuple[str, str, str]
"""System, code, display."""
_EXPORT: Final[Code] = (_DCM, "110106", "Export")
_ALERT: Final[Code] = (_DCM, "110113", "Security Alert")
KINDS: Final[dict[str, Code]] = {
    **dict.fromkeys(("viewed", "searched", "exported"), (_DCM, "110101", "Audit Log Used")),
    **dict.fromkeys(("logged-in", "logged-out"), (_DCM, "110114", "User Authentication")),
    **dict.fromkeys(("started", "stopped"), (_DCM, "110100", "Application Activity")),
    **dict.fromkeys(("received", "rejected"), (_DCM, "110107", "Import")),
    **dict.fromkeys(("key-rotated", "access-refused", "overridden", "content-opened", "erased", "epoch-began"), _ALERT),
}
"""What DICOM calls an event of the ledger; any other is a patient record's."""
_OTHER: Final[Code] = (_DCM, "110110", "Patient Record")


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One entry of the ledger, with what is known of its chain. Empty text where there is none.

    `subject` is the commitment of the person; `recipient` our id of it, `recipient_ods` its ODS code, `purpose` what the agreement is for.
    """

    entry: str
    position: int
    event: str
    at: str
    chain: str
    outcome: str
    outcome_text: str = ""
    subject: str = ""
    recipient: str = ""
    recipient_ods: str = ""
    decision: str = ""
    letter: str = ""
    purpose: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Observer:
    """The gateway: its name in the ledger, and the address of its sender's endpoint."""

    origin: str
    endpoint: str


def disclosure(what: Happening, observer: Observer) -> Json:
    """A letter that left, by PrivacyDisclosure.Source."""
    return _event(
        what,
        observer,
        profile=DISCLOSURE,
        kind=_EXPORT,
        subtype=(_LIFECYCLE, "disclose", "Disclose Record Lifecycle Event"),
        action="R",
        agents=[
            {**_agent(_DCM, "110153", _gateway(observer)), "network": _network(observer)},
            {
                **_agent(_DCM, "110152", _recipient(what)),
                "network": _network(observer, f"urn:throughgate:{what.recipient}"),
            },
        ],
        entities=[_patient(what), _thing(what, "2", _CHAIN, what.chain, what.letter)],
    )


def decision(what: Happening, observer: Observer) -> Json:
    """What was decided for one recipient, by AuthZconsent. The consents that were asked are kept, sealed, with the decision that it names."""
    asked = _identified(_DECISION_ID, what.decision)
    return _event(
        what,
        observer,
        profile=DECISION,
        kind=_ALERT,
        subtype=(f"{_BALP}CodeSystem/AuthZsubType", "AuthZ-Consent", "Authorization Decision using Roles and Consent"),
        action="E",
        agents=[
            {**_agent(_DCM, "110150", _gateway(observer)), "network": _network(observer)},
            {
                **_agent("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP", _recipient(what)),
                "requestor": True,
            },
            _agent("http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV", _recipient(what)),
            _agent("http://terminology.hl7.org/CodeSystem/extra-security-role-type", "authserver", _gateway(observer)),
        ],
        entities=[
            _patient(what),
            {
                "what": {"type": "Consent", **asked, "display": "the consents that this decision asked"},
                "type": _coding("http://hl7.org/fhir/resource-types", "Consent", "Consent"),
                "detail": _details(what),
            },
        ],
    )


def act(what: Happening, observer: Observer) -> Json:
    """Any other entry: by no pattern of BALP, with the ledger's own word as its subtype."""
    return _event(
        what,
        observer,
        profile=None,
        kind=KINDS.get(what.event, _OTHER),
        subtype=(_LEDGER_EVENT, what.event, what.event),
        action="E",
        agents=[_agent(_DCM, "110150", _gateway(observer))],
        entities=[*([_patient(what)] if what.subject else []), _thing(what, "2", _CHAIN, what.chain, what.event)],
    )


def faults(event: Json) -> Iterator[str]:
    """What an AuditEvent lacks of the pattern that it names, and of England-AuditEvent. Nothing where it is right."""
    profiles = as_object(event.get("meta")).get("profile", [])
    agents, entities = as_objects(event.get("agent")), as_objects(event.get("entity"))
    observer = as_object(as_object(event.get("source")).get("observer"))
    if not all(as_object(each.get("who")).get("type") and _value(each.get("who")) for each in agents):
        yield "an agent without the type and the identifier of who it is"
    if not observer.get("display") or not as_object(event.get("source")).get("type"):
        yield "a source without its name or its type"
    if not all(_value(each.get("what")) and each.get("type") for each in entities):
        yield "an entity without its identifier or its type"
    roles = [str(as_objects(as_object(each.get("type")).get("coding"))[0].get("code")) for each in agents]
    wanted = {DISCLOSURE: ["110153", "110152"], DECISION: ["110150", "IRCP", "PROV", "authserver"]}
    for profile in profiles:
        if roles != wanted.get(str(profile)):
            yield "not the agents of the pattern"
        kinds = [str(as_object(each.get("type")).get("code")) for each in entities]
        if len(kinds) != 2 or kinds[0] != "1":
            yield "not the entities of the pattern"
        if not any(each.get("who") == observer for each in agents):
            yield "the observer is no agent"
        if not all(each.get("network") for each, role in zip(agents, roles, strict=True) if role.startswith("11")):
            yield "a machine without its address"


def _event(
    what: Happening,
    observer: Observer,
    *,
    profile: str | None,
    kind: Code,
    subtype: Code,
    action: str,
    agents: list[Json],
    entities: list[Json],
) -> Json:
    return {
        "resourceType": "AuditEvent",
        "id": what.entry,
        **({"meta": {"profile": [profile]}} if profile else {}),
        "type": _coding(*kind),
        "subtype": [_coding(*subtype)],
        "action": action,
        "recorded": what.at,
        "outcome": what.outcome,
        **({"outcomeDesc": what.outcome_text} if what.outcome_text else {}),
        **(
            {"purposeOfEvent": [{"coding": [{"system": system, "code": code}]} for system, code in what.purpose]}
            if what.purpose
            else {}
        ),
        "agent": agents,
        "source": {
            "site": observer.origin,
            "observer": _gateway(observer),
            "type": [_coding(_SOURCE, "4", "Application Server")],
        },
        "entity": entities,
    }


def _coding(system: str, code: str, display: str) -> Json:
    return {"system": system, "code": code, "display": display}


def _agent(system: str, code: str, who: Json) -> Json:
    return {"type": {"coding": [{"system": system, "code": code}]}, "who": who, "requestor": False}


def _identified(system: str, value: str) -> Json:
    return {"identifier": {"system": system, "value": value}}


def _gateway(observer: Observer) -> Json:
    return {"type": "Device", **_identified(_GATEWAY, observer.origin), "display": observer.origin}


def _recipient(what: Happening) -> Json:
    if what.recipient_ods:
        return {"type": "Organization", **_identified(systems.ODS, what.recipient_ods), "display": what.recipient}
    return {
        "type": "Organization",
        **_identified(_RECIPIENT, what.recipient or "nobody"),
        "display": what.recipient or "nobody",
    }


def _network(observer: Observer, address: str = "") -> Json:
    return {"address": address or observer.endpoint, "type": "5"}


def _patient(what: Happening) -> Json:
    return {
        "what": {"type": "Patient", **_identified(SUBJECT, what.subject or "nobody")},
        "type": _coding(_ENTITY, "1", "Person"),
        "role": _coding(_ROLE, "1", "Patient"),
    }


def _thing(what: Happening, kind: str, system: str, value: str, name: str) -> Json:
    return {
        "what": {**_identified(system, value), "display": name},
        "type": _coding(_ENTITY, kind, "System Object"),
        "role": _coding(_ROLE, "3", "Report"),
        "detail": _details(what),
    }


def _details(what: Happening) -> list[Json]:
    return [{"type": "ledger-position", "valueString": str(what.position)}]


def _value(reference: object) -> object:
    return as_object(as_object(reference).get("identifier")).get("value")
