"""The national data opt-out: it is about uses beyond a person's own care, and only an extract for an evaluator asks for it.

The national service takes a list of NHS numbers and gives back those without an opt-out. That list is loaded, as a whole, and kept as the keyed
indexes of `person_identifier`. INVARIANT: absent never widens: whoever is not in it (an opt-out, a number nobody asked about, no number) is left
out of an extract, and a list that is old, or was never loaded, is none. Nothing of direct care MUST ever ask here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from fhir_profiles.identifiers import nhs_number_is_valid, normal_nhs_number
from fhir_profiles.systems import NHS_NUMBER
from gateway.errors import ThroughgateError
from gateway.failpoints import around
from gateway.instants import from_text
from gateway.ledger import record
from gateway.parts import Parts
from gateway.people.find import identifier_index
from gateway.store.locks import hold
from gateway.store.schema import checked_number, person_identifier

DAYS: Final = 7
"""How old the list may be when an extract is made."""


class OptOutError(ThroughgateError):
    """Why the list cannot be loaded or used. No number is quoted."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """How many numbers the list has; of the people on file with an NHS number, how many are in it."""

    numbers: int
    on_file: int
    in_it: int


def load(parts: Parts, lines: Iterable[str]) -> Loaded:
    """Replace the list. `lines` as the national service gives them: a number, perhaps a comma after it. OptOutError for anything else."""
    indexes = {identifier_index(parts.keys, NHS_NUMBER, number) for number in _numbers(lines)}

    def work(c: Connection) -> Loaded:
        hold(c, "opt-outs")
        own = select(person_identifier.c.value_index).where(person_identifier.c.system == NHS_NUMBER)
        on_file = set(c.execute(own).scalars())
        found = Loaded(numbers=len(indexes), on_file=len(on_file), in_it=len(on_file & indexes))
        # INVARIANT: a list of who opted out, loaded by mistake, would turn every no into a yes: few people opt out, so most are in the right one.
        if 2 * found.in_it < found.on_file:
            raise OptOutError(
                f"{found.in_it} of {found.on_file} people on file are in this list: load the numbers that the national service gave back "
                "as having no opt-out, not those of people who opted out"
            )
        c.execute(delete(checked_number))
        now = parts.now()
        c.execute(insert(checked_number), [{"value_index": each, "checked_at": now} for each in sorted(indexes)])
        entry = parts.ids.entry()
        facts = {"numbers": found.numbers, "on_file": found.on_file, "in_it": found.in_it}
        record(c, entry_id=entry, chain=entry, step=1, event="opt-outs-checked", at=now, facts=facts)
        return found

    with around("opt-outs"):
        return parts.store.write(work)


def without_opt_out(c: Connection, parts: Parts) -> frozenset[str]:
    """The people on file whose number is in the list. OptOutError where it was never loaded, or more than `DAYS` days ago."""
    checked_at = c.execute(select(func.min(checked_number.c.checked_at))).scalar()
    if checked_at is None:
        raise OptOutError("the national data opt-out was never checked: `throughgate opt-out import`")
    if parts.clock() - from_text(checked_at) > timedelta(days=DAYS):
        raise OptOutError(
            f"the national data opt-out was checked more than {DAYS} days ago: `throughgate opt-out import`"
        )
    numbers = select(person_identifier.c.person_id).where(person_identifier.c.system == NHS_NUMBER)
    known = person_identifier.c.value_index.in_(select(checked_number.c.value_index))
    # INVARIANT: of a person with two numbers (records that were joined) an opt-out of either is theirs.
    return frozenset(c.execute(numbers.where(known)).scalars()) - frozenset(c.execute(numbers.where(~known)).scalars())


def _numbers(lines: Iterable[str]) -> list[str]:
    found = []
    for place, line in enumerate(lines, start=1):
        number = normal_nhs_number(line.strip().rstrip(","))
        if not number:
            continue
        if not nhs_number_is_valid(number):
            raise OptOutError(f"line {place}: not an NHS number")
        found.append(number)
    if not found:
        raise OptOutError("the list is empty")
    return found
