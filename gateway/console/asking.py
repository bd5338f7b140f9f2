"""One request of somebody who is logged in, and what a page answers: a template with plain values, or another address.

A handler gets an `Ask` and nothing else; it MUST NOT see headers, cookies or the raw address.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from consent.document import Table
from gateway.console.staff import Member
from gateway.errors import ThroughgateError
from gateway.pipeline import Gateway


class NotThere(ThroughgateError):
    """There is nothing under this address, or not for this person: the same answer."""


class NotTaken(ThroughgateError):
    """What a form said cannot be done. The text says why and what to do; it is shown above the page."""


MOST_TAKEN: Final = 10_000
"""Rows of one table that somebody takes away."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Who asks, and what stands in the path, in the query and in the form, each name once. `takes`: the page's table is taken away."""

    gateway: Gateway
    member: Member
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    takes: bool = False

    def most(self, shown: int) -> int:
        """How many rows a list has: as many as a page shows, or more where they are taken away."""
        return MOST_TAKEN if self.takes else shown


@dataclass(frozen=True, kw_only=True)
class Page:
    """A template and what it shows. `about` is the id that the ledger entry of this view names; `table` is what can be taken away of it;
    `reason` is why somebody looks, where a page asks for it: it is sealed with that entry.
    """

    template: str
    values: Mapping[str, Any]
    about: str = ""
    table: Table | None = None
    event: str = "viewed"
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Done: go there (a path below `/console/`)."""

    path: str


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A file to take away: its name says nothing of anybody. `about` is what the ledger entry names."""

    name: str
    media_type: str
    body: bytes
    about: str


Answer = Page | Elsewhere | Taken
