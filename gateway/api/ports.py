"""What the HTTP side needs of a gateway. `gateway.pipeline.Gateway` has it; tests may bring something smaller."""

from collections.abc import Sequence
from typing import Protocol

from adapters.contract import Arrival, Inbound, Letter
from gateway.audit_feed import Page
from gateway.clients import Client
from gateway.keys.identifiers import Ids
from gateway.refusals import Refusals
from gateway.settings import Settings
from gateway.states import MessageState
from gateway.steps.receive import Received
from gateway.store import Store


class MailboxItem(Protocol):
    """One line of a mailbox's list: an id and a time, nothing else."""

    @property
    def id(self) -> str: ...

    @property
    def queued_at(self) -> str: ...


class Intake(Protocol):
    """The line, as far as HTTP goes."""

    settings: Settings
    store: Store
    ids: Ids
    refusals: Refusals
    doors: dict[str, Inbound]

    def now(self) -> str:
        """Tell this instant as the store writes it."""
        ...

    async def receive(self, arrival: Arrival) -> Received:
        """Custody of an arrival; what was accepted is published when this returns. Never raises on data."""
        ...

    async def settle_message(self, message_id: str, timeout_seconds: float) -> MessageState:
        """The state of a message once it is no longer `received`, or after that time."""
        ...

    async def mailbox_list(self, client: Client) -> Sequence[MailboxItem]:
        """What waits for the client's recipient."""
        ...

    async def mailbox_open(self, client: Client, delivery_id: str) -> Letter | None:
        """The door: the letter, checked now; None for recalled, expired, unknown and another's, which look the same."""
        ...

    async def mailbox_acknowledge(self, client: Client, delivery_id: str) -> bool:
        """The recipient stored it. False when there is no such letter for this client."""
        ...

    async def signed_head(self) -> str:
        """The last signed head of the ledger, as a signed note; empty where there is none."""
        ...

    async def audit_page(self, after: int, count: int) -> Page:
        """What the ledger says behind a position, as AuditEvents. NotProvable where there is no signed head."""
        ...

    async def ready(self) -> bool:
        """Can messages be taken now?"""
        ...
