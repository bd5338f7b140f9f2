"""Where this gateway is and how clients prove themselves to it. Only what is served may stand here; tests compare it with the route table."""

from typing import Any, Final

from gateway.settings import Settings
from gateway.smart.keys import ALGORITHMS

SCOPES: Final = "system/AuditEvent.s system/Binary.c system/Bundle.crus system/Consent.r"
"""Every scope that any route asks for (a test compares with the route table)."""


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
