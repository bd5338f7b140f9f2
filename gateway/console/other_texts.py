"""One decision under other texts: what each text that could hold for this letter, in force or waiting to be, would have decided of it.

Asked for with a reason, which is sealed with the entry of the look. Outcomes and paths: it MUST NOT show a value of a letter, nor sign anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from consent.agreement_file import AgreementError, digest_of
from consent.shapes import Agreement
from gateway import activation
from gateway.activation import ENDS, Standing
from gateway.console.asking import Ask, NotTaken, Page
from gateway.console.ways import Shown, shown_decision
from gateway.steps.what_if import Compared, compare


@dataclass(frozen=True, kw_only=True)
class Other:
    """One text, and what it would have decided; `compared` is None where it cannot be asked: `why` says it."""

    name: str
    digest: str
    state: str
    compared: Compared | None
    why: str


def under_other_texts(ask: Ask) -> Page:
    """POST /console/decisions/{id}/what-if: this very letter, with the consents, the file and the instant of then. Nothing is kept or sent."""
    reason = ask.form.get("reason", "")
    if not reason.strip():
        raise NotTaken("Say why: the reason is kept, sealed, with the entry of this look.")
    with ask.gateway.store.read() as c:
        shown = shown_decision(c, ask.gateway, ask.path["id"])
        texts = list(_texts(c, ask, str(shown.row["agreement"])))
        standing = activation.standing(c)
    found = tuple(_asked(ask, shown, standing, name, text) for name, text in texts)
    return Page(
        template="what_if.html",
        values={"shown": shown, "others": tuple(each for each in found if each is not None)},
        about=str(shown.row["id"]),
        reason=reason,
    )


def _texts(c: Connection, ask: Ask, own: str) -> Iterator[tuple[str, str | None]]:
    """(name, text) of what is in force, proposed or a file of the folder, each text once; None that the agreement of the decision ends."""
    standing, keys = activation.standing(c), ask.gateway.keys
    signed = [*standing.in_force.values(), *standing.proposed.values()]
    found = [
        (each.name, activation.text_signed(c, keys, each)) for each in signed if each.digest != ENDS or each.name == own
    ]
    files = activation.texts_of(ask.gateway.settings.gateway.agreements_dir)
    yield from dict.fromkeys((*found, *((name, text) for name, text in files.items() if text is not None)))


def _asked(ask: Ask, shown: Shown, standing: Standing, name: str, text: str | None) -> Other | None:
    """None for a text that is about other letters, and for a draft: nothing can be sent under it."""
    state = standing.of(name, digest_of(text) if text is not None else None)
    digest = digest_of(text) if text is not None else ENDS
    if text is None:
        return _unasked(name, digest, state, "nothing leaves under it any more")
    agreement, wrong = _read(name, text)
    if agreement is None:
        return _unasked(name, digest, state, wrong) if name == shown.row["agreement"] else None
    letter = (str(shown.row["letter"]), str(shown.row["recipient_class"]))
    if agreement.draft or (agreement.letter, agreement.recipient_class) != letter:
        return None
    compared = compare(ask.gateway, str(shown.row["id"]), agreement)
    why = "" if compared is not None else "what the decision was made from is not kept any more"
    return Other(name=name, digest=digest, state=state, compared=compared, why=why)


def _unasked(name: str, digest: str, state: str, why: str) -> Other:
    return Other(name=name, digest=digest, state=state, compared=None, why=why)


def _read(name: str, text: str) -> tuple[Agreement | None, str]:
    """The agreement, or why it cannot be read."""
    try:
        return activation.read_text(text, name), ""
    except AgreementError as error:
        return None, f"it cannot be read: {error.key}: {error.text}"
