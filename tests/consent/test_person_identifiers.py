"""A person's identifiers leave by system; the practice's code on the same Patient is no identifier of the person."""

from typing import Any

from consent.minimise import minimise

from .made import NAMING, NHS, ODS, PRISON_NUMBER, ask, patient, resource


def test_the_practice_leaves_and_the_prison_number_does_not() -> None:
    """A provider has to agree with the practice who prescribes: its ODS code was withheld as if it named the person."""
    person = patient(
        identifier=[{"system": NHS, "value": "9990000018"}, {"system": PRISON_NUMBER, "value": "A1234BC"}],
        generalPractitioner=[{"type": "Organization", "identifier": {"system": ODS, "value": "RXP01"}}],
    )
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": person}, {"resource": resource("Flag", status="active", code={"text": "risk"})}],
    }
    released = minimise(bundle, ask(resources=[entry["resource"] for entry in bundle["entry"]]), NAMING)
    left = released.bundle["entry"][0]["resource"]
    assert left["identifier"] == [{"system": NHS, "value": "9990000018"}]
    assert left["generalPractitioner"][0]["identifier"] == {"system": ODS, "value": "RXP01"}
    assert ("Patient.identifier", "identifier-system") in {(item.path, item.rule) for item in released.withheld}
