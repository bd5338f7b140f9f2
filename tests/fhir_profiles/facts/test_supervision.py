"""Whether a dose was swallowed under watch, from the words of a clinic: what limits or denies it is never a yes."""

import pytest

from fhir_profiles.facts import supervised
from fhir_profiles.mappings.dosage import supervision
from fhir_profiles.supervision import supervised_in_words
from tests.fhir_profiles.letters.files import dose

YES = (
    "40 ml once a day, supervised",
    "Supervised consumption",
    "must be supervised",
    "SUPERVISED: yes",
    "Dose was supervised. No concerns",
    "Supervised and no missed doses",
    "once daily; supervise",
)
NO = (
    "unsupervised",
    "un-supervised",
    "Non-supervised",
    "not supervised",
    "no longer supervised",
    "supervised: no",
    "Supervised? N",
    "Supervised consumption: No",
    "without supervision",
    "no supervised consumption",
    "never supervised",
)
NOT_SAID = (
    "",
    "once daily",
    "not fully supervised",
    "not to be supervised by the pharmacy",
    "does not need supervised consumption",
    "supervision not required",
    "doesn't want to be supervised",
    "do not give unsupervised",
    "supervised Monday to Friday, take home at weekends",
    "supervised until 10 January",
    "previously supervised",
    "first dose supervised",
    "supervised consumption declined",
    "supervised collection",
    "supervised if the pharmacy is open",
    "weekdays supervised, weekend unsupervised",
    "supervised, unsupervised at the weekend",
)
CASES = [(text, answer) for texts, answer in ((YES, True), (NO, False), (NOT_SAID, None)) for text in texts]


@pytest.mark.parametrize(("text", "answer"), CASES)
def test_supervision_is_read_alike_by_intake_and_letter(text: str, answer: bool | None) -> None:
    word = {True: "supervised consumption", False: "unsupervised consumption", None: None}[answer]
    assert supervised_in_words(text) is answer
    assert (supervision(text) or {}).get("text") == word
    assert supervised({**dose(supervised=None), "dosage": {"text": text}}) is answer


@pytest.mark.parametrize(("code", "text"), [("supervised", "taken away unsupervised"), ("unsupervised", "supervised")])
def test_a_code_and_words_that_contradict_each_other_say_nothing(code: str, text: str) -> None:
    assert supervised({**dose(supervised=code), "dosage": {"text": text}}) is None
    assert supervised({**dose(supervised=code), "dosage": {"text": "before breakfast"}}) is (code == "supervised")
