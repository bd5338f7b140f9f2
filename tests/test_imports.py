"""The import contracts of pyproject.toml can fail: each is broken in a copy of the tree, and the checker has to see it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("adapters", "consent", "fhir_profiles", "gateway")
LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"

SABOTAGE = {
    "trunk-and-leaves": ("consent/decide.py", "import gateway.settings"),
    "leaves-know-nobody": ("adapters/contract.py", "import fhir_profiles.shapes"),
    "pure": ("fhir_profiles/compose.py", "import time"),
    "adapters-move": ("adapters/contract.py", "import sqlalchemy"),
    "consent-knows-no-codes": ("consent/decide.py", "import msgspec"),
    "the-gate": ("gateway/pipeline.py", "import consent.minimise"),
    "the-gate-renders": ("gateway/api/app.py", "import fhir_profiles.render"),
    "who-asks-consent": ("gateway/people/find.py", "import consent.decide"),
    "inside-the-gateway": ("gateway/store/schema.py", "import gateway.pipeline"),
    "every-module-has-a-place": ("gateway/unplaced.py", '"""A new module."""'),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(LINT_IMPORTS), "--no-cache", "--no-logo", "--config", str(folder / "pyproject.toml")]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(folder)}
    )


def copy_tree(folder: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.json"))


@pytest.mark.parametrize("name", SABOTAGE)
def test_each_contract_can_fail(name: str, tmp_path: Path) -> None:
    copy_tree(tmp_path)
    path, line = SABOTAGE[name]
    file = tmp_path / path
    before = file.read_text("utf-8") if file.exists() else ""
    file.write_text(f"{before}\n{line}\n", "utf-8")
    result = lint(tmp_path)
    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout or "not" in result.stdout


def test_the_copy_is_whole(tmp_path: Path) -> None:
    """Without sabotage the copy keeps every contract: what fails above fails for the line that was added."""
    copy_tree(tmp_path)
    assert lint(tmp_path).returncode == 0, lint(tmp_path).stdout
