"""Two people put an agreement in force, or end it, with what would change in front of them: the text, line by line, and past decisions.

The acts are `gateway.activation`'s, with the name of the account that is logged in. INVARIANT: what is signed is the text that was seen: a
form names its digest. Nothing here MUST decide what an agreement allows.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from consent.agreement_file import AgreementError, check_examples, digest_of
from consent.document import Table
from consent.shapes import Agreement
from gateway import activation
from gateway.activation import ENDS, Signature, Standing
from gateway.console.asking import Ask, Elsewhere, NotTaken, NotThere, Page
from gateway.console.staff import Role
from gateway.steps.what_if import WhatIf, WhatIfError, what_if

ASKED_AGAIN: Final = 100
"""Past decisions that the page asks again; the command asks all."""
APPROVERS: Final = frozenset({Role.IG_OFFICER, Role.CLINICAL_SAFETY, Role.CALDICOTT_GUARDIAN})
UNREADABLE: Final = "it cannot be read as text"


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """One agreement as it stands. `file` is None where the folder has none; `waiting` where somebody proposed a text or an end of it."""

    name: str
    file: str | None
    in_force: Signature | None
    waiting: Signature | None
    state: str


def proposals(ask: Ask) -> Page:
    """GET /console/proposals: every agreement whose file, or whose proposal, is another text than what is in force."""
    with ask.gateway.store.read() as c:
        standing = activation.standing(c)
    files = _files(ask)
    names = sorted({*files, *standing.in_force, *standing.proposed})
    found = [_proposed(name, files, standing) for name in names]
    rows = [
        (
            *(each.name, each.state, each.in_force.digest if each.in_force is not None else ""),
            *(
                (each.waiting.proposed_by, each.waiting.digest or "that it ends")
                if each.waiting is not None
                else ("", "")
            ),
        )
        for each in found
    ]
    return Page(
        template="proposals.html",
        table=Table(
            caption="How each agreement stands",
            columns=("Agreement", "How it stands", "Digest in force", "Proposed by", "Digest proposed"),
            rows=tuple(rows),
        ),
        values={
            "waiting": [each for each in found if _differs(each)],
            "rest": [each for each in found if not _differs(each)],
        },
    )


def _differs(each: Proposed) -> bool:
    same = each.in_force is not None and each.file is not None and each.in_force.digest == digest_of(each.file)
    return each.waiting is not None or not same


def _files(ask: Ask) -> dict[str, str | None]:
    return activation.texts_of(ask.gateway.settings.gateway.agreements_dir)


def _proposed(name: str, files: Mapping[str, str | None], standing: Standing) -> Proposed:
    text = files.get(name)
    state = standing.of(name, digest_of(text) if text is not None else None)
    return Proposed(
        name=name,
        file=text,
        in_force=standing.in_force.get(name),
        waiting=standing.proposed.get(name),
        state=UNREADABLE if name in files and text is None else state,
    )


def proposal(ask: Ask) -> Page:
    """GET /console/proposals/{name}: both texts, what past decisions would have been, and what this person may sign."""
    with ask.gateway.store.read() as c:
        one = _one(c, ask)
        before = _text(c, ask, one.in_force) or ""
        after = _text(c, ask, one.waiting) if one.waiting is not None else one.file
    ends = one.waiting is not None and one.waiting.digest == ENDS
    agreement, faults = _read(one.name, after or "") if after is not None else (None, [])
    mine = one.waiting is not None and activation.is_proposer(one.waiting, ask.member.name)
    return Page(
        template="proposal.html",
        values={
            "one": one,
            "ends": ends,
            "digest": ENDS if ends or after is None else digest_of(after),
            "lines": list(_difference(before, after or "")),
            "faults": faults,
            "odd": activation.remarks(ask.gateway, agreement)[agreement.name] if agreement is not None else (),
            "what_if": _what_if(ask, one.name, agreement) if one.waiting is None or not ends else None,
            "asked_again": ASKED_AGAIN,
            "may_propose": ask.member.role is Role.IG_OFFICER,
            "may_approve": one.waiting is not None and ask.member.role in APPROVERS and not mine,
            "mine": mine,
            "reason": ask.form.get("reason", ""),
        },
        about=one.name,
    )


def sign(ask: Ask) -> Elsewhere:
    """POST /console/proposals/{name}: propose what the file says, propose the end, or approve what another person proposed."""
    choice, reason = ask.form.get("choice", ""), ask.form.get("reason", "")
    if not reason.strip():
        raise NotTaken("Say why: the reason is kept, sealed, with the signature.")
    with ask.gateway.store.read() as c:
        one = _one(c, ask)
        waiting = _text(c, ask, one.waiting)
    if choice == "approve":
        if one.waiting is None or ask.member.role not in APPROVERS:
            raise NotTaken("Nothing is proposed that you could approve.")
        _require_seen(ask, one.waiting.digest)
        act, text = activation.approve, waiting
    elif choice in ("propose", "end") and ask.member.role is Role.IG_OFFICER:
        act, text = activation.propose, _to_propose(ask, one) if choice == "propose" else None
    else:
        raise NotTaken("Choose what is to be signed: an IG officer proposes, another person approves.")
    if text is not None:
        _, faults = _read(one.name, text)
        if faults:
            raise NotTaken(f"This text cannot be signed: {faults[0]}")
    act(ask.gateway, {one.name: text}, by=ask.member.name, reason=reason)
    return Elsewhere(path=f"/console/proposals/{one.name}")


def _to_propose(ask: Ask, one: Proposed) -> str:
    if one.file is None:
        raise NotTaken("There is no file of this agreement that could be read.")
    _require_seen(ask, digest_of(one.file))
    return one.file


def _require_seen(ask: Ask, digest: str) -> None:
    """INVARIANT: nobody signs a text that they have not had in front of them."""
    if ask.form.get("digest") != digest:
        raise NotTaken("The text is another one now than the one that you saw: read it, and sign again.")


def _one(c: Connection, ask: Ask) -> Proposed:
    standing, files, name = activation.standing(c), _files(ask), ask.path["name"]
    if name not in {*files, *standing.in_force, *standing.proposed}:
        raise NotThere("no agreement has this name")
    return _proposed(name, files, standing)


def _text(c: Connection, ask: Ask, signature: Signature | None) -> str | None:
    return activation.text_signed(c, ask.gateway.keys, signature) if signature is not None else None


def _read(name: str, text: str) -> tuple[Agreement | None, list[str]]:
    """The agreement, and why it could not be signed: a key that is wrong, or examples that do not come out as they say."""
    try:
        agreement = activation.read_text(text, name)
    except AgreementError as error:
        return None, [f"{error.key}: {error.text}"]
    wrong = [each for each in check_examples(agreement) if not each.passed]
    return agreement, [f"its example `{each.name}` does not come out as it says: {each.text}" for each in wrong]


def _difference(before: str, after: str) -> Iterator[tuple[str, str]]:
    """Lines of both texts where they differ, with three around: (`+`, `-`, ` ` or `@`, the line)."""
    for line in list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3))[2:]:
        yield line[:1], line[1:] if line[:1] != "@" else ""


def _what_if(ask: Ask, name: str, agreement: Agreement | None) -> WhatIf | str | None:
    """What the newest decisions under this name would have been; a sentence where they cannot be compared; None without a text."""
    if agreement is None:
        return None
    try:
        return what_if(ask.gateway, agreement, instead_of=name, newest=ASKED_AGAIN)
    except WhatIfError as error:
        return str(error)
