"""What this gateway says about itself. Only what is served may stand here; tests compare it with the route table."""

from typing import Any, Final

from gateway.settings import Settings
from gateway.smart.keys import ALGORITHMS

_DATE: Final = "2026-01-15"
_WHAT_IS_TAKEN: Final = (
    "Messages in; other Bundles (collection, transaction, document) and single resources at the base, answered 202 with custody. "
    "Nothing about a person can be read or searched here."
)
_MINUTES_A_DAY: Final = 1_440
SCOPES: Final = "system/Binary.c system/Bundle.crus system/Consent.r"
"""Every scope that any route asks for (a test compares with the route table)."""
_DECIDE: Final = {
    "name": "decide",
    "definition": "https://throughgate.example/OperationDefinition/consent-decide",
    "documentation": "What the consents of a question say of its resources, as JSON of a local shape. Nothing is stored or released.",
}


def base_address(settings: Settings) -> str:
    """The address by which clients know this gateway: `gateway.public_url`, else where this process listens."""
    if settings.gateway.public_url:
        return settings.gateway.public_url
    host = settings.gateway.http_host
    return f"{settings.http_scheme()}://{f'[{host}]' if ':' in host else host}:{settings.gateway.http_port}"


def token_address(settings: Settings) -> str:
    """The token endpoint."""
    return f"{base_address(settings)}/oauth2/token"


def audiences(settings: Settings) -> tuple[str, str]:
    """What an assertion may be for, byte for byte: this issuer, or its token endpoint as SMART says."""
    return base_address(settings), token_address(settings)


def capability_statement(settings: Settings) -> dict[str, Any]:
    """FHIR R4 CapabilityStatement of kind `instance`: one operation, and messages with a cache of answered ones."""
    base = base_address(settings)
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "Throughgate"},
        "implementation": {"description": settings.sender.name, "url": f"{base}/fhir"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": _WHAT_IS_TAKEN,
                "security": {
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
                    "description": "SMART Backend Services: a bearer of a registered client on every route but this one and the probes.",
                },
                "resource": [{"type": "Consent", "operation": [_DECIDE]}],
                "operation": [
                    {
                        "name": "process-message",
                        "definition": "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
                        "documentation": "Bundle of type message; async=true answers 202 at once. response-url is not taken.",
                    }
                ],
            }
        ],
        "messaging": [
            {
                "endpoint": [
                    {
                        "protocol": {
                            "system": "http://terminology.hl7.org/CodeSystem/message-transport",
                            "code": "http",
                        },
                        "address": f"{base}/fhir/$process-message",
                    }
                ],
                "reliableCache": settings.retention.answer * _MINUTES_A_DAY,
                "documentation": (
                    "The event is read from the content; any eventCoding or eventUri is taken. The same Bundle.id and "
                    "MessageHeader.id with the same bytes gets the same answer again; with other bytes it is refused."
                ),
            }
        ],
    }


def smart_configuration(settings: Settings) -> dict[str, Any]:
    """The SMART document of Backend Services."""
    return {
        "issuer": base_address(settings),
        "token_endpoint": token_address(settings),
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": sorted(ALGORITHMS.values()),
        "scopes_supported": SCOPES.split(" "),
        "capabilities": ["client-confidential-asymmetric", "permission-v2"],
        "tls_client_certificate_bound_access_tokens": settings.http_mutual(),
    }
