"""Retention deletes what has ended and nothing else."""

from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select

from gateway.keys import Keys, SealedGone
from gateway.keys.identifiers import SeededIds
from gateway.states import DELIVERY_OPEN, MESSAGE_MOVES, DeliveryState, MessageState
from gateway.store import MemoryStore
from gateway.store.retention import BATCH, set_end, sweep_ended
from gateway.store.schema import consent, decision, delivery, message, resource, sealed

PAST, NOW, FUTURE = (f"2026-0{month}-01T00:00:00.000000Z" for month in (1, 2, 3))


class World:
    """A message, a decision, a delivery, a resource and a consent, each with its sealed content."""

    def __init__(self, message_state: MessageState, delivery_state: DeliveryState, ends_at: str | None) -> None:
        self.ids = SeededIds(7)
        self.keys = Keys.in_memory(self.ids)
        self.store = MemoryStore.create()
        self.sealed: dict[str, str] = {}
        self.store.write(lambda c: self.fill(c, message_state, delivery_state, ends_at))

    def fill(
        self, c: Connection, message_state: MessageState, delivery_state: DeliveryState, ends_at: str | None
    ) -> None:
        person_id = self.keys.create_person(c, PAST)
        for name in ("body", "answer", "letter", "decision", "resource", "consent"):
            self.sealed[name] = self.keys.seal(
                c, category="body", plaintext=name.encode(), person_id=None, now=PAST, ends_at=ends_at
            )
        s = self.sealed
        self.insert(
            c,
            message,
            id="M1",
            body_index=b"",
            client="a",
            channel="a",
            format="fhir",
            kind="k",
            processing_id="P",
            state=message_state.value,
            step=1,
            attempts=0,
            received_at=PAST,
            body_id=s["body"],
            answer_id=s["answer"],
        )
        self.insert(
            c,
            decision,
            id="D1",
            message_id="M1",
            recipient_class="gp",
            letter="handover",
            agreement="a",
            agreement_digest="d",
            outcome="release",
            sealed_id=s["decision"],
            decided_at=PAST,
        )
        self.insert(
            c,
            delivery,
            id="L1",
            recipient_class="gp",
            letter="handover",
            whole_picture=True,
            provisional=False,
            decision_id="D1",
            state=delivery_state.value,
            sealed_id=s["letter"],
            consent_version=1,
            link_version=1,
            recipient_version="v",
            agreement_digest="d",
            step=1,
            attempts=0,
            due_at=PAST,
            created_at=PAST,
        )
        person_row = {"person_id": person_id, "message_id": "M1", "version": 1}
        self.insert(
            c,
            resource,
            type="Patient",
            fhir_id="f",
            current=True,
            sealed_id=s["resource"],
            created_at=PAST,
            **person_row,
        )
        self.insert(
            c,
            consent,
            id="C1",
            authority=True,
            withdrawn_by_person=False,
            sealed_id=s["consent"],
            registered_at=PAST,
            **person_row,
        )

    @staticmethod
    def insert(c: Connection, table: Any, **values: Any) -> None:
        c.execute(insert(table).values(**values))

    def left(self) -> set[str]:
        with self.store.read() as c:
            there = set(c.scalars(select(sealed.c.id)))
        return {name for name, sealed_id in self.sealed.items() if sealed_id in there}

    def sweep(self, now: str = NOW) -> int:
        return self.store.write(lambda c: sweep_ended(c, now))


ALL = {"body", "answer", "letter", "decision", "resource", "consent"}


def test_what_has_ended_goes_and_history_stays_without_its_content() -> None:
    world = World(MessageState.RELEASED, DeliveryState.DELIVERED, PAST)
    assert world.sweep() == 6
    assert world.left() == set()
    with world.store.read() as c:
        assert c.execute(select(message.c.body_id, message.c.answer_id)).one() == (None, None)
        assert c.execute(select(delivery.c.sealed_id)).one() == (None,)
        assert c.execute(select(decision.c.sealed_id)).one() == (None,)
        assert c.scalar(select(func.count()).select_from(resource)) == 0
        assert c.scalar(select(func.count()).select_from(consent)) == 0
        with pytest.raises(SealedGone):
            world.keys.unseal(c, world.sealed["body"])


@pytest.mark.parametrize("ends_at", [None, FUTURE])
def test_what_has_not_ended_stays(ends_at: str | None) -> None:
    world = World(MessageState.RELEASED, DeliveryState.DELIVERED, ends_at)
    assert world.sweep() == 0
    assert world.left() == ALL


def test_a_time_that_is_reached_counts_as_passed() -> None:
    assert World(MessageState.RELEASED, DeliveryState.DELIVERED, NOW).sweep() == 6


@pytest.mark.parametrize("state", [state for state, moves in MESSAGE_MOVES.items() if moves])
def test_the_body_of_an_open_message_stays_whatever_its_end_says(state: MessageState) -> None:
    world = World(state, DeliveryState.DELIVERED, PAST)
    world.sweep()
    assert world.left() == {"body", "answer"}


@pytest.mark.parametrize("state", sorted(DELIVERY_OPEN))
def test_the_letter_and_decision_of_an_open_delivery_stay_whatever_their_end_says(state: DeliveryState) -> None:
    world = World(MessageState.RELEASED, state, PAST)
    world.sweep()
    assert world.left() == {"letter", "decision"}


@pytest.mark.parametrize("state", sorted(frozenset(DeliveryState) - DELIVERY_OPEN))
def test_nothing_of_an_ended_delivery_stays(state: DeliveryState) -> None:
    world = World(MessageState.RELEASED, state, PAST)
    world.sweep()
    assert world.left() == set()


def test_the_end_is_set_by_the_step_that_ends_a_thing() -> None:
    world = World(MessageState.RELEASED, DeliveryState.DELIVERED, None)
    world.store.write(lambda c: set_end(c, [world.sealed["body"]], PAST))
    assert world.sweep() == 1
    assert world.left() == ALL - {"body"}


def test_a_long_sweep_comes_in_batches() -> None:
    keys = Keys.in_memory(SeededIds(1))
    store = MemoryStore.create()

    def fill(c: Connection) -> None:
        for _ in range(BATCH + 5):
            keys.seal(c, category="body", plaintext=b"", person_id=None, now=PAST, ends_at=PAST)

    store.write(fill)
    swept = [store.write(lambda c: sweep_ended(c, NOW)) for _ in range(3)]
    assert swept == [BATCH, 5, 0]
