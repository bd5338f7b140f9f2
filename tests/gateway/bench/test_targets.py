"""What is compared with a run can be found wanting: targets, committed ratios, letters that did not come as they should."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gateway.bench.load import Arrivals, NotAccepted, Post, until_acknowledged
from gateway.bench.messages import Message, Population
from gateway.bench.profile import shares
from gateway.bench.stage import Workload
from gateway.bench.targets import TARGETS, fallen, faults, judged

EVIDENCE = Path(__file__).resolve().parents[3] / "docs" / "evidence"


def workload(name: str, ratio: float | None, **more: Any) -> dict[str, Any]:
    found = Workload(name=name, per_second=10, p50_ms=1, p99_ms=2, floor={"x": 1.0}, ratio_to_floor=ratio, more=more)
    return found.as_json()


def test_a_ratio_below_four_fifths_of_the_committed_one_is_found() -> None:
    committed = [workload("a", 0.5), workload("b", 0.5)]
    assert fallen([workload("a", 0.41), workload("b", 0.6)], committed) == []
    assert fallen([workload("a", 0.39), workload("b", 0.5)], committed) == ["a: 0.39, below 0.8 of the committed 0.5"]


def test_a_ratio_that_is_no_longer_measured_is_found() -> None:
    assert fallen([], [workload("a", 0.5)]) == ["a: 0.5 is committed, and it was not measured"]


def test_a_backlog_that_is_shorter_than_the_committed_one_is_found() -> None:
    committed = [workload("backlog", 0.9, sent=20_000)]
    assert fallen([workload("backlog", 0.9, sent=20_000)], committed) == []
    assert fallen([workload("backlog", 0.9, sent=600)], committed) == [
        "backlog: 20000 messages are committed, and 600 were sent"
    ]
    assert fallen(committed, [workload("backlog", 0.9, sent=600)]) == [], "a longer one is harder"
    assert [one["met"] for one in judged([workload("backlog", 0.9, sent=600)])] == [True, False]


@pytest.mark.parametrize("engines", ["embedded", "production"])
def test_what_is_committed_is_whole_and_without_faults(engines: str) -> None:
    """Or `make soak` would compare with a run that was itself found wanting, or not at all."""
    committed = json.loads((EVIDENCE / f"bench-{engines}.json").read_text("utf-8"))
    assert committed["faults"] == []
    wanted = {"translate-result", "ten-times-the-file", *(each.workload for each in TARGETS)}
    if engines == "embedded":
        wanted = {each for each in wanted if not each.startswith("extra-workers")}
    assert {each["name"] for each in committed["workloads"]} >= wanted


def test_speed_that_does_not_grow_with_workers_is_found() -> None:
    said = judged([workload("extra-workers-1", 1.2), workload("extra-workers-2", 1.05)])
    assert [(one["workload"], one["met"]) for one in said] == [("extra-workers-1", True), ("extra-workers-2", False)]


def test_the_ratio_beside_the_peer_is_compared_too() -> None:
    committed = [workload("a", None, peer={"name": "other", "ratio": 2.0})]
    assert fallen([workload("a", None, peer={"name": "other", "ratio": 1.7})], committed) == []
    assert len(fallen([workload("a", None, peer={"name": "other", "ratio": 1.5})], committed)) == 1
    assert len(fallen([workload("a", None, peer={"name": "other", "not_measured": "no network"})], committed)) == 1


def test_a_target_is_reached_or_it_is_not() -> None:
    def met(ratio: float) -> list[bool]:
        return [one["met"] for one in judged([workload("prescription-to-4", ratio)])]

    assert met(0.5) == [True]
    assert met(0.49) == [False]
    assert [one["met"] for one in judged([workload("x", None, peak_mb={"serve": 301.0})])] == [False]
    assert [one["met"] for one in judged([workload("x", None, peak_mb={"serve": 300.0, "work-1": 9.0})])] == [True]


def test_a_letter_that_is_lost_doubled_or_out_of_order_is_a_fault() -> None:
    assert faults([workload("a", 1, lost=0, doubled=0, disordered=0)]) == []
    assert faults([workload("a", 1, lost=2, doubled=1, disordered=3)]) == [
        "a: 2 lost",
        "a: 1 doubled",
        "a: 3 disordered",
    ]


@pytest.mark.parametrize(
    ("lines", "lost", "doubled", "disordered"),
    [
        (["0 {p} 1", "1 {p} 1", "0 {p} 2", "1 {p} 2"], 0, 0, 0),
        (["0 {p} 1", "0 {p} 2", "1 {p} 2"], 1, 0, 0),
        (["0 {p} 1", "1 {p} 1", "0 {p} 2", "1 {p} 2", "1 {p} 2"], 0, 1, 0),
        (["0 {p} 2", "1 {p} 1", "0 {p} 1", "1 {p} 2"], 0, 0, 1),
    ],
    ids=["as it should be", "one lost", "one doubled", "one out of order"],
)
async def test_arrivals_are_compared_with_what_was_sent(
    lines: Iterable[str], lost: int, doubled: int, disordered: int
) -> None:
    population = Population()
    person = population.person()
    messages = [population.prescription(person), population.prescription(person)]
    assert [each.order for each in messages] == [1, 2]
    arrivals = Arrivals(copies=2)
    waiting = [arrivals.expect(each) for each in messages]
    for line in lines:
        arrivals.take(f"{line.format(p=person.nhs_number)} 5.0 key")
    assert (arrivals.lost(messages), arrivals.doubled(), arrivals.disordered()) == (lost, doubled, disordered)
    assert sum(not each.done() for each in waiting) == lost


async def test_a_message_that_is_refused_ends_the_run() -> None:
    async def refused(_: bytes) -> None:
        raise NotAccepted("AR")

    posts: list[Post] = [refused]
    with pytest.raises(NotAccepted):
        await until_acknowledged(posts, iter(Population().admission, None), seconds=1)


def test_nobody_of_the_bench_is_real_or_comes_twice() -> None:
    population = Population()
    made: list[Message] = [population.stay() for _ in range(50)]
    assert len({each.nhs_number for each in made}) == 50
    assert all(each.nhs_number.startswith("999") for each in made)
    bodies = [body for each in made for body in (*each.before, each.body)]
    assert len({body.split(b"|")[9] for body in bodies}) == 150


def test_a_profile_names_the_largest_shares() -> None:
    assert shares({"a": 1, "b": 3}) == {"b": 0.75, "a": 0.25}
    assert list(shares({str(number): number for number in range(40)}))[-1] == "other"
