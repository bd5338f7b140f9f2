"""`make soak` keeps what the fault tests said, and a failure as a failure."""

import json
from pathlib import Path

import pytest

from tests import soak

OUTPUT = """..F
============================= under fire =============================
name attempted acked recovered duplicated lost
power-cut 10 10 10 0 0  (3 cuts)
======================== short test summary info ======================
FAILED tests/faults/test_x.py::test_y
1 failed, 2 passed in 3.00s
"""


def test_the_lines_are_found() -> None:
    assert soak.account(OUTPUT) == [
        "name attempted acked recovered duplicated lost",
        "power-cut 10 10 10 0 0  (3 cuts)",
    ]
    assert soak.account("3 passed in 1.00s") == []


def test_a_failure_is_kept_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "EVIDENCE", tmp_path / "evidence")
    path = soak.write(soak.account(OUTPUT), ["-k", "power"], passed=False, closing="1 failed, 2 passed in 3.00s")
    text = path.read_text("utf-8")
    assert "FAILED" in text.splitlines()[0]
    assert "power-cut 10 10 10 0 0" in text
    assert "cores" in text


@pytest.mark.slow
def test_a_ratio_that_fell_fails_the_soak_and_stays_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "EVIDENCE", tmp_path)
    only = ("--quick", "--workload", "decide")
    committed = tmp_path / "bench-embedded.json"
    assert soak.bench("embedded", (), *only) == []
    kept = json.loads(committed.read_text("utf-8"))
    assert kept["machine"]["commit"]
    kept["workloads"][0]["ratio_to_floor"] = 1_000
    committed.write_text(json.dumps(kept), "utf-8")
    (fault,) = soak.bench("embedded", (), *only)
    assert "decide" in fault
    assert "below 0.8 of the committed 1000" in fault
    assert json.loads(committed.read_text("utf-8")) == kept
    assert json.loads((tmp_path / "bench-embedded.failed.json").read_text("utf-8"))["faults"]
