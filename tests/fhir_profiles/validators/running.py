"""Start each of the two validators once, over many resources. What is not installed is left out, counted and named (tests/conftest.py)."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from fhir_profiles.fhir_json import encode
from fhir_profiles.shapes import Json

HERE = Path(__file__).parent
FETCHED = HERE.parents[2] / ".validators"
WITHOUT_HAPI = "HAPI's validator is not installed: make install-validators"
WITHOUT_MEDPLUM = "Medplum's validator is not installed: make install-validators"
SECONDS = 800  # this number is a guard: both together take less than a minute on quiet cores


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A resource to be judged, with a name by which what is said of it is found again."""

    name: str
    resource: Json


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a validator says: `severity` is FHIR's, `code` the validator's own name for it, `place` where."""

    name: str
    severity: str
    code: str
    place: str
    text: str


def _findings(command: Sequence[str | Path], asked: Iterable[Judged], folder: Path, at: Path) -> list[Finding]:
    lines = (json.dumps({"name": one.name, "resource": encode(one.resource).decode()}) for one in asked)
    at.write_text("\n".join(lines), "utf-8")
    done = subprocess.run(
        [*command, at, folder], capture_output=True, text=True, encoding="utf-8", timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [Finding(**json.loads(line)) for line in done.stdout.splitlines()]


def _compiled() -> Path:
    """The folder of the compiled program: compiled again only when it changed, because that takes as long as half of the work."""
    source, classes = HERE / "Hapi.java", FETCHED / "classes"
    made = classes / "Hapi.class"
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        command = ["javac", "-nowarn", "-cp", f"{FETCHED}/jars/*", "-d", classes, source]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    return classes


def hapi(asked: Iterable[Judged], folder: Path, at: Path) -> list[Finding]:
    """HAPI's instance validator, with the definitions of a folder. `at` is a file that is written for it.

    The lighter compiler suits a process that lives for seconds.
    """
    if shutil.which("javac") is None or not (FETCHED / ".hapi").exists():
        pytest.skip(WITHOUT_HAPI)
    options = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx1g")
    return _findings(["java", *options, "-cp", f"{_compiled()}:{FETCHED}/jars/*", "Hapi"], asked, folder, at)


def medplum(asked: Iterable[Judged], folder: Path, at: Path) -> list[Finding]:
    """Medplum's validator, with the definitions of a folder. `at` is a file that is written for it."""
    if shutil.which("node") is None or not (FETCHED / ".medplum").exists():
        pytest.skip(WITHOUT_MEDPLUM)
    return _findings(["node", HERE / "medplum.cjs", FETCHED / "node_modules"], asked, folder, at)
