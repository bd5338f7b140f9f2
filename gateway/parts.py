"""The parts of one gateway, handed to every step. `wiring.py` is the only maker; a step MUST NOT reach for a part any other way."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from adapters.contract import Inbound, Outbound
from consent.shapes import Agreement
from gateway.bus import Bus
from gateway.instants import Clock, to_text
from gateway.keys import Keys
from gateway.keys.identifiers import Ids
from gateway.ledger import Ledger
from gateway.pressure import Pressure
from gateway.recipients import Recipient
from gateway.refusals import Refusals
from gateway.settings import Settings
from gateway.store import Store
from gateway.translations import Translations


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a person is told: ids and a code, never content. Empty text where there is no such id."""

    code: str
    role: str
    task: str
    message: str
    delivery: str


Teller = Callable[[Told], Awaitable[None]]
"""Tells a person. Raises anything when it could not: it is asked again later."""


@dataclass(kw_only=True)
class Parts:
    """Everything a step may use. `outbounds` has one sender a recipient that is not a mailbox; `agreements` are the active ones by name."""

    settings: Settings
    store: Store
    bus: Bus
    keys: Keys
    ledger: Ledger
    clock: Clock
    ids: Ids
    recipients: Mapping[str, Recipient]
    agreements: Mapping[str, Agreement]
    establishments: Mapping[str, str]
    outbounds: Mapping[str, Outbound]
    answering: Mapping[str, Outbound] = field(default_factory=dict)
    """One sender a channel whose client has registered where its later answers go: connections of their own, so that none stands before a letter."""
    signatures: frozenset[str] = frozenset()
    """Ids of the signatures that put `agreements` in force (gateway/activation.py)."""
    unread: frozenset[str] = frozenset()
    """Names of agreements that two people put in force and that this program cannot read: nothing leaves under them."""
    teller: Teller | None = None
    register_checked: bool = True
    """False only in `try` without a configuration: an unknown sender is named, not refused."""
    dry_run: bool = False
    """True only in `try`: nothing is sent, processing ids P, T and D are taken."""
    pressure: Pressure = field(default_factory=Pressure)
    refusals: Refusals = field(default_factory=Refusals)
    doors: dict[str, Inbound] = field(default_factory=dict)
    """The listeners that are open, by channel. `serving.py` opens and closes them."""
    translations: Translations = field(default_factory=Translations)

    def now(self) -> str:
        """Tell this instant as the store writes it."""
        return to_text(self.clock())

    def after(self, *, days: float = 0, seconds: float = 0) -> str:
        """That much later than now, as the store writes it."""
        return to_text(self.clock() + timedelta(days=days, seconds=seconds))
