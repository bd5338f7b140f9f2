"""Stores for these tests: memory, a file in a temporary folder, and a database of its own on a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store import MemoryStore, SqliteStore, Store, open_store
from gateway.store.postgres import PostgresStore
from tests.engines import database


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}")
    assert isinstance(store, SqliteStore)
    yield store
    store.close()


@pytest.fixture
def database_url() -> str:
    return database().prepared()


@pytest.fixture
def shared_store(database_url: str) -> Iterator[PostgresStore]:
    """The engine that several processes write to."""
    store = open_store(database_url)
    assert isinstance(store, PostgresStore)
    yield store
    store.close()


@pytest.fixture(params=["file", "memory", "shared"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The suite that every engine passes."""
    if request.param == "memory":
        store: Store = MemoryStore.create()
    elif request.param == "file":
        store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}")
    else:
        store = open_store(database().prepared())
    yield store
    store.close()
