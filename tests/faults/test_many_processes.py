"""Two gateways and four workers on one PostgreSQL and one RabbitMQ: order and single effect hold, whoever does the work and whatever dies.

While 80 messages come in, the broker is killed and everything it had on disk is wiped, and a gateway and a worker (whichever duties they
had) are killed. The judge is a recipient in another process. 0 lost, 0 doubled effects, 0 out of order, 0 sent without a permit.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from gateway import wiring
from gateway.settings import read_settings
from tests import line
from tests.engines import Broker, database, own_broker
from tests.faults import test_kill
from tests.faults.command import started
from tests.faults.test_kill import (
    PRESCRIPTIONS,
    Sender,
    Served,
    free_port,
    judge,
    make,
    messages,
    recorders,
    taken,
    wait_for,
    wait_until_nothing_is_on_its_way,
)

WORKERS = 4
PEOPLE = 8
ACKNOWLEDGED_SECONDS = 60  # this number and the next belong to `make test` on two busy cores
ARRIVED_SECONDS = 240


def start_worker(config: Path, number: int) -> BaseProcess:
    """The real `throughgate work`."""
    return started(config.parent / f"work-{number}.log", "work", "--config", str(config))


def second_gateway(first: Served) -> Served:
    """Another `serve` of the same installation, on ports of its own."""
    mllp_port, http_port = free_port(), free_port()
    text = first.config.read_text()
    text = text.replace(f"port = {first.mllp_port}", f"port = {mllp_port}")
    text = text.replace(f"http_port = {first.http_port}", f"http_port = {http_port}")
    config = first.config.with_name("second.toml")
    config.write_text(text)
    return Served(config, mllp_port, http_port)


def start_again(served: Served) -> None:
    """A start beside seven busy processes takes its time."""
    with suppress(AssertionError):
        served.start()
    wait_for(served.mllp_port, ARRIVED_SECONDS)
    wait_for(served.http_port)


def break_the_broker(broker: Broker) -> None:
    """Killed, and its disk is empty when it comes back."""
    broker.kill()
    broker.wipe()
    broker.start()


def send(senders: list[Sender], bodies: list[bytes], done: list[bytes]) -> None:
    """One person's messages in order, each to another gateway, again and again until one acknowledges it."""
    for number, body in enumerate(bodies):
        ends = time.monotonic() + ACKNOWLEDGED_SECONDS
        turn = number
        while not senders[turn % len(senders)].try_once(body):
            assert time.monotonic() < ends, "not acknowledged"
            turn += 1
            time.sleep(0.05)
        done.append(body)


def wait_until_everything_arrived(folder: Path) -> None:
    """Until every letter is on a recorder's disk."""
    ends = time.monotonic() + ARRIVED_SECONDS
    while time.monotonic() < ends:
        copies = {each["key"] for each in taken(folder, "pharmacy")}
        handovers = {each["key"] for each in taken(folder, "northfell")}
        if len(copies) >= PEOPLE * PRESCRIPTIONS and len(handovers) >= PEOPLE:
            return
        time.sleep(0.2)
    raise AssertionError(f"{len(copies)} copies and {len(handovers)} handovers arrived")


def wait_for_number(done: list[bytes], number: int) -> None:
    """Until that many were acknowledged."""
    ends = time.monotonic() + ARRIVED_SECONDS
    while len(done) < number:
        assert time.monotonic() < ends, f"{len(done)} were acknowledged"
        time.sleep(0.02)


@pytest.mark.slow(seconds=50)
@pytest.mark.timeout(600)
def test_order_and_single_effect_hold_over_many_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_kill, "PEOPLE", PEOPLE)  # fewer people than there: eight processes share two cores
    with own_broker() as broker, recorders(tmp_path) as ports, ExitStack() as running:
        engines = line.Engines(store_url=database().prepared(), bus_url=broker.url, installation="many")
        monkeypatch.setattr(line.Mode, "engines_of", staticmethod(lambda _: engines))
        first, bearer = make(tmp_path, ports)
        second = second_gateway(first)
        for served in (first, second):
            running.callback(served.kill)
            start_again(served)
        workers = [start_worker(first.config, number) for number in range(WORKERS)]
        for worker in workers:
            running.callback(worker.join)
            running.callback(worker.kill)
        bodies = messages()
        senders = [Sender(first, bearer), Sender(second, bearer)]
        done: list[bytes] = []
        with ThreadPoolExecutor(4) as pool:
            own = [pool.submit(send, senders, bodies[person::PEOPLE], done) for person in range(PEOPLE)]
            wait_for_number(done, 20)
            breaking = threading.Thread(target=break_the_broker, args=(broker,))
            breaking.start()
            wait_for_number(done, 40)
            workers[0].kill()
            first.kill()
            start_again(first)
            breaking.join()
            for each in own:
                each.result()
        wait_until_everything_arrived(tmp_path)
        wait_until_nothing_is_on_its_way(first.config)
        for worker in workers[1:]:
            worker.terminate()
            worker.join(30)
            assert worker.exitcode == 0
        first.stop()
        second.stop()
        with wiring.open_parts(read_settings(first.config)) as gateway:
            judge(tmp_path, gateway, bodies)
