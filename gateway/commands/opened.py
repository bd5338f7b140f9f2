"""Opens an installation for one command. Nothing is started: no listener, no sweep, no delivery."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.pipeline import Gateway


def opened(config: Path) -> AbstractContextManager["Gateway"]:
    """The gateway of a throughgate.toml, not started; closed at the end. It may run beside a `serve` of the same folder."""
    from gateway import wiring
    from gateway.settings import read_settings

    return wiring.open_parts(read_settings(config))
