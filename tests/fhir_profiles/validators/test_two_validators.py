"""Every resource that leaves is valid by Medplum's validator and by HAPI's, against R4 and UK Core, and by HAPI against our own profiles.

Each validator is started once for everything, both beside each other: what leaves, and resources with a planted fault, which it must find.
What one of the two says that is no fault stands in differences.csv with its reason; a row that nothing needs any more fails.
"""

import copy
import csv
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_profiles.definitions import DEFINITIONS
from fhir_profiles.elements import kind
from fhir_profiles.fhir_json import encode
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import flag, patient, prescription
from tests.fhir_profiles.letters.test_through_the_gate import through
from tests.fhir_profiles.validators.leaving import leaving
from tests.fhir_profiles.validators.running import VALIDATORS, Finding, Judged, missing, said_by_each
from tests.samples import samples_folder

UK_CORE = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"
LOOKED_FOR = frozenset({"error", "fatal"})


def differences(validator: str) -> list[tuple[str, re.Pattern[str]]]:
    """The severity and the words of what one validator alone says."""
    with Path(__file__).with_name("differences.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["reason"] for row in rows)
    return [(row["severity"], re.compile(row["says"])) for row in rows if row["validator"] == validator]


def claimed(resource: Json, known: frozenset[str]) -> Json:
    """Let a resource, and each in it, claim the UK Core profile of its type beside the profiles that it claims already."""
    for entry in resource.get("entry", ()):
        claimed(entry["resource"], known)
    if kind(resource) in known:
        resource.setdefault("meta", {}).setdefault("profile", []).append(UK_CORE + kind(resource))
    return resource


def _of(bundle: Json, resource_type: str) -> Json:
    found: Json = next(one["resource"] for one in bundle["entry"] if kind(one["resource"]) == resource_type)
    return found


def _set(resource_type: str, name: str, value: Any) -> Callable[[Json], None]:
    return lambda bundle: _of(bundle, resource_type).update({name: value})


def _drop(resource_type: str, name: str) -> Callable[[Json], None]:
    def change(bundle: Json) -> None:
        del _of(bundle, resource_type)[name]

    return change


BOTH = frozenset(VALIDATORS)
HAPI_ALONE = frozenset(
    {"hapi"}
)  # what Medplum's does not look at: codes, our profiles (they have no snapshot), extensions
PLANTED: tuple[tuple[str, frozenset[str], Callable[[Json], None]], ...] = (
    ("R4 requires it", BOTH, _drop("Composition", "status")),
    ("R4 has no such element", BOTH, _set("Patient", "nickname", "Al")),
    ("another type of value", BOTH, _set("Patient", "birthDate", True)),
    ("no such form of a date", BOTH, _set("Patient", "birthDate", "5 May 1985")),
    ("an invariant of R4", BOTH, lambda bundle: _of(bundle, "Composition")["section"][0].update(text=None, entry=None)),
    ("UK Core requires it", BOTH, _drop("MedicationRequest", "substitution")),
    ("a code that R4 does not have", HAPI_ALONE, _set("Patient", "gender", "m")),
    ("a profile of ours requires it", HAPI_ALONE, _set("Composition", "type", {"text": "Letter"})),
    ("an extension that nobody defined", HAPI_ALONE, _set("Patient", "extension", [{"url": "urn:x", "valueCode": "x"}])),
)  # fmt: skip


def planted(known: frozenset[str]) -> Iterator[Judged]:
    good = claimed(through("handover", [patient(), prescription(), flag()]), known)
    for fault, _, change in PLANTED:
        bundle = copy.deepcopy(good)
        change(bundle)
        yield Judged(name=fault, resource=bundle)


def types_in(resource: Json) -> Iterator[str]:
    yield kind(resource)
    for entry in resource.get("entry", ()):
        yield from types_in(entry["resource"])


def write_definitions(folder: Path, snapshots: Path, types: Iterable[str]) -> None:
    """Our StructureDefinitions, and of UK Core what these types need: reading all of it would take longer than the judging."""
    folder.mkdir()
    for name, definition in DEFINITIONS["StructureDefinition"].items():
        (folder / f"{name}.json").write_bytes(encode(definition))
    for file in (*snapshots.glob("Extension-*.json"), *(snapshots / f"UKCore-{name}.json" for name in types)):
        (folder / file.name).symlink_to(file.resolve())


@pytest.mark.slow(seconds=80)
@pytest.mark.timeout(900)
@pytest.mark.samples
def test_what_leaves_is_valid_and_a_planted_fault_is_found(tmp_path: Path) -> None:
    """By each of the two, which judge the same beside each other; where one is not installed, the other is asked and then that is said."""
    snapshots = samples_folder() / "uk-core" / "snapshots"
    known = frozenset(file.stem.removeprefix("UKCore-") for file in snapshots.glob("UKCore-*.json"))
    judged = [Judged(name=one.name, resource=claimed(one.resource, known)) for one in leaving()]
    judged += [
        Judged(name=f"definition: {url}", resource=each) for ids in DEFINITIONS.values() for url, each in ids.items()
    ]
    faulty = list(planted(known))
    write_definitions(
        tmp_path / "definitions", snapshots, known & {name for one in judged for name in types_in(one.resource)}
    )
    said = said_by_each([*judged, *faulty], tmp_path / "definitions", tmp_path / "asked")
    assert {*said, *missing()} == {*VALIDATORS}
    faults = {name: faults_of(name, found, {one.name for one in judged}) for name, found in said.items()}
    assert not any(faults.values()), "\n".join(each for found in faults.values() for each in found[:20])
    for reason in missing().values():
        pytest.skip(reason)


def faults_of(validator: str, said: list[Finding], names: set[str]) -> list[str]:
    """What one of the two says of what leaves and no list has, what a list has and it does not say, and where it is wrong about a planted fault."""
    listed = differences(validator)
    about = [finding for finding in said if finding.name in names]
    unlisted = [
        f"{finding.severity} in {finding.name} at {finding.place}: {finding.text}"
        for finding in about
        if not any(finding.severity == severity and says.search(finding.text) for severity, says in listed)
    ]
    needless = [says.pattern for severity, says in listed if not any(says.search(finding.text) for finding in about)]
    found = {finding.name for finding in said if finding.severity in LOOKED_FOR} - names
    asked = {fault for fault, by, _ in PLANTED if validator in by}
    return [
        *(f"{validator}: {each}" for each in unlisted),
        *(f"{validator} does not say any more: {each}" for each in needless),
        *(f"{validator} is wrong about the planted fault: {each}" for each in sorted(found ^ asked)),
    ]
