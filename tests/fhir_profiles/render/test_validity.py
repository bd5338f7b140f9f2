"""What leaves is valid R4: by our own validator, by the fhir.resources models as a second opinion, and by UK Core where the samples are set."""

import json
from collections.abc import Callable, Sequence
from functools import cache

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_profiles.compose import compose, compose_report
from fhir_profiles.fhir_json import decode
from fhir_profiles.profiles.checking.differential import breaches, elements_in
from fhir_profiles.render import render
from fhir_profiles.shapes import Json, Severity
from fhir_profiles.validate import validate
from tests.fhir_profiles.letters.files import AS_OF, CONTEXT, HEADING, REPORTS, patient, whole_file
from tests.samples import samples_folder

LETTERS = [
    ("handover", "fhir-document"),
    ("handover", "fhir-message"),
    ("prescription-copy", "fhir-message"),
    ("correction", "fhir-message"),
    ("report", "fhir-collection"),
    ("indicators", "fhir-collection"),
]
FILES: dict[str, Callable[[], Sequence[Json]]] = {
    "whole file": whole_file,
    "Patient only": lambda: [patient()],
    "nothing": list,
}


@cache
def body(name: str, wire: str, file: str) -> bytes:
    bundle = (
        compose_report(REPORTS[name]).bundle if name in REPORTS else compose(name, FILES[file](), CONTEXT, AS_OF).bundle
    )
    return render(bundle, wire, HEADING).body


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("name", "wire"), LETTERS)
def test_our_validator_finds_nothing_wrong(name: str, wire: str, file: str) -> None:
    issues = validate(decode(body(name, wire, file)))
    assert [issue for issue in issues if issue.severity in {Severity.ERROR, Severity.FATAL}] == []


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("name", "wire"), LETTERS)
def test_the_models_accept_it(name: str, wire: str, file: str) -> None:
    get_fhir_model_class("Bundle").model_validate_json(body(name, wire, file))


def test_the_validators_can_fail() -> None:
    bundle = decode(body("handover", "fhir-document", "whole file"))
    bundle["entry"][0]["resource"]["section"][0].pop("text")
    bundle["entry"][0]["resource"].pop("status")
    assert any(issue.severity is Severity.ERROR for issue in validate(bundle))
    with pytest.raises(ValueError, match="status"):
        get_fhir_model_class("Bundle").model_validate_json(json.dumps(bundle, default=str))


def _resources() -> list[Json]:
    found = []
    for name, wire in LETTERS:
        bundle = decode(body(name, wire, "whole file"))
        found += [bundle, *(entry["resource"] for entry in bundle["entry"])]
    return found


@pytest.mark.samples
def test_uk_core_asks_for_nothing_that_is_missing() -> None:
    folder = samples_folder() / "uk-core" / "snapshots"
    judged = set()
    for resource in _resources():
        file = folder / f"UKCore-{resource['resourceType']}.json"
        if not file.exists():
            continue
        snapshot = json.loads(file.read_text("utf-8"))
        assert list(breaches(resource, elements_in(snapshot["snapshot"]["element"]))) == []
        judged.add(resource["resourceType"])
    assert {"Bundle", "Composition", "Communication", "MessageHeader", "MedicationRequest", "Patient", "Flag"} <= judged
