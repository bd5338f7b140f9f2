"""The log: one JSON line on standard error for each thing worth a person's eye: a code, its fixed sentence, ids.

It MUST NOT say anything about anyone: a value that is not an id, a closed word or a small number is refused, not written.
"""

import json
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Literal

from gateway.opaque import Opaque, is_name, is_opaque

Level = Literal["info", "warning", "error"]


class Code(StrEnum):
    """What can be said. Each code has one level and one sentence (`_SENTENCES`)."""

    STARTED = "started"
    STOPPED = "stopped"
    LISTENING = "listening"
    CHANNEL_FAILED = "channel-failed"
    FRAME_REFUSED = "frame-refused"
    CONNECTION_REFUSED = "connection-refused"
    ACCESS_REFUSED = "access-refused"
    REQUEST_FAILED = "request-failed"
    MESSAGE_REJECTED = "message-rejected"
    MESSAGE_HELD = "message-held"
    MESSAGE_PARKED = "message-parked"
    RELEASE_FAILED = "release-failed"
    DELIVERY_HELD = "delivery-held"
    DELIVERY_RETRIED = "delivery-retried"
    DELIVERY_REFUSED = "delivery-refused"
    DELIVERY_AMBIGUOUS = "delivery-ambiguous"
    DELIVERY_PARKED = "delivery-parked"
    DELIVERY_EXPIRED = "delivery-expired"
    DELIVERY_RECALLED = "delivery-recalled"
    ANSWER_NOT_TAKEN = "answer-not-taken"
    HANDOVER_UNCONFIRMED = "handover-unconfirmed"
    DOOR_REFUSED = "door-refused"
    DECISION_NOT_READ = "decision-not-read"
    LETTER_NOT_WRITTEN = "letter-not-written"
    TELL_FAILED = "tell-failed"
    REPORT_CLOSED = "report-closed"
    REPORT_FAILED = "report-failed"
    BUS_HANDLER_FAILED = "bus-handler-failed"
    BUS_NOT_TAKEN = "bus-not-taken"
    BUS_AWAY = "bus-away"
    BUS_REFUSED = "bus-refused"
    SWEEP_PUBLISHED = "sweep-published"
    SWEEP_FAILED = "sweep-failed"
    RETENTION_SWEPT = "retention-swept"
    STORE_FAILED = "store-failed"
    OVERLOADED = "overloaded"
    LEDGER_SIGNED = "ledger-signed"
    LEDGER_FAULT = "ledger-fault"
    AGREEMENT_NOT_READ = "agreement-not-read"
    WITNESS_AWAY = "witness-away"
    WITNESS_REFUSED = "witness-refused"
    UNEXPECTED = "unexpected"


_SENTENCES: dict[Code, tuple[Level, str]] = {
    Code.STARTED: ("info", "the gateway has started"),
    Code.STOPPED: ("info", "the gateway has stopped"),
    Code.LISTENING: ("info", "a channel listens"),
    Code.CHANNEL_FAILED: ("error", "a channel cannot listen"),
    Code.FRAME_REFUSED: ("warning", "bytes on a channel were not a message frame"),
    Code.CONNECTION_REFUSED: ("warning", "a connection was refused"),
    Code.ACCESS_REFUSED: ("warning", "a caller was refused"),
    Code.REQUEST_FAILED: ("error", "a request failed inside the gateway"),
    Code.MESSAGE_REJECTED: ("warning", "a message was refused"),
    Code.MESSAGE_HELD: ("warning", "a message is held for a person"),
    Code.MESSAGE_PARKED: ("error", "a message is parked after repeated failures"),
    Code.RELEASE_FAILED: ("error", "a message could not be released and is tried again"),
    Code.DELIVERY_HELD: ("warning", "a delivery is held for a person"),
    Code.DELIVERY_RETRIED: ("warning", "a delivery failed and is tried again"),
    Code.DELIVERY_REFUSED: ("error", "a recipient refused a delivery"),
    Code.DELIVERY_AMBIGUOUS: ("error", "nobody knows whether a delivery arrived"),
    Code.DELIVERY_PARKED: ("error", "a delivery is parked after repeated failures"),
    Code.DELIVERY_EXPIRED: ("error", "a delivery was not collected in time"),
    Code.HANDOVER_UNCONFIRMED: ("error", "a handover after a release was not confirmed in time"),
    Code.DELIVERY_RECALLED: ("warning", "a delivery was recalled before it left"),
    Code.ANSWER_NOT_TAKEN: ("error", "an answer that a sender asked for later was not taken at its address"),
    Code.DOOR_REFUSED: ("error", "a letter did not pass the door: its bytes, seal or decision do not fit"),
    Code.DECISION_NOT_READ: (
        "error",
        "what was kept with an earlier decision cannot be read; a person is asked about its letter",
    ),
    Code.LETTER_NOT_WRITTEN: ("error", "a letter could not be written as its recipient takes letters, and is held"),
    Code.TELL_FAILED: ("error", "a person could not be told and is told again"),
    Code.REPORT_CLOSED: ("info", "a period of a calendar report was closed"),
    Code.REPORT_FAILED: ("error", "a period of a calendar report could not be closed"),
    Code.BUS_HANDLER_FAILED: ("error", "work on an id failed and is tried again by the sweep"),
    Code.BUS_NOT_TAKEN: ("warning", "the bus did not take an id; the sweep brings it again"),
    Code.BUS_AWAY: ("error", "the bus cannot be reached and is tried again; intake goes on and the sweep catches up"),
    Code.BUS_REFUSED: ("error", "something on the bus was not written by this installation and was dropped"),
    Code.SWEEP_PUBLISHED: ("info", "the sweep published unfinished work again"),
    Code.SWEEP_FAILED: ("error", "the sweep failed and runs again"),
    Code.RETENTION_SWEPT: ("info", "retention deleted what has ended"),
    Code.STORE_FAILED: ("error", "the store did not commit; nobody was acknowledged"),
    Code.OVERLOADED: ("error", "a limit on unfinished work is reached; nothing new is taken"),
    Code.LEDGER_SIGNED: ("info", "a ledger head was signed"),
    Code.LEDGER_FAULT: ("error", "the ledger does not agree with its last signed head"),
    Code.AGREEMENT_NOT_READ: (
        "error",
        "this program cannot keep to an agreement that was signed; nothing leaves under it here",
    ),
    Code.WITNESS_AWAY: ("warning", "the witness did not answer and is asked again"),
    Code.WITNESS_REFUSED: ("error", "the witness says that the ledger does not continue what it has seen"),
    Code.UNEXPECTED: ("error", "something failed that should not"),
}


class LogError(ValueError):
    """A value that must not be in a log. The text names the member, never the value."""


def _to_standard_error(line: str) -> None:
    sys.stderr.write(line + "\n")


def line(code: Code, **ids: Opaque) -> str:
    """The JSON line, without its line end. LogError for a value that is not an id, a closed word or a small number."""
    level, sentence = _SENTENCES[code]
    for name, value in ids.items():
        if name in {"code", "level", "text"} or not is_name(name) or not is_opaque(value):
            raise LogError(f"{name} may not be in a log line")
    return json.dumps({"level": level, "code": code.value, "text": sentence, **ids}, separators=(",", ":"))


def log(code: Code, *, write: Callable[[str], None] = _to_standard_error, **ids: Opaque) -> None:
    """Writes one line. `ids` are ids, closed words and small numbers: `log(Code.MESSAGE_HELD, message=message_id, reason=code)`.

    There is no time in it: whoever keeps the log (journald, a container engine) adds one. LogError as `line`.
    """
    write(line(code, **ids))
