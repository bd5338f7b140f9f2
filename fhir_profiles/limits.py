"""How much of a message is read before it is refused: every limit by name. A limit must never be silent: the refusal names it."""

from typing import Final

MAX_BODY_BYTES: Final = 5 * 1024 * 1024
"""The whole message, as bytes on the wire."""
MAX_DEPTH: Final = 64
"""Nesting of JSON objects and arrays; FHIR content of this domain stays below 20."""
MAX_ENTRIES: Final = 2_000
"""Entries of one Bundle."""
MAX_SEGMENTS: Final = 5_000
"""Segments of one HL7 v2 message."""
MAX_NUMBER_CHARACTERS: Final = 300
"""Characters of one JSON number; FHIR R4 asks for 18 digits (http://hl7.org/fhir/R4/datatypes.html#decimal)."""
MAX_NUMBER_EXPONENT: Final = 400
"""Decimal places or zeros that an exponent may ask for; beyond it arithmetic would cost more than the message is worth."""
MAX_ISSUES: Final = 100
"""Issues that one validation reports; one more says that there are others."""
MAX_NARRATIVE_CHARACTERS: Final = 200_000
"""Characters of one narrative (XHTML)."""
