"""Named points around every commit, publish, send, response and acknowledgement, where a test can kill, delay or break the process.

In production no hook is installed and a point does nothing. A hook gets the point's name and nothing else. The gateway passes points of its own
by the same hook (gateway/failpoints.py).
"""

from collections.abc import Callable

Hook = Callable[[str], None]

_hook: Hook | None = None


def pass_point(name: str) -> None:
    """Call as `pass_point("store.before-commit")`. May raise whatever the installed hook raises; without a hook it does nothing."""
    if _hook is not None:
        _hook(name)


def install(hook: Hook | None) -> None:
    """Installs the one hook of this process; None takes it away. Tests only."""
    global _hook  # noqa: PLW0603  one process, one hook: passing it through every signature would put tests into production code
    _hook = hook
