"""Named points around every commit, publish and send, where a test can kill, delay or break the process.

In production no hook is installed and a point does nothing. A hook gets the point's name and nothing else.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Hook = Callable[[str], None]

_hook: Hook | None = None


def pass_point(name: str) -> None:
    """Call as `pass_point("store.before-commit")`. May raise whatever the installed hook raises; without a hook it does nothing."""
    if _hook is not None:
        _hook(name)


_pass = pass_point  # so that every `pass_point("...")` in a source is one point with its name


def install(hook: Hook | None) -> None:
    """Installs the one hook of this process; None takes it away. Tests only."""
    global _hook  # noqa: PLW0603  one process, one hook: passing it through every signature would put tests into production code
    _hook = hook


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
