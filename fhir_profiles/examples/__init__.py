"""One example of every letter as its recipient gets it: about a person who does not exist, minimised by the shipped agreement, on the usual wire.

The files are written by `python -m tests.fhir_profiles.letters.test_examples`; served at `GET /fhir/Bundle/{id}`. It MUST NOT hold anything of
anybody.
"""

from functools import cache
from importlib import resources as package_files
from typing import Final

from fhir_profiles.fhir_json import decode
from fhir_profiles.letters import LETTERS
from fhir_profiles.shapes import Json

EXAMPLES: Final = tuple(f"example-{letter}" for letter in LETTERS)
"""The id of every example: that of its Bundle."""


@cache
def example(name: str) -> Json:
    """Give the Bundle of an id of `EXAMPLES`. Raises KeyError for another."""
    if name not in EXAMPLES:
        raise KeyError(name)
    return decode(package_files.files(__name__).joinpath(f"{name.removeprefix('example-')}.json").read_bytes())
