"""The store remembers: one schema, two engines. Nothing outside this folder and `wiring.py` knows which one is in use."""

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from gateway.errors import SettingsError, StoreUnavailable
from gateway.store.engine import Store, StoreError
from gateway.store.memory import MemoryStore
from gateway.store.sqlite import SqliteStore

__all__ = ["MemoryStore", "SqliteStore", "Store", "StoreError", "StoreUnavailable", "faults_of", "open_store"]


def faults_of(url: str) -> list[str]:
    """What is missing before the store of a `store_url` can be opened, each in a sentence; nothing for a file. It changes nothing."""
    if not url.startswith("postgresql"):
        return []
    from gateway.store.postgres import faults  # noqa: PLC0415  its driver costs a third of a second, as below

    return faults(url)


def open_store(url: str) -> Store:
    """Opens the store of a `store_url` and brings its tables up to date: `sqlite:////path/db`, `postgresql://user@host/db` (as libpq
    takes it), or `sqlite://` (memory, nothing stays).

    Raises SettingsError for an engine that is not supported or a folder that is not there.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError("throughgate.toml", "gateway.store_url", "not a URL; sqlite:////path/db is one") from None
    if parsed.drivername == "postgresql":
        from gateway.store.postgres import PostgresStore  # noqa: PLC0415  its driver costs a third of a second that an embedded gateway need not pay

        return PostgresStore.open(url)
    if parsed.get_backend_name() != "sqlite" or parsed.query:
        raise SettingsError(
            "throughgate.toml",
            "gateway.store_url",
            f"engine {parsed.drivername!r} is not supported; sqlite:////path/db and postgresql://user@host/db are",
        )
    if parsed.database in (None, "", ":memory:"):
        return MemoryStore.create()
    return SqliteStore.open(parsed.database)
