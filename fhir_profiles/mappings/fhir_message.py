"""FHIR content (a message, another Bundle, one resource): its resources in the internal form, whose they are, and the fate of every leaf.

One message is about one person: a second Patient, a resource about somebody else, or a reference that leads to another person holds the
message, and nothing of it is carried. Where no Patient comes with it, the person is whom the resources name by NHS number or prison number.
A resource with a modifierExtension or implicitRules is kept back, because what it says could be the opposite of what is read; only a
Consent is carried even so, since it can still deny (reference/consent.md 3.4 a). Valid R4 is a condition: `fhir_profiles.validate` has looked
first, and its errors hold the message.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from fhir_profiles.fhir_json import FhirJsonError, decode
from fhir_profiles.fhir_kinds import AS_MESSAGE, BUNDLE, BUNDLE_TYPES, RESOURCE, kind_of, sender_of_content
from fhir_profiles.fhir_message import (
    PERSON_SYSTEMS,
    Entry,
    entries_of,
    establishment_named,
    establishment_of,
    header_of,
    object_of,
    person_identifiers,
    sender_of,
    text_of,
)
from fhir_profiles.file_types import ACCEPTED, MAY_SAY, NO_LIFE_OF_ITS_OWN, SUBJECTS
from fhir_profiles.ids import PATIENT_ID
from fhir_profiles.mappings.fhir_carry import AnotherPersonError, Carrier, field, leaves
from fhir_profiles.mappings.fhir_coded_consents import coded_consents, is_coded_consent, moved_field
from fhir_profiles.mappings.fhir_drug_tests import is_laboratory, normalise_drug_tests, without_purpose
from fhir_profiles.mappings.fhir_medicines import normalise_medicines
from fhir_profiles.mappings.fhir_naming import Lead, Naming, Part, parts_of
from fhir_profiles.mappings.fhir_person import PLACE, named_person
from fhir_profiles.mappings.minimised import rule_of
from fhir_profiles.mappings.referrals import referral_tasks
from fhir_profiles.medicines import other_strength
from fhir_profiles.order_numbers import own_numbers
from fhir_profiles.shapes import (
    Channel,
    Event,
    Fate,
    Field,
    Hold,
    HoldCode,
    Issue,
    Json,
    PersonIdentifier,
    Severity,
    Task,
    Translation,
)
from fhir_profiles.tasks import TASKS
from fhir_profiles.validate import invalid, validate

_EVENTS: Final = {
    "Consent": Event.CONSENT,
    "CarePlan": Event.CARE_PLAN,
    "MedicationRequest": Event.PRESCRIPTION,
    "MedicationAdministration": Event.ADMINISTRATION,
    "Appointment": Event.CONTACT,
    "Encounter": Event.CONTACT,
    "Communication": Event.CONTACT,
}
_HEADER: Final = {
    "eventCoding.system": "Provenance.activity",
    "eventCoding.code": "Provenance.activity",
    "eventUri": "Provenance.activity",
    "id": "Provenance.entity.what.identifier",
    "source.endpoint": "Provenance.agent.who",
}
_SENDER: Final = frozenset({"sender.reference", "sender.identifier.system", "sender.identifier.value"})
"""What of the sender says which establishment it is, where it is one."""
_ENVELOPE: Final = "in the envelope of the message, and nothing here reads it"
_HELD: Final = "the message is held: nothing of it is carried"
_KEPT_BACK: Final = "kept back: it has a modifier extension or rules that are not known here"
_NOBODY: Final = "kept back: it does not say whom it is about"
_OF_A_THING: Final = "kept back: it is about a place, an organisation or a thing, and not about the person"
_THINGS: Final = frozenset({"Device", "HealthcareService", "Location", "Medication", "Organization", "Substance"})
"""What a subject may be that is nobody: a warning about a place says nothing of the person, and is no second person either."""
_UNSUPPORTED: Final = "a type of resource that does not join a person's file here"
_TO_BE_SEEN: Final = frozenset({"RiskAssessment"})
"""What no letter can hold and a person has to look at: risk is never left out in silence (R075)."""
_TWO_STRENGTHS: Final = "the code of this medicine means another strength than its words: letters say both"
_CONTAINED: Final = "contained: it explains a resource that is not carried, or would be more than it is when lifted out"
_TOLD_ONCE: Final = "told-once"
_EXPLAINED: Final = frozenset({"MedicationDispense", "MedicationAdministration"})
"""What contains the prescription that it is of: the prescription comes, or came, as itself."""
_HEADS: Final = "heads the document: what it refers to is carried, itself stays in the original message"


class _HeldError(Exception):
    """The message cannot be carried; `hold` says why."""

    def __init__(self, hold: Hold) -> None:
        super().__init__(hold.code.value)
        self.hold = hold


def translate(channel: Channel, body: bytes) -> Translation:
    """Give the meaning of one message, Bundle or resource. Bytes that are none of these, and invalid R4, give a Translation that is held."""
    try:
        content = decode(body)
    except FhirJsonError as fault:
        return _unreadable(
            (), (Issue(severity=Severity.FATAL, code="structure", path="Bundle", text=str(fault)),), "Bundle"
        )
    issues = validate(content)
    kind = kind_of(content)
    no_header = kind in AS_MESSAGE and header_of(entries_of(content)) is None
    if invalid(issues) or no_header or (kind == BUNDLE and content.get("type") not in BUNDLE_TYPES):
        return _unreadable(_all_held(content), issues, _root(content))
    # A name can only be written with an escape where there is one; without either no resource has to be searched.
    may_modify = b"modifierExtension" in body or b"\\u" in body
    return _Message(channel, content, issues, may_modify=may_modify).translation()


def _root(content: Json) -> str:
    """The name that every place in the content begins with."""
    kind = text_of(content.get("resourceType"))
    return kind if kind.isascii() and kind.isalpha() else "Bundle"


def _unreadable(fields: tuple[Field, ...], issues: tuple[Issue, ...], path: str) -> Translation:
    hold = Hold(code=HoldCode.UNREADABLE_CONTENT, path=path, text="the content is not valid FHIR R4")
    return Translation(bundle=_collection(()), events=(), persons=(), fields=fields, issues=issues, hold=hold)


def _collection(resources: Sequence[Json]) -> Json:
    """Make a Bundle of type collection; FHIR JSON has no empty lists, so one without resources has no `entry`."""
    bundle: Json = {"resourceType": "Bundle", "type": "collection"}
    if resources:
        bundle["entry"] = [{"resource": resource} for resource in resources]
    return bundle


def _all_held(content: Json) -> tuple[Field, ...]:
    return tuple(field(place, Fate.RESIDUAL, "", _HELD) for place in leaves(content, _root(content)))


def _has_modifier(value: Any) -> bool:
    """Look for a modifierExtension anywhere but in contained resources, which are judged by themselves."""
    if isinstance(value, dict):
        return "modifierExtension" in value or any(
            _has_modifier(item) for key, item in value.items() if key != "contained"
        )
    return isinstance(value, list) and any(_has_modifier(item) for item in value)


class _Message:
    """One message, Bundle or resource while it is being read; valid R4. `bundle` is empty for a resource that came by itself."""

    def __init__(self, channel: Channel, content: Json, issues: tuple[Issue, ...], *, may_modify: bool) -> None:
        kind = kind_of(content)
        self.content = content
        self.bundle: Json = {} if kind == RESOURCE else content
        self.may_modify = may_modify
        entries = (Entry(path=_root(content), url="", resource=content),) if kind == RESOURCE else entries_of(content)
        self.header = header_of(entries) if kind in AS_MESSAGE else None
        self.sender = sender_of(self.header) if self.header is not None else sender_of_content(channel, content)
        self.establishment = establishment_of(entries) or channel.establishment
        sender = object_of(self.header.resource.get("sender")) if self.header is not None else {}
        self.sender_names_it = establishment_named(sender, entries) == self.establishment
        self.parts = parts_of(entries if self.header is None else entries[1:])
        self.issues = list(issues)
        self.tasks: list[Task] = []
        self.reason: Json | None = None
        self.of_things: frozenset[str] = frozenset()

    def translation(self) -> Translation:
        patients = [part for part in self.parts if part.kind == "Patient" and not part.holder]
        persons = tuple(item for part in patients for item in person_identifiers(part.resource, part.path))
        try:
            if not patients:
                named = named_person(self.parts)
                patients, persons = list(named.parts), named.persons
            person = self._person(patients, persons)
            resources, fields = self._carried(person, persons)
        except _HeldError as held:
            return self._result((), persons, _all_held(self.content), held.hold)
        except AnotherPersonError as other:
            hold = Hold(code=HoldCode.TWO_PEOPLE, path=other.path, text="a reference leads to another person")
            return self._result((), persons, _all_held(self.content), hold)
        hold_nobody = None
        if not any(identifier.valid for identifier in persons):
            text = "the Patient has no NHS number or prison number that is well formed"
            path = persons[0].path if person.path == PLACE else f"{person.path}.identifier"
            hold_nobody = Hold(code=HoldCode.NO_PERSON, path=path, text=text)
        return self._result(resources, persons, fields, hold_nobody)

    def _result(
        self,
        resources: Sequence[Json],
        persons: tuple[PersonIdentifier, ...],
        fields: tuple[Field, ...],
        hold: Hold | None,
    ) -> Translation:
        return Translation(
            bundle=_collection(resources),
            events=_events(resources),
            persons=persons,
            fields=fields,
            issues=tuple(self.issues),
            hold=hold,
            tasks=tuple(self.tasks),
            establishment=self.establishment,
            reason=self.reason,
            occurred=text_of(self.bundle.get("timestamp"))
            or text_of(object_of(self.content.get("meta")).get("lastUpdated"))
            or None,
        )

    def _person(self, patients: list[Part], persons: tuple[PersonIdentifier, ...]) -> Part:
        """Find the one person, or hold."""
        around = [("Bundle", self.bundle)]
        around += [(self.header.path, self.header.resource)] if self.header is not None else []
        for path, resource in around:
            if "implicitRules" in resource or "modifierExtension" in resource:
                raise _held(
                    HoldCode.UNREADABLE_CONTENT, path, "the message has rules of its own that are not known here"
                )
        if not patients:
            text = "no Patient, and nothing that says by NHS number or prison number whom it is about"
            raise _held(HoldCode.NO_PERSON, "Bundle.entry" if self.bundle else _root(self.content), text)
        if len(patients) > 1:
            raise _held(HoldCode.TWO_PEOPLE, patients[1].path, "the message has a second Patient")
        person = patients[0]
        if self._is_kept_back(person.resource):
            text = "the Patient has a modifier extension or rules that are not known here"
            raise _held(HoldCode.UNREADABLE_CONTENT, person.path, text)
        for system in {identifier.system for identifier in persons}:
            named = person.path == PLACE  # nothing but numbers says who it is: two of them are two people, valid or not
            same = [one for one in persons if one.system == system and (one.valid or named)]
            if len(same) > 1:
                raise _held(HoldCode.TWO_PEOPLE, same[1].path, "the Patient has two numbers of the same kind")
        if any(link["type"] != "seealso" for link in person.resource.get("link", ())):
            raise _held(
                HoldCode.TWO_PEOPLE, f"{person.path}.link", "the Patient replaces, or is replaced by, another one"
            )
        return person

    def _carried(self, person: Part, persons: tuple[PersonIdentifier, ...]) -> tuple[list[Json], tuple[Field, ...]]:
        made = person.path == PLACE
        numbers = {identifier.system: identifier.value for identifier in persons if identifier.valid or made}
        aliases = frozenset(self._same_person(numbers))
        named = [person, *self.parts] if made else self.parts
        carried = self._carried_paths(aliases)
        naming = Naming(self.sender, named, person, aliases, carried)
        checked = ACCEPTED | MAY_SAY.keys() | SUBJECTS.keys()
        self.of_things = self._check_subjects(
            naming, [part for part in self.parts if part.kind in checked and part.path not in aliases]
        )
        if self.of_things & carried:
            carried = self._carried_paths(aliases)
            naming = Naming(self.sender, named, person, aliases, carried)
        carrier = Carrier(naming, numbers)
        self._envelope_fields(carrier)
        places: dict[str, tuple[Part, range]] = {}
        resources: list[Json] = [{**person.resource, "id": PATIENT_ID}] if made else []
        for part in self.parts:
            if part.path in carried:
                before = len(carrier.fields)
                resources.append(carrier.carry(part))
                places[f"{part.kind}/{resources[-1]['id']}"] = (part, range(before, len(carrier.fields)))
            else:
                self._leave(part, carrier, aliases)
        said = coded_consents(resources, self.sender)
        self.tasks += said.tasks
        for name in said.changed:
            part, own = places[name]
            for at in own:
                element = re.split(r"[.\[]", carrier.fields[at].source.removeprefix(f"{part.path}."), maxsplit=1)[0]
                carrier.fields[at] = moved_field(carrier.fields[at], part.kind, element)
        self._mention_extensions(carrier.unknown_extensions)
        resources = normalise_medicines(normalise_drug_tests(said.resources, self.establishment))
        resources = own_numbers(resources, self.sender)
        for resource in resources:
            name = f"{resource['resourceType']}/{resource['id']}"
            if name in places and other_strength(object_of(resource.get("medicationCodeableConcept"))):
                self._note(Severity.WARNING, "code-invalid", places[name][0].path, _TWO_STRENGTHS)
        if next(without_purpose(resources), None) is not None:
            self.tasks.append(TASKS["purpose-unknown"])
        self.tasks += referral_tasks(resources)
        return resources, tuple(carrier.fields)

    def _same_person(self, numbers: dict[str, str]) -> Iterator[str]:
        """Give the places of contained Patients that are the person; hold when one is not."""
        for part in self.parts:
            if part.kind == "Patient" and part.holder:
                found = person_identifiers(part.resource, part.path)
                if not found or any(numbers.get(identifier.system) != identifier.value for identifier in found):
                    raise _held(
                        HoldCode.TWO_PEOPLE, part.path, "a contained Patient who cannot be shown to be the same person"
                    )
                yield part.path

    def _is_kept_back(self, resource: Json) -> bool:
        rules = "implicitRules" in resource or "_implicitRules" in resource
        return rules or (self.may_modify and _has_modifier(resource))

    def _carried_paths(self, aliases: frozenset[str]) -> frozenset[str]:
        carried: frozenset[str] = frozenset()
        for part in self.parts:  # what contains comes before what is contained
            if part.path not in self.of_things and self._is_carried(part, aliases, carried):
                carried |= {part.path}
        return carried

    def _is_carried(self, part: Part, aliases: frozenset[str], carried: frozenset[str]) -> bool:
        accepted = part.kind in ACCEPTED or is_coded_consent(part.resource)
        if not accepted or part.path in aliases:
            return False
        if part.holder and (part.holder not in carried or part.kind in NO_LIFE_OF_ITS_OWN):
            return False
        if part.kind in SUBJECTS and SUBJECTS[part.kind] not in part.resource:
            return False
        return part.kind == "Consent" or not self._is_kept_back(part.resource)

    def _check_subjects(self, naming: Naming, parts: list[Part]) -> frozenset[str]:
        """Every resource about a person is about the person of the message. Gives the places of those that are about a thing."""
        of_things: set[str] = set()
        for part in parts:
            name = SUBJECTS.get(part.kind) or MAY_SAY.get(part.kind)
            if name is None:
                continue
            subject = part.resource.get(name)
            if subject is None:
                continue  # `_is_carried` has kept back what must say it
            place = f"{part.path}.{name}"
            text = text_of(object_of(subject).get("reference"))
            if not text and object_of(subject.get("identifier")).get("system") in PERSON_SYSTEMS:
                continue  # by number alone: compared when it is carried
            target = naming.target(text, part.holder or part.path)
            if target.lead is Lead.ANOTHER_PERSON:
                raise _held(HoldCode.TWO_PEOPLE, place, "a resource is about another person")
            if part.kind == "QuestionnaireResponse" and target.carried and target.text.partition("/")[0] in SUBJECTS:
                continue  # about a thing that itself says whose it is
            if target.text.partition("/")[0] in _THINGS:
                of_things.add(part.path)
                continue
            if target.lead is not Lead.PERSON:
                raise _held(
                    HoldCode.NO_PERSON, place, "a resource does not say that it is about the person of the message"
                )
        return frozenset(of_things)

    def _envelope_fields(self, carrier: Carrier) -> None:
        """Account for the Bundle around the resources, and for the MessageHeader."""
        for key, value in self.bundle.items():
            if key == "entry":
                for position, entry in enumerate(value):
                    around = {name: item for name, item in entry.items() if name != "resource"}
                    _leave_envelope(carrier, around, f"Bundle.entry[{position}]")
            elif key == "timestamp":
                carrier.fields.append(field("Bundle.timestamp", Fate.MAPPED, "Provenance.recorded", ""))
            else:
                _leave_envelope(carrier, value, f"Bundle.{key}")
        if self.header is not None:
            self._header_fields(carrier, self.header)

    def _header_fields(self, carrier: Carrier, header: Entry) -> None:
        for key, value in header.resource.items():
            if key == "reason":
                self.reason = carrier.element(value, f"{header.path}.{key}", "Provenance.reason")
                continue
            for place in leaves(value, f"{header.path}.{key}"):
                element = place.removeprefix(f"{header.path}.")
                to = (
                    "Translation.establishment" if self.sender_names_it and element in _SENDER else _HEADER.get(element)
                )
                if to is not None:
                    carrier.fields.append(field(place, Fate.MAPPED, to, ""))
                else:
                    _leave_place(carrier, place, f"MessageHeader.{element}")

    def _leave(self, part: Part, carrier: Carrier, aliases: frozenset[str]) -> None:
        own = {key: value for key, value in part.resource.items() if key != "contained"}
        if part.path in aliases:
            carrier.minimise(own, part.path, _TOLD_ONCE)
        elif part.kind == "Composition" and not part.holder and self.bundle.get("type") == "document":
            carrier.leave(own, part.path, Fate.RESIDUAL, _HEADS)
        elif self._is_explained(part):
            carrier.minimise(own, part.path, _TOLD_ONCE)
        elif part.holder and not self._is_kept_back(part.resource):
            carrier.leave(own, part.path, Fate.UNSUPPORTED, _CONTAINED if part.kind in ACCEPTED else _UNSUPPORTED)
        elif part.kind in ACCEPTED:
            reason = _OF_A_THING if part.path in self.of_things else _NOBODY
            reason = _KEPT_BACK if self._is_kept_back(part.resource) else reason
            carrier.leave(own, part.path, Fate.UNSUPPORTED, reason)
            self._note(Severity.WARNING, "not-supported", part.path, reason)
            if TASKS["kept-back"] not in self.tasks:
                self.tasks.append(TASKS["kept-back"])
        elif (rule := rule_of(part.kind)) is not None:
            carrier.minimise(own, part.path, rule.name)
        else:
            carrier.leave(own, part.path, Fate.UNSUPPORTED, _UNSUPPORTED)
            seen = part.kind in _TO_BE_SEEN
            self._note(Severity.WARNING if seen else Severity.INFORMATION, "not-supported", part.path, _UNSUPPORTED)
            if seen and TASKS["kept-back"] not in self.tasks:
                self.tasks.append(TASKS["kept-back"])

    def _is_explained(self, part: Part) -> bool:
        """Say whether it is the prescription that the dispense, or the dose, around it is of."""
        holder = next((each for each in self.parts if each.path == part.holder), None)
        return (
            holder is not None
            and holder.kind in _EXPLAINED
            and part.kind == "MedicationRequest"
            and not self._is_kept_back(part.resource)
        )

    def _mention_extensions(self, places: list[str]) -> None:
        if places:
            text = f"{len(places)} extensions that are not known here are left out; the first is at this place"
            self._note(Severity.INFORMATION, "extension", places[0], text)

    def _note(self, severity: Severity, code: str, path: str, text: str) -> None:
        self.issues.append(Issue(severity=severity, code=code, path=path, text=text))


def _leave_envelope(carrier: Carrier, value: Any, source: str) -> None:
    """Account for what stands around the resources."""
    for place in leaves(value, source):
        _leave_place(carrier, place, place)


def _leave_place(carrier: Carrier, place: str, element: str) -> None:
    """Account for one leaf that is not carried; `element` is its name in the rules."""
    rule = rule_of(element)
    fate, reason = (Fate.MINIMISED, rule.reason) if rule is not None else (Fate.RESIDUAL, _ENVELOPE)
    carrier.fields.append(field(place, fate, "", reason))


def _held(code: HoldCode, path: str, text: str) -> _HeldError:
    return _HeldError(Hold(code=code, path=path, text=text))


def _events(resources: Sequence[Json]) -> tuple[Event, ...]:
    """Read what the message means from what it brings; anything else that joins the file is a record."""
    found = [_EVENTS[resource["resourceType"]] for resource in resources if resource["resourceType"] in _EVENTS]
    found += [Event.TEST_RESULT for resource in resources if is_laboratory(resource)]
    if not found and resources:
        return (Event.RECORD,)
    return tuple(event for event in Event if event in found)
