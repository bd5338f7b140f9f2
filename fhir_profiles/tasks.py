"""Work that the meaning of a message makes for a person, as a closed table: who does it and the sentence they read. Never patient data.

Who is told at once, and every task that no meaning makes, is in `gateway/journeys/tasks.py`, which takes these rows from here. This module
MUST NOT say what has to be done about a letter.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fhir_profiles.shapes import Event, Task

_ROWS: Final = (
    (
        Event.RELEASE_UNCLEAR.value,
        "clinical-lead",
        "a discharge does not say whether the person was released: the handover has left, provisional; confirm or correct it",
    ),
    (
        "discharge-by-merge",
        "operator",
        "a discharge that closes a merged record: it is no release; check that the person's records were joined rightly",
    ),
    (
        "administration-unclear",
        "clinical-lead",
        "a message about a dose does not say whether it was given: ask the sender before anybody relies on it",
    ),
    (
        "order-control-unclear",
        "clinical-lead",
        "a prescription message does not say whether it starts or stops: ask the sender",
    ),
    ("purpose-unknown", "clinical-lead", "a drug test does not say its purpose: it is not reported; ask the sender"),
    (
        "purpose-conflict",
        "clinical-lead",
        "a drug test names more than one purpose: it is not reported; ask the sender",
    ),
    (
        "unable-to-consent",
        "clinical-lead",
        "a record says that the person is unable to consent to sharing: it permits nothing; decide in the person's best interests",
    ),
    (
        "consent-unclear",
        "ig-officer",
        "a coded entry of consent does not say clearly yes or no: it permits nothing; ask the sender what the person said",
    ),
    (
        "reversal-unclear",
        "clinical-lead",
        "a message may say that a release which was handed over was none, but not when: ask the sender, and correct the handover if it was",
    ),
    (
        "release-taken-back",
        "clinical-lead",
        "a release was told after its reversal: nobody was handed over; see that the person is in custody, or hand over by hand today",
    ),
    (
        "end-by-update",
        "clinical-lead",
        "an update says that the person's stay has ended, and no discharge was told: no handover has left; ask the sender, and hand over by hand today",
    ),
    (
        "referral-received",
        "clinical-lead",
        "a message refers the person for care: see that whom it asks has it and answers",
    ),
    (
        "referral-withdrawn",
        "clinical-lead",
        "a referral of the person was withdrawn by who made it: see that nobody acts on it any more",
    ),
    (
        "instalments-too-long",
        "clinical-lead",
        "an instalment prescription is for more than 14 days: a pharmacy may not supply it in England; ask the prescriber today",
    ),
    (
        "instalments-incomplete",
        "clinical-lead",
        "an instalment prescription does not say the amount of an instalment or the interval: no pharmacy can supply it; ask the prescriber today",
    ),
    (
        "instalments-not-allowed",
        "clinical-lead",
        "an instalment prescription is for a medicine that form FP10MDA does not carry in England: ask the prescriber for another way today",
    ),
    (
        "instalments-wording",
        "clinical-lead",
        "an instalment prescription has none of the Home Office wordings: on a closed or missed day nothing can be supplied; ask the prescriber",
    ),
    (
        "instalments-electronic",
        "clinical-lead",
        "an electronic prescription asks for instalments: the service carries none; see that the paper form reaches the pharmacy today",
    ),
    (
        "controlled-quantity-missing",
        "clinical-lead",
        "a prescription of a controlled drug does not say the total quantity: it cannot be supplied; ask the prescriber",
    ),
    (
        "controlled-dose-missing",
        "clinical-lead",
        "a prescription of a controlled drug states no dose (as directed is none): it cannot be supplied; ask the prescriber",
    ),
    (
        "controlled-long-supply",
        "clinical-lead",
        "a prescription of a controlled drug is for more than 30 days: the need has to be documented; ask the prescriber",
    ),
    (
        "controlled-preparation-missing",
        "clinical-lead",
        "a prescription of a controlled drug does not say form and strength: it cannot be supplied; ask the prescriber",
    ),
    (
        "controlled-prescriber-missing",
        "clinical-lead",
        "a prescription of a controlled drug does not say who prescribes: it cannot be supplied; find out who did",
    ),
    (
        "controlled-date-missing",
        "clinical-lead",
        "a prescription of a controlled drug has no date, and is valid for 28 days from it: ask the prescriber",
    ),
    (
        "controlled-repeats",
        "clinical-lead",
        "a prescription of a controlled drug says that it may be repeated: one of schedule 2 or 3 may not; ask the prescriber",
    ),
    (
        "discharge-short-supply",
        "clinical-lead",
        "medicine for whoever leaves is for less than 7 days, and on no form of its own: see that they have the rest, or a prescription for it",
    ),
    (
        "controlled-long-validity",
        "clinical-lead",
        "a prescription of a controlled drug says that it is valid for more than 28 days: it is not; ask the prescriber",
    ),
    (
        "kept-back",
        "operator",
        "part of a message is not in the file: it has rules that are not known, does not say whom it is about, or is a risk assessment; ask",
    ),
)
TASKS: Final[Mapping[str, Task]] = MappingProxyType(
    {code: Task(for_=role, code=code, text=text) for code, role, text in _ROWS}
)
"""Code -> the task."""
