"""Whether a consent could let its own sender have more; and what is not known to be about somebody else may be about the sender."""

from typing import Any

import pytest

from consent.benefit import Benefit
from consent.parties import CLASS_SYSTEM
from consent.purposes import ACT_REASON
from consent.shapes import Coding, Party
from consent.when import BEGINNING
from tests.consent.made import DIRECTORY, ODS, THEM, US, actor, fhir_consent, provision, purpose

TREAT, RESEARCH = (Coding(system=ACT_REASON, code=each) for each in ("TREAT", "HRESCH"))
SENDER = Benefit(
    party=Party(identifiers=((ODS, US),), recipient_class="probation"), directory=DIRECTORY, as_of=BEGINNING
)
CLASSES = [{"role": {"coding": [{"system": CLASS_SYSTEM, "code": each}]}} for each in ("probation", "pharmacy")]
GONE = {"reference": {"reference": "Organization/gone"}}


def permits(**more: Any) -> Any:
    return provision("permit", **more)


@pytest.mark.parametrize(
    ("consent", "more"),
    [
        (fhir_consent(permits(actor=[actor(US)])), True),
        (fhir_consent(permits(actor=[actor(THEM)])), False),
        (fhir_consent(permits(actor=[actor(THEM), actor(US)])), True),
        (fhir_consent(permits(actor=[{"reference": {"reference": "Organization/us"}}])), True),
        (fhir_consent(permits(actor=[CLASSES[0]])), True),
        (fhir_consent(permits(actor=[CLASSES[1]])), False),
        (fhir_consent(permits()), True),
        (fhir_consent(rule="OPTIN"), True),
        (fhir_consent(rule="OPTOUT"), False),
        (fhir_consent(permits(actor=[GONE])), True),
        (fhir_consent(permits(actor="?")), True),
        (fhir_consent(permits(provision="?")), True),
        (fhir_consent(permits(purpose=[purpose("HRESCH")])), False),
        (fhir_consent(permits(purpose=[purpose("TREAT")])), True),
        (fhir_consent(provision("deny", provision=[permits(actor=[actor(US)])])), True),
        (fhir_consent(provision("deny", provision=[permits(actor=[actor(THEM)])])), False),
        (fhir_consent(permits(actor=[actor(THEM)], provision=[permits(actor=[actor(US)])])), False),
        (fhir_consent(provision("deny", actor=[actor(US)])), False),
        (fhir_consent(permits(actor=[actor(US)]), status="rejected"), False),
        (fhir_consent(permits(), scope={"coding": [{"system": "urn:x", "code": "y"}]}), True),
        (
            fhir_consent(
                permits(),
                category=[
                    {
                        "coding": [
                            {
                                "system": "http://terminology.hl7.org/CodeSystem/consentcategorycodes",
                                "code": "research",
                            }
                        ]
                    }
                ],
            ),
            False,
        ),
    ],
)
def test_could_the_sender_have_more_by_it(consent: Any, *, more: bool) -> None:
    assert SENDER.is_permitted(consent, [TREAT]) is more
    assert SENDER.is_permitted(consent, []) is False, "nothing goes to it with a consent"


@pytest.mark.parametrize(
    ("consent", "refused"),
    [
        (fhir_consent(status="rejected"), True),
        (fhir_consent(provision("deny")), True),
        (fhir_consent(provision("deny", actor=[actor(THEM)])), False),
        (fhir_consent(permits(actor=[actor(THEM)]), status="rejected"), False),
        (fhir_consent(permits(actor=[actor(US)]), status="rejected"), True),
        (fhir_consent(permits(actor=[actor(US)])), False),
        (fhir_consent(permits(provision=[provision("deny", actor=[actor(US)])])), True),
        (fhir_consent(rule="IMPLIED"), False),
    ],
)
def test_was_the_sender_refused_something_by_it(consent: Any, *, refused: bool) -> None:
    assert SENDER.is_refused(consent, [RESEARCH, TREAT]) is refused
