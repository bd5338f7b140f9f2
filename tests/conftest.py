"""Guards that hold for every test, and the account of what was left out.

Guards: no network but loopback (an audit hook, which no test can take away), an odd time zone so that a local time shows itself,
warnings are errors (pyproject.toml). Under `CI` a skip for any reason but missing samples fails the run.
"""

import ipaddress
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import settings

from tests.faults.account import HEADING, PROPERTY, Account
from tests.samples import WITHOUT_SAMPLES
from tests.sharing import ByFile

pytest_plugins = ("pytester",)

os.environ["TZ"] = "Pacific/Kiritimati"  # UTC+14: whoever reads local time is a day off
time.tzset()

settings.register_profile("throughgate", deadline=None, derandomize=True, database=None)
settings.load_profile("throughgate")


class NetworkRefusedError(RuntimeError):
    """A test tried to reach beyond this machine."""


def is_loopback(host: object) -> bool:
    """True for what cannot leave this machine: loopback names and addresses, UNIX sockets, and "any" only where nothing is bound."""
    if host in (None, "", "localhost", b"localhost"):
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text.split("%", maxsplit=1)[0]).is_loopback
    except ValueError:
        return False


def refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    """The audit hook: socket addresses and names are looked at before anything is sent or bound."""
    if event in ("socket.connect", "socket.bind", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple) and not is_loopback(address[0]):
            raise NetworkRefusedError(event)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr") and not is_loopback(
        arguments[0]
    ):
        raise NetworkRefusedError(event)


sys.addaudithook(refuse_network)


LONG = 10.0
"""Seconds from which a test comes first; shorter ones stay where they stand."""


def seconds_of(item: pytest.Item) -> float:
    """How long it takes by its mark, on two quiet cores; 0 for what is short."""
    mark = item.get_closest_marker("slow")
    return float(mark.kwargs.get("seconds", 1)) if mark else 0.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: the end of a run is made of short tests, and no worker has a long one while the others have none."""
    longest = sorted((each for each in items if seconds_of(each) >= LONG), key=seconds_of, reverse=True)
    items[:] = [*longest, *(each for each in items if seconds_of(each) < LONG)]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """See tests/sharing.py. In this order, not by the number of tests."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.fixture
def account(record_property: Callable[[str, object], None]) -> Callable[..., Account]:
    """`account(name=..., attempted=..., ...)` makes the line and checks it."""

    def close(**numbers: Any) -> Account:
        made = Account(**numbers)
        record_property(PROPERTY, made.line())
        made.check()
        return made

    return close


@pytest.fixture(autouse=True)
def no_socket_left_with_a_default_timeout() -> None:
    """A default timeout set by one test would change the next."""
    assert socket.getdefaulttimeout() is None


def count_skips(reports: list[pytest.TestReport | pytest.CollectReport]) -> Counter[str]:
    """Skips by their reason."""
    reasons = (report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr) for report in reports)
    return Counter(reason.removeprefix("Skipped: ") for reason in reasons)


def skips_that_fail(skips: Mapping[str, int], *, ci: bool) -> list[str]:
    """The reasons that may not be: under CI every reason but missing samples."""
    return sorted(reason for reason in skips if ci and reason != WITHOUT_SAMPLES)


def is_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def _skips(config: pytest.Config) -> Counter[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return count_skips(reporter.stats.get("skipped", [])) if reporter else Counter()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under CI something left out is a failure, not a remark."""
    on_a_worker = hasattr(session.config, "workerinput")
    if (
        not on_a_worker
        and session.exitstatus == pytest.ExitCode.OK
        and skips_that_fail(_skips(session.config), ci=is_ci())
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _under_fire(reporter: pytest.TerminalReporter) -> list[str]:
    """The lines of the fault tests, passed and failed (tests/faults/account.py)."""
    reports = [report for kind in ("passed", "failed") for report in reporter.stats.get(kind, [])]
    return sorted({str(text) for report in reports for name, text in report.user_properties if name == PROPERTY})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One block with the lines of the fault tests, and one that names everything left out."""
    if lines := _under_fire(terminalreporter):
        terminalreporter.section("under fire")
        for line in (HEADING, *lines):
            terminalreporter.write_line(line)
    skips = _skips(config)
    if not skips:
        return
    terminalreporter.section("left out")
    for reason, number in sorted(skips.items()):
        terminalreporter.write_line(f"{number:>5}  {reason}")
    if forbidden := skips_that_fail(skips, ci=is_ci()):
        terminalreporter.write_line(f"CI is set: the run fails for what was left out ({len(forbidden)} reasons)")
