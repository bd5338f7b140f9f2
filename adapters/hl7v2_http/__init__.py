"""HL7 v2 over HTTP: a letter is one POST to a recipient's fixed address, and the acknowledgement is in the answer."""

from adapters.contract import AdapterSpec
from adapters.fhir_http.settings import OutboundSettings
from adapters.hl7v2_http.outbound import Hl7v2HttpOutbound

SPEC = AdapterSpec(
    name="hl7v2_http",
    outbound_settings=OutboundSettings,
    make_outbound=Hl7v2HttpOutbound,
    wires=frozenset({"hl7v2", "hl7v2-oru"}),
)
