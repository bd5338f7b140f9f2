"""Compile FHIR R4 StructureDefinitions to the JSON Schema of the resource types that Throughgate uses.

A development command: `python -m fhir_profiles.schema.compile PACKAGE.tgz`, where PACKAGE.tgz is what `npm pack hl7.fhir.r4.examples@4.0.1`
gives. The result records package, version and digest; a test rebuilds it and compares. Nothing at run time may import this module.

Shape of the result, per type definition: `properties` with every element and its `_sibling`, `additionalProperties: false`; `required` (or
`anyOf`, where a primitive may be given by its sibling alone, or one of a choice); `dependentSchemas` that keep the types of a choice apart;
arrays have items; `enum` for required bindings whose codes R4 lists. A resource inside a resource is only named: `validate` dispatches.
"""

import hashlib
import json
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fhir_profiles.schema.primitives import PRIMITIVES

Schema = dict[str, Any]

RESOURCE_TYPES: Final = (
    "AllergyIntolerance", "Appointment", "Binary", "Bundle", "CarePlan", "CareTeam", "Communication", "Composition", "Condition", "Consent",
    "Device", "DiagnosticReport", "DocumentReference", "Encounter", "EpisodeOfCare", "Flag", "Goal", "Group", "HealthcareService", "List",
    "Location", "MeasureReport", "Medication", "MedicationAdministration", "MedicationDispense", "MedicationRequest", "MedicationStatement",
    "MessageHeader", "Observation", "OperationOutcome", "Organization", "Patient", "Practitioner", "PractitionerRole", "Procedure",
    "Provenance", "QuestionnaireResponse", "RelatedPerson", "RiskAssessment", "ServiceRequest", "Specimen", "Task",
)  # fmt: skip
RESULT: Final = Path(__file__).with_name("r4.json")

_BASE: Final = "http://hl7.org/fhir/StructureDefinition/"
_FHIRPATH: Final = "http://hl7.org/fhirpath/"
_TYPE_EXTENSION: Final = _BASE + "structuredefinition-fhir-type"
_NOT_LISTED: Final = frozenset({"http://hl7.org/fhir/ValueSet/all-languages", "http://hl7.org/fhir/ValueSet/mimetypes"})
_NESTED: Final = "nested-resource"


class Definitions:
    """The definitions of one package, by url."""

    def __init__(self, package: Path) -> None:
        self.digest = hashlib.sha256(package.read_bytes()).hexdigest()
        self.structures: dict[str, Schema] = {}
        self.value_sets: dict[str, Schema] = {}
        self.code_systems: dict[str, Schema] = {}
        with tarfile.open(package, "r:gz") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                taken = name.startswith(("StructureDefinition-", "ValueSet-", "CodeSystem-")) or name == "package.json"
                content = archive.extractfile(member) if taken else None
                if content is not None:
                    self._take(name, json.load(content))

    def _take(self, name: str, content: Schema) -> None:
        if name == "package.json":
            self.name, self.version = content["name"], content["version"]
        elif content.get("resourceType") == "StructureDefinition":
            if content.get("derivation") != "constraint" and content["kind"] != "logical":
                self.structures[content["type"]] = content
        elif content.get("resourceType") == "ValueSet":
            self.value_sets[content["url"]] = content
        elif content.get("resourceType") == "CodeSystem":
            self.code_systems[content["url"]] = content

    def codes(self, value_set: str) -> list[tuple[str, str]] | None:
        """Give (system, code) of every member, or None when R4 does not list them."""
        found = self.value_sets.get(value_set)
        if found is None or value_set in _NOT_LISTED:
            return None
        compose = found.get("compose", {})
        out: list[tuple[str, str]] = []
        for include in compose.get("include", ()):
            members = self._included(include)
            if members is None:
                return None
            out += members
        dropped = {
            (exclude["system"], concept["code"])
            for exclude in compose.get("exclude", ())
            for concept in exclude.get("concept", ())
        }
        return [member for member in dict.fromkeys(out) if member not in dropped]

    def _included(self, include: Mapping[str, Any]) -> list[tuple[str, str]] | None:
        if "filter" in include:
            return None
        if "valueSet" in include:
            listed = [self.codes(url.partition("|")[0]) for url in include["valueSet"]]
            return None if None in listed else [member for members in listed if members for member in members]
        system = include["system"]
        if "concept" in include:
            return [(system, concept["code"]) for concept in include["concept"]]
        found = self.code_systems.get(system)
        if found is None or found.get("content") != "complete":
            return None
        return [(system, code) for code in _all_codes(found.get("concept", ()))]


def _all_codes(concepts: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _all_codes(concept.get("concept", ()))


class Compiler:
    """Makes one definition after another, beginning with the resource types and following what they use."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.defs: dict[str, Schema] = {}
        self.targets: dict[str, list[str]] = {}
        self.waiting: list[str] = []

    def run(self, types: Sequence[str]) -> Schema:
        self.defs[_NESTED] = {
            "type": "object",
            "required": ["resourceType"],
            "properties": {"resourceType": {"type": "string"}},
        }
        for name in types:
            self._ref(name)
        while self.waiting:
            self._structure(self.waiting.pop())
        return {
            "fhirVersion": "4.0.1",
            "source": {
                "package": self.definitions.name,
                "version": self.definitions.version,
                "sha256": self.definitions.digest,
            },
            "resources": sorted(types),
            "targets": dict(sorted(self.targets.items())),
            "$defs": dict(sorted(self.defs.items())),
        }

    def _ref(self, name: str) -> Schema:
        if name in PRIMITIVES:
            self.defs.setdefault(name, PRIMITIVES[name])
        elif name not in self.defs and name not in self.waiting:
            self.waiting.append(name)
        return {"$ref": f"#/$defs/{name}"}

    def _structure(self, name: str) -> None:
        definition = self.definitions.structures[name]
        children: dict[str, list[Schema]] = {}
        for element in definition["snapshot"]["element"]:
            parent, _, _child = element["path"].rpartition(".")
            if parent:
                children.setdefault(parent, []).append(element)
        for parent, elements in children.items():
            self.defs[parent] = self._object(parent, elements, children)
        if definition["kind"] == "resource":
            schema = self.defs[name]
            schema["properties"]["resourceType"] = {"const": name}
            schema["required"] = ["resourceType", *schema.get("required", ())]

    def _object(self, parent: str, elements: Sequence[Schema], children: Mapping[str, Any]) -> Schema:
        properties: Schema = {}
        required: list[str] = []
        given: list[Schema] = []
        apart: Schema = {}
        for element in elements:
            if element["max"] == "0":
                continue
            groups = self._element(element, children, properties)
            names = [name for group in groups for name in group]
            if element["min"] and len(names) == 1:
                required.append(names[0])
            elif element["min"]:
                given.append({"anyOf": [{"required": [name]} for name in names]})
            if len(groups) > 1 and parent != "Extension":
                apart |= _keep_apart(groups)
        schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            schema["required"] = required
        if given:
            schema["allOf"] = given
        if apart:
            schema["dependentSchemas"] = apart
        if "." in parent or self.definitions.structures[parent]["kind"] == "complex-type":
            schema["minProperties"] = 1
            schema["dependentSchemas"] = {"id": {"minProperties": 2}} | apart
        return schema

    def _element(self, element: Schema, children: Mapping[str, Any], properties: Schema) -> list[list[str]]:
        """Add the properties of one element; give the names of each type of a choice (one list when it is none)."""
        path = element["path"]
        name = path.rpartition(".")[2]
        many = element["max"] != "1"
        if "contentReference" in element:
            target = element["contentReference"].partition("#")[2]
            return [self._add(properties, name, {"$ref": f"#/$defs/{target}"}, many=many)]
        groups = []
        for kind in element["type"]:
            code, is_attribute = _type_code(kind)
            if path.count(".") == 1 and name == "id" and self.definitions.structures[path[:-3]]["kind"] == "resource":
                code = "id"
            own = name.replace("[x]", code[0].upper() + code[1:])
            if code == "Reference" and kind.get("targetProfile"):
                allowed = [url.removeprefix(_BASE) for url in kind["targetProfile"]]
                if "Resource" not in allowed:
                    self.targets[f"{path.rpartition('.')[0]}.{own}"] = sorted(allowed)
            if path in children:
                groups.append(self._add(properties, own, {"$ref": f"#/$defs/{path}"}, many=many))
            elif code in ("Resource", "DomainResource"):
                groups.append(self._add(properties, own, {"$ref": f"#/$defs/{_NESTED}"}, many=many))
            else:
                schema = self._bound(element, code)
                has_sibling = code in PRIMITIVES and not is_attribute
                groups.append(self._add(properties, own, schema, many=many, has_sibling=has_sibling))
        return groups

    def _bound(self, element: Schema, code: str) -> Schema:
        binding = element.get("binding", {})
        if binding.get("strength") != "required" or code not in ("code", "CodeableConcept", "Coding"):
            return self._ref(code)
        value_set = binding["valueSet"].partition("|")[0]
        members = self.definitions.codes(value_set)
        if not members:
            return self._ref(code)
        name = f"{code}:{value_set.rpartition('/')[2]}"
        if code == "code":
            self.defs[name] = {"enum": sorted({member for _, member in members})}
        else:
            self.defs[name] = self._bound_concept(code, members)
        return {"$ref": f"#/$defs/{name}"}

    def _bound_concept(self, code: str, members: Sequence[tuple[str, str]]) -> Schema:
        """A CodeableConcept or Coding of a required binding: a coding of the value set must be there."""
        systems = sorted({system for system, _ in members})
        coding: Schema = {
            "anyOf": [
                {
                    "required": ["system", "code"],
                    "properties": {
                        "system": {"const": system},
                        "code": {"enum": sorted(member for owner, member in members if owner == system)},
                    },
                }
                for system in systems
            ]
        }
        if code == "Coding":
            return {"allOf": [self._ref("Coding"), coding]}
        return {
            "allOf": [
                self._ref("CodeableConcept"),
                {"required": ["coding"], "properties": {"coding": {"contains": coding}}},
            ]
        }

    def _add(
        self, properties: Schema, name: str, schema: Schema, *, many: bool, has_sibling: bool = False
    ) -> list[str]:
        if not has_sibling:
            properties[name] = {"type": "array", "minItems": 1, "items": schema} if many else schema
            return [name]
        element = self._ref("Element")
        if not many:
            properties[name] = schema
            properties[f"_{name}"] = element
        else:
            properties[name] = {"type": "array", "minItems": 1, "items": self._or_null(schema)}
            properties[f"_{name}"] = {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "null"}, element]}}
        return [name, f"_{name}"]

    def _or_null(self, schema: Schema) -> Schema:
        """A member of a primitive array may be null; `validate` asks for its sibling."""
        name = schema["$ref"].rpartition("/")[2]
        plain = self.defs[name]
        widened = {"enum": [*plain["enum"], None]} if "enum" in plain else plain | {"type": [plain["type"], "null"]}
        self.defs[f"{name}.null"] = widened
        return {"$ref": f"#/$defs/{name}.null"}


def _keep_apart(groups: Sequence[Sequence[str]]) -> Schema:
    """No name of one type beside a name of another: each forbids those after it, so every pair is seen once."""
    apart: Schema = {}
    for position, group in enumerate(groups[:-1]):
        others = [{"required": [name]} for later in groups[position + 1 :] for name in later]
        for name in group:
            apart[name] = {"not": {"anyOf": others}}
    return apart


def _type_code(kind: Mapping[str, Any]) -> tuple[str, bool]:
    """Give the type's name, and whether it is an attribute in XML (`id`, `Extension.url`): those have no `_sibling` in JSON."""
    code = str(kind["code"])
    if not code.startswith(_FHIRPATH):
        return code, False
    for extension in kind.get("extension", ()):
        if extension["url"] == _TYPE_EXTENSION:
            return str(extension["valueUrl"]), True
    return code.removeprefix(_FHIRPATH + "System.").lower(), True


def compact(schema: Mapping[str, Any]) -> str:
    """Write a result with one definition a line, so that a change of one shows as one line."""
    lines = ["{"]
    for key, value in schema.items():
        end = "" if key == "$defs" else ","
        if key in ("$defs", "targets"):
            rows = ",\n".join(f"{json.dumps(name)}:{_row(value[name])}" for name in sorted(value))
            lines.append(f"{json.dumps(key)}:{{\n{rows}\n}}{end}")
        else:
            lines.append(f"{json.dumps(key)}:{_row(value)}{end}")
    return "\n".join([*lines, "}", ""])


def _row(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def build(package: Path) -> str:
    """Give the text of `r4.json` for a package. Raises KeyError when the package does not define a type that is used."""
    return compact(Compiler(Definitions(package)).run(RESOURCE_TYPES))


def main(arguments: Sequence[str]) -> int:
    """Build from the package named and write `r4.json`."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m fhir_profiles.schema.compile PACKAGE.tgz\n")
        return 2
    text = build(Path(arguments[0]))
    RESULT.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{RESULT.name}: {len(text)} characters\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
