"""What the bytes of a message alone say, whatever its format. It must never look at a register, a store or a person's file."""

from fhir_profiles.peek_fhir import peek_fhir
from fhir_profiles.peek_hl7v2 import peek_hl7v2
from fhir_profiles.shapes import Channel, Envelope, Refusal


def peek(channel: Channel, body: bytes) -> Envelope | Refusal:
    """Read one message of the format that the channel speaks. Total: whatever the bytes are, the answer is an Envelope or a Refusal."""
    return peek_hl7v2(channel, body) if channel.format == "hl7v2" else peek_fhir(channel, body)
