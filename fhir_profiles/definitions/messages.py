"""MessageDefinitions: what a letter is on the wire `fhir-message`, and the response that a sender is given. Made from what is registered."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles.letters.parts.spec import LetterKind
from fhir_profiles.profiles import PROFILES
from fhir_profiles.profiles.checking.spec import CANONICAL
from fhir_profiles.profiles.letter_header import MESSAGE_EVENTS
from fhir_profiles.shapes import Json

_MESSAGE: Final = "https://throughgate.example/MessageDefinition/"
RESPONSE_EVENT: Final = "https://throughgate.example/event/response"


def _focus(letter: LetterKind) -> Iterator[Json]:
    """Give what the MessageHeader of this letter points to: its Composition; or its notice, prescriptions, what was issued, doses and referrals."""
    if "fhir-document" in letter.wires:
        profile = f"{CANONICAL}{letter.name}-composition"
        claim = {"profile": profile} if profile in PROFILES else {}
        yield {"code": "Composition", **claim, "min": 1, "max": "1"}
        return
    own = PROFILES.get(CANONICAL + letter.name)
    kind = own.resource_type if own is not None else ""
    notice = own.url if own is not None and kind == "Communication" else f"{CANONICAL}notice"
    yield {"code": "Communication", "profile": notice, "min": 1, "max": "1"}
    claim = {"profile": own.url} if own is not None and kind == "MedicationRequest" else {}
    yield {"code": "MedicationRequest", **claim, "min": 0, "max": "*"}
    yield {"code": "MedicationDispense", "min": 0, "max": "*"}
    yield {"code": "MedicationAdministration", "min": 0, "max": "*"}
    claim = {"profile": own.url} if own is not None and kind == "ServiceRequest" else {}
    yield {"code": "ServiceRequest", **claim, "min": 0, "max": "*"}


def _definition(name: str, title: str, description: str, event: Json) -> Json:
    return {
        "resourceType": "MessageDefinition",
        "id": name,
        "url": _MESSAGE + name,
        "version": "0.1.0",
        "name": "Throughgate" + "".join(word.capitalize() for word in name.split("-")),
        "title": title,
        "status": "draft",
        "experimental": True,
        "date": "2026-01-15",
        "publisher": "Throughgate",
        "description": description,
        **event,
        "category": "notification",
    }


def message_definition(letter: LetterKind) -> Json:
    """Give the MessageDefinition of a letter that a `fhir-message` can carry (http://hl7.org/fhir/R4/messagedefinition.html)."""
    description = (
        f"The letter {letter.name} to a recipient that is registered for it, through its sharing agreement. Its event is of a local code "
        "system: it can be taken for no event of the Electronic Prescription Service or of Booking and Referral."
    )
    event = {"eventCoding": {"system": MESSAGE_EVENTS, "code": letter.name}}
    return {**_definition(letter.name, letter.title, description, event), "focus": list(_focus(letter))}


def response_definition() -> Json:
    """Give the MessageDefinition of the response to a message that came in."""
    description = (
        "Answers $process-message: at once when the message was processed in time, or later as a message of its own to the registered address of "
        "a sender that asked for that (async=true). The code is ok once the message was processed, and says nothing of what was withheld from "
        "whom; fatal-error, with an OperationOutcome, when a person rejected the message. transient-error is not used: what waits here is ours."
    )
    return _definition("response", "Response", description, {"eventUri": RESPONSE_EVENT})
