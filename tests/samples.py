"""The shared sample data, which is never committed: where it is, and a skip that is counted and named where it is not."""

import os
from pathlib import Path

import pytest

VARIABLE = "THROUGHGATE_SAMPLES"
WITHOUT_SAMPLES = f"samples: {VARIABLE} is not set"
"""The only reason for which a test may be skipped when `CI` is set (tests/conftest.py reads it)."""


def samples_folder() -> Path:
    """The folder of the shared sample data. Skips the test when there is none; a folder that is named but missing is an error."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(WITHOUT_SAMPLES)
    folder = Path(named)
    assert folder.is_dir(), f"{VARIABLE} names a folder that does not exist"
    return folder


def fhir_examples() -> list[Path]:
    """The shared examples but the events of the prison service, which are no FHIR (tests/fhir_profiles/mappings reads those)."""
    return [
        file for file in sorted((samples_folder() / "examples").rglob("*.json")) if "hmpps-events" not in file.parts
    ]
