"""Files in folders: a letter is dropped whole into one, a message is taken from another and answered by a file beside it."""

from dataclasses import asdict

from adapters.contract import AdapterSpec
from adapters.file_drop.inbound import Counts, FileDropInbound
from adapters.file_drop.outbound import FileDropOutbound
from adapters.file_drop.settings import InboundSettings, OutboundSettings

SPEC = AdapterSpec(
    name="file_drop",
    inbound_settings=InboundSettings,
    outbound_settings=OutboundSettings,
    make_inbound=FileDropInbound,
    make_outbound=FileDropOutbound,
    counted=tuple(asdict(Counts())),
)
