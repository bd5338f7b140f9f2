"""Who goes first when many works wait for a writer: somebody on a wire waits for few, and keeps nobody waiting for ever."""

import threading

from gateway.store.waiting import OTHERS_IN_FRONT, Waiting


def batch(waiting: Waiting[str]) -> list[str]:
    """What one commit takes."""
    found: list[str] = []
    job = waiting.first()
    while job is not None:
        found.append(job)
        job = waiting.next(len(found), only_urgent=job.startswith("wire"))
    return found


def test_a_batch_takes_few_others_before_a_wire_and_none_behind_it() -> None:
    waiting = Waiting[str]()
    waiting.put([f"line {number}" for number in range(5)], urgent=False)
    waiting.put(["wire 0", "wire 1"], urgent=True)
    assert batch(waiting) == ["line 0", "line 1", "wire 0", "wire 1"]
    assert batch(waiting) == ["line 2", "line 3", "line 4"]
    assert OTHERS_IN_FRONT == 2  # what the lists above are written for


def test_a_stream_of_wires_never_keeps_the_line_waiting() -> None:
    waiting = Waiting[str]()
    waiting.put([f"line {number}" for number in range(6)], urgent=False)
    taken: list[str] = []
    for number in range(3):
        waiting.put([f"wire {number}"], urgent=True)  # one is always there
        taken += batch(waiting)
    assert [each for each in taken if each.startswith("line")] == [f"line {number}" for number in range(6)]


def test_a_wire_alone_waits_for_nobody() -> None:
    waiting = Waiting[str]()
    waiting.put(["wire 0"], urgent=True)
    assert batch(waiting) == ["wire 0"]


def test_everything_that_was_put_is_taken_before_the_end_and_every_taker_ends() -> None:
    waiting = Waiting[str]()
    taken: list[str] = []

    def take() -> None:
        while (first := waiting.first()) is not None:
            taken.append(first)

    takers = [threading.Thread(target=take) for _ in range(3)]
    for taker in takers:
        taker.start()
    for number in range(200):
        waiting.put([f"{number}"], urgent=number % 3 == 0)
    for _ in takers:
        waiting.end()
    for taker in takers:
        taker.join(20)
    assert not any(taker.is_alive() for taker in takers)
    assert sorted(taken, key=int) == [f"{number}" for number in range(200)]
    assert len(waiting) == 0
