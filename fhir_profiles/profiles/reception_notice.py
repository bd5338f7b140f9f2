"""Profile reception-notice: the notice that a person came into custody (derived from UK Core Communication)."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.profiles.notice import about_records, of_letter, records_alone
from fhir_profiles.shapes import Json

LETTER: Final = "reception-notice"
build = about_records


def _rules(communication: Json) -> Iterator[Fault]:
    yield from of_letter(communication, LETTER)
    yield from records_alone(communication)


PROFILE: Final = Profile(name=LETTER, resource_type="Communication", rules=_rules)
