"""The closed vocabulary of the ledger: what an entry can say happened. A word that is not here cannot be recorded."""

from enum import StrEnum


class LedgerEvent(StrEnum):
    """Every message state and delivery state is an event by its own word (a test compares with states.py)."""

    # states of a message
    RECEIVED = "received"
    RELEASED = "released"
    HELD = "held"
    REJECTED = "rejected"
    PARKED = "parked"
    # states of a delivery
    QUEUED = "queued"
    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    WITHHELD = "withheld"
    RECALLED = "recalled"
    AMBIGUOUS = "ambiguous"
    EXPIRED = "expired"
    # what is decided and known
    DECIDED = "decided"
    COUNTED = "counted"
    ANSWER = "answer"  # owed to a sender as a message of its own: queued, sending, and what became of it
    REGISTERED = "registered"  # a consent version
    LINKED = "linked"  # identifiers of a person
    SEPARATED = "separated"
    CLOSED = "closed"  # a calendar report's period
    # what people and clients do
    TOLD = "told"
    TASK_ENDED = "task-ended"
    HELD_RELEASED = "held-released"
    HELD_REJECTED = "held-rejected"
    OVERRIDDEN = "overridden"  # somebody asks to let go what consents do not
    OVERRIDE_SECONDED = "override-seconded"  # a second person confirmed it, or agreed to it
    OVERRIDE_REVIEWED = "override-reviewed"
    OVERRIDE_OVERDUE = "override-overdue"  # the Caldicott guardian was told
    OVERRIDE_ENDED = "override-ended"  # nobody agreed in its time
    REPLAYED = "replayed"
    VIEWED = "viewed"
    SEARCHED = "searched"
    EXPORTED = "exported"
    COLLECTED = "collected"  # a mailbox was opened
    CLIENT_ADDED = "client-added"
    CLIENT_ENDED = "client-ended"
    CLIENT_KEY_ADDED = "client-key-added"
    TOKEN_ISSUED = "token-issued"  # noqa: S105  a word of the vocabulary
    ACCESS_REFUSED = "access-refused"
    LOGGED_IN = "logged-in"
    LOGGED_OUT = "logged-out"
    STAFF_ADDED = "staff-added"
    STAFF_ENROLLED = "staff-enrolled"
    STAFF_ENDED = "staff-ended"
    SEARCH_APPROVED = "search-approved"  # a second person's word on a `searched`
    SEARCH_DECLINED = "search-declined"
    CONTENT_ASKED = "content-asked"  # to see what a message or a letter says: one person asks,
    CONTENT_APPROVED = "content-approved"  # another one says yes,
    CONTENT_DECLINED = "content-declined"  # or no;
    CONTENT_OPENED = "content-opened"  # each time that who asked looks
    AGREEMENT_PROPOSED = "agreement-proposed"
    AGREEMENT_ACTIVATED = "agreement-activated"
    AGREEMENT_ENDED = "agreement-ended"
    SWEPT = "swept"  # retention
    ERASED = "erased"
    COMPACTED = "compacted"  # what was erased has left the files too
    ACCESS_ASKED = "access-asked"  # a report about a person, or an erasure: one person asks,
    ACCESS_APPROVED = "access-approved"  # another one approves
    ACCESS_REVIEWED = "access-reviewed"  # what the person may be given
    MARKED_SENSITIVE = "marked-sensitive"  # a person's record, by hand; two take it back
    UNMARKED_SENSITIVE = "unmarked-sensitive"
    LINE_WITHHELD = "line-withheld"  # of the person's copy, with its ground
    EXTRACT_ASKED = "extract-asked"  # rows for an evaluator: one person asks,
    EXTRACT_APPROVED = "extract-approved"  # another one approves
    OPT_OUTS_CHECKED = "opt-outs-checked"  # which numbers have no national data opt-out was loaded
    # the installation and the ledger itself
    GENESIS = "genesis"
    STARTED = "started"
    STOPPED = "stopped"
    KEY_ROTATED = "key-rotated"
    CLOCK_SKEWED = "clock-skewed"
    EPOCH_BEGAN = "epoch-began"  # a person took a ledger into use that does not continue its last signed head
    SEALED_HEAD = "sealed-head"
    WITNESSED = "witnessed"
