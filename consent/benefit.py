"""Who could have more, or less, by a Consent: asked about its own sender before it takes effect. It decides nothing.

It reads whom a provision is for and what for, and not which data: what it covers may come tomorrow. INVARIANT: what is not known to be about
somebody else may be about this party.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consent.fhir_consent import is_about
from consent.lint import widens
from consent.parties import Directory, Recipient
from consent.provisions import Base, dialect
from consent.purposes import covers
from consent.reading import coding, objects, text
from consent.shapes import Coding, Json, Party
from consent.ternary import Match

_PERMITS = frozenset({"permit"})
_DENIES = frozenset({"deny"})
_BASES = {Base.PERMIT: _PERMITS, Base.DENY: _DENIES, Base.SILENT: frozenset[str](), Base.UNKNOWN: _DENIES}


@dataclass(frozen=True, kw_only=True)
class Benefit:
    """One party, at one moment, with what actors refer to."""

    party: Party
    directory: Sequence[Json]
    as_of: datetime

    def is_permitted(self, consent: Json, purposes: Sequence[Coding]) -> bool:
        """Could anything in it permit something to the party, for one of the purposes?"""
        return widens(consent) and self._reaches(consent, purposes, _PERMITS)

    def is_refused(self, consent: Json, purposes: Sequence[Coding]) -> bool:
        """Could anything in it refuse something to the party? What stands in a refused permit is refused."""
        refused = text(consent, "status") == "rejected"
        return self._reaches(consent, purposes, _PERMITS | _DENIES if refused else _DENIES)

    def _reaches(self, consent: Json, purposes: Sequence[Coding], kinds: frozenset[str]) -> bool:
        if not any(is_about(consent, one) is not Match.NO for one in purposes):
            return False
        recipient = Recipient(self.party, Directory.of(self.directory), self.as_of)
        contained = {text(item, "id"): item for item in objects(consent, "contained")[0]}
        roots, readable = objects(consent, "provision")
        base = _BASES[dialect(consent).base]
        if not roots:
            return not readable or bool(kinds & base) or text(consent, "status") == "rejected"
        waiting = [(node, base) for node in roots]
        for node, says in waiting:  # grows while it is read
            actors, known = objects(node, "actor")
            if known and actors and all(recipient.is_actor(one, contained) is Match.NO for one in actors):
                continue
            if not _is_for_one(node, purposes):
                continue
            inner, whole = objects(node, "provision")
            if kinds & says or not whole:
                return True
            waiting += [(one, _said(one)) for one in inner]
        return False


def _said(node: Json) -> frozenset[str]:
    """One without a type, or of another, may mean either."""
    return {"permit": _PERMITS, "deny": _DENIES}.get(text(node, "type"), _PERMITS | _DENIES)


def _is_for_one(node: Json, purposes: Sequence[Coding]) -> bool:
    stated, readable = objects(node, "purpose")
    return not (readable and stated) or any(
        covers(coding(one), asked) is not Match.NO for one in stated for asked in purposes
    )
