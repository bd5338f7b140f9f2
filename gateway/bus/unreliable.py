"""A bus that behaves as badly as a bus may, the same way for the same seed. For tests; wiring never builds it."""

import hashlib
import itertools

from gateway.bus.in_process import InProcessBus, _Line
from gateway.bus.protocol import BusError, Topic, check_id


class UnreliableBus(InProcessBus):
    """Loses, repeats, reorders and returns ids. `lose`, `repeat` and `give_back` are shares of what is published; every take is at random."""

    def __init__(self, seed: int, *, lose: float = 0.2, repeat: float = 0.2, give_back: float = 0.1) -> None:
        super().__init__()
        self._seed = seed
        self._lose = lose
        self._repeat = repeat
        self._give_back = give_back
        self._throws = itertools.count()
        self.lost = 0
        self.repeated = 0
        self.returned = 0
        self._echo: dict[Topic, list[str]] = {}

    def _throw(self) -> float:
        """A number below 1, by seed and count only."""
        source = hashlib.sha256(f"{self._seed}/{next(self._throws)}".encode()).digest()
        return int.from_bytes(source[:7], "big") / 2**56

    async def publish(self, topic: Topic, id: str) -> None:  # noqa: A002  the word of the contract
        check_id(id)
        throw = self._throw()
        if throw < self._lose:
            self.lost += 1
            return
        if throw < self._lose + self._give_back:
            self.returned += 1
            raise BusError("returned: no queue took it")
        await super().publish(topic, id)
        if throw < self._lose + self._give_back + self._repeat:
            self.repeated += 1
            self._echo.setdefault(topic, []).append(id)

    def _next(self, line: _Line) -> str:
        """Any of the waiting ids, and now and then one that was handled already comes again."""
        id = list(line.waiting)[int(self._throw() * len(line.waiting))]  # noqa: A001  the word of the contract
        del line.waiting[id]
        echo = self._echo.get(line.topic, [])
        if id in echo:
            echo.remove(id)
            line.again.add(id)
        return id
