"""Posts an HL7 v2 letter. It is the sender of `fhir_http` with one thing more: a 2xx is no yes before its acknowledgement says so.

It MUST NOT follow a redirect, or read more of an answer than which letter it acknowledges and how.
"""

from adapters.contract import Outgoing, Receipt
from adapters.fhir_http.outbound import FhirHttpOutbound
from adapters.fhir_http.settings import OutboundSettings
from adapters.mllp.acknowledgement import judged


class Hl7v2HttpOutbound:
    """The sender for one recipient."""

    def __init__(self, settings: OutboundSettings) -> None:
        self._http = FhirHttpOutbound(settings, accept="application/hl7-v2+er7")

    async def send(self, letter: Outgoing) -> Receipt:
        """One attempt. Raises Transient or Permanent."""
        receipt = await self._http.send(letter)
        # what is ambiguous has no answer; with status 2xx alone the letter may not have been taken
        return judged(receipt.reply, letter.delivery_id) if receipt.code.startswith("http-") else receipt

    async def close(self) -> None:
        """Close the kept connections."""
        await self._http.close()
