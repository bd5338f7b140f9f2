"""The bus of the embedded mode: a queue in memory for each topic, with bounded length and bounded concurrency."""

import asyncio
from collections import OrderedDict

from gateway.bus.protocol import BusError, Handler, Topic, check_id
from gateway.failpoints import pass_point
from gateway.log import Code, log

LONGEST_QUEUE = 100_000
"""Ids that wait for one topic. More is refused: they stay in the store, and the sweep brings them when there is room."""


class _Line:
    """One topic: what waits, what runs, and the tasks that take from it."""

    def __init__(self, topic: Topic, handler: Handler, concurrency: int) -> None:
        self.topic = topic
        self.handler = handler
        self.concurrency = concurrency
        self.waiting: OrderedDict[str, None] = OrderedDict()
        self.running: set[str] = set()
        self.again: set[str] = set()
        self.tasks: list[asyncio.Task[None]] = []
        self.ready = asyncio.Condition()


class InProcessBus:
    """See `Bus`. An id that already waits is not queued twice; one that is being handled is handled once more afterwards."""

    def __init__(self, longest_queue: int = LONGEST_QUEUE) -> None:
        self._lines: dict[Topic, _Line] = {}
        self._longest_queue = longest_queue
        self._stopping = False

    def subscribe(self, topic: Topic, handler: Handler, concurrency: int) -> None:
        if topic in self._lines:
            raise ValueError("a topic has one handler")
        self._lines[topic] = _Line(topic, handler, concurrency)

    async def publish(self, topic: Topic, id: str) -> None:  # noqa: A002  the word of the contract
        check_id(id)
        pass_point("bus.before-publish")
        line = self._lines.get(topic)
        if line is None:
            raise BusError("nobody listens to this topic")
        if id in line.running:
            line.again.add(id)
            return
        if id not in line.waiting:
            if len(line.waiting) >= self._longest_queue:
                raise BusError("the queue is full")
            await self._enqueue(line, id)
        pass_point("bus.after-publish")

    async def _enqueue(self, line: _Line, id: str) -> None:  # noqa: A002  the word of the contract
        async with line.ready:
            line.waiting[id] = None
            line.ready.notify()

    def lately(self, topic: Topic, id: str) -> bool:  # noqa: A002, ARG002  the word of the contract; what waits is not queued twice anyway
        return False

    async def start(self) -> None:
        self._stopping = False
        for line in self._lines.values():
            line.tasks = [asyncio.create_task(self._take(line)) for _ in range(line.concurrency)]

    async def stop(self) -> None:
        self._stopping = True
        for line in self._lines.values():
            line.waiting.clear()
            line.again.clear()
            async with line.ready:
                line.ready.notify_all()
            await asyncio.gather(*line.tasks)
            line.tasks = []
            line.waiting.clear()

    def pending(self) -> int:
        return sum(len(line.waiting) + len(line.running) + len(line.again) for line in self._lines.values())

    def _next(self, line: _Line) -> str:
        """Which of the waiting ids is handled now: the oldest."""
        return line.waiting.popitem(last=False)[0]

    async def _take(self, line: _Line) -> None:
        while True:
            async with line.ready:
                await line.ready.wait_for(lambda: self._stopping or line.waiting)
                if self._stopping:
                    return
                id = self._next(line)  # noqa: A001  the word of the contract
                line.running.add(id)
            try:
                await line.handler(id)
            except Exception as error:  # noqa: BLE001  one poisoned id never stops the topic; its state is in the store
                log(Code.BUS_HANDLER_FAILED, topic=line.topic, id=id, error=type(error).__name__)
            finally:
                line.running.discard(id)
            if id in line.again:
                await self._enqueue(line, id)
                line.again.discard(id)
