"""The wheel has everything that the program reads: data files, migrations, templates."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("adapters", "consent", "fhir_profiles", "gateway")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that was just built, with no network and no isolation, unpacked as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def names(unpacked: Path) -> set[str]:
    """Every file name in the wheel."""
    return {file.relative_to(unpacked).as_posix() for file in unpacked.rglob("*") if file.is_file()}


def test_the_wheel_works_without_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    """What is installed finds its templates, agreements and tables by itself."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(unpacked), "PYTHONSAFEPATH": "1"}

    def throughgate(*arguments: str) -> str:
        command = [sys.executable, "-m", "gateway", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout

    throughgate("init", "made")
    assert len(list((tmp_path / "made" / "recipients").glob("*.example"))) == len(
        list((ROOT / "deploy" / "recipients").glob("*.toml"))
    )
    assert "examples hold" in throughgate("agreements", "check")
    assert "handover" in throughgate("try", str(ROOT / "docs" / "examples" / "release.hl7"))


def shipped_files() -> set[str]:
    """Every file of the packages that is not made by Python."""
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*") if file.is_file())
    return {
        file.relative_to(ROOT).as_posix() for file in files if "__pycache__" not in file.parts and file.suffix != ".pyc"
    }


def test_every_file_of_the_packages_is_in_the_wheel(names: set[str]) -> None:
    assert not shipped_files() - names


def test_the_templates_are_in_the_wheel(names: set[str]) -> None:
    templates = {
        f"gateway/shipped/{file.relative_to(ROOT / 'deploy').as_posix()}" for file in (ROOT / "deploy").rglob("*.toml")
    }
    assert templates
    assert not templates - names


def test_nothing_of_the_tests_is_in_the_wheel(names: set[str]) -> None:
    assert not [name for name in names if name.split("/")[0] not in (*PACKAGES, "throughgate-0.1.0.dist-info")]


def test_the_comparison_can_fail(names: set[str]) -> None:
    """Sabotage: a file that is not there is missed."""
    assert {"gateway/forgotten.toml"} - names
