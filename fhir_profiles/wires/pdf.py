"""The wire `pdf`: a letter on paper, from what is left of it after minimisation and nothing else.

INVARIANT: every page of whatever holds something prescribed says that it is no prescription and no authority to supply, and every page says
whose it is, which letter, and how many pages there are.
"""

import textwrap
from typing import Final

from fhir_profiles.print.paper import Part, Sheet, printed
from fhir_profiles.shapes import Heading, Json, Rendered
from fhir_profiles.wires.envelope import entries_of
from fhir_profiles.wires.readable import Readable, is_redacted, readable

CONTENT_TYPE: Final = "application/pdf"
POINTS: Final = 12
LARGE_PRINT: Final = 18
"""Points. Large print is 16 or more (Accessible Information Standard, DCB1605)."""
_WHOSE: Final = ("Name: ", "NHS number: ")
_MOST: Final = 80
"""Signs of a name in the foot; the whole name stands under *The person*."""


def render(bundle: Json, heading: Heading) -> Rendered:
    """Print a letter. Raises ValueError for what is no letter about a person: a report must tell nothing by its length."""
    letter = readable(entries_of(bundle, heading), heading, redacted=is_redacted(bundle))
    if not letter.is_about_a_person:
        raise ValueError("pdf: this is no letter about a person")
    sheet = Sheet(
        title=letter.title,
        author=heading.sender_name,
        mark=letter.mark,
        foot="  ".join((*_whose(letter), f"Letter {heading.delivery_id}")),
        time=heading.time,
        points=LARGE_PRINT if letter.own else POINTS,
        parts=tuple(Part(heading=part.heading, lines=part.lines) for part in letter.parts),
    )
    lines = (
        sheet.title,
        sheet.author,
        sheet.mark,
        sheet.foot,
        *(line for part in sheet.parts for line in (part.heading, *part.lines)),
    )
    return Rendered(content_type=CONTENT_TYPE, body=printed(sheet), text="\n".join(lines).encode("utf-8", "replace"))


def _whose(letter: Readable) -> tuple[str, ...]:
    """Name and NHS number for the foot of each page: pages come apart."""
    lines = [line for part in letter.parts if part.code == "person" for line in part.lines]
    found = (next((line.removeprefix(sign) for line in lines if line.startswith(sign)), "") for sign in _WHOSE)
    # INVARIANT: a name is on one line of the foot, and pushes neither the letter's number nor the page's off the paper.
    return tuple(" ".join(textwrap.shorten(each, _MOST, placeholder=" …").split()) for each in found if each)
