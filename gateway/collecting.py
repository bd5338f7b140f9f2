"""How a process that runs for long looks for cycles that nobody holds any more.

What it read when it started (programs, schemas, profiles, agreements) is 150,000 objects of which none will go; to look at all of them
takes a third of a second, in which nobody is answered. This module MUST NOT turn the looking off: cycles are made (an error holds the
frame that holds it), and would fill the memory.
"""

import gc

YOUNG = 10_000
"""New objects after which the youngest are looked at; a message makes several thousand, and few of them outlive it."""


def collect_seldom() -> None:
    """For a process that has read everything that it keeps: that is never looked at again, and the rest more seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
