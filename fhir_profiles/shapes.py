"""The plain shapes that `fhir_profiles` gives to the gateway. Values only: no policy, no clock, no socket, no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Json = dict[str, Any]
"""FHIR JSON as a plain dict; numbers with a fraction are `decimal.Decimal` and keep their digits."""


class Severity(StrEnum):
    """OperationOutcome.issue.severity (http://hl7.org/fhir/R4/valueset-issue-severity.html)."""

    FATAL = "fatal"
    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One remark about a message. `code` is a FHIR issue type, `path` names the place (`PID-3[2].1` or a FHIRPath), `text` has no patient data."""

    severity: Severity
    code: str
    path: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Channel:
    """Where a message came in: what format it speaks, and the tables that this channel overrides.

    `dispositions` maps PV1-36 values to `Disposition` values over the default table of NOMIS movement reasons. `client` is the
    registered system that sent it: the sender of what names none. `establishment` is where it was registered, for what names none.
    """

    name: str
    format: Literal["hl7v2", "fhir"]
    dispositions: Mapping[str, str] = field(default_factory=dict)
    client: str = ""
    establishment: str | None = None


class AcknowledgementMode(StrEnum):
    """HL7 v2 chapter 2: enhanced when MSH-15 or MSH-16 is valued, otherwise original. FHIR messages are `original`."""

    ORIGINAL = "original"
    ENHANCED = "enhanced"


@dataclass(frozen=True, kw_only=True)
class PersonIdentifier:
    """An identifier of a person as written. `system` is the URI of DESIGN section 6; `valid` says that its form and check digit hold."""

    system: str
    value: str
    path: str
    valid: bool


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """What the bytes alone say about a message (DESIGN section 2, RECEIVE). Cheap, pure and total.

    `kind` is `ADT^A01` and the like (MSH-9.1^MSH-9.2) or one of `fhir_profiles/fhir_kinds.py`. `key` is the message key: v2 (MSH-3,
    MSH-4, MSH-10), FHIR messages (Bundle.id, MessageHeader.id), other FHIR the digest of the bytes, which the receiver puts beside
    the client. `sender` is `MSH-3|MSH-4`, MessageHeader.source.endpoint, or for other FHIR meta.source and else the client.
    `establishment` is the three-letter agency id as written, or None.
    """

    kind: str
    event: str
    message_id: str
    key: tuple[str, ...]
    sender: str
    establishment: str | None
    persons: tuple[PersonIdentifier, ...]
    acknowledgement: AcknowledgementMode
    accept_when: str = ""
    application_when: str = ""
    processing_id: str = "P"
    version: str = ""
    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    speaks_of_consent: bool = False
    """It brings somebody's word about sharing: a Consent, a coded entry of one, or a segment CON. What the word is, only its meaning says."""


class RefusalCode(StrEnum):
    """Why the bytes alone are refused. The HL7 error of each is in `gateway/errors.py` (table 0357)."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    SEGMENT_MISSING = "segment-missing"
    FIELD_MISSING = "field-missing"
    TYPE_UNSUPPORTED = "type-unsupported"
    EVENT_UNSUPPORTED = "event-unsupported"
    VERSION_UNSUPPORTED = "version-unsupported"
    STRUCTURE_INVALID = "structure-invalid"
    VALUE_INVALID = "value-invalid"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The bytes cannot be taken. What could still be read is kept, so that the acknowledgement can name the message."""

    code: RefusalCode
    issues: tuple[Issue, ...]
    kind: str = ""
    message_id: str = ""
    sender: str = ""
    acknowledgement: AcknowledgementMode = AcknowledgementMode.ORIGINAL
    accept_when: str = ""
    application_when: str = ""
    processing_id: str = "P"
    version: str = ""
    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""


class Event(StrEnum):
    """What a message means for the line; one message can mean several."""

    RECEPTION = "reception"
    RECEPTION_CANCELLED = "reception-cancelled"
    READMISSION = "readmission"  # beside a reception: back on the same booking; soon after a release it takes that back
    RELEASE = "release"
    RELEASE_UNCLEAR = (
        "release-unclear"  # a discharge whose disposition is empty or unknown: the handover leaves, provisional
    )
    TRANSFER = "transfer"
    COURT = "court"
    TEMPORARY_ABSENCE = "temporary-absence"
    ESCAPE = "escape"
    DEATH = "death"
    RELEASE_CANCELLED = "release-cancelled"
    MERGE = "merge"
    TEST_RESULT = "test-result"
    PRESCRIPTION = "prescription"
    ADMINISTRATION = "administration"
    CARE_PLAN = "care-plan"
    CONSENT = "consent"
    WITHDRAWAL = "withdrawal"  # no message says it alone: consents moved, and an earlier recipient has to hear (gateway/steps/noticed.py)
    CONTACT = "contact"  # a contact with the person, or an appointment, that somebody recorded
    HARM_TEST = "harm-test-decided"  # no message says it: two people decide it (gateway/overrides.py)
    ASSESSMENT = "assessment"  # a form that was filled in, or a score
    REFERRAL = "referral"
    MANDATORY_POSITIVE = "mandatory-test-positive"
    ACCT_REVIEW = "acct-review"  # a clinician's words for those who keep somebody safe
    ENGAGEMENT = "engagement"  # a provider outside says whether somebody who was released came
    COMMUNITY_RECORD = "community-record"  # what a provider outside has of somebody in custody
    EVALUATION = "evaluation-approved"  # no message says it: two people approve an extract (gateway/extracts/)
    QUARTER_OVER = "indicator-quarter"  # no message says it: the calendar closes a quarter (gateway/steps/close.py)
    RECORD = "record"  # anything else that joins the person's file


class Calendar(StrEnum):
    """How often a report about nobody is closed."""

    MONTH = "month"
    QUARTER = "quarter"


class Fate(StrEnum):
    """What became of one non-empty source field (the field ledger)."""

    MAPPED = "mapped"
    MINIMISED = "minimised"
    RESIDUAL = "residual"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One non-empty source field and its fate. `path` is the FHIR path it went to; `reason` says why it did not."""

    source: str
    fate: Fate
    path: str = ""
    reason: str = ""


class HoldCode(StrEnum):
    """Why a message is held: identity or reading only."""

    NO_PERSON = "no-person"
    TWO_PEOPLE = "two-people"
    IDENTITY_CONFLICT = "identity-conflict"
    MERGE_WAITS = "merge-waits"
    UNREADABLE_CONTENT = "unreadable-content"
    CONSENT_AUTHORITY = "consent-authority"
    CONSENT_BENEFIT = "consent-benefits-its-sender"
    CONSENT_UNCLEAR = "consent-unclear"
    REPLY_UNKNOWN = "reply-unknown"


@dataclass(frozen=True, kw_only=True)
class Hold:
    code: HoldCode
    path: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """Work for a person. `for_` is a role (`clinical-lead`, `operator`, `ig-officer`, `prescriber`); `text` has no patient data."""

    for_: str
    code: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A message's meaning: labelled FHIR (a `collection` Bundle), what it means for the line, and the fate of every field.

    Every resource has an `id` that is stable for the same thing from the same sender (a later version supersedes an earlier one),
    `meta.security` labels, and references of the form `Type/id` to other resources of the bundle.
    """

    bundle: Json
    events: tuple[Event, ...]
    persons: tuple[PersonIdentifier, ...]
    fields: tuple[Field, ...]
    issues: tuple[Issue, ...] = ()
    hold: Hold | None = None
    tasks: tuple[Task, ...] = ()
    establishment: str | None = None
    occurred: str | None = None
    recorded_by: Json | None = None
    """Who entered it, as a FHIR Reference by identifier and name, where the message says so: it joins the Provenance."""
    reason: Json | None = None
    """Why the event took place, as a FHIR CodeableConcept, where the message says so: it joins the Provenance."""
    destination: str | None = None
    """A transfer alone: the agency id of the prison that the person is moved to, where the message says so."""
    absorbed: tuple[PersonIdentifier, ...] = ()
    """A merge (`Event.MERGE`) alone: the identifiers that are given up; `persons` are those of who stays."""


@dataclass(frozen=True, kw_only=True)
class LetterContext:
    """What a letter needs to know beyond the person's file. Nothing here is secret from its reader."""

    establishment: str
    establishment_name: str
    provisional: bool = False
    not_contained: int = 0
    event: str = ""
    occurred: str | None = None
    corrects: str | None = None
    """The delivery id of the letter that a correction takes back: its recipient saw it as Bundle.identifier."""
    in_custody: bool = True
    """A correction alone: False where the movement was no release and nobody said that the person is in custody."""
    focus: tuple[str, ...] = ()
    """`Type/id` of what caused the letter: a prescription copy holds these MedicationRequests and no other."""
    establishment_telephone: str = ""
    """Where the recipient can ask; when it is empty the letter says that it is missing."""
    recorded_by: str = ""
    """The name of the organisation outside whose system recorded what caused the letter: a write-back names it."""
    moved: bool = False
    """A correction alone: the earlier letter reported a move to another prison, and no release."""
    limb: str = ""
    """A harm disclosure alone: whose harm, `harm-to-the-person` or `harm-to-others`."""
    unsafe_to_tell: bool = False
    """A harm disclosure alone: the person must not come to know of it."""
    withdrawn: tuple[str, ...] = ()
    """A notice of withdrawal alone: the delivery ids of the letters whose like will not come any more."""
    known_as: str = ""
    """A notice of withdrawal alone: the Patient as those letters told it to this recipient, as FHIR JSON. Nothing newer is told."""
    told_before: bool = False
    """A referral alone: its recipient was told of it before, in a state that this one takes the place of."""
    replaces: str | None = None
    """The delivery id of an earlier letter that this one takes the place of: its recipient may have both."""
    taken_back: int = 0
    """A carried letter alone: how much of what its recipient was told does not stand any more; of a referral, that it asks this one no more."""
    was_wrong: bool = False
    """What its recipient was told before does not stand, or was wrong: where this letter does not leave, a person has to say so."""


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A letter before minimisation: a labelled Bundle with internal ids, and what it should have held but the file had not."""

    bundle: Json
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportCell:
    """One cell of the security report as words: `tested` and `shown` have been through disclosure control, no number in them is exact."""

    group: str
    tested: str
    shown: str


@dataclass(frozen=True, kw_only=True)
class ReportFigures:
    """The security report of one establishment and one calendar month (`period` is `YYYY-MM`). Nothing here is about one person."""

    establishment: str
    establishment_name: str
    period: str
    cells: tuple[ReportCell, ...]


@dataclass(frozen=True, kw_only=True)
class IndicatorFigures:
    """One establishment's figures of one quarter (`period` is `YYYY-Qn`): what is printed in each column, as it was closed. Nobody is in it."""

    establishment: str
    establishment_name: str
    period: str
    months: tuple[str, str]
    """The first and the last month of the quarter, `YYYY-MM`."""
    shown: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What a wire needs around a letter. Kept with the decision, so that the same letter can be made again byte for byte."""

    delivery_id: str
    sender_ods: str
    sender_name: str
    sender_endpoint: str
    destination_name: str
    destination_ods: str
    destination_endpoint: str
    time: str


@dataclass(frozen=True, kw_only=True)
class Rendered:
    content_type: str
    body: bytes
    text: bytes
    """What its reader sees, in UTF-8: the body itself, but for a wire whose body no eye can read."""
