"""Arrivals that come together are judged and kept as if each had come after the one before: in every dialect, and on both engines."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from adapters.contract import Arrival
from gateway.among import AT_ONCE
from gateway.errors import Fault, Overloaded
from gateway.parts import Parts
from gateway.pressure import Pressure
from gateway.settings import Limits
from gateway.steps import receive as step
from gateway.steps.page import Page
from gateway.steps.receive import Received
from gateway.store import Store, open_store
from gateway.store.schema import owed_answer
from tests.builders import adt_a01, fhir_message
from tests.engines import database
from tests.gateway.receive.line import (
    BARS_CHANNEL,
    FHIR_CHANNEL,
    arrival,
    at_once,
    count,
    entries,
    make_parts,
    rows,
    segments,
)

ANSWERS: dict[str, Any] = {"answers": {"adapter": "mllp", "adapter_settings": {"host": "127.0.0.1", "port": 2576}}}


@pytest.fixture(params=["file", "shared"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'g.db'}" if request.param == "file" else database().prepared()
    store = open_store(url)
    yield store
    store.close()


class Pages:
    """How many arrivals each page was asked for; one that was undone is followed by others."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(
        self, c: Connection, parts: Parts, keys: Sequence[bytes | None], bundles: Sequence[bytes | None]
    ) -> Page:
        self.sizes.append(len(keys))
        return Page(c, parts, keys, bundles)


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    pages = Pages()
    monkeypatch.setattr(step, "Page", pages)
    return pages


def v2(name: str, *, last: bytes = b"") -> Arrival:
    return arrival(adt_a01(message_id=name) + last)


def owing(name: str) -> Arrival:
    body = adt_a01(message_id=name).replace(b"|P|2.5.1", b"|P|2.5.1|||AL|AL", 1)
    assert b"|||AL|AL" in body
    return arrival(body)


def message(bundle: str, header: str, *, channel: str = FHIR_CHANNEL, request: str | None = None) -> Arrival:
    """A FHIR message with these two ids; in the dialect of BaRS under its X-Request-ID."""
    whole: dict[str, Any] = json.loads(fhir_message())
    whole["id"] = bundle
    whole["entry"][0]["resource"]["id"] = header
    whole["entry"][0]["fullUrl"] = f"urn:uuid:{header}"
    came = arrival(json.dumps(whole).encode(), channel=channel, client="referrer")
    return replace(came, request_id=request, correlation_id="6f1e4b5c-0000-4000-8000-00000000c0de" if request else None)


def kept(parts: Parts) -> list[tuple[str, str]]:
    """What is in the inbox, in its order; each has its one entry, and what was received opens as it came."""
    found = rows(parts)
    for row in found:
        assert len(entries(parts, row.id)) == 1
        if row.state == "received":
            with parts.store.read() as c:
                assert parts.keys.unseal(c, row.body_id)
                assert parts.keys.unseal(c, row.answer_id)
    received = [row for row in found if row.state == "received"]
    assert count(parts, "sealed") == 2 * len(received)
    assert count(parts, "ledger") >= len(found)
    return [(row.id, row.state) for row in found]


async def one_by_one(parts: Parts, arrivals: Sequence[Arrival]) -> list[Received]:
    return [await step.receive(parts, each) for each in arrivals]


def said(received: Sequence[Received]) -> list[tuple[bool, bool, Fault | None, int]]:
    return [(each.accepted, each.duplicate, each.fault, each.answer.status) for each in received]


REQUESTS = ("11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002")
TOGETHER: dict[str, tuple[Arrival, ...]] = {
    "every message of a page comes again": (v2("A"), v2("B"), v2("C"), v2("A"), v2("B"), v2("C"), v2("A")),
    "a rejected one between": (v2("A"), arrival(b"junk"), v2("B", last=b"ZZZ|1\r"), v2("B"), v2("B", last=b"ZZZ|1\r"), v2("A")),
    "the four cases of FHIR": (
        message("b-1", "h-1"), message("b-1", "h-2"), message("b-1", "h-1"), message("b-2", "h-1"), message("b-2", "h-1"),
    ),
    "a Bundle.id again before its message again": (
        message("b-1", "h-1"), message("b-2", "h-2"), message("b-1", "h-3"), message("b-2", "h-2"), message("b-1", "h-1"),
    ),
    "BaRS": (
        message("b-1", "h-1", channel=BARS_CHANNEL, request=REQUESTS[0]), message("b-1", "h-1", channel=BARS_CHANNEL, request=REQUESTS[0]),
        message("b-2", "h-2", channel=BARS_CHANNEL, request=REQUESTS[0]), message("b-1", "h-1", channel=BARS_CHANNEL, request=REQUESTS[1]),
        message("b-1", "h-9", channel=BARS_CHANNEL, request=REQUESTS[1]), message("b-3", "h-3", channel=BARS_CHANNEL, request=REQUESTS[1]),
        message("b-3", "h-3", channel=BARS_CHANNEL, request=REQUESTS[1]), message("b-4", "h-4", channel=BARS_CHANNEL),
    ),
    "every door in one page": (
        v2("A"), message("b-1", "h-1"), message("b-2", "h-2", channel=BARS_CHANNEL, request=REQUESTS[0]), v2("A"),
        message("b-1", "h-1"), message("b-2", "h-2", channel=BARS_CHANNEL, request=REQUESTS[0]), message("b-2", "h-5"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("together", TOGETHER.values(), ids=TOGETHER)
async def test_together_is_as_one_after_the_other(together: tuple[Arrival, ...], store: Store, pages: Pages) -> None:
    alone = make_parts()
    expected = await one_by_one(alone, together)
    parts = make_parts(store)
    pages.sizes.clear()
    received = await at_once(parts, *together)
    assert len(pages.sizes) == 1, "nothing of it was undone and done again"
    assert said(received) == said(expected)
    places = {each.message_id: place for place, each in enumerate(expected)}
    expected_rows = [(places[row], state) for row, state in kept(alone)]
    places = {each.message_id: place for place, each in enumerate(received)}
    assert [(places[row], state) for row, state in kept(parts)] == expected_rows
    assert [places[each.message_id] for each in received] == [
        {each.message_id: place for place, each in enumerate(expected)}[each.message_id] for each in expected
    ]
    for came, first, again in zip(together, received, await one_by_one(parts, together), strict=True):
        if first.accepted and came.channel != BARS_CHANNEL:
            assert (again.duplicate, again.answer, again.processed) == (True, first.answer, first.processed)


async def test_a_page_that_repeats_what_came_before_it_is_a_page_of_repeats(store: Store, pages: Pages) -> None:
    """More of them than are asked for at once."""
    parts = make_parts(store)
    sent = [message(f"b-{number}", f"h-{number}") for number in range(AT_ONCE * 2 + 1)]
    first = await one_by_one(parts, sent)
    pages.sizes.clear()
    again = await at_once(parts, *sent)
    assert pages.sizes == [len(sent)]
    assert [(each.duplicate, each.answer, each.message_id) for each in again] == [
        (True, each.answer, each.message_id) for each in first
    ]
    assert kept(parts) == [(each.message_id, "received") for each in first]


async def test_one_answer_is_owed_for_each_message_of_a_page(store: Store, pages: Pages) -> None:
    parts = make_parts(store, **ANSWERS)
    first, second, again, plain = await at_once(parts, owing("A"), owing("B"), owing("A"), v2("C"))
    assert len(pages.sizes) == 1
    assert again.answer == first.answer
    assert segments(plain.answer.body)["MSA"][1] == "AA"
    with parts.store.read() as c:
        found = c.execute(select(owed_answer.c.message_id, owed_answer.c.state)).all()
    assert sorted(found) == sorted([(first.message_id, "queued"), (second.message_id, "queued")])


class Full(Pressure):
    """Full at these looks, the first of them being 1."""

    def __init__(self, *looks: int) -> None:
        super().__init__()
        self.left = list(looks)
        self.looks = 0

    def require_room(self, c: Connection, limits: Limits, now: datetime) -> None:
        self.looks += 1
        if self.looks in self.left:
            raise Overloaded("on purpose")
        super().require_room(c, limits, now)


@pytest.mark.parametrize(
    ("looks", "taken"),
    [((2,), (True, True, True)), ((2, 4), (True, False, True)), ((3, 4, 6), (False, True, False))],
)
async def test_a_limit_that_is_reached_in_the_middle_of_a_page(
    looks: tuple[int, ...], taken: tuple[bool, ...], store: Store
) -> None:
    """Then the page is undone and each is asked alone: what is answered as kept is kept, once, and of the others there is nothing."""
    parts = make_parts(store, **ANSWERS)
    before = await step.receive(parts, v2("A"))
    parts.pressure = Full(*looks)
    *new, again = await at_once(parts, owing("B"), owing("C"), owing("D"), v2("A"))
    assert (again.duplicate, again.answer) == (True, before.answer)
    assert tuple(each.accepted for each in new) == taken
    for each in new:
        if not each.accepted:
            assert (each.fault, each.message_id) == (Fault.OVERLOADED, None)
    ids = [str(each.message_id) for each in new if each.accepted]
    assert kept(parts) == [(each, "received") for each in (before.message_id, *ids)]
    with parts.store.read() as c:
        assert sorted(c.execute(select(owed_answer.c.message_id)).scalars()) == sorted(ids)


async def test_beyond_a_limit_a_page_keeps_nothing_new_and_answers_repeats(store: Store) -> None:
    parts = make_parts(store)
    parts.settings = parts.settings.model_copy(update={"limits": Limits(unfinished_messages=1)})
    before = await step.receive(parts, v2("A"))
    clock: Any = parts.clock
    clock.pass_seconds(1)
    first, again, junk, last = await at_once(parts, v2("B"), v2("A"), arrival(b"junk"), v2("B"))
    assert (again.duplicate, again.answer) == (True, before.answer)
    for each in (first, junk, last):
        assert (each.accepted, each.fault, each.message_id) == (False, Fault.OVERLOADED, None)
    assert kept(parts) == [(before.message_id, "received")]


async def test_a_client_may_have_no_more_refusals_kept_in_a_page_than_alone(store: Store) -> None:
    parts = make_parts(store)
    parts.settings = parts.settings.model_copy(update={"limits": Limits(rejected_per_client_day=2)})
    received = await at_once(parts, *(arrival(b"junk %d" % number) for number in range(4)), v2("A"))
    assert [each.message_id is not None for each in received] == [True, True, False, False, True]
    assert [state for _, state in kept(parts)] == ["rejected", "rejected", "received"]
