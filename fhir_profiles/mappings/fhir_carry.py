"""Carry one FHIR resource over into the internal form, and account for every leaf of it. It must never drop one silently.

References become internal ones; extensions that no row of the allow-list knows are left out, listed and counted; narrative, tags and claims of
profiles stay in the original message. What a reference to nobody leaves empty is marked as unknown rather than made up.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from fhir_profiles import systems
from fhir_profiles.fhir_message import object_of, text_of
from fhir_profiles.identifiers import normal_nhs_number, normal_prison_number
from fhir_profiles.ids import PATIENT_REFERENCE
from fhir_profiles.mappings.fhir_naming import Lead, Naming, Part
from fhir_profiles.mappings.fhir_spoken import INTERPRETER_REQUIRED, NHS_COMMUNICATION, with_spoken
from fhir_profiles.mappings.minimised import rule_of, rules
from fhir_profiles.shapes import Fate, Field, Json

DATA_ABSENT_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_UK: Final = systems.UK_CORE + "Extension-UKCore-"
_NHS: Final = "https://fhir.nhs.uk/StructureDefinition/Extension-"
KNOWN_EXTENSIONS: Final = frozenset(
    {
        DATA_ABSENT_EXTENSION,
        systems.ESTABLISHMENT_EXTENSION,
        systems.WITHDRAWN_EXTENSION,
        INTERPRETER_REQUIRED,
        NHS_COMMUNICATION,
        *(
            _UK + name
            for name in (
                "NHSNumberVerificationStatus", "NHSNumberUnavailableReason", "EthnicCategory", "BirthSex", "ContactPreference",
                "DeathNotificationStatus", "ResidentialStatus", "ContactRank", "CopyCorrespondenceIndicator", "AddressKey",
                "OtherContactSystem", "NominatedPharmacy", "PreferredDispenserOrganization", "MedicationRepeatInformation",
                "MedicationStatementLastIssueDate", "PharmacistVerifiedIndicator", "DischargeMethod", "AdmissionMethod", "OutcomeOfAttendance",
                "LegalStatus", "CareSettingType", "SourceOfServiceRequest", "PriorityReason", "AllergyIntoleranceEnd", "Evidence",
                "DeliveryChannel", "BookingOrganization",
            )
        ),
        *(
            _NHS + name
            for name in (
                "DM-ControlledDrug", "DM-DispensingPerformer", "DM-GroupIdentifier", "DM-LegalAuthenticator", "DM-PerformerSiteType",
                "DM-PrescriptionEndorsement", "DM-PrescriptionId", "DM-PrescriptionNonDispensingReason", "DM-PrescriptionStatusHistory",
                "DM-PrescriptionTaskStatusReason", "DM-PrescriptionType", "DM-ResponsiblePractitioner", "DM-RunningTotal",
                "EPS-DispensingInformation", "EPS-Prescription", "EPS-RepeatInformation", "EPS-TaskBusinessStatus",
            )
        ),
    }
)  # fmt: skip
"""Extensions whose meaning is known here: UK Core (the retired nominated pharmacy is still sent), the Electronic Prescription Service's on
prescriptions and dispenses, and our own. Inside one, all is known."""

UNKNOWN_EXTENSION: Final = "an extension that is not known here"
NARRATIVE: Final = "narrative with words beyond the data: the data are carried, the words stay in the original message"
_META_STAYS: Final = "labels are made here, tags are the sender's own; they stay in the original message"
_NO_NUMBER: Final = "a reference by number without the number"
_NOWHERE: Final = "a reference that leads to nothing in the message"
_NOT_CARRIED: Final = "leads to a resource that this message does not bring, or that is not carried"
_LEAVE: Final = object()
"""What a copy gives when nothing is left of an element."""
_LOW: Final = frozenset({"U", "L", "M", "N"})
_PERSON_NUMBERS: Final[Mapping[str, Any]] = {
    systems.NHS_NUMBER: normal_nhs_number,
    systems.PRISON_NUMBER: normal_prison_number,
}


class AnotherPersonError(Exception):
    """A reference leads to somebody else. `path` is its place in the message."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@lru_cache(maxsize=65_536)
def field(source: str, fate: Fate, path: str, reason: str) -> Field:
    """Make an entry of the field ledger once: it holds no content, so the same one serves every message of the same form."""
    return Field(source=source, fate=fate, path=path, reason=reason)


def leaves(value: Any, source: str) -> Iterator[str]:
    """Give the place of every leaf below `value`; a null of a primitive array is none."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{source}.{key}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from leaves(item, f"{source}[{position}]")
    elif value is not None:
        yield source


class Carrier:
    """Copies the parts of one message; `fields` is its ledger, `unknown_extensions` the places of what was left out."""

    def __init__(self, naming: Naming, numbers: Mapping[str, str]) -> None:
        self._naming = naming
        self._numbers = numbers
        self._holder = ""
        self._keeps_everything = False
        self.fields: list[Field] = []
        self.unknown_extensions: list[str] = []

    def leave(self, value: Any, source: str, fate: Fate, reason: str) -> None:
        """Account for everything below `value` as not carried."""
        self.fields += [field(place, fate, "", reason) for place in leaves(value, source)]

    def minimise(self, value: Any, source: str, rule: str) -> None:
        """Account for everything below `value` as left out by a rule of `minimised.toml`. Raises KeyError for a rule that is not there."""
        self.leave(value, source, Fate.MINIMISED, rules()[rule].reason)

    def carry(self, part: Part) -> Json:
        """Give the resource in its internal form. Raises `AnotherPersonError` when it refers to somebody else.

        A Consent keeps what is not known in it, because what nobody understands may still be a dissent (reference/consent.md 3.4 a).
        """
        self._holder = part.holder or part.path
        self._keeps_everything = part.kind == "Consent"
        resource: Json = {"resourceType": part.kind, "id": self._naming.ids[part.path]}
        for key, value in part.resource.items():
            source, path = f"{part.path}.{key}", f"{part.kind}.{key}"
            if key in ("resourceType", "id"):
                self._mapped(source, path)
            elif key == "text" and value.get("status") == "generated":
                self.minimise(value, source, "told-once")
            elif key == "text":
                self.leave(value, source, Fate.RESIDUAL, NARRATIVE)
            elif key == "meta":
                self._meta(value, source, path, resource)
            elif key != "contained":
                copy = self._copy(key, value, source, path)
                if copy is not _LEAVE:
                    resource[key] = copy
        _align(resource)
        return with_spoken(resource) if part.kind == "Patient" else resource

    def element(self, value: Json, source: str, path: str) -> Json | None:
        """Give an element that stands in no resource of the message; `path` is where it goes. None where nothing is left of it."""
        copy: Any = self._object(value, source, path)
        return None if copy is _LEAVE else copy

    def _mapped(self, source: str, path: str) -> None:
        self.fields.append(field(source, Fate.MAPPED, path, ""))

    def _meta(self, meta: Json, source: str, path: str, resource: Json) -> None:
        """Keep the version and the labels that raise; what lowers, and what only the sender means, stays behind."""
        kept: Json = {}
        for key, value in meta.items():
            here = f"{source}.{key}"
            if key in ("versionId", "lastUpdated"):
                kept[key] = value
                self._mapped(here, f"{path}.{key}")
            elif key == "security":
                labels = []
                for position, label in enumerate(value):
                    lowers = label.get("system") == systems.CONFIDENTIALITY and label.get("code") in _LOW
                    protects = label.get("system") == systems.PROTECTED_BY_LAW
                    if lowers or not (text_of(label.get("code")) or protects):
                        self.leave(label, f"{here}[{position}]", Fate.RESIDUAL, _META_STAYS)
                    else:
                        labels.append(self._copy("security", label, f"{here}[{position}]", f"{path}.security"))
                if labels:
                    kept["security"] = labels
            elif key == "extension":
                self._extensions(value, here, path)
            elif key == "profile":
                self.minimise(value, here, "bookkeeping")
            else:
                self.leave(value, here, Fate.RESIDUAL, _META_STAYS)
        if kept:
            resource["meta"] = kept

    def _copy(self, key: str, value: Any, source: str, path: str) -> Any:
        if isinstance(value, dict):
            return self._object(value, source, path)
        if isinstance(value, list):
            if key == "extension":
                kept = self._extensions(value, source, path)
                return kept or _LEAVE
            return self._list(key, value, source, path)
        if value is not None:
            self._mapped(source, path)
        return value

    def _list(self, key: str, value: list[Any], source: str, path: str) -> Any:
        copies = [
            self._copy("", item, f"{source}[{position}]", f"{path}[{position}]") for position, item in enumerate(value)
        ]
        if key.startswith("_"):
            copies = [None if copy is _LEAVE else copy for copy in copies]
            return _LEAVE if all(copy is None for copy in copies) else copies
        kept = [copy for copy in copies if copy is not _LEAVE]
        return kept or _LEAVE

    def _object(self, value: Json, source: str, path: str) -> Any:
        if isinstance(value.get("reference"), str):
            return self._reference(value, source, path)
        if self._names_a_person(value):
            return self._logical_reference(value, source)
        return self._members(value, source, path)

    def _members(self, value: Json, source: str, path: str) -> Any:
        copy: Json = {}
        for key, item in value.items():
            made = self._copy(key, item, f"{source}.{key}", f"{path}.{key}")
            if made is not _LEAVE:
                copy[key] = made
        _align(copy)
        if value.get("system") in _PERSON_NUMBERS and isinstance(value.get("value"), str):
            copy["value"] = _PERSON_NUMBERS[value["system"]](value["value"])
        return copy if copy.keys() - {"id"} else _LEAVE

    def _extensions(self, value: list[Any], source: str, path: str) -> list[Any]:
        kept = []
        for position, extension in enumerate(value):
            here = f"{source}[{position}]"
            # What a provision says beyond what we read may narrow it: lint has to see that it is there (consent/lint.py).
            limits = self._keeps_everything and path.startswith("Consent.provision")
            if object_of(extension).get("url") in KNOWN_EXTENSIONS or limits:
                copy = self._known_extension(extension, here, f"{path}[{position}]")
                if copy is not _LEAVE:
                    kept.append(copy)
                continue
            rule = rule_of(text_of(object_of(extension).get("url")))
            if rule is not None:
                self.minimise(extension, here, rule.name)
            else:
                self.unknown_extensions.append(here)
                self.leave(extension, here, Fate.UNSUPPORTED, UNKNOWN_EXTENSION)
        return kept

    def _known_extension(self, extension: Json, source: str, path: str) -> Any:
        """Inside a known extension the nested ones have short names of its own: all of them are carried."""
        copy: Json = {}
        for key, item in extension.items():
            here, there = f"{source}.{key}", f"{path}.{key}"
            if key == "extension":
                nested = [
                    self._known_extension(inner, f"{here}[{position}]", f"{there}[{position}]")
                    for position, inner in enumerate(item)
                ]
                made: Any = [inner for inner in nested if inner is not _LEAVE] or _LEAVE
            else:
                made = self._copy(key, item, here, there)
            if made is not _LEAVE:
                copy[key] = made
        return copy if copy.keys() - {"url", "id"} else _LEAVE

    def _names_a_person(self, value: Json) -> bool:
        identifier = value.get("identifier")
        return isinstance(identifier, dict) and identifier.get("system") in _PERSON_NUMBERS

    def _logical_reference(self, value: Json, source: str) -> Any:
        """A reference by NHS number or prison number alone: it is the person, or somebody else."""
        identifier = value["identifier"]
        written = text_of(identifier.get("value"))
        number = _PERSON_NUMBERS[identifier["system"]](written)
        if written and number != self._numbers.get(identifier["system"]):
            raise AnotherPersonError(source)
        if not written:
            self.leave(value, source, Fate.RESIDUAL, _NO_NUMBER)
            return _LEAVE
        for key, item in value.items():
            if key == "identifier":
                self.fields += [
                    field(place, Fate.MAPPED, "Patient.identifier", "") for place in leaves(item, f"{source}.{key}")
                ]
            else:
                self.minimise(item, f"{source}.{key}", "told-once")
        return {"reference": PATIENT_REFERENCE}

    def _reference(self, value: Json, source: str, path: str) -> Any:
        if self._names_a_person(value):
            self._check_number(value["identifier"], source)
        target = self._naming.target(value["reference"], self._holder)
        if target.lead is Lead.ANOTHER_PERSON:
            raise AnotherPersonError(source)
        if target.lead is Lead.PERSON:
            self._mapped(f"{source}.reference", f"{path}.reference")
            self.minimise({k: v for k, v in value.items() if k != "reference"}, source, "told-once")
            return {"reference": target.text}
        rest = self._members({key: item for key, item in value.items() if key != "reference"}, source, path)
        copy: Json = {} if rest is _LEAVE else rest
        if target.lead is Lead.RESOURCE:
            names = target.carried or target.lasting
            fate, reason = (Fate.MAPPED, "") if names else (Fate.RESIDUAL, _NOT_CARRIED)
            self.fields.append(field(f"{source}.reference", fate, f"{path}.reference", reason))
            return {"reference": target.text, **copy}
        self.fields.append(field(f"{source}.reference", Fate.UNSUPPORTED, "", _NOWHERE))
        if self._keeps_everything:
            return {"reference": value["reference"], **copy}
        return (
            copy
            if copy.keys() - {"type"}
            else {"extension": [{"url": DATA_ABSENT_EXTENSION, "valueCode": "unknown"}], **copy}
        )

    def _check_number(self, identifier: Json, source: str) -> None:
        """A number beside a reference must not contradict it; one that the message's Patient does not have cannot be compared."""
        number = _PERSON_NUMBERS[identifier["system"]](text_of(identifier.get("value")))
        if number and number != self._numbers.get(identifier["system"], number):
            raise AnotherPersonError(f"{source}.identifier")


def _align(element: Json) -> None:
    """Take out of a primitive array the nulls that nothing explains any more, together with their siblings."""
    for key in [
        key for key, value in element.items() if isinstance(value, list) and None in value and not key.startswith("_")
    ]:
        siblings = element.get(f"_{key}")
        pairs = list(enumerate(element[key]))
        explained = siblings if isinstance(siblings, list) else []
        kept = [at for at, item in pairs if item is not None or (at < len(explained) and explained[at] is not None)]
        element[key] = [element[key][at] for at in kept]
        if isinstance(siblings, list):
            element[f"_{key}"] = [siblings[at] for at in kept if at < len(siblings)]
        if not element[key]:
            del element[key]
            element.pop(f"_{key}", None)
