"""MLLP: HL7 v2 messages over TCP, framed by <VT> ... <FS><CR>. One listener a client, one sender a recipient."""

from dataclasses import asdict

from adapters.contract import AdapterSpec
from adapters.mllp.inbound import Counts, MllpInbound
from adapters.mllp.outbound import MllpOutbound
from adapters.mllp.settings import InboundSettings, OutboundSettings

SPEC = AdapterSpec(
    name="mllp",
    inbound_settings=InboundSettings,
    outbound_settings=OutboundSettings,
    make_inbound=MllpInbound,
    make_outbound=MllpOutbound,
    counted=tuple(asdict(Counts())),
    wires=frozenset({"hl7v2", "hl7v2-oru"}),
)
