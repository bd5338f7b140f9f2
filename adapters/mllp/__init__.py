"""MLLP: HL7 v2 messages over TCP, framed by <VT> ... <FS><CR>. One listener a client."""

from dataclasses import asdict

from adapters.contract import AdapterSpec
from adapters.mllp.inbound import Counts, MllpInbound
from adapters.mllp.settings import InboundSettings

SPEC = AdapterSpec(
    name="mllp",
    inbound_settings=InboundSettings,
    make_inbound=MllpInbound,
    counted=tuple(asdict(Counts())),
)
