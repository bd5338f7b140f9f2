"""What a handover says of the consent under which it leaves: kind, state and day, as recorded (decision 0040).

It MUST NOT be given any other consent than those that let this letter go to this recipient: whom the person refused, or agreed to tell, is
nobody else's to know.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles.elements import as_text, codes
from fhir_profiles.shapes import Json

NONE: Final = "Consent: none of the person's is on record for this. It goes for their care, and no refusal of it is recorded. Ask them before you pass it on."
AGREED: Final = "Consent: the person agreed to this. On record: {}. Ask them before you pass it on."
UNSAID: Final = "Consent: this goes for the person's care. What they have agreed to is not said here: ask them, also before you pass it on."
"""Of a letter that is not whole, whatever keeps the rest back: it says no more than the mark of such a letter says already."""
_SCOPE: Final = "http://terminology.hl7.org/CodeSystem/consentscope"
_KINDS: Final = {
    "patient-privacy": "consent to the sharing of information",
    "treatment": "consent to treatment",
}
"""R4 Consent.scope -> words; another one is a consent and nothing more."""


def _told(consent: Json) -> str:
    kind = next((_KINDS[each] for each in codes(consent.get("scope"), _SCOPE) if each in _KINDS), "consent")
    day = as_text(consent.get("dateTime"))[:10] or "on a day that is not stated"
    return f"{kind}, {as_text(consent.get('status'))}, {day}"


def consent_sentence(consents: Sequence[Json] | None) -> str:
    """Give the sentence of a letter that leaves under these FHIR Consents, or under none; None where nothing may be said of them."""
    if consents is None:
        return UNSAID
    told = sorted({_told(each) for each in consents})
    return AGREED.format("; ".join(told)) if told else NONE
