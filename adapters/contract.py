"""What passes between an adapter and the gateway: plain values, and the two questions an error answers.

An adapter moves bytes. It MUST NOT read content, keep anything, or import another package of ours.

    AdapterError
    |-- Transient    trying again can help: nothing arrived, or the recipient asked us to come back
    `-- Permanent    trying again cannot help: a person must look
"""

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol


class AdapterError(Exception):
    """Base of everything an adapter may raise from `send`. The text never quotes a letter or an answer's body."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Transient(AdapterError):
    """Certain that the letter had no effect, or the recipient said so: the same letter may be sent again."""

    def __init__(self, code: str, text: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(code, text)
        self.retry_after_seconds = retry_after_seconds


class Permanent(AdapterError):
    """The recipient refused, or can never take this letter."""


class Outcome(StrEnum):
    """What is known after a send. What is not known is `ambiguous`, never assumed."""

    DELIVERED = "delivered"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Bytes that came in over a channel. `client` is proven by the adapter (port, certificate, bearer), never read from the body."""

    channel: str
    client: str
    body: bytes
    content_type: str
    idempotency_key: str | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    """X-Request-ID and X-Correlation-ID, where the caller gave them as GUIDs."""
    kinds: tuple[str, ...] = ()
    """The message kinds that this way in takes; none: every kind that the channel's format has."""
    answer_later: bool = False
    """The request asks for its response as a message of its own; an HL7 message says so itself."""
    truncated: bool = False
    """More came than the channel takes: `body` is only its beginning, kept so that the refusal can name the message."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What goes back to the sender, decided by the gateway after the commit. An empty `body` means that nothing is sent.

    `then` holds further messages owed on the same connection (an HL7 application acknowledgement after the accept
    acknowledgement); a transport with one answer a request leaves them out.
    """

    body: bytes
    content_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    then: tuple[bytes, ...] = ()


CHECKPOINT: Final = "Ledger-Checkpoint"
"""The header that a recipient may keep as a receipt: the ledger's last signed head (a C2SP signed note), in base64."""


def in_header(checkpoint: str) -> str:
    """A signed note as the value of `CHECKPOINT`."""
    return base64.b64encode(checkpoint.encode()).decode()


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """Bytes on their way out. `delivery_id` is the idempotency key, the same at every attempt. For wires that have a place for them, and empty where
    there is none: `checkpoint`, the ledger's last signed head, and `conversation`, opaque, which what belongs together for its recipient shares.
    """

    delivery_id: str
    recipient: str
    wire: str
    content_type: str
    body: bytes
    checkpoint: str = ""
    conversation: str = ""


@dataclass(frozen=True, kw_only=True)
class Letter(Outgoing):
    """One sealed letter. Only `gateway.steps.deliver.open_at_door` makes one (a test reads the syntax trees)."""


@dataclass(frozen=True, kw_only=True)
class OwedAnswer(Outgoing):
    """What a sender asked to be told later, as a message of its own. `recipient` is the channel that it asked on; no content is in it."""


DUPLICATE: Final = "duplicate"
"""The code of a receipt whose recipient says that it has a letter of this id already."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The recipient's answer: an outcome, a closed code, and the whole body of the answer, unread, where it is within its limit."""

    outcome: Outcome
    code: str
    reply: bytes = field(default=b"", repr=False)


Accept = Callable[[Arrival], Awaitable[Answer]]


class Inbound(Protocol):
    """A listener. `start` returns when it accepts connections; `stop` lets what is in flight finish."""

    async def start(self, accept: Accept) -> None: ...

    async def stop(self) -> None: ...

    def counted(self) -> Mapping[str, int]:
        """What it has seen since it was made, by the closed words of `AdapterSpec.counted`. Numbers only."""
        ...


class Outbound(Protocol):
    """A sender to one address. `send` MUST raise only `AdapterError`s and MUST use `delivery_id` as the idempotency key."""

    async def send(self, letter: Outgoing) -> Receipt: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class AdapterSpec:
    """What an adapter folder declares as `SPEC`: its name, its settings models (pydantic) and how it is built from them."""

    name: str
    inbound_settings: type[Any] | None = None
    outbound_settings: type[Any] | None = None
    make_inbound: Callable[[Any], Inbound] | None = None
    make_outbound: Callable[[Any], Outbound] | None = None
    counted: tuple[str, ...] = ()
    """The words that its listeners count under."""
    wires: frozenset[str] = frozenset()
    """The wires that it can carry out; none named: every one."""
