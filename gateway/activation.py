"""Which agreements are in force: the texts that two people signed, kept in the store. A file of the folder is a proposal and nothing more.

One named person proposes a text, another approves that same text; each act has a reason and a ledger entry with the digest. A file that is
edited or deleted afterwards changes nothing: neither does it widen what is shared, nor does a slip of an editor stop a handover. Ending an
agreement is an act of two people too. This module MUST NOT decide what an agreement allows.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from consent.agreement_file import AgreementError, digest_of, read_agreement
from consent.agreement_lint import lint
from consent.extracts import LETTER as EXTRACT
from consent.modifiers import unlisted
from consent.shapes import Agreement, Reason
from consent.when import instant, span
from fhir_profiles.letters import LETTERS
from fhir_profiles.schema.asked import lacking
from fhir_profiles.shapes import Event
from gateway import names
from gateway.errors import SettingsError, ThroughgateError
from gateway.failpoints import around
from gateway.keys import Keys, SealedError
from gateway.ledger import record
from gateway.log import Code, log
from gateway.parts import Parts
from gateway.settings import NAME_PATTERN, Settings
from gateway.store import Store
from gateway.store.locks import hold
from gateway.store.schema import agreement as signed
from gateway.store.schema import sealed, task
from gateway.store.statement import Statement

ENDS: Final = ""
"""The digest of a proposal that ends an agreement: it has no text."""
CATEGORY: Final = "ledger"

# read=True: whoever ends an agreement waits for the intents that looked at it, and those do not wait for each other
_STANDS: Final = Statement(
    select(signed.c.id)
    .where(
        signed.c.name == bindparam("name"),
        signed.c.digest == bindparam("digest"),
        signed.c.approved_at.is_not(None),
        signed.c.ended_at.is_(None),
    )
    .with_for_update(read=True)
)
_IN_FORCE: Final = Statement(
    select(signed).where(signed.c.approved_at.is_not(None), signed.c.ended_at.is_(None)).order_by(signed.c.name)
)

Texts = Mapping[str, str | None]
"""Name -> the whole text of the file, or None to end the agreement."""


class ActivationError(ThroughgateError):
    """Nothing was signed: the text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One text of one agreement, and who signed it. `digest` is empty where it ends the agreement; nobody has approved a proposal yet."""

    id: str
    name: str
    digest: str
    proposed_by: str
    proposed_at: str
    approved_by: str | None
    approved_at: str | None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is in force, and what is proposed, by name."""

    in_force: Mapping[str, Signature]
    proposed: Mapping[str, Signature]

    def is_in_force(self, name: str, digest: str) -> bool:
        """Is this very text in force?"""
        return name in self.in_force and self.in_force[name].digest == digest

    def of(self, name: str, digest: str | None) -> str:
        """How the text of a file stands, in words; None where there is no file."""
        now, next_ = self.in_force.get(name), self.proposed.get(name)
        if now is not None and now.digest == digest:
            return f"in force since {now.approved_at}, signed by {now.proposed_by} and {now.approved_by}"
        if next_ is not None and next_.digest == (digest or ENDS):
            return f"proposed by {next_.proposed_by}: another person has to approve it"
        return "another text is in force" if now is not None else "not in force: nobody has signed it"


def require_built(place: str, agreement: Agreement) -> None:
    """INVARIANT: an agreement under which nothing can be made, or that nothing starts, is never in force. Raises SettingsError."""
    if agreement.draft:
        raise SettingsError(place, "draft", f"a draft cannot be in force: {agreement.draft} Move it out of the folder")
    if agreement.letter not in LETTERS and agreement.letter != EXTRACT:
        raise SettingsError(place, "letter", f"no such letter: use one of {', '.join(sorted(LETTERS))}")
    unknown = sorted(set(agreement.events) - set(Event))
    if unknown:
        raise SettingsError(place, "events", f"no such event: {', '.join(unknown)}; use some of {', '.join(Event)}")


@lru_cache(maxsize=256)
def read_text(text: str, name: str) -> Agreement:
    """`read_agreement`, once for a text. Raises AgreementError."""
    return read_agreement(text, name)


@dataclass(frozen=True, kw_only=True)
class InForce:
    """The agreements in force by name; `unread` are those that this program cannot keep to. `signatures` are the ids of all of them."""

    signatures: frozenset[str]
    agreements: Mapping[str, Agreement]
    unread: frozenset[str]


def in_force(store: Store, keys: Keys) -> InForce:
    """What two people signed, at a start and while the line runs alike.

    The text is sealed under the installation key, so that nobody can put another one in its place in the database. INVARIANT: absent never
    widens: under a text that cannot be read here (a newer program's, a row that was changed) nothing leaves, also not by what two people
    signed before it and replaced. It keeps neither the rest nor the line from running, and a person is told (`unread`).
    """
    found: dict[str, Agreement] = {}
    with store.read() as c:
        rows = _IN_FORCE.all(c)
        for row in rows:
            try:
                found[row.name] = _agreed(c, keys, row)
            except (SettingsError, SealedError) as error:
                log(Code.AGREEMENT_NOT_READ, error=type(error).__name__)
    return InForce(
        signatures=frozenset(row.id for row in rows),
        agreements=found,
        unread=frozenset(row.name for row in rows) - found.keys(),
    )


def _agreed(c: Connection, keys: Keys, row: Row[Any]) -> Agreement:
    place = f"the agreement {row.name} in force"
    try:
        found = read_text(_text(c, keys, row), row.name)
    except AgreementError as error:
        raise SettingsError(place, error.key, error.text) from error
    require_built(place, found)
    return found


def require_teller(agreements: Mapping[str, Agreement], settings: Settings) -> None:
    """INVARIANT: a flow where silence can kill is not in force without a way to tell a person. Raises SettingsError."""
    if settings.tell is None and any(each.undecidable == "hold" for each in agreements.values()):
        raise SettingsError(
            "throughgate.toml", "tell", "a letter of care can be held: say how a person is told at once"
        )


def take_up(parts: Parts) -> bool:
    """Make `parts.agreements` what is in force now. Whether it was another before."""
    with parts.store.read() as c:
        ids = frozenset(row.id for row in _IN_FORCE.all(c))
    if ids == parts.signatures:
        return False
    now = in_force(parts.store, parts.keys)
    parts.signatures, parts.agreements, parts.unread = now.signatures, now.agreements, now.unread
    return True


def unread(parts: Parts) -> tuple[str, ...]:
    """`name:digest` of what is in force and cannot be read here."""
    if not parts.unread:
        return ()
    with parts.store.read() as c:
        rows = _IN_FORCE.all(c)
    tried = [row for row in rows if row.id in parts.signatures]
    return tuple(f"{row.name}:{row.digest}" for row in tried if row.name in parts.unread)


def stands(c: Connection, name: str, digest: str) -> bool:
    """Is this very text in force, by what the store holds at this moment? Until this transaction ends nobody ends it."""
    return _STANDS.first(c, name=name, digest=digest) is not None


def standing(c: Connection) -> Standing:
    """How every agreement stands that anybody signed."""
    open_ones = c.execute(select(signed).where(signed.c.approved_at.is_(None), signed.c.ended_at.is_(None))).all()
    return Standing(
        in_force={row.name: _signature(row) for row in _IN_FORCE.all(c)},
        proposed={row.name: _signature(row) for row in open_ones},
    )


def text_of(c: Connection, keys: Keys, name: str, digest: str) -> str | None:
    """The text that stood under this digest, in force or ended; None where nobody approved it here."""
    signature = signature_of(c, name, digest)
    return text_signed(c, keys, signature) if signature is not None else None


def agreement_of_then(c: Connection, parts: Parts, name: str, digest: str) -> Agreement | None:
    """The very text that something was decided under, in force or not any more; None where nobody signed such a text here.

    Raises AgreementError for one that this program cannot read.
    """
    now = parts.agreements.get(name)
    if now is not None and now.digest == digest:
        return now
    text = text_of(c, parts.keys, name, digest)
    return read_text(text, name) if text is not None else None


def agreement_of_digest(c: Connection, keys: Keys, digest: str) -> Agreement | None:
    """The text that two people put in force under this digest, whatever it was called and whether it has ended.

    None where it is not kept here, was changed, or cannot be read by this program.
    """
    row = c.execute(select(signed).where(signed.c.digest == digest, signed.c.approved_at.is_not(None))).first()
    if row is None:
        return None
    try:
        return read_text(_text(c, keys, row), row.name)
    except (AgreementError, SealedError):
        return None


def signature_of(c: Connection, name: str, digest: str) -> Signature | None:
    """Who signed the text that stood under this digest; None where nobody approved it here, or its row is not kept any more."""
    row = c.execute(
        select(signed)
        .where(signed.c.name == name, signed.c.digest == digest, signed.c.approved_at.is_not(None))
        .order_by(signed.c.approved_at.desc())
    ).first()
    return _signature(row) if row is not None else None


def text_signed(c: Connection, keys: Keys, signature: Signature) -> str | None:
    """The text that this signature is about, proposed or approved; None where it ends the agreement."""
    row = c.execute(select(signed).where(signed.c.id == signature.id)).one()
    return _text(c, keys, row) if row.digest != ENDS else None


def is_proposer(signature: Signature, by: str) -> bool:
    """Is this the person who proposed it, however their name is written?"""
    return names.is_same(signature.proposed_by, by)


def texts_of(folder: Path) -> dict[str, str | None]:
    """Name -> text of every file of a folder of agreements; None for one that nobody can read."""
    found: dict[str, str | None] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            found[path.stem] = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            found[path.stem] = None
    return found


def remarks(parts: Parts, *agreements: Agreement) -> dict[str, tuple[Reason, ...]]:
    """What is odd about each text, by its name, beside what is in force and what the folder has (read once): said to both people who sign, and
    stops nothing.
    """
    beside = dict(parts.agreements)
    for name, text in texts_of(parts.settings.gateway.agreements_dir).items():
        with contextlib.suppress(AgreementError):  # whoever signs that one is told what is wrong with it
            beside |= {name: read_text(text, name)} if text is not None else {}
    built = [each for each in beside.values() if not each.draft]
    return {each.name: lint(each, built) for each in agreements}


def propose(parts: Parts, texts: Texts, *, by: str, reason: str) -> tuple[Signature, ...]:
    """One person's word for these texts; an earlier proposal of the same name ends. All of them or none. Raises ActivationError."""
    person = _person(by)
    said = _reason(reason)
    for name, text in texts.items():
        if text is not None:
            _require_fit(parts, name, text)

    def work(c: Connection) -> tuple[Signature, ...]:
        hold(c, "agreements")
        now = standing(c)
        return tuple(_propose(c, parts, now, name, text, person, said) for name, text in sorted(texts.items()))

    with around("agreement-proposed"):
        return parts.store.write(work)


def approve(parts: Parts, texts: Texts, *, by: str, reason: str) -> tuple[Signature, ...]:
    """A second person's word for the same texts: they are in force. All of them or none. Raises ActivationError.

    INVARIANT: nobody puts an agreement in force, or ends one, alone; and what is approved is what was proposed.
    """
    person = _person(by)
    said = _reason(reason)

    def work(c: Connection) -> tuple[Signature, ...]:
        hold(c, "agreements")
        now = standing(c)
        return tuple(_approve(c, parts, now, name, text, person, said) for name, text in sorted(texts.items()))

    with around("agreement-approved"):
        return parts.store.write(work)


def _require_fit(parts: Parts, name: str, text: str) -> None:
    if not re.fullmatch(NAME_PATTERN, name):
        raise ActivationError(f"{name}.toml: the name of an agreement's file is lower case letters, digits and hyphens")
    try:
        agreement = read_text(text, name)
        require_built(f"{name}.toml", agreement)
        require_teller({name: agreement}, parts.settings)
    except AgreementError as error:
        raise ActivationError(f"{name}.toml: {error.key}: {error.text}") from error
    except SettingsError as error:
        raise ActivationError(str(error)) from error
    asked = lacking(item.path for item in agreement.fields)
    if asked:
        raise ActivationError(f"{name}.toml: fields: what leaves would be no FHIR without {', '.join(asked)}")
    turned = unlisted(agreement.tree)
    if turned:
        raise ActivationError(
            f"{name}.toml: fields: what leaves would say something else without {', '.join(turned)}: list them too"
        )
    last, at = span(agreement.text["ends"]), instant(parts.now())
    if last is None or at is None or at >= last.end:
        raise ActivationError(f"{name}.toml: words.ends: the agreement has ended already: agree on a later day")


def _propose(
    c: Connection, parts: Parts, now: Standing, name: str, text: str | None, by: str, reason: str
) -> Signature:
    digest = digest_of(text) if text is not None else ENDS
    current, earlier = now.in_force.get(name), now.proposed.get(name)
    if current is None and text is None:
        raise ActivationError(f"{name} is not in force: there is nothing to end")
    if current is not None and current.digest == digest:
        raise ActivationError(f"this text of {name} is in force already")
    if earlier is not None:
        c.execute(update(signed).where(signed.c.id == earlier.id).values(ended_at=parts.now()))
        _enter(c, parts, earlier.id, 2, "agreement-ended", {"agreement": name})
    made = parts.ids.entry()
    sealed_id = _seal(c, parts, {"text": text, "reason": reason})
    values = {"id": made, "name": name, "digest": digest, "sealed_id": sealed_id, "proposed_by": by}
    c.execute(insert(signed).values(**values, proposed_at=parts.now()))
    _enter(c, parts, made, 1, "agreement-proposed", {"agreement": name, "digest": digest, "note": sealed_id})
    return _signature(c.execute(select(signed).where(signed.c.id == made)).one())


def _approve(
    c: Connection, parts: Parts, now: Standing, name: str, text: str | None, by: str, reason: str
) -> Signature:
    proposed, current = now.proposed.get(name), now.in_force.get(name)
    if proposed is None:
        raise ActivationError(f"nothing is proposed of {name}: one person proposes it first, without --approve")
    if proposed.digest != (digest_of(text) if text is not None else ENDS):
        raise ActivationError(
            f"{name} is another text than {proposed.proposed_by} proposed: read it, and let one person propose it again"
        )
    if is_proposer(proposed, by):
        raise ActivationError(f"{name} was proposed by {proposed.proposed_by}: another person has to approve it")
    if text is not None:
        # INVARIANT: what was proposed long ago, or to an older program, is not in force where it could not be kept to today.
        _require_fit(parts, name, text)
    at = parts.now()
    note = _seal(c, parts, {"reason": reason})
    ends = at if proposed.digest == ENDS else None
    values = {"approved_by": by, "approved_at": at, "approved_note": note, "ended_at": ends}
    c.execute(update(signed).where(signed.c.id == proposed.id).values(**values))
    facts = {"agreement": name, "digest": proposed.digest, "note": note}
    _enter(c, parts, proposed.id, 2, "agreement-activated" if ends is None else "agreement-ended", facts)
    if current is not None:
        _end(c, parts, current)
    about = task.c.agreement.startswith(f"{name}:", autoescape=True)
    c.execute(update(task).where(about, task.c.ended_at.is_(None)).values(ended_at=at))
    return _signature(c.execute(select(signed).where(signed.c.id == proposed.id)).one())


def _end(c: Connection, parts: Parts, current: Signature) -> None:
    """The text that was in force; it is kept as long as the ledger, so that what was decided under it can be made again."""
    c.execute(update(signed).where(signed.c.id == current.id).values(ended_at=parts.now()))
    own = select(signed.c.sealed_id).where(signed.c.id == current.id).scalar_subquery()
    kept_until = parts.after(days=parts.settings.retention.days(CATEGORY))
    c.execute(update(sealed).where(sealed.c.id == own).values(ends_at=kept_until))
    _enter(c, parts, current.id, 3, "agreement-ended", {"agreement": current.name, "digest": current.digest})


def _text(c: Connection, keys: Keys, row: Row[Any]) -> str:
    return str(json.loads(keys.unseal(c, row.sealed_id))["text"])


def _seal(c: Connection, parts: Parts, said: Mapping[str, str | None]) -> str:
    plaintext = json.dumps(said, ensure_ascii=False).encode()
    return parts.keys.seal(c, category=CATEGORY, plaintext=plaintext, person_id=None, now=parts.now())


def _enter(c: Connection, parts: Parts, chain: str, step: int, event: str, facts: Mapping[str, str]) -> None:
    record(c, entry_id=parts.ids.entry(), chain=chain, step=step, event=event, at=parts.now(), facts=facts)


def _signature(row: Row[Any]) -> Signature:
    return Signature(
        id=row.id,
        name=row.name,
        digest=row.digest,
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
    )


def _person(by: str) -> str:
    """A person's name, without needless space."""
    if not names.is_name(by):
        raise ActivationError("say who signs: --by and the person's name")
    return names.as_written(by)


def _reason(reason: str) -> str:
    if not reason.strip():
        raise ActivationError("a reason is needed: --reason")
    return reason.strip()
