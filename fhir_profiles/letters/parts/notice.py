"""What a letter itself says, and who says it: the notice and the sending establishment. It must never hold clinical content."""

from typing import Final

from fhir_profiles import systems
from fhir_profiles.days import instant_of
from fhir_profiles.elements import as_text, codings, name_of
from fhir_profiles.letters.parts.labels_of_ours import NORMAL
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.profiles import notice as profile
from fhir_profiles.shapes import Json

ESTABLISHMENT: Final = "Organization/establishment"


NOT_TOLD: Final = (
    "Addresses, telephone numbers, places and the names of who gives care are not in this letter: do not take that for none. "
    "Whoever let this letter go to you knows how they are to be reached: ask them, also before you give a dose that you are not sure of."
)
"""What a letter says where the person's record is flagged sensitive: whom to ask, with no number in it."""
NOT_TO_BE_DONE: Final = (
    "The file says of a medicine that it is NOT to be given, or of something planned that it is NOT to be done. It is not in this letter: "
    "ask the establishment before you give or supply a dose, or begin anything."
)
"""What is said where an order not to do something is left out: without the word for "not" it would be read as the order."""
_OF_THE_FILE: Final = frozenset({"handover", "transfer", "gp-copy", "referral"})
"""The letters for care that tell the medicines and the plan of the whole file."""
_OF_THE_FOCUS: Final = frozenset({"prescription-copy", "community-record", "care-plan-update"})
"""Those for care that tell what a message brought; and no other letter says that there is a medicine or a plan."""
REPLACES: Final = "It takes the place of letter {}: act on this one, and never on both."


def notice(picture: Picture, *, letter: Json, priority: str, sentences: tuple[str, ...], labels: Json) -> Json:
    """Write the Communication `notice` of a letter with these labels."""
    if picture.context.replaces is not None:
        sentences = (*sentences, REPLACES.format(picture.context.replaces))
    if _leaves_out_an_order(picture, letter):
        sentences = (*sentences, NOT_TO_BE_DONE)
    if picture.is_sensitive:
        sentences = (*sentences, NOT_TOLD)
    timed = len(picture.as_of) > 10 and instant_of(picture.as_of) is not None
    written = profile.build(
        letter=letter,
        priority=priority,
        sentences=sentences,
        subject=name_of(picture.patient),
        sender=ESTABLISHMENT,
        sent=picture.as_of if timed else None,
    )
    return {**written, "meta": labels}


def _leaves_out_an_order(picture: Picture, letter: Json) -> bool:
    """Say whether an order not to do something is left out of a letter that would have told the order."""
    names = {as_text(each.get("code")) for each in codings(letter)}
    told = picture.not_to_be_done & frozenset(picture.context.focus) if names & _OF_THE_FOCUS else frozenset()
    return bool(told or (names & _OF_THE_FILE and picture.not_to_be_done))


def establishment(picture: Picture) -> Json:
    """Write the Organization that sends: name, agency id, and where to ask when that is known."""
    context = picture.context
    written: Json = {"resourceType": "Organization", "id": "establishment", "meta": NORMAL}
    if context.establishment:
        written["identifier"] = [{"system": systems.AGENCY, "value": context.establishment}]
    written["name"] = context.establishment_name or context.establishment or "the sending establishment"
    if context.establishment_telephone:
        written["telecom"] = [{"system": "phone", "value": context.establishment_telephone}]
    return written
