"""What one MLLP listener needs to know. Every limit has a bound; only loopback can be listened on until there is mutual TLS."""

from ipaddress import ip_address

from pydantic import BaseModel, ConfigDict, Field, field_validator


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

    @field_validator("host")
    @classmethod
    def _only_loopback(cls, host: str) -> str:
        try:
            loopback = ip_address(host).is_loopback
        except ValueError:
            loopback = host == "localhost"
        # INVARIANT: without mutual TLS nothing listens beyond this machine.
        if not loopback:
            raise ValueError("only loopback can be listened on: use 127.0.0.1, ::1 or localhost")
        return host
