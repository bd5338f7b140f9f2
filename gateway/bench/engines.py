"""What a run borrows from the engines of production and gives back: a database of its own, and the queues of its installation.

The server that is named must let its user create a database. Nothing that was there before is opened.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from gateway.keys.identifiers import RandomIds


@asynccontextmanager
async def own_database(url: str) -> AsyncIterator[str]:
    """An empty database on that server, dropped at the end; its URL."""
    import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415  the driver has no types; only where this engine is measured

    name = f"throughgate_bench_{RandomIds().delivery().lower()}"
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@asynccontextmanager
async def own_queues(url: str, installation: str) -> AsyncIterator[None]:
    """The queues of an installation of that name are deleted at the end."""
    import aio_pika  # noqa: PLC0415  only where this engine is measured

    yield
    name = f"throughgate.{installation}"
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for queue in ("messages", "deliveries", "answers", "dead"):
            await channel.queue_delete(f"{name}.{queue}")
        for exchange in (name, f"{name}.dead"):
            await channel.exchange_delete(exchange)
