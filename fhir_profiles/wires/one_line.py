"""A text of the data as part of one line of a letter: it ends no line, hides no sign and turns no direction of reading.

INVARIANT: nobody who wrote a value writes a line of ours, neither a heading nor a dose. It must never leave a sign out: an end of a line stays to
be seen as a mark, and a sign that shows nothing stands as its number, as on paper (fhir_profiles/print/paper.py).
"""

import re
from typing import Final

BREAK: Final = " \u21b5 "
"""Stands where a value had an end of a line: no punctuation that could join two amounts."""
_BREAKS: Final = re.compile("[ \t]*[\n\v\f\r\x85\u2028\u2029][\\s\x85]*")
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
"""Control characters, and those of Unicode that show nothing or turn what stands beside them; joiners within words are none of them."""


def one_line(text: str) -> str:
    """Give the text as a part of one line."""
    return _UNSEEN.sub(_numbered, _BREAKS.sub(BREAK, text.strip()).replace("\t", " "))


def _numbered(found: re.Match[str]) -> str:
    return f"[U+{ord(found.group()):04X}]"
