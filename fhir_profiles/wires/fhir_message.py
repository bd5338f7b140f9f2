"""The wire `fhir-message`: a message Bundle, the MessageHeader first (http://hl7.org/fhir/R4/messaging.html).

The event is always one of ours. It must never be an event of the Electronic Prescription Service: a copy that could be taken for a
`prescription-order` is a supply that nobody authorised.
"""

from typing import Final

from fhir_profiles.elements import as_objects, codes, kind
from fhir_profiles.fhir_json import encode
from fhir_profiles.profiles import claimed, letter_header
from fhir_profiles.shapes import Heading, Json, Rendered
from fhir_profiles.systems import BARS_REASON
from fhir_profiles.wires.envelope import derived_uuid, entries_of, first_of, head_of, letter_name
from fhir_profiles.wires.narrative import narrated

CONTENT_TYPE: Final = "application/fhir+json"
_CONTENT: Final = frozenset(
    {"Communication", "MedicationRequest", "MedicationDispense", "MedicationAdministration", "ServiceRequest"}
)


def _focus(entries: tuple[Json, ...]) -> list[str]:
    """Give what the message is about: the Composition; or the notice, the prescriptions, the doses and the referrals."""
    composition = first_of(entries, "Composition")
    if composition is not None:
        return [composition["fullUrl"]]
    return [e["fullUrl"] for e in entries if kind(e["resource"]) in _CONTENT]


def _reason(entries: tuple[Json, ...]) -> Json | None:
    """Give why a referral is told, new or again, as its notice says it."""
    note = first_of(entries, "Communication")
    reasons = as_objects(note["resource"].get("reasonCode")) if note is not None else ()
    return next((each for each in reasons if codes(each, BARS_REASON)), None)


def message(bundle: Json, heading: Heading) -> Json:
    """Make the message; a Composition in it gets its narrative."""
    entries = narrated(entries_of(bundle, heading))
    header = letter_header.build(
        header_id=derived_uuid(heading.delivery_id, "message-header"),
        event=letter_name(entries),
        heading=heading,
        focus=_focus(entries),
        reason=_reason(entries),
    )
    return claimed(
        {
            **head_of(bundle, heading),
            "type": "message",
            "timestamp": heading.time,
            "entry": [{"fullUrl": f"urn:uuid:{header['id']}", "resource": header}, *entries],
        }
    )


def render(bundle: Json, heading: Heading) -> Rendered:
    body = encode(message(bundle, heading))
    return Rendered(content_type=CONTENT_TYPE, body=body, text=body)
