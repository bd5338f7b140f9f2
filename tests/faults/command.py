"""The real command line, each command in a process of its own, forked from one that has imported what a gateway needs: a start is the command's
own work, without the seconds that an interpreter reads modules for. It knows no test.

What is killed is the process of the command, by the kernel, as anywhere.
"""

import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["gateway.__main__", "gateway.serving", "gateway.wiring", "gateway.bus.rabbitmq", "gateway.store.postgres"]
)


def started(log: Path, *arguments: str) -> BaseProcess:
    """`throughgate` with these arguments; what it says is added to `log`. Its `exitcode` is the command's."""
    process = _FORKS.Process(target=_run, args=(log, arguments))
    process.start()
    return process


def _run(log: Path, arguments: tuple[str, ...]) -> None:
    from gateway.__main__ import app  # noqa: PLC0415  the process that forks has it; who only asks for one need not

    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.exit(app(list(arguments)))
