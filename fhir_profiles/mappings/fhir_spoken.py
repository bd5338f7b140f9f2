"""In which language to speak with somebody, and that an interpreter is needed: said in extensions of UK Core and FHIR, told where letters look.

UK Core has a person's language in `NHSCommunication` and FHIR R4 in `Patient.communication`; the need of an interpreter has no element in R4
at all. Whoever receives a letter reads one place: the words of `Patient.communication.language`. It MUST NOT take away what a source said.
"""

import re
from typing import Final

from fhir_profiles.elements import as_object, as_objects, as_text, codings
from fhir_profiles.shapes import Json
from fhir_profiles.systems import BCP_47, UK_CORE

NHS_COMMUNICATION: Final = UK_CORE + "Extension-UKCore-NHSCommunication"
INTERPRETER_REQUIRED: Final = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired"
_INTERPRETER: Final = "with an interpreter"
_ISO_639: Final = re.compile(r"[a-z]{2,3}")
"""UK Core's HumanLanguage takes the codes of ISO 639, as BCP 47 does; its own, of sign languages and Braille, have digits."""


def with_spoken(patient: Json) -> Json:
    """Copy of a Patient that says in `communication` what its extensions say of it. One without such extensions is given back as it is."""
    extensions = as_objects(patient.get("extension"))
    said = [each for each in extensions if each.get("url") == NHS_COMMUNICATION]
    needs = any(each.get("url") == INTERPRETER_REQUIRED and each.get("valueBoolean") is True for each in extensions)
    if not said and not needs:
        return patient
    spoken = [*as_objects(patient.get("communication")), *(_spoken(each) for each in said)]
    if needs:
        spoken = [_interpreted(each) for each in spoken] or [_interpreted({})]
    found = [each for each in spoken if each]
    return {**patient, "communication": found} if found else patient


def _spoken(extension: Json) -> Json:
    parts = {as_text(each.get("url")): each for each in as_objects(extension.get("extension"))}
    language = as_object(as_object(parts.get("language")).get("valueCodeableConcept"))
    spoken: Json = {"language": _coded(language)} if language else {}
    if spoken and as_object(parts.get("preferred")).get("valueBoolean") is True:
        spoken["preferred"] = True
    needs = as_object(parts.get("interpreterRequired")).get("valueBoolean") is True
    return _interpreted(spoken) if needs else spoken


def _coded(language: Json) -> Json:
    """With the same code of BCP 47, to which R4 binds a language."""
    known = tuple(codings(language))
    codes = [as_text(each.get("code")) for each in known if each.get("system") != BCP_47]
    same = [{"system": BCP_47, "code": code} for code in codes if _ISO_639.fullmatch(code)]
    if not same or any(each.get("system") == BCP_47 for each in known):
        return language
    return {**language, "coding": [*known, same[0]]}


def _interpreted(spoken: Json) -> Json:
    language = as_object(spoken.get("language"))
    words = as_text(language.get("text")) or next(
        (
            each
            for coding in codings(language)
            if (each := as_text(coding.get("display")) or as_text(coding.get("code")))
        ),
        "",
    )
    if words.endswith(_INTERPRETER):
        return spoken
    told = f"{words}, {_INTERPRETER}" if words else _INTERPRETER
    return {**spoken, "language": {**language, "text": told}}
