"""Letters that carried something which a message now corrects or takes back: who has to hear it, and which of them has not left yet.

Pure. It MUST NOT decide who may know: what it asks for goes through the same gate as the letter before (docs/decisions/0030).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fhir_profiles.elements import as_text, name_of
from fhir_profiles.letters import LETTERS
from fhir_profiles.letters.referral import LETTER as REFERRAL
from fhir_profiles.shapes import Json, LetterContext

_CORRECTED: Final = frozenset({"amended", "corrected"})
"""R4 Observation, DiagnosticReport and QuestionnaireResponse: what was told before was wrong, and is not merely older."""
_WHOLE: Final = frozenset({"care-plan-update"})
"""Letters each of which says by itself that it takes the place of every earlier one."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """An earlier letter that carried something. `unsent`: it has left for certain not, and can be taken back; else it may have arrived.

    `ods` is whose it was: another organisation that has taken over a recipient's place has had no letter.
    """

    delivery_id: str
    letter: str
    agreement: str
    recipient: str | None
    ods: str | None
    context: LetterContext
    unsent: bool


@dataclass(frozen=True, kw_only=True)
class Amended:
    """What a message makes of one earlier letter. `gone` stood and does not any more; `standing` is what stands of it, in its own order.

    `wrong`: what was told was wrong, and not merely overtaken by what came after.
    """

    told: Told
    gone: frozenset[str]
    standing: tuple[str, ...]
    wrong: bool

    @property
    def replaces(self) -> str | None:
        """The letter that its recipient has, or may have."""
        return self.told.context.replaces if self.told.unsent else self.told.delivery_id

    @property
    def taken_back(self) -> int:
        """How much of that letter does not stand."""
        return len(self.gone) + (self.told.context.taken_back if self.told.unsent else 0)

    @property
    def was_wrong(self) -> bool:
        """Whether what its recipient has was wrong: by this message, or by the one that the letter would have told."""
        return self.wrong or (self.told.unsent and self.told.context.was_wrong)


def amended(told: Iterable[Told], before: Sequence[Json], now: Sequence[Json]) -> tuple[Amended, ...]:
    """Of these letters, those of which a message changed something. `before` and `now` are the file without and with the message."""
    letters = tuple(told)
    if not letters:
        return ()  # nearly always, and a long file is not compared for it
    held = {name_of(each): each for each in before}
    changed = {name_of(each): each for each in now if held.get(name_of(each), each) != each}
    if not changed:
        return ()
    found = (_amended(each, before, now, changed) for each in letters if each.letter != REFERRAL.name)
    return tuple(each for each in found if each is not None)


def _amended(told: Told, before: Sequence[Json], now: Sequence[Json], changed: Mapping[str, Json]) -> Amended | None:
    carries = LETTERS[told.letter].carries
    if carries is None:
        return None
    focus = told.context.focus
    stood, stands = ({name_of(each) for each in carries(file, ())} for file in (before, now))
    gone = (stood - stands) & set(focus)
    newer = [changed[name] for name in focus if name in changed and name in stands]
    if not gone and (not newer or told.letter in _WHOLE):
        return None
    return Amended(
        told=told,
        gone=frozenset(gone),
        standing=tuple(name for name in focus if name in stands),
        wrong=bool(gone) or any(as_text(each.get("status")) in _CORRECTED for each in newer),
    )


def last_told_of(told: Iterable[Told], request: str) -> tuple[Told, ...]:
    """The last letter that each recipient had about one referral (`Type/id`), where it did not say that it is over."""
    last = {each.recipient: each for each in told if each.letter == REFERRAL.name and request in each.context.focus}
    return tuple(each for each in last.values() if not each.context.taken_back)
