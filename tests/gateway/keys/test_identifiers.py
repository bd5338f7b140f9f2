"""Ids: right length and letters, never twice, and the same ones for the same seed."""

import re
import threading

import pytest

from gateway.keys.identifiers import Ids, RandomIds, SeededIds

ENTRY = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
DELIVERY = re.compile(r"[0-9A-HJKMNP-TV-Z]{20}")


@pytest.mark.parametrize("ids", [RandomIds(), SeededIds(1), SeededIds("text")])
def test_ids_have_their_form_and_are_never_the_same(ids: Ids) -> None:
    entries = [ids.entry() for _ in range(2_000)]
    deliveries = [ids.delivery() for _ in range(2_000)]
    assert all(ENTRY.fullmatch(entry) for entry in entries)
    assert all(DELIVERY.fullmatch(delivery) for delivery in deliveries)
    assert len({*entries, *deliveries}) == 4_000
    assert set("".join(entries)) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    keys = {ids.key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {32}


def test_every_character_of_an_id_is_random() -> None:
    ids = RandomIds()
    for place in zip(*(ids.delivery() for _ in range(1_000)), strict=True):
        assert len(set(place)) == 32


def test_the_same_seed_gives_the_same_ids() -> None:
    one, same, other = SeededIds(5), SeededIds(5), SeededIds(6)
    asked = [(ids.entry(), ids.delivery(), ids.key()) for ids in (one, same, other)]
    assert asked[0] == asked[1] != asked[2]


def test_threads_never_get_the_same_id() -> None:
    ids = SeededIds(1)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.extend([ids.entry() for _ in range(500)])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 4_000
