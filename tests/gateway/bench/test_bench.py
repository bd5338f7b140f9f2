"""`throughgate bench --quick`: the whole of it, small. That every message arrived once, not how fast.

The numbers of this file belong to no machine; `make soak` compares the ratios of docs/evidence/, and tests/test_soak.py shows that this
can fail.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.bench.peer import PeerMissing, environment
from tests import engines

SHAPE = {"name", "per_second", "p50_ms", "p99_ms", "floor", "ratio_to_floor"}


SECONDS = "0.2"
"""How long each workload is driven; some of its messages come after that, and are waited for."""


def bench(*arguments: str) -> dict[str, Any]:
    """The document of a run that found no fault."""
    command = [sys.executable, "-m", "gateway", "bench", "--quick", "--seconds", SECONDS, "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    assert {"workloads", "machine"} <= set(found)
    assert all(set(one) >= SHAPE for one in found["workloads"])
    return found


def arrived_once(workload: dict[str, Any]) -> bool:
    return bool(workload["sent"] > 0 and workload["lost"] == workload["doubled"] == 0)


@pytest.mark.slow(seconds=60)
@pytest.mark.timeout(600)
def test_embedded() -> None:
    names = ("decide", "mllp-acknowledgements", "stay-to-4", "backlog")
    found = bench(*(part for name in names for part in ("--workload", name)))
    by_name = {one["name"]: one for one in found["workloads"]}
    assert set(by_name) == {
        "decide",
        "mllp-acknowledgements",
        "stay-to-4",
        "ten-a-person",
        "backlog",
        "ten-times-the-store",
    }
    assert found["machine"]["engines"] == "embedded"
    assert by_name["mllp-acknowledgements"]["peer"] == {
        "name": "hl7v2-fhir-bridge",
        "not_measured": "left out by --quick",
    }
    assert all(by_name[name]["floor"]["empty_pipe_per_second"] > 0 for name in ("stay-to-4", "ten-a-person"))
    assert all(arrived_once(by_name[name]) for name in ("stay-to-4", "ten-a-person", "backlog"))
    assert by_name["backlog"]["disordered"] == 0
    assert by_name["stay-to-4"]["copies"] == 4
    assert {one["workload"] for one in found["targets"]} >= {"decide", "stay-to-4", "backlog", "every"}


@pytest.mark.slow(seconds=60)
@pytest.mark.timeout(600)
def test_production_leaves_nothing_behind() -> None:
    database, broker = engines.database(), engines.broker()
    found = bench(
        *("--store-url", database.url("postgres"), "--bus-url", broker.url),
        *("--workload", "floors", "--workload", "prescription-to-1"),
    )
    by_name = {one["name"]: one for one in found["workloads"]}
    assert found["machine"]["engines"] == "production"
    assert by_name["confirmed-publishes"]["per_second"] > 0
    assert arrived_once(by_name["prescription-to-1"])
    assert database.sql("SELECT 1 / (count(*) = 0)::int FROM pg_database WHERE datname LIKE 'throughgate_bench%'")
    assert "bench" not in broker.control("list_queues")


@pytest.mark.slow(seconds=60)
def test_a_peer_that_cannot_be_had_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(PeerMissing, match="is there a network"):
        environment()


@pytest.mark.slow(seconds=60)
def test_a_bench_that_is_ended_leaves_no_process_behind(tmp_path: Path) -> None:
    def of_this_run() -> list[str]:
        found = []
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                found += [line.parent.name] if str(tmp_path).encode() in line.read_bytes() else []
        return found

    command = [sys.executable, "-m", "gateway", "bench", "--workload", "prescription-to-1"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stderr is not None
        assert "round 1" in running.stderr.readline()
        assert len(of_this_run()) >= 3
        running.terminate()
        assert "nothing stays behind" in running.stderr.read()
    assert running.returncode == 1
    assert of_this_run() == []
    assert not list(tmp_path.iterdir())


def test_what_serves_does_not_know_the_bench() -> None:
    asked = "import sys, gateway.__main__, gateway.serving, gateway.wiring; sys.exit(any(m.startswith('gateway.bench') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [("--workload", "nothing"), ("--store-url", "postgresql://x/y")],
    ids=["unknown workload", "half a pair"],
)
def test_wrong_arguments_end_with_2(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "gateway", "bench", *arguments]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
