"""What one MLLP listener, or the sender to one recipient, needs to know. Every limit has a bound; beyond loopback there is TLS."""

from ipaddress import ip_address
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class InboundSettings(BaseModel):
    """One listener for one client. Port 0 takes a free port (tests)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    channel: str = Field(min_length=1)
    client: str = Field(min_length=1)
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65_535)
    max_frame_bytes: int = Field(default=5_242_880, ge=64, le=67_108_864)
    max_connections: int = Field(default=1_000, ge=1, le=10_000)
    max_buffered_bytes: int = Field(default=67_108_864, ge=64, le=1_073_741_824)
    """All unfinished frames of this listener together; a connection that would go beyond it is closed without an answer."""
    max_junk_bytes: int = Field(default=1_048_576, ge=0, le=67_108_864)
    """Bytes outside frames that one connection may send before it is closed."""
    idle_seconds: float = Field(default=300, gt=0, le=86_400)
    """From the end of one frame to the beginning of the next."""
    frame_seconds: float = Field(default=30, gt=0, le=600)
    """From the first byte of a frame to its last."""
    missing_cr_seconds: float = Field(default=0.25, gt=0, le=5)
    """How long <FS> waits for its <CR> before the frame counts as ended without one."""
    write_seconds: float = Field(default=30, gt=0, le=600)
    """How long a sender may leave its acknowledgement unread."""
    stop_seconds: float = Field(default=10, gt=0, le=300)
    """How long a stop waits for messages in flight."""

    handshake_seconds: float = Field(default=10, gt=0, le=60)
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    client_certificates: tuple[str, ...] = ()
    """Mutual TLS: our PEM files, who signs clients' certificates, and the SHA-256 (hex) of those that are this client. All or none."""

    @property
    def mutual_tls(self) -> bool:
        """Does a client have to show its certificate?"""
        return bool(self.client_certificates)

    @model_validator(mode="after")
    def _safe(self) -> Self:
        given = (self.certificate, self.key, self.client_ca, self.client_certificates or None)
        if any(given) and not all(given):
            raise ValueError("mutual TLS needs certificate, key, client_ca and client_certificates")
        # INVARIANT: without mutual TLS nothing listens beyond this machine.
        if not _is_loopback(self.host) and not self.mutual_tls:
            raise ValueError("only loopback can be listened on without mutual TLS: use 127.0.0.1, ::1 or localhost")
        return self


class OutboundSettings(BaseModel):
    """The keys of `[adapter_settings]` in a recipient's file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65_535)
    connect_seconds: float = Field(default=5, gt=0, le=60)
    total_seconds: float = Field(default=30, gt=0, le=300)
    """From the first byte of the letter to the acknowledgement. Beyond it the outcome is `ambiguous`."""
    max_answer_bytes: int = Field(default=65_536, ge=64, le=1_048_576)
    max_connections: int = Field(default=1, ge=1, le=64)
    """Letters on their way at once, a connection each: many receivers take one."""
    ca: Path | None = Field(default=None, strict=False)
    """PEM file of who signs the receiver's certificate: with it the letter goes under TLS, and the name in the certificate must be `host`."""
    certificate: Path | None = Field(default=None, strict=False)
    key: Path | None = Field(default=None, strict=False)
    """Our own certificate and its key, for a receiver that asks for one."""

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if (self.certificate is None) != (self.key is None) or (self.certificate is not None and self.ca is None):
            raise ValueError("a certificate of our own needs its key, and the receiver's ca")
        # INVARIANT: a letter crosses a network only under TLS.
        if self.ca is None and not _is_loopback(self.host):
            raise ValueError("only this machine can be sent to without TLS: name the receiver's ca")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
