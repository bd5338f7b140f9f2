"""Each fault test hands in its account; tests/conftest.py prints them in one block. And the library that watches a disk, built once."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.account import PROPERTY, Account


@pytest.fixture
def account(record_property: Callable[[str, object], None]) -> Callable[..., Account]:
    """`account(name=..., attempted=..., ...)` makes the line and checks it."""

    def close(**numbers: Any) -> Account:
        made = Account(**numbers)
        record_property(PROPERTY, made.line())
        made.check()
        return made

    return close


@pytest.fixture(scope="session")
def disk_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """disk_log.c, built here."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler: power cuts and full disks were not tried")
    built = tmp_path_factory.mktemp("disk") / "disk_log.so"
    source = Path(__file__).with_name("disk_log.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(built), str(source), "-ldl"], check=True)
    return built
