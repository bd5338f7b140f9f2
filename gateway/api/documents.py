"""What this gateway says about itself. Only what is served may stand here; tests compare it with the route table."""

from typing import Any, Final

from gateway.settings import Settings

_DATE: Final = "2026-01-15"
_MINUTES_A_DAY: Final = 1_440


def base_address(settings: Settings) -> str:
    """Where this process listens."""
    host = settings.gateway.http_host
    return (
        f"http://[{host}]:{settings.gateway.http_port}"
        if ":" in host
        else f"http://{host}:{settings.gateway.http_port}"
    )


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
                "documentation": "Messages in. Nothing about a person can be read or searched here.",
                "security": {
                    "cors": False,
                    "description": "A bearer of a registered client on every route but this one and the probes.",
                },
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
    """The SMART document. The token endpoint is there and issues nothing yet, so it lists no grant."""
    return {
        "token_endpoint": f"{base_address(settings)}/oauth2/token",
        "grant_types_supported": [],
        "token_endpoint_auth_methods_supported": [],
        "capabilities": [],
    }
