"""How the tests are shared among the workers of a run: a file is one worker's, whatever `--dist` says.

What a file sets up is made once, and a file whose tests tell a story one after the other hears it whole and in its order. The tests of
tests/faults stand alone and take the longest: each goes to whichever worker is free.
"""

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # has no types

EACH_ALONE = "tests/faults/"


def unit_of(test: str) -> str:
    """What of a run is given to one worker at once, by the id of a test in it."""
    return test if test.startswith(EACH_ALONE) else test.split("::", maxsplit=1)[0]


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # has no types
    """In the order of the collection, which begins with the longest (tests/conftest.py): a worker that is nearly done takes the next unit."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
