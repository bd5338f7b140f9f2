"""FHIR over HTTP: a letter is one POST to a recipient's fixed address."""

from adapters.contract import AdapterSpec
from adapters.fhir_http.outbound import FhirHttpOutbound
from adapters.fhir_http.settings import OutboundSettings

SPEC = AdapterSpec(
    name="fhir_http",
    outbound_settings=OutboundSettings,
    make_outbound=FhirHttpOutbound,
    wires=frozenset({"fhir-document", "fhir-message", "fhir-collection", "pdf"}),
)
