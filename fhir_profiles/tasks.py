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
        "kept-back",
        "operator",
        "part of a message is not in the file: it has rules that are not known, or does not say whom it is about; ask the sender",
    ),
)
TASKS: Final[Mapping[str, Task]] = MappingProxyType(
    {code: Task(for_=role, code=code, text=text) for code, role, text in _ROWS}
)
"""Code -> the task."""
