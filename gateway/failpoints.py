"""The gateway's side of the named points (adapters/failpoints.py): a pair around one durable write, and a hook for the length of a block."""

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.failpoints import Hook, install, pass_point

__all__ = ["Hook", "around", "hooked", "install", "pass_point"]

_pass = pass_point  # so that every `pass_point("...")` in a source is one point with its name


@contextmanager
def around(name: str) -> Iterator[None]:
    """For one durable write, in a `with` block: passes "x.before-commit", then, unless the write raised, "x.after-commit"."""
    _pass(f"{name}.before-commit")
    yield
    _pass(f"{name}.after-commit")


@contextmanager
def hooked(hook: Hook) -> Iterator[None]:
    """Installs a hook for the length of a `with` block."""
    install(hook)
    try:
        yield
    finally:
        install(None)
