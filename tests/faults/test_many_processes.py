"""Two gateways and four workers on one PostgreSQL and one RabbitMQ: order and single effect hold, whoever does the work and whatever dies.

While 80 messages come in (400 in the soak), the broker is killed and everything it had on disk is wiped, and a gateway and a worker (whichever duties they
had) are killed. The judge is a recipient in another process. 0 lost, 0 doubled effects, 0 out of order, 0 sent without a permit.

And they do more than one does. Two cores are full with one process, so what is made scarce here is what more machines would bring more of:
sends that may be under way at once, to a recipient that takes its time.
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
from tests.builders import care_plan, fhir_message, synthetic_person
from tests.engines import Broker, database, own_broker
from tests.faults import test_kill
from tests.faults.account import number
from tests.faults.command import started
from tests.faults.crash import step
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
PEOPLE = number(8, 40)
ACKNOWLEDGED_SECONDS = 60  # this number and the next belong to `make test` on two busy cores
ARRIVED_SECONDS = number(240, 1200)
SLOW_SECONDS, SENDS_AT_ONCE = 0.6, 2
LETTERS, GROWS = 40, 2.0
"""That are sent, each of another person; how many times as fast six processes are, at the least. They have room for six times as much."""


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
    for turn, body in enumerate(bodies):
        ends = time.monotonic() + ACKNOWLEDGED_SECONDS
        whose = turn
        while not senders[whose % len(senders)].try_once(body):
            assert time.monotonic() < ends, "not acknowledged"
            whose += 1
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
        workers = [start_worker(first.config, each) for each in range(WORKERS)]
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


def wait_for_workers(folder: Path) -> None:
    """Until each of them says that it works."""
    ends = time.monotonic() + ARRIVED_SECONDS
    logs = [folder / f"work-{each}.log" for each in range(WORKERS)]
    while not all(log.exists() and "working" in log.read_text("utf-8") for log in logs):
        assert time.monotonic() < ends, "a worker does not start"
        time.sleep(0.05)


def arrivals(folder: Path) -> list[float]:
    """When each letter came to the pharmacy for the first time, in order."""
    first: dict[str, float] = {}
    for each in taken(folder, "pharmacy"):
        first.setdefault(each["key"], each["at"])
    return list(first.values())


def per_second(folder: Path, sender: Sender, people: range) -> float:
    """How fast the letters of these people's prescriptions came, all being there to be sent."""
    before = len(arrivals(folder))
    for body in (step(synthetic_person(person), 1, of=str(person)) for person in people):
        assert sender.try_once(body)
    ends = time.monotonic() + ARRIVED_SECONDS
    while len(arrivals(folder)) < before + len(people):
        assert time.monotonic() < ends, "they did not arrive"
        time.sleep(0.1)
    times = arrivals(folder)[before:]
    return (len(times) - 1) / (times[-1] - times[0])


@pytest.mark.slow(seconds=40)
@pytest.mark.timeout(600)
def test_more_processes_send_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One gateway, then two and four workers, on one database and one broker, for a recipient that answers late."""
    with recorders(tmp_path, "steady") as ports, ExitStack() as running:
        monkeypatch.setattr(line.Mode, "engines_of", staticmethod(line.production))
        first, bearer = make(tmp_path, ports)
        text = first.config.read_text()
        for old, new in (
            ("attempts = 50", f"attempts = 50\nconcurrency = {SENDS_AT_ONCE}"),
            ("sweep_seconds = 0.3", "sweep_seconds = 2"),
            ("send_timeout_seconds = 1", "send_timeout_seconds = 5"),
        ):
            assert old in text
            text = text.replace(old, new)
        first.config.write_text(text)
        second = second_gateway(first)
        running.callback(first.kill)
        start_again(first)
        sender = Sender(first, bearer)
        for person in range(2 * LETTERS):
            plan = care_plan(start="2026-01-02", description="plan")
            assert sender.try_once(fhir_message(synthetic_person(person), resources=[plan], message_id=f"F-{person}"))
        wait_until_nothing_is_on_its_way(first.config)
        (tmp_path / "fhir").mkdir()
        (tmp_path / "fhir" / "slow").write_text(str(SLOW_SECONDS))
        alone = per_second(tmp_path, sender, range(LETTERS))
        running.callback(second.kill)
        start_again(second)
        for each in range(WORKERS):
            worker = start_worker(first.config, each)
            running.callback(worker.join)
            running.callback(worker.kill)
        wait_for_workers(tmp_path)
        together = per_second(tmp_path, sender, range(LETTERS, 2 * LETTERS))
        assert together / alone >= GROWS, f"{alone:.1f} a second alone, {together:.1f} with five more"
