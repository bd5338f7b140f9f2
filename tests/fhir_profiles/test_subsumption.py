"""The table of which code includes which: what the lists settle, and silence about everything else."""

import pytest

from fhir_profiles.subsumption import subsumes
from fhir_profiles.systems import ACT_CODE, DMD, LOINC, OBSERVATION_CATEGORY, SNOMED, SUBSTANCE_GROUP, TEST_PURPOSE

METHADONE, METHADONE_BRAND = f"{SNOMED}|36120711000001104", f"{DMD}|578811000001102"
METHADONE_STRONG = f"{SNOMED}|36120611000001108"
OPIATES_SCREEN, OPIATES = f"{LOINC}|19295-5", f"{LOINC}|3879-4"
METHADONE_SCREEN = f"{LOINC}|19550-3"


@pytest.mark.parametrize(
    ("general", "specific", "answer"),
    [
        (f"{ACT_CODE}|SUD", f"{ACT_CODE}|OPIOIDUD", True),
        (f"{ACT_CODE}|ETH", f"{ACT_CODE}|SUD", True),
        (f"{ACT_CODE}|BH", f"{ACT_CODE}|ETHUD", True),
        (f"{ACT_CODE}|OPIOIDUD", f"{ACT_CODE}|SUD", False),
        (f"{ACT_CODE}|HIV", f"{ACT_CODE}|SUD", False),
        (f"{ACT_CODE}|PSY", f"{ACT_CODE}|MH", None),
        (f"{ACT_CODE}|NEVER-HEARD", f"{ACT_CODE}|SUD", None),
        (METHADONE, METHADONE_BRAND, True),
        (METHADONE, METHADONE_STRONG, False),
        (METHADONE, f"{SNOMED}|1365691000000109", False),
        (f"{SNOMED}|999999", METHADONE, None),
        (OPIATES, OPIATES_SCREEN, None),
        (METHADONE_SCREEN, OPIATES_SCREEN, False),
        (OPIATES_SCREEN, f"{SUBSTANCE_GROUP}|opiates", None),
        (METHADONE_SCREEN, f"{SUBSTANCE_GROUP}|opiates", False),
        (METHADONE, OPIATES_SCREEN, False),
        (f"{SNOMED}|999999", f"{OBSERVATION_CATEGORY}|laboratory", False),
        (f"{SNOMED}|999999", f"{TEST_PURPOSE}|therapeutic", False),
        (METHADONE, METHADONE, True),
    ],
)
def test_a_pair(general: str, specific: str, answer: bool | None) -> None:
    assert subsumes([(general, specific)]).get((general, specific)) is answer
