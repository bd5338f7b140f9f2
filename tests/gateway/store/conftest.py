"""Stores for these tests: a file in a temporary folder, and memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store import MemoryStore, SqliteStore, Store, open_store


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}")
    assert isinstance(store, SqliteStore)
    yield store
    store.close()


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The suite that every engine passes."""
    store = MemoryStore.create() if request.param == "memory" else open_store(f"sqlite:///{tmp_path / 'gateway.db'}")
    yield store
    store.close()
