"""The floors: what the engines and libraries under the line do by themselves on this machine, in the same run.

Bare drivers with the settings that the line has: an insert is on disk when it is counted, a publish is confirmed by a quorum queue.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.bench.load import Measured
from gateway.bench.stage import Stage, Workload

BODY_BYTES = 5_000
SECONDS = 2.0
"""Of each floor, or less where the plan is shorter."""
NONCE = bytes(12)
SOME_ID = b"0123456789ABCDEFGHJK"
"""As long as the ids that the bus carries."""
Once = Callable[[], Awaitable[None]]


async def fsynced_inserts(stage: Stage) -> Measured:
    """Rows of 5 kB, one durable commit each, by one writer."""
    url = stage.plan.store_url
    opened = _postgres(url) if url else _sqlite(stage.folder / "floor.db")
    async with opened as insert:
        return await _measured(insert, stage)


async def floors(stage: Stage) -> list[Workload]:
    """Each floor as an entry of its own."""
    stage.say("floors")
    key, plain = AESGCM(AESGCM.generate_key(256)), _body()
    text = json.dumps({"resourceType": "Bundle", "entry": [{"value": "x" * 40}] * (BODY_BYTES // 55)})

    async def encrypt() -> None:
        key.encrypt(NONCE, plain, None)

    async def parse() -> None:
        json.loads(text)

    found = {"fsynced-inserts": await fsynced_inserts(stage)}
    if stage.plan.bus_url:
        async with _rabbit(stage.plan.bus_url, stage.installation.name) as publish:
            found["confirmed-publishes"] = await _measured(publish, stage)
    found["aes-gcm-5-kb"] = await _measured(encrypt, stage)
    found["json-parse-5-kb"] = await _measured(parse, stage)
    return [
        Workload(
            name=name,
            per_second=one.per_second,
            p50_ms=one.percentile_ms(50),
            p99_ms=one.percentile_ms(99),
            floor={},
            ratio_to_floor=None,
        )
        for name, one in found.items()
    ]


async def _measured(once: Once, stage: Stage) -> Measured:
    took: list[float] = []
    started = time.monotonic()
    ends = started + min(SECONDS, stage.plan.seconds)
    while (begun := time.monotonic()) < ends:
        await once()
        took.append(time.monotonic() - begun)
    return Measured(seconds=tuple(took), started=started, ended=time.monotonic(), sent=len(took))


@asynccontextmanager
async def _sqlite(path: Path) -> AsyncIterator[Once]:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE floor (id INTEGER PRIMARY KEY, body BLOB)")
    body, numbers = _body(), count()

    async def insert() -> None:
        connection.execute("INSERT INTO floor VALUES (?, ?)", (next(numbers), body))

    try:
        yield insert
    finally:
        connection.close()


@asynccontextmanager
async def _postgres(url: str) -> AsyncIterator[Once]:
    import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415  the driver has no types; only where this engine is measured

    connection = await asyncpg.connect(url)
    body, numbers = _body(), count()
    await connection.execute("SET synchronous_commit = on")
    await connection.execute("CREATE TABLE bench_floor (id BIGINT PRIMARY KEY, body BYTEA)")

    async def insert() -> None:
        await connection.execute("INSERT INTO bench_floor VALUES ($1, $2)", next(numbers), body)

    try:
        yield insert
    finally:
        await connection.execute("DROP TABLE bench_floor")
        await connection.close()


@asynccontextmanager
async def _rabbit(url: str, name: str) -> AsyncIterator[Once]:
    import aio_pika  # noqa: PLC0415  only where this engine is measured

    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        queue = await channel.declare_queue(f"bench-floor-{name}", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(SOME_ID, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)

        async def publish() -> None:
            await channel.default_exchange.publish(message, queue.name, mandatory=True)

        try:
            yield publish
        finally:
            await queue.delete(if_unused=False, if_empty=False)
            await asyncio.sleep(0)


def _body() -> bytes:
    """Bytes that no engine can make smaller."""
    return AESGCM(AESGCM.generate_key(256)).encrypt(NONCE, bytes(BODY_BYTES), None)
