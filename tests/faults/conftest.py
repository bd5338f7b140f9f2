"""The engines of a test, and the library that watches a disk, built once."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import line
from tests.engines import MODES


@pytest.fixture
def on_production() -> Iterator[None]:
    """The installations of this test are made on PostgreSQL and RabbitMQ."""
    line.Mode.engines_of = staticmethod(line.production)
    yield
    line.Mode.engines_of = staticmethod(line.embedded)


@pytest.fixture(params=MODES)
def on_both(request: pytest.FixtureRequest) -> str:
    """The same test on both engine pairs; which one it is."""
    if request.param == "production":
        request.getfixturevalue("on_production")
    return str(request.param)


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
