"""The procedure of the runbook, with the real commands: a backup under load, `kill -9`, the disk gone, restore, refusal, a new epoch, on."""

import json
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway import wiring
from gateway.settings import read_settings
from tests.builders import adt_a01, synthetic_person
from tests.engines import database
from tests.faults.test_kill import ROOT, Sender, make, recorders
from tests.world import Rows, nothing_acknowledged_is_lost, states_are_legal

BEFORE, AFTER = 15, 20


def throughgate(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command, as an operator types it."""
    command = [sys.executable, "-m", "gateway", *arguments, "--config", str(config)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


class Load(threading.Thread):
    """Messages from before the copy until well after it."""

    def __init__(self, sender: Sender) -> None:
        super().__init__()
        self.sender = sender
        self.acknowledged: list[bytes] = []
        self.busy, self.copied = threading.Event(), threading.Event()

    def run(self) -> None:
        after = 0
        while after < AFTER:
            number = len(self.acknowledged)
            body = adt_a01(synthetic_person(number), message_id=f"A-{number}")
            if self.sender.try_once(body):
                self.acknowledged.append(body)
                after += self.copied.is_set()
            if number == BEFORE:
                self.busy.set()


def beyond_the_copy(head_file: Path) -> None:
    """Wait until the head was signed again."""
    before = head_file.read_bytes()
    end = time.monotonic() + 30
    while head_file.read_bytes() == before:
        assert time.monotonic() < end, "nothing was signed any more"
        time.sleep(0.05)


def lose_the_store(folder: Path, url: str) -> None:
    """The disk is gone; in its place is an empty one."""
    for file in folder.glob("throughgate.db*"):
        file.unlink()
    if not url.startswith("sqlite"):
        name = url.rpartition("/")[2]
        assert database().sql(f"DROP DATABASE {name} WITH (FORCE)")
        assert database().sql(f"CREATE DATABASE {name}")


@pytest.mark.slow(seconds=40)
@pytest.mark.usefixtures("on_both")
def test_backup_under_load_kill_restore_and_go_on(tmp_path: Path) -> None:
    """What was acknowledged before the copy is there, what came after is named and taken again, and the ledger says what happened."""
    with recorders(tmp_path) as ports, ExitStack() as running:
        served, bearer = make(tmp_path, ports)
        sender = Sender(served, bearer)
        running.callback(served.kill)
        served.start()
        load = Load(sender)
        load.start()
        assert load.busy.wait(60)
        made = throughgate(served.config, "backup", str(tmp_path / "backup"), "--json")
        load.copied.set()
        assert made.returncode == 0, made.stderr
        load.join()
        acknowledged = load.acknowledged
        # The head is signed about every second: the drill is about one that has seen what the copy has not.
        beyond_the_copy(read_settings(served.config).gateway.head_file)
        served.kill()
        lose_the_store(tmp_path, read_settings(served.config).gateway.store_url)
        put_back = throughgate(served.config, "restore", str(tmp_path / "backup"), "--json")
        assert put_back.returncode == 0, put_back.stderr
        said = json.loads(put_back.stdout)
        refused = throughgate(served.config, "serve")
        assert refused.returncode == 1
        assert "older than the signed head" in refused.stderr
        begun = throughgate(served.config, "ledger", "new-epoch", "--reason", "drill", "--json")
        assert begun.returncode == 0, begun.stderr
        (heard,) = said["last_heard"]
        with wiring.open_parts(read_settings(served.config)) as gateway:
            rows = Rows(gateway)
            kept = len(rows.messages)
            assert BEFORE <= kept <= len(acknowledged) - AFTER
            nothing_acknowledged_is_lost(gateway, rows, acknowledged[:kept])
            assert heard["last_message"] == rows.messages[-1].id
        served.start()
        assert all(sender.try_once(body) for body in acknowledged), "senders send everything since again"
        served.stop()
    with wiring.open_parts(read_settings(served.config)) as gateway:
        rows = Rows(gateway)
        nothing_acknowledged_is_lost(gateway, rows, acknowledged)
        states_are_legal(rows)
        verified = gateway.ledger.verify()
    assert verified.verified, verified.faults
    assert "are not here" in verified.epochs[0]
