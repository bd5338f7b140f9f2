"""The peer: hl7v2-fhir-bridge from PyPI, in an environment of its own that is made when it is first asked for, from `peer.txt` (hashed).

It is run as its users do who have no FHIR server (`serve --out`): it answers when its Bundle stands in a file, which it does not sync;
that is the fastest that it can be run. Where it cannot be had, the result says so.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from gateway.bench.processes import Process, running
from gateway.demo.stage import free_ports

LIST = Path(__file__).with_name("peer.txt")
INSTALL_SECONDS = 300
SETTINGS = """
[mapping]
default_timezone = "Europe/London"
mrn_authorities = ["NOMIS"]
[mapping.assigning_authorities]
NOMIS = "https://throughgate.example/id/prison-number"
NHS = "https://fhir.nhs.uk/Id/nhs-number"
"""
"""So that it understands the bench's numbers; everything else is its default, validation on."""


class PeerMissing(Exception):
    """It could not be installed; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """The peer at work: where it listens."""

    process: Process
    port: int


def environment() -> Path:
    """The Python of the peer's environment, made if it is not there, in the user's cache. Raises PeerMissing."""
    digest = hashlib.sha256(LIST.read_bytes() + sys.version.encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "throughgate" / f"bench-peer-{digest}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if complete.exists():
        return python
    try:
        venv.create(folder, with_pip=True, clear=True)
        install = ["-m", "pip", "install", "--quiet", "--no-input", "--require-hashes", "-r", str(LIST)]
        subprocess.run([str(python), *install], check=True, capture_output=True, timeout=INSTALL_SECONDS)  # noqa: S603  our own list
    except subprocess.CalledProcessError as error:
        raise PeerMissing(f"pip could not install it (is there a network?), exit {error.returncode}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissing(f"its environment could not be made: {type(error).__name__}") from None
    complete.touch()
    return python


@contextlib.asynccontextmanager
async def peer_serving(folder: Path, python: Path) -> AsyncIterator[Peer]:
    """The peer with its listener open."""
    port = free_ports(1)[0]
    settings = folder / "peer.toml"
    settings.write_text(SETTINGS, "utf-8")
    command = [str(python), "-m", "v2fhir", "serve", "--config", str(settings), "--port", str(port)]
    async with running("peer", [*command, "--out", str(folder / "peer")], folder / "peer.log") as process:
        await process.ready_at(port)
        yield Peer(process=process, port=port)
