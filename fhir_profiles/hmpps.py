"""An HMPPS domain event as it is written: bare, or in the SNS envelope that a queue brings. It must never say what the event means.

`eventType`, `occurredAt` and `additionalInformation` as in ministryofjustice/hmpps-domain-events. An event has ids and codes and nothing clinical.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fhir_profiles import systems
from fhir_profiles.fhir_json import FhirJsonError, decode
from fhir_profiles.fhir_message import object_of, objects_of, text_of
from fhir_profiles.identifiers import normal_prison_number, prison_number_is_valid
from fhir_profiles.shapes import Json, PersonIdentifier

KIND: Final = "hmpps-event"
SENDER: Final = "HMPPS"
_AT_ONCE: Final = "prisoner-offender-search."
_FEEDS: Final = ("prison-offender-events.", _AT_ONCE)
"""Two feeds tell of the same movements: the first 45 minutes later and with the movement's reason, the second at once and without it."""
_AGENCY: Final = re.compile(r"[A-Z]{3}")
_NO_PRISON: Final = frozenset({"OUT", "TRN"})
"""Agencies of NOMIS that are no place: out of custody, and on the way."""


@dataclass(frozen=True, kw_only=True)
class HmppsEvent:
    """One event. `name` is its type without the feed; `content` is the event, `envelope` what stands around it (SNS), `{}` when bare."""

    name: str
    event_type: str
    content: Json
    envelope: Json

    @property
    def information(self) -> Json:
        """`additionalInformation`."""
        return object_of(self.content.get("additionalInformation"))

    @property
    def message_id(self) -> str:
        """SNS's id, which a repeated delivery keeps; a bare event has none."""
        return text_of(self.envelope.get("MessageId"))

    @property
    def at_once(self) -> bool:
        """Whether it comes from the feed that does not wait: what it says of a movement can still be reversed."""
        return self.event_type.startswith(_AT_ONCE)

    @property
    def establishment(self) -> str | None:
        """The prison that it names: no place is no prison."""
        found = text_of(self.information.get("prisonId"))
        return found if _AGENCY.fullmatch(found) and found not in _NO_PRISON else None

    def persons(self) -> tuple[PersonIdentifier, ...]:
        """Give the prison numbers of whom it is about, each once."""
        found: dict[str, PersonIdentifier] = {}
        for place, written in self._numbers():
            number = prison_number(written, place)
            found.setdefault(number.value, number)
        return tuple(found.values())

    def number_places(self) -> tuple[str, ...]:
        """Give every place where a number of theirs stands, also one that only repeats another."""
        return tuple(place for place, _ in self._numbers())

    def _numbers(self) -> Iterator[tuple[str, str]]:
        for name in ("nomsNumber", "movedToNomsNumber"):
            written = text_of(self.information.get(name))
            if written:
                yield f"additionalInformation.{name}", written
        listed = objects_of(object_of(self.content.get("personReference")).get("identifiers"))
        for index, each in enumerate(listed):
            if text_of(each.get("type")) == "NOMS" and text_of(each.get("value")):
                yield f"personReference.identifiers[{index}].value", text_of(each.get("value"))


def prison_number(written: str, place: str) -> PersonIdentifier:
    """Give a prison number that was written at a place."""
    value = normal_prison_number(written)
    return PersonIdentifier(system=systems.PRISON_NUMBER, value=value, path=place, valid=prison_number_is_valid(value))


def is_event(content: Json) -> bool:
    """Say whether JSON is an event or its envelope, and no FHIR."""
    return "resourceType" not in content and ("eventType" in content or content.get("Type") == "Notification")


def event_of(content: Json) -> HmppsEvent:
    """Read an event, or the one in an SNS envelope. Raises FhirJsonError when what the envelope holds is no JSON object."""
    inner, envelope = content, {}
    if content.get("Type") == "Notification":
        inner, envelope = decode(text_of(content.get("Message")).encode("utf-8", "surrogatepass")), content
    event_type = text_of(inner.get("eventType"))
    name = event_type
    for feed in _FEEDS:
        name = name.removeprefix(feed)
    return HmppsEvent(name=name, event_type=event_type, content=inner, envelope=envelope)


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """Give the path of every leaf that is not empty."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from leaves(each, f"{path}[{index}]")
    elif value not in (None, ""):
        yield path


__all__ = ["KIND", "SENDER", "FhirJsonError", "HmppsEvent", "event_of", "is_event", "leaves", "prison_number"]
