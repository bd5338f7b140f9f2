"""What of a resource stands on what: where minimisation took away what FHIR R4 asks for beside the rest, the rest says nothing and goes too.

Structure alone (http://hl7.org/fhir/R4/): which elements, never which codes. It MUST NOT let anything leave that an agreement does not name, nor take
away what can be read without the part that is lost.
"""

from collections.abc import Iterable
from typing import Final

from consent.reading import obj, text
from consent.sensitive import NOT_NAMED
from consent.shapes import Json, ResourceVote, Vote

STANDS_ON: Final[dict[str, tuple[str, ...]]] = {
    "Communication.payload": ("contentString", "contentAttachment", "contentReference"),
    "Condition.evidence": ("code", "detail"),
    "Condition.stage": ("summary", "assessment"),
    "Consent.provision.actor": ("reference",),
    "Consent.provision.data": ("reference",),
    "DiagnosticReport.media": ("link",),
    "Encounter.diagnosis": ("condition",),
    "Encounter.location": ("location",),
    "Medication.ingredient": ("itemCodeableConcept", "itemReference"),
    "MedicationAdministration.performer": ("actor",),
    "MedicationDispense.performer": ("actor",),
    "Observation.component.referenceRange": ("low", "high", "text"),
    "Observation.referenceRange": ("low", "high", "text"),
    "Patient.contact": ("name", "telecom", "address", "organization"),
    "Patient.link": ("other",),
    "Provenance.agent": ("who",),
    "Provenance.entity": ("what",),
    "Provenance.entity.agent": ("who",),
}
"""Of each of these elements one has to be left: what R4 requires of it, or an invariant (con-1, con-2, obs-3, pat-1)."""
_NAMES_SOMEBODY: Final = {"Appointment.participant": ("type", "actor")}
"""Somebody is there whether they are named or not, and R4 asks for one at least (app-1): who is lost is named as not named."""
_IS_OF: Final = "medicationReference"
"""What a prescription, a dose or a supply is of."""
_MEDICINES: Final = ("MedicationRequest", "MedicationAdministration", "MedicationDispense", "MedicationStatement")
NAMED_ANYHOW: Final = frozenset({"Composition.author", *(f"{kind}.{_IS_OF}" for kind in _MEDICINES)})
"""A reference that R4 asks for and that says who, or of what: the same. The words of a dose are read without the product that they are of."""
_UNREAD: Final = frozenset({"not-understood", "modifier-left-out", "unlabelled"})
"""Rules that keep a resource back because of how it is written: nobody has said that nobody may know of it."""


def standing(path: str, made: Json) -> Json | None:
    """Give an element as it can leave, or None where it stands on nothing any more."""
    if path in _NAMES_SOMEBODY and made.keys().isdisjoint(_NAMES_SOMEBODY[path]):
        return {"actor": {"display": NOT_NAMED}, **made}
    return None if path in STANDS_ON and made.keys().isdisjoint(STANDS_ON[path]) else made


def kept_back(votes: Iterable[ResourceVote]) -> frozenset[str]:
    """The resources (`Type/id`) that somebody, or a law, has kept back."""
    return frozenset(each.resource for each in votes if each.vote is Vote.DENY and each.rule not in _UNREAD)


def is_of_nothing(resource: Json, made: Json, kept: frozenset[str]) -> bool:
    """Is it of a product that is kept back, so that its words would tell of that? Or does the agreement name no medicine of it at all?

    INVARIANT: a product that the sender did not send takes no prescription and no dose with it: their words reach whoever gives care.
    """
    of = text(obj(resource, _IS_OF), "reference").split("/_history/", 1)[0]
    return _IS_OF in resource and (of in kept or not any(key.startswith("medication") for key in made))
