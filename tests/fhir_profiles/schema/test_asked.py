"""What R4 asks for beside the paths that an agreement names: what an agreement leaves is FHIR, or the agreement is refused."""

from pathlib import Path

import pytest

from consent.agreement_file import read_agreement
from fhir_profiles.schema.asked import lacking
from gateway import shipped

AGREEMENTS = sorted(Path(str(shipped.agreements())).rglob("*.toml"))


@pytest.mark.parametrize(
    ("paths", "asked"),
    [
        ([], ()),
        (["Flag.status", "Flag.code", "Flag.subject"], ()),
        (["Flag.status", "Flag.code.text", "Flag.subject"], ()),
        (["Flag.status", "Flag.subject"], ("Flag.code",)),
        (["Flag.code"], ("Flag.status", "Flag.subject")),
        (["MedicationDispense.status"], ("MedicationDispense.medicationReference",)),
        (["MedicationDispense.status", "MedicationDispense.medicationCodeableConcept.text"], ()),
        (["MedicationDispense.status", "MedicationDispense.medication[x]"], ()),
        (["Appointment.status", "Appointment.start", "Appointment.end"], ("Appointment.participant",)),
        (["Appointment.status", "Appointment.start", "Appointment.end", "Appointment.participant"], ()),
        (["Appointment.status", "Appointment.start", "Appointment.end", "Appointment.participant.actor"], ("Appointment.participant.status",)),
        (["Patient.name", "Patient.identifier.extension(https://example.org/a.b)"], ()),
        (["Organization.telecom"], ("Organization.name",)),
        (["Organization.identifier.value"], ()),
        (["Nothing.of.ours"], ()),
    ],
)  # fmt: skip
def test_what_is_asked_for(paths: list[str], asked: tuple[str, ...]) -> None:
    assert lacking(paths) == asked


@pytest.mark.parametrize("path", AGREEMENTS, ids=lambda path: path.stem)
def test_what_a_shipped_agreement_leaves_can_be_fhir(path: Path) -> None:
    """Drafts too. Sabotage: without a status that R4 asks for it is not."""
    agreement = read_agreement(path.read_text("utf-8"), path.stem)
    named = [item.path for item in agreement.fields]
    assert lacking(named) == ()
    for status in (each for each in named if each.count(".") == 1 and each.endswith(".status")):
        if status not in {"CareTeam.status", "Medication.status"}:  # those that R4 does not ask for
            assert lacking([each for each in named if each != status]) == (status,)
