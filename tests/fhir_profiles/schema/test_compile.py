"""The compiler makes the committed schema, and says from what: package, version, digest."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from fhir_profiles.schema import compile as compiler

PACKAGE_VARIABLE = "THROUGHGATE_R4_PACKAGE"
"""Names the .tgz of the package where it is already on the machine."""


def committed() -> dict[str, Any]:
    return dict(json.loads(compiler.RESULT.read_text(encoding="utf-8")))


def package(folder: Path, **files: object) -> Path:
    """Make a small package."""
    path = folder / "small.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            raw = json.dumps(content).encode()
            member = tarfile.TarInfo(f"package/{name.replace('_', '-', 1)}.json")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return path


def element(path: str, kind: str | None = None, low: int = 0, high: str = "1", **more: object) -> dict[str, object]:
    return {"path": path, "min": low, "max": high, "type": [{"code": kind}] if kind else [], **more}


SMALL = {
    "StructureDefinition_Thing": {
        "resourceType": "StructureDefinition",
        "type": "Thing",
        "kind": "resource",
        "snapshot": {
            "element": [
                element("Thing", high="*"),
                element("Thing.colour", "code", 1, binding={"strength": "required", "valueSet": "u:colours|1"}),
                element("Thing.name", "string", 0, "*"),
                {"path": "Thing.value[x]", "min": 1, "max": "1", "type": [{"code": "boolean"}, {"code": "integer"}]},
                element("Thing.part", "BackboneElement", 0, "*"),
                element("Thing.part.size", "integer", 1),
                element("Thing.piece", None, 0, "*", contentReference="#Thing.part"),
                element("Thing.gone", "string", 0, "0"),
            ]
        },
    },
    "StructureDefinition_Element": {
        "resourceType": "StructureDefinition",
        "type": "Element",
        "kind": "complex-type",
        "snapshot": {"element": [element("Element"), element("Element.note", "string")]},
    },
    "ValueSet_colours": {
        "resourceType": "ValueSet",
        "url": "u:colours",
        "compose": {
            "include": [{"system": "u:c"}, {"system": "u:d", "concept": [{"code": "blue"}]}],
            "exclude": [{"system": "u:c", "concept": [{"code": "grey"}]}],
        },
    },
    "CodeSystem_c": {
        "resourceType": "CodeSystem",
        "url": "u:c",
        "content": "complete",
        "concept": [{"code": "red", "concept": [{"code": "crimson"}]}, {"code": "grey"}],
    },
}


def small(tmp_path: Path) -> jsonschema_rs.Draft202012Validator:
    found = compiler.Definitions(package(tmp_path, **SMALL))
    found.name, found.version = "small", "1"
    result = compiler.Compiler(found).run(["Thing"])
    assert result["source"] == {"package": "small", "version": "1", "sha256": found.digest}
    return jsonschema_rs.Draft202012Validator({"$ref": "#/$defs/Thing", "$defs": result["$defs"]})


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"colour": "crimson"}, True),
        ({"colour": "blue"}, True),
        ({"colour": "grey"}, False),
        ({"colour": "green"}, False),
        ({"colour": None}, False),
        ({"name": ["a", None], "_name": [None, {"note": "x"}]}, True),
        ({"name": []}, False),
        ({"name": "a"}, False),
        ({"valueInteger": 1}, False),
        ({"_valueInteger": {"note": "x"}}, False),
        ({"part": [{"size": 1}], "piece": [{"size": 2}]}, True),
        ({"part": [{}]}, False),
        ({"piece": [{"size": "1"}]}, False),
        ({"gone": "a"}, False),
        ({"other": "a"}, False),
        ({"resourceType": "Other"}, False),
    ],
)
def test_a_definition_becomes_the_rules_that_it_states(tmp_path: Path, change: dict[str, object], valid: bool) -> None:
    thing = {"resourceType": "Thing", "colour": "red", "valueBoolean": True} | change
    assert small(tmp_path).is_valid(thing) is valid


def test_one_of_a_choice_and_every_required_element_must_be_there(tmp_path: Path) -> None:
    assert not small(tmp_path).is_valid({"resourceType": "Thing", "colour": "red"})
    assert not small(tmp_path).is_valid({"resourceType": "Thing", "valueBoolean": True})
    assert small(tmp_path).is_valid({"resourceType": "Thing", "_colour": {"note": "x"}, "valueInteger": 1})


def test_the_committed_schema_is_what_the_compiler_writes_and_names_its_source() -> None:
    schema = committed()
    assert compiler.compact(schema) == compiler.RESULT.read_text(encoding="utf-8")
    assert schema["resources"] == sorted(compiler.RESOURCE_TYPES)
    assert schema["source"]["package"] == "hl7.fhir.r4.examples"
    assert schema["source"]["version"] == schema["fhirVersion"] == "4.0.1"
    assert len(schema["source"]["sha256"]) == 64


def test_most_required_bindings_are_closed_lists() -> None:
    """72 of 75 in reference/stack.md section 2; what stays open are languages, media types and the like."""
    enums = [name for name in committed()["$defs"] if name.startswith("code:") and not name.endswith(".null")]
    assert len(enums) >= 72


def test_a_wrong_command_line_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = compiler.RESULT.read_bytes()
    assert compiler.main([]) == 2
    assert "usage" in capsys.readouterr().err
    assert compiler.RESULT.read_bytes() == before


@pytest.mark.slow
def test_rebuilding_from_the_package_gives_the_same_schema(tmp_path: Path) -> None:
    path = _registry_package(tmp_path)
    if path is None:
        pytest.skip("the registry package cannot be had on this machine: the committed schema was not rebuilt")
    assert compiler.Definitions(path).digest == committed()["source"]["sha256"]
    assert compiler.build(path) == compiler.RESULT.read_text(encoding="utf-8")


def _registry_package(folder: Path) -> Path | None:
    named, npm = os.environ.get(PACKAGE_VARIABLE), shutil.which("npm")
    if named:
        return Path(named)
    if npm is None:
        return None
    source = committed()["source"]
    wanted = f"{source['package']}@{source['version']}"
    try:
        subprocess.run([npm, "pack", wanted], cwd=folder, check=True, capture_output=True, timeout=120)
    except (subprocess.SubprocessError, OSError):
        return None
    return next(folder.glob("*.tgz"), None)
