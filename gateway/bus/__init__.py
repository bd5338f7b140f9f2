"""The bus carries opaque ids from what was committed to what has to be done next. It MUST NOT carry anything else.

A bus may lose, repeat and reorder: the store knows what is unfinished, a sweep publishes it again, and a handler does nothing twice.
"""

from gateway.bus.in_process import InProcessBus
from gateway.bus.protocol import Bus, BusError, Handler, Topic
from gateway.bus.unreliable import UnreliableBus

__all__ = ["Bus", "BusError", "Handler", "InProcessBus", "Topic", "UnreliableBus"]
