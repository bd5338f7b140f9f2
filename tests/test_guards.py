"""The guards of conftest.py hold: each can fail."""

import asyncio
import socket
import subprocess
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import engines, samples
from tests.conftest import NetworkRefusedError, is_loopback, skips_that_fail
from tests.samples import WITHOUT_SAMPLES
from tests.sharing import ByFile

ROOT = Path(__file__).resolve().parent.parent


def test_no_network_but_loopback() -> None:
    """A connection to a documentation address (RFC 5737) is refused before a packet leaves."""
    with socket.socket() as connection, pytest.raises(NetworkRefusedError):
        connection.connect(("192.0.2.1", 80))


def test_no_name_is_looked_up() -> None:
    with pytest.raises(NetworkRefusedError):
        socket.getaddrinfo("throughgate.example", 443)


def test_nothing_listens_beyond_loopback() -> None:
    with socket.socket() as listener, pytest.raises(NetworkRefusedError):
        listener.bind(("0.0.0.0", 0))


async def test_asyncio_is_guarded_too() -> None:
    with pytest.raises(NetworkRefusedError):
        await asyncio.open_connection("192.0.2.1", 80)


async def test_loopback_works() -> None:
    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    async with server:
        _reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        (None, True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
    ],
)
def test_what_counts_as_loopback(host: str | None, *, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_warnings_are_errors() -> None:
    with pytest.raises(UserWarning):
        warnings.warn("a warning", stacklevel=1)


def test_local_time_is_not_utc() -> None:
    """Whoever reads local time is a day off, and some test will show it."""
    assert time.timezone == -14 * 3600


@pytest.mark.parametrize(
    ("reason", "ci", "fails"),
    [(WITHOUT_SAMPLES, True, False), ("no browser", True, True), ("no browser", False, False)],
)
def test_under_ci_only_samples_may_be_left_out(reason: str, *, ci: bool, fails: bool) -> None:
    assert bool(skips_that_fail({reason: 1}, ci=ci)) is fails


def test_samples_that_are_named_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(samples.VARIABLE, "/nowhere")
    with pytest.raises(AssertionError):
        samples.samples_folder()


def test_without_samples_the_skip_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(samples.VARIABLE, raising=False)
    with pytest.raises(pytest.skip.Exception, match=WITHOUT_SAMPLES):
        samples.samples_folder()


def test_the_run_itself_fails_for_a_skip_under_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: a run with a skipped test ends with exit code 1 under CI, and 0 where CI is not set."""
    hooks = ("pytest_sessionfinish", "pytest_terminal_summary")
    pytester.makeconftest(f"from tests.conftest import {', '.join(hooks)}")
    pytester.makepyfile("import pytest\ndef test_a():\n    pytest.skip('no browser')\n")
    pytester.makeini("[pytest]\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("CI", "true")
    assert pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly").ret == 1
    monkeypatch.delenv("CI")
    assert pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly").ret == 0


class Worker:
    """What the scheduler knows of a worker; `given` is what it was told to run."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_a_file_is_one_workers_in_its_order_and_each_fault_is_anybodys() -> None:
    """However few tests there are and however quick a worker is: a story is not torn."""
    story = [f"tests/console/test_work.py::test_{number}" for number in range(20)]
    other = [f"tests/flow/test_x.py::test_{number}" for number in range(3)]
    faults = [f"tests/faults/test_kill.py::test_kill[{number}]" for number in range(30)]
    collected = [faults[0], *story, *other, *faults[1:]]
    config: Any = SimpleNamespace(
        getvalue=lambda _name: ["popen", "popen"], option=SimpleNamespace(loadscopereorder=False)
    )
    scheduler = ByFile(config)
    workers: list[Any] = [Worker("gw0"), Worker("gw1")]
    for each in workers:
        scheduler.add_node(each)
        scheduler.add_node_collection(each, collected)
    scheduler.schedule()
    done = dict.fromkeys(workers, 0)
    while any(done[each] < len(each.given) for each in workers):
        slow_and_quick = [workers[0], workers[1], workers[1], workers[1]]
        for worker in slow_and_quick:
            if done[worker] < len(worker.given):
                scheduler.mark_test_complete(worker, worker.given[done[worker]])
                done[worker] += 1
    ran = [[collected[at] for at in worker.given[: done[worker]]] for worker in workers]
    assert sorted(ran[0] + ran[1]) == sorted(collected)
    for file in (story, other):
        assert [each for tests in ran for each in tests if each in file] == file
        assert sum(file[0] in tests for tests in ran) == sum(bool(set(file) & set(tests)) for tests in ran) == 1
    assert all(set(faults) & set(tests) for tests in ran)


def test_of_an_engine_that_does_not_start_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "START_SECONDS", 0.1)
    log = tmp_path / "server.log"
    log.write_text("a port is taken")
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    with pytest.raises(RuntimeError, match="a port is taken"):
        engines.wait_until(lambda: False, process, log)
    assert process.wait(5) == -9
