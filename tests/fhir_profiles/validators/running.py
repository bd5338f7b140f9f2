"""Start both validators beside each other, each once, over the same many resources. What is not installed has its reason."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

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


def _findings(command: Sequence[str | Path]) -> list[Finding]:
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [Finding(**json.loads(line)) for line in done.stdout.splitlines()]


def _compiled() -> Path:
    """The folder of the compiled program: compiled again only when it changed, because that takes as long as half of the work."""
    source, classes = HERE / "Hapi.java", FETCHED / "classes"
    made = classes / "Hapi.class"
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        command: list[str | Path] = ["javac", "-nowarn", "-cp", f"{FETCHED}/jars/*", "-d", classes, source]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    return classes


def _hapi(at: Path, folder: Path) -> list[Finding]:
    """HAPI's instance validator. The lighter compiler suits a process that lives for seconds."""
    options = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx1g")
    return _findings(["java", *options, "-cp", f"{_compiled()}:{FETCHED}/jars/*", "Hapi", at, folder])


def _medplum(at: Path, folder: Path) -> list[Finding]:
    return _findings(["node", HERE / "medplum.cjs", FETCHED / "node_modules", at, folder])


VALIDATORS = {"hapi": _hapi, "medplum": _medplum}


def missing() -> dict[str, str]:
    """Why a validator cannot be started here, by its name."""
    found = {}
    if shutil.which("javac") is None or not (FETCHED / ".hapi").exists():
        found["hapi"] = WITHOUT_HAPI
    if shutil.which("node") is None or not (FETCHED / ".medplum").exists():
        found["medplum"] = WITHOUT_MEDPLUM
    return found


def said_by_each(asked: Iterable[Judged], folder: Path, at: Path) -> dict[str, list[Finding]]:
    """What each installed validator says with the definitions of a folder. `at` is a file that is written for them."""
    lines = (json.dumps({"name": one.name, "resource": encode(one.resource).decode()}) for one in asked)
    at.write_text("\n".join(lines), "utf-8")
    without = missing()
    with ThreadPoolExecutor(len(VALIDATORS)) as both:
        running = {
            name: both.submit(validator, at, folder) for name, validator in VALIDATORS.items() if name not in without
        }
    return {name: each.result() for name, each in running.items()}
