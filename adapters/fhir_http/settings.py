"""Where and how long one recipient is posted to. The address comes from here only, never from a message."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class OutboundSettings(BaseModel):
    """The keys of `[adapter_settings]` in a recipient's file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    url: str
    connect_seconds: float = Field(default=5, gt=0, le=60)
    total_seconds: float = Field(default=30, gt=0, le=300)
    """From the first try to connect to the recipient's status line. Beyond it the outcome is `ambiguous`."""
    retry_after_max_seconds: float = Field(default=3_600, gt=0, le=86_400)
    max_answer_bytes: int = Field(default=65_536, ge=0, le=1_048_576)
    """How much of an answer is read, for the gateway to find a reply in; beyond it nothing is kept and the connection is closed."""
    max_connections: int = Field(default=8, ge=1, le=256)

    @field_validator("url")
    @classmethod
    def _safe(cls, url: str) -> str:
        parts = urlsplit(url)
        host = parts.hostname or ""
        try:
            loopback = ip_address(host).is_loopback
        except ValueError:
            loopback = host == "localhost"
        # INVARIANT: a letter crosses a network only under TLS, and no credential stands in an address.
        if parts.username or parts.password or parts.fragment:
            raise ValueError("an address without user, password or fragment is needed")
        if not host or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
            raise ValueError("an https address is needed (http only to this machine)")
        return url
