"""The tables. Clear columns hold closed vocabulary, random ids, times and keyed indexes; everything about a person is in `sealed`.

Times are ISO 8601 UTC text with microseconds and `Z`, so that text order is time order on both engines.
"""

from sqlalchemy import (
    DDL,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
    text,
)

from gateway.states import AnswerState, DeliveryState, MessageState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _partial(name: str, *columns: str, where: str) -> Index:
    """An index of few of the rows: the others cost it neither a page of a commit nor room. A question for it says `where`, or what implies it."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


OF_A_PERSON = text("sealed.wrapped_by <> 'installation'")
"""What a question by `sealed.wrapped_by` says beside the person: the index holds nothing else."""


def _one_of(column: str, values: type[MessageState] | type[DeliveryState] | type[AnswerState]) -> str:
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


installation = Table(
    "installation",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

client = Table(
    "client",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kinds", Text, nullable=False),  # JSON array of message kinds
    Column("establishments", Text, nullable=False),  # JSON array of agency ids
    Column("recipient", Text),  # the recipient whose mailbox this client may open
    Column("consent_authority", Boolean, nullable=False),
    Column("audit_reader", Boolean, nullable=False, server_default=false()),  # may read the feed of AuditEvents
    Column("created_at", Text, nullable=False),
    Column("ended_at", Text),
)

token = Table(
    "token",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of a 256-bit random bearer
    Column("client_id", Text, ForeignKey("client.id"), nullable=False),
    Column("scope", Text, nullable=False),  # SMART system scopes: a ceiling under the client's registration
    Column("expires_at", Text, nullable=False),
    Index("ix_token_expires_at", "expires_at"),
)

client_key = Table(
    "client_key",
    metadata,
    Column("client_id", Text, ForeignKey("client.id"), nullable=False),
    Column("kid", Text, nullable=False),
    Column("alg", Text, nullable=False),  # the one algorithm of this key; a header never chooses
    Column("jwk", Text, nullable=False),  # the public key, JSON
    Column("created_at", Text, nullable=False),
    Column("ended_at", Text),
    PrimaryKeyConstraint("client_id", "kid"),
)

assertion_used = Table(
    "assertion_used",
    metadata,
    Column("client_id", Text, ForeignKey("client.id"), nullable=False),
    Column("jti_digest", LargeBinary, nullable=False),  # SHA-256
    Column("expires_at", Text, nullable=False),  # when the assertion could not be used again anyway
    PrimaryKeyConstraint("client_id", "jti_digest"),
    Index("ix_assertion_used_expires_at", "expires_at"),
)

sealed = Table(
    "sealed",
    metadata,
    Column("id", Text, primary_key=True),
    Column("category", Text, nullable=False),  # a retention category of settings.py
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),  # AES-256-GCM, associated data: id and category
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("wrapped_by", Text, nullable=False),  # `installation` or a person id
    Column("created_at", Text, nullable=False),
    Column("ends_at", Text),  # retention: set when a person or a receipt ends it; NULL is never swept
    _partial("ix_sealed_ends_at", "ends_at", where="ends_at IS NOT NULL"),
    _partial("ix_sealed_wrapped_by", "wrapped_by", "category", "ends_at", where="wrapped_by <> 'installation'"),
)

person = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("consent_version", Integer, nullable=False),
    Column("file_version", Integer, nullable=False),
    Column("link_version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("to_notice", Boolean),  # a consent moved, and its earlier recipients were not thought of yet; else NULL
    Column("flagged_by_hand", Boolean),  # an IG officer marked the record sensitive; else NULL
    Index("ix_person_to_notice", "to_notice"),
)

person_identifier = Table(
    "person_identifier",
    metadata,
    Column("system", Text, nullable=False),
    Column("value_index", LargeBinary, nullable=False),  # HMAC-SHA-256 under the index key, one domain a system
    Column("person_id", Text, ForeignKey("person.id"), nullable=False),
    PrimaryKeyConstraint("system", "value_index"),
    Index("ix_person_identifier_person_id", "person_id"),
)

person_merge = Table(
    "person_merge",
    metadata,
    Column("absorbed", Text, ForeignKey("person.id"), primary_key=True),  # has nothing any more; its key stays
    Column("survivor", Text, ForeignKey("person.id"), nullable=False),
    Column("merged_at", Text, nullable=False),
)

checked_number = Table(
    "checked_number",
    metadata,
    Column(
        "value_index", LargeBinary, primary_key=True
    ),  # as in person_identifier: an NHS number that the national service gave back, with no opt-out when it was asked
    Column("checked_at", Text, nullable=False),  # the same for all: the list is replaced as a whole
)

merge_journal = Table(
    "merge_journal",
    metadata,
    Column("absorbed", Text, ForeignKey("person.id"), primary_key=True),
    Column("sealed_id", Text, nullable=False),  # what was moved; gone when the merge cannot be taken apart any more
)

person_apart = Table(
    "person_apart",
    metadata,
    Column("first", Text, ForeignKey("person.id"), nullable=False),  # the two ids in the order of their text
    Column("second", Text, ForeignKey("person.id"), nullable=False),
    Column("said_at", Text, nullable=False),
    PrimaryKeyConstraint("first", "second"),
)

named_number = Table(
    "named_number",
    metadata,
    Column(
        "message_id", Text, ForeignKey("message.id"), nullable=False
    ),  # nobody's yet, or a word about sharing is unheard
    Column("system", Text, nullable=False),
    Column("value_index", LargeBinary, nullable=False),  # as in person_identifier
    PrimaryKeyConstraint("message_id", "system", "value_index"),
    Index("ix_named_number_value_index", "system", "value_index"),
)

message = Table(
    "message",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),  # order of acceptance
    Column("id", Text, nullable=False, unique=True),
    Column("key_index", LargeBinary),  # HMAC of the message key; NULL for a rejected message, which claims no id
    Column(
        "bundle_index", LargeBinary
    ),  # HMAC of a FHIR message's Bundle.id, which is never used again under another header
    Column("body_index", LargeBinary, nullable=False),  # HMAC of the bytes
    Column("client", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("format", Text, nullable=False),  # hl7v2 or fhir
    Column("kind", Text, nullable=False),
    Column("establishment", Text),
    Column("processing_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("person_id", Text, ForeignKey("person.id")),
    Column("body_id", Text, ForeignKey("sealed.id")),
    Column("answer_id", Text, ForeignKey("sealed.id")),  # the stored acknowledgement, answered again to a duplicate
    Column("step", Integer, nullable=False),  # number of its last ledger entry
    Column("attempts", Integer, nullable=False),
    Column("received_at", Text, nullable=False),
    Column("ended_at", Text),
    CheckConstraint(_one_of("state", MessageState), name="state"),
    UniqueConstraint("key_index"),
    _partial("ix_message_bundle_index", "bundle_index", where="bundle_index IS NOT NULL"),
    Index("ix_message_state", "state", "sequence"),
    _partial(
        "ix_message_of_nobody", "state", "person_id", "sequence", where="person_id IS NULL"
    ),  # a backlog is not read through for each turn
    Index("ix_message_channel", "channel", "sequence"),  # the silence of a feed
    Index("ix_message_client", "client", "sequence"),  # these three are what people search by
    Index("ix_message_establishment", "establishment", "sequence"),
    Index("ix_message_kind", "kind", "sequence"),
    _partial("ix_message_person_id", "person_id", "state", "sequence", where="person_id IS NOT NULL"),
    Index("ix_message_body_id", "body_id"),  # these on `sealed` ids are for retention, which must not read whole tables
    Index("ix_message_answer_id", "answer_id"),
)

owed_answer = Table(
    "owed_answer",
    metadata,
    Column("id", Text, primary_key=True),  # the idempotency key on every wire, and MSH-10; its own chain in the ledger
    Column("message_id", Text, ForeignKey("message.id"), nullable=False, unique=True),  # its bytes are with `answer_id`
    Column("state", Text, nullable=False),
    Column("code", Text),  # the outcome of the last attempt
    Column("step", Integer, nullable=False),  # number of its last ledger entry
    Column("attempts", Integer, nullable=False),
    Column("due_at", Text, nullable=False),
    Column("intent_at", Text),  # when the last attempt was begun
    Column("created_at", Text, nullable=False),
    Column("ended_at", Text),
    CheckConstraint(_one_of("state", AnswerState), name="state"),
    Index("ix_owed_answer_state_due_at", "state", "due_at"),
)

resource = Table(
    "resource",
    metadata,
    Column("person_id", Text, ForeignKey("person.id"), nullable=False),
    Column("type", Text, nullable=False),
    Column("fhir_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("message_id", Text, ForeignKey("message.id"), nullable=False),
    Column("sealed_id", Text, ForeignKey("sealed.id"), nullable=False),
    Column("created_at", Text, nullable=False),
    PrimaryKeyConstraint("person_id", "type", "fhir_id", "version"),
    Index("ix_resource_current", "person_id", "current"),
    Index("ix_resource_sealed_id", "sealed_id"),
)

consent = Table(
    "consent",
    metadata,
    Column("id", Text, primary_key=True),
    Column("person_id", Text, ForeignKey("person.id"), nullable=False),
    Column("version", Integer, nullable=False),  # the person's consent_version that this one made
    Column("authority", Boolean, nullable=False),
    Column("withdrawn_by_person", Boolean, nullable=False),
    Column("message_id", Text, ForeignKey("message.id"), nullable=False),
    Column("sealed_id", Text, ForeignKey("sealed.id"), nullable=False),
    Column("registered_at", Text, nullable=False),
    Column("remarks", Text, nullable=False, server_default=""),  # rules of consent/lint.py, with a blank between
    Index("ix_consent_person_id", "person_id", "version"),
    Index("ix_consent_message_id", "message_id"),
    Index("ix_consent_sealed_id", "sealed_id"),
)

decision = Table(
    "decision",
    metadata,
    Column("id", Text, primary_key=True),
    Column("message_id", Text, ForeignKey("message.id")),  # NULL for a calendar report
    Column("person_id", Text, ForeignKey("person.id")),
    Column("recipient", Text),
    Column("recipient_class", Text, nullable=False),
    Column("letter", Text, nullable=False),
    Column("agreement", Text, nullable=False),
    Column("agreement_digest", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column(
        "sealed_id", Text, ForeignKey("sealed.id")
    ),  # request, facts, composed bundle, naming, heading; NULL once retention took it
    Column("decided_at", Text, nullable=False),
    Column(
        "fields_composed", Integer
    ),  # values of elements before anything was taken out, and of those what left; NULL in older decisions
    Column("fields_left", Integer),
    Index("ix_decision_message_id", "message_id"),
    Index("ix_decision_agreement", "agreement", "decided_at"),  # what another text would have done to the newest
    Index("ix_decision_sealed_id", "sealed_id"),
    Index("ix_decision_outcome", "outcome"),  # how many of each, at every look at how the gateway is
)

delivery = Table(
    "delivery",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),  # order of release
    Column(
        "id", Text, nullable=False, unique=True
    ),  # 20 characters of Crockford base32, the idempotency key on every wire
    Column("message_id", Text, ForeignKey("message.id")),
    Column("person_id", Text, ForeignKey("person.id")),
    Column("recipient", Text),  # NULL while held for want of a recipient
    Column("recipient_class", Text, nullable=False),
    Column("letter", Text, nullable=False),
    Column("whole_picture", Boolean, nullable=False),
    Column("provisional", Boolean, nullable=False),
    Column("decision_id", Text, ForeignKey("decision.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("wire", Text),
    Column("content_type", Text),
    Column("sealed_id", Text, ForeignKey("sealed.id")),  # the letter's bytes
    Column("digest", Text),  # SHA-256 of the letter's bytes
    Column(
        "mac", LargeBinary
    ),  # under the installation's seal key, over delivery id, recipient, decision id and digest
    Column("consent_version", Integer, nullable=False),
    Column("link_version", Integer, nullable=False),
    Column("recipient_version", Text, nullable=False),
    Column("agreement_digest", Text, nullable=False),
    Column("step", Integer, nullable=False),  # number of its last ledger entry
    Column("attempts", Integer, nullable=False),
    Column("due_at", Text, nullable=False),
    Column("leaves_by", Text),  # when its override ends: it does not leave any more then; NULL for every other letter
    Column("created_at", Text, nullable=False),
    Column("ended_at", Text),
    Column(
        "supersedes", Text
    ),  # the recalled delivery that this one stands for, or the handover that a correction corrects
    CheckConstraint(_one_of("state", DeliveryState), name="state"),
    Index("ix_delivery_state_due_at", "state", "due_at"),
    Index("ix_delivery_person_id", "person_id", "recipient", "sequence"),
    Index("ix_delivery_recipient", "recipient", "state"),
    Index("ix_delivery_message_id", "message_id"),
    Index("ix_delivery_sealed_id", "sealed_id"),
    Index("ix_delivery_decision_id", "decision_id"),
    Index("ix_delivery_supersedes", "supersedes"),
    # handovers that nobody confirmed, by their age: few of millions of letters, asked for by every look at how the gateway is
    _partial(
        "ix_delivery_unconfirmed",
        "letter",
        "state",
        "ended_at",
        "reason",
        where="state = 'delivered' AND letter = 'handover'",
    ),
)

attempt = Table(
    "attempt",
    metadata,
    Column("delivery_id", Text, ForeignKey("delivery.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("intent_at", Text, nullable=False),
    Column("outcome", Text),
    Column("code", Text),
    Column("ended_at", Text),
    PrimaryKeyConstraint("delivery_id", "number"),
)

task = Table(
    "task",
    metadata,
    Column("id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("message_id", Text),
    Column("delivery_id", Text),
    Column("agreement", Text),  # `name:date`: the agreement that it is about, and which of its dates
    Column("tell", Boolean, nullable=False),  # told at once, not only listed
    Column("told_at", Text),
    Column("tell_attempts", Integer, nullable=False),
    Column("due_at", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("ended_at", Text),
    Index("ix_task_tell", "tell", "told_at"),
    Index("ix_task_message_id", "message_id"),
    Index("ix_task_delivery_id", "delivery_id"),
    Index("ix_task_code", "code", "ended_at"),
)

contribution = Table(
    "contribution",
    metadata,
    Column("report", Text, nullable=False),
    Column("establishment", Text, nullable=False),
    Column("substance_group", Text, nullable=False),
    Column("period", Text, nullable=False),  # the month of the test, YYYY-MM
    Column("key_period", Text, nullable=False),  # the period whose key made the token
    Column("token", LargeBinary, nullable=False),  # the person under that key: no way back once the key is destroyed
    Column("positive", Boolean, nullable=False),
    PrimaryKeyConstraint("report", "establishment", "substance_group", "period", "key_period", "token"),
    Index("ix_contribution_token", "token"),
)

report_key = Table(
    "report_key",
    metadata,
    Column("report", Text, nullable=False),
    Column("establishment", Text, nullable=False),
    Column("substance_group", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    PrimaryKeyConstraint("report", "establishment", "substance_group", "period"),
)

report_period = Table(
    "report_period",
    metadata,
    Column("report", Text, nullable=False),
    Column("establishment", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("closed_at", Text, nullable=False),
    PrimaryKeyConstraint("report", "establishment", "period"),
)

staff = Table(
    "staff",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),  # one of gateway/console/staff.py
    Column("password", Text),  # argon2id, in its own text form; NULL until enrolled
    Column("subject", Text),  # who they are at the identity provider; such an account has no password
    Column("second_id", Text, nullable=False),  # in `sealed`: the secret of the second factor
    Column("second_step", Integer, nullable=False),  # the last step of time whose code was taken: none is taken twice
    Column("link_digest", LargeBinary),  # SHA-256 of a one-time link's 256 random bits
    Column("link_expires_at", Text, nullable=False),
    Column("failures", Integer, nullable=False),  # log-ins that failed since the last that did not
    Column("locked_until", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("enrolled_at", Text),
    Column("ended_at", Text),
    UniqueConstraint("link_digest"),
    Index("ix_staff_subject", "subject", unique=True),
)

staff_session = Table(
    "staff_session",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of a 256-bit random cookie
    Column("staff_id", Text, ForeignKey("staff.id"), nullable=False),
    Column("seen_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Index("ix_staff_session_expires_at", "expires_at"),
)

lookup = Table(
    "lookup",
    metadata,
    Column("id", Text, primary_key=True),  # the handle that stands in addresses
    Column("person_id", Text, ForeignKey("person.id")),  # NULL where nobody on file has the number
    Column("asked_by", Text, ForeignKey("staff.id"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("note_id", Text, nullable=False),  # in `sealed`, as long as that is kept: the reason
    Column("asked_at", Text, nullable=False),
    Column("settled_by", Text, ForeignKey("staff.id")),
    Column("approved", Boolean),  # NULL until a second person has said
    Column("expires_at", Text, nullable=False),
    Index("ix_lookup_expires_at", "expires_at"),
)

opening = Table(
    "opening",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # message, letter or decision
    Column("about", Text, nullable=False),  # its id; rows outlive it, and nothing else here leads to anybody
    Column("asked_by", Text, ForeignKey("staff.id"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("note_id", Text, nullable=False),  # in `sealed`, as long as that is kept: the reason
    Column("asked_at", Text, nullable=False),
    Column("settled_by", Text, ForeignKey("staff.id")),
    Column("approved", Boolean),  # NULL until a second person has said
    Column("expires_at", Text, nullable=False),
    Column("step", Integer, nullable=False),  # number of its last ledger entry
    Column("opened_at", Text),  # the first time
    Column("told_at", Text),  # when the IG officer was told that it was opened
    Index("ix_opening_expires_at", "expires_at"),
    Index("ix_opening_about", "about"),
    Index("ix_opening_told_at", "told_at", "opened_at"),
)

agreement = Table(
    "agreement",
    metadata,
    Column("id", Text, primary_key=True),  # one text of one agreement, proposed once
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),  # empty: this ends the agreement
    Column("sealed_id", Text, ForeignKey("sealed.id"), nullable=False),  # the text, and why it was proposed
    Column("proposed_by", Text, nullable=False),
    Column("proposed_at", Text, nullable=False),
    Column("approved_by", Text),
    Column("approved_at", Text),
    Column("approved_note", Text),  # in `sealed`: why it was approved
    Column("ended_at", Text),  # another text is in force, or none
    Index("ix_agreement_name", "name", "ended_at"),
)

override = Table(
    "override",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # consent.shapes.OverrideKind
    Column("limb", Text, nullable=False),  # whose harm: gateway/overrides.py
    Column("delivery_id", Text, nullable=False),  # the letter that did not go; rows outlive it
    Column("recipient", Text, nullable=False),  # whom a person named
    Column("given_by", Text, nullable=False),
    Column("given_role", Text, nullable=False),
    Column("given_at", Text, nullable=False),
    Column("tell_person", Boolean, nullable=False),  # false where it would be unsafe
    Column("until", Text, nullable=False),  # nothing leaves under it from then on
    Column("step", Integer, nullable=False),  # number of its last ledger entry
    Column("second_by", Text),  # who confirmed it, or agreed to it
    Column("second_role", Text),
    Column("second_at", Text),
    Column("letter_id", Text),  # the delivery that went in place of the other; NULL before it takes effect
    Column("reviewed_by", Text),
    Column("reviewed_at", Text),
    Column("told_overdue", Text),  # codes of what the Caldicott guardian was told, by spaces
    Column("ended_at", Text),  # reviewed, or its time was over before anybody agreed
    Index("ix_override_ended_at", "ended_at"),
    Index("ix_override_delivery_id", "delivery_id"),
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),  # first seen; not the position in the tree
    Column("id", Text, nullable=False, unique=True),  # random
    Column("chain", Text, nullable=False),  # the message, delivery or act that the step number counts for
    Column("step", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),  # canonical JSON: closed vocabulary, random ids, keyed commitments
    UniqueConstraint("chain", "step"),
)

ledger_position = Table(
    "ledger_position",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("entry_id", Text, ForeignKey("ledger_entry.id"), nullable=False, unique=True),
    Column("leaf_hash", LargeBinary, nullable=False),
)

ledger_head = Table(
    "ledger_head",
    metadata,
    Column("size", Integer, primary_key=True),
    Column("root", LargeBinary, nullable=False),
    Column(
        "frontier", LargeBinary, nullable=False
    ),  # roots of the complete subtrees at this size, 32 bytes each: where the next head goes on
    Column("note", Text, nullable=False),  # the signed note of this head
    Column("signed_at", Text, nullable=False),
)


def append_only(table: str) -> tuple[str, ...]:
    """Triggers of one engine that refuse a change of what is written once. They stop a mistake; `ledger verify` finds a crime."""
    return tuple(
        f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for act in ("UPDATE", "DELETE")
    )


REFUSE = (
    "CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
    "'the ledger is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$"
)


def append_only_many(table: str) -> str:
    """The same for the engine of many writers, which can also empty a table at once."""
    return (
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )


APPEND_ONLY = (ledger_entry, ledger_position, ledger_head)
event.listen(metadata, "before_create", DDL(REFUSE).execute_if(dialect="postgresql"))  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for DDL
for _table in APPEND_ONLY:
    for _trigger in append_only(_table.name):
        event.listen(_table, "after_create", DDL(_trigger).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for DDL
    event.listen(
        _table,
        "after_create",
        DDL(append_only_many(_table.name)).execute_if(dialect="postgresql"),  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for DDL
    )
