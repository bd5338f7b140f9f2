"""The CapabilityStatement, made from the routes that are registered, so that it cannot say what is not served. It holds nothing about anyone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from fhir_profiles.definitions import DEFINITIONS
from fhir_profiles.definitions.guide import GUIDE
from fhir_profiles.profiles import PROFILES
from gateway.settings import Settings

_DATE: Final = "2026-01-15"
_WHAT_IS_TAKEN: Final = (
    "Messages in; other Bundles (collection, transaction, document) and single resources at the base, answered 202 with custody. "
    "Nothing about a person can be read or searched here; definitions and examples about nobody can."
)
_MINUTES_A_DAY: Final = 1_440
SEARCHED_BY: Final = {"url": ("uri", "The canonical address of a definition, whole.")}
"""Every search parameter that a route may take: its type and what it means."""


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """What a route is in FHIR's words: an interaction with a resource type, or an operation (`type` is empty for one of the whole system)."""

    code: Literal["read", "search-type", "operation"]
    type: str = ""
    name: str = ""
    definition: str = ""
    documentation: str = ""
    parameters: frozenset[str] = frozenset()


def _operation(interaction: Interaction) -> dict[str, Any]:
    return {
        "name": interaction.name,
        "definition": interaction.definition,
        "documentation": interaction.documentation,
    }


def _resources(served: Sequence[Interaction]) -> Iterator[dict[str, Any]]:
    for name in sorted({one.type for one in served} - {""}):
        own = [one for one in served if one.type == name]
        codes = sorted((one.code, one.documentation) for one in own if one.code != "operation")
        operations = [_operation(one) for one in own if one.code == "operation"]
        parameters = sorted(parameter for one in own if one.code == "search-type" for parameter in one.parameters)
        found: dict[str, Any] = {"type": name}
        if codes:
            found["interaction"] = [{"code": code, **({"documentation": said} if said else {})} for code, said in codes]
        if parameters:
            found["searchParam"] = [
                {"name": each, "type": SEARCHED_BY[each][0], "documentation": SEARCHED_BY[each][1]}
                for each in parameters
            ]
        if operations:
            found["operation"] = operations
        yield found


def _messaging(settings: Settings, base: str) -> dict[str, Any]:
    return {
        "endpoint": [
            {
                "protocol": {"system": "http://terminology.hl7.org/CodeSystem/message-transport", "code": "http"},
                "address": f"{base}/fhir/$process-message",
            }
        ],
        "reliableCache": settings.retention.answer * _MINUTES_A_DAY,
        "documentation": (
            "The event is read from the content; any eventCoding or eventUri is taken. The same Bundle.id and "
            "MessageHeader.id with the same bytes gets the same answer again; with other bytes it is refused. A sender that is "
            "registered for the dialect of BaRS is answered 409 or 425 for the same X-Request-ID."
        ),
        "supportedMessage": [
            {"mode": "sender", "definition": definition["url"]}
            for definition in DEFINITIONS["MessageDefinition"].values()
        ],
    }


_SECURITY: Final = {
    "cors": False,
    "service": [
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                    "code": "SMART-on-FHIR",
                }
            ]
        }
    ],
    "description": "SMART Backend Services: a bearer of a registered client on every route but this one, the definitions and the probes.",
}


def capability_statement(settings: Settings, base: str, served: Sequence[Interaction]) -> dict[str, Any]:
    """FHIR R4 CapabilityStatement of kind `instance`. `base` is the address without `/fhir`, `served` what the routes are."""
    rest: dict[str, Any] = {"mode": "server", "documentation": _WHAT_IS_TAKEN, "security": _SECURITY}
    rest["resource"] = list(_resources(served))
    rest["operation"] = [_operation(one) for one in served if one.code == "operation" and not one.type]
    documents = [profile.url for profile in PROFILES.values() if profile.resource_type == "Bundle"]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "Throughgate"},
        "implementation": {"description": settings.sender.name, "url": f"{base}/fhir"},
        "fhirVersion": "4.0.1",
        "implementationGuide": [GUIDE],
        "format": ["application/fhir+json"],
        "rest": [rest],
        "messaging": [_messaging(settings, base)],
        "document": [{"mode": "producer", "profile": url} for url in documents],
    }
