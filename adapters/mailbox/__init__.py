"""The mailbox: a recipient without a server collects its letters itself. The gateway's HTTP side is the door; nothing is sent."""

from adapters.contract import AdapterSpec
from adapters.mailbox.settings import OutboundSettings

SPEC = AdapterSpec(name="mailbox", outbound_settings=OutboundSettings)
