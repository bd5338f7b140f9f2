"""What an HL7 acknowledgement says of one letter. It reads MSH-1, MSA-1, MSA-2 and the error code, and MUST NOT read anything else.

    AA, CA                             delivered
    AE, CE                             Transient, unless its error code says that the same bytes will never be taken: Permanent
    AR, CR                             Permanent, unless its error code says that the receiver was busy (206, 207): Transient
    any of these four with 205         ambiguous, `duplicate`: it says that it has this id; whether by an attempt of ours, the gateway knows
    another message's, or no readable  ambiguous: the letter may have had its effect

Error codes are those of HL7 table 0357 (HL7 v2.5.1 chapter 2, section 2.15.5).
"""

from typing import Final

from adapters.contract import DUPLICATE, Outcome, Permanent, Receipt, Transient

_TAKEN: Final = frozenset({"AA", "CA"})
_ERRORS: Final = frozenset({"AE", "CE"})
_REFUSALS: Final = frozenset({"AR", "CR"})
_BUSY: Final = frozenset({"206", "207"})
_NEVER: Final = frozenset({"100", "101", "102", "103", "104", "200", "201", "202", "203", "204"})
_HAS_IT_ALREADY: Final = "205"
_MAX_SEGMENTS: Final = 100


def judged(answer: bytes, delivery_id: str) -> Receipt:
    """Say what is known after an answer. Raises Transient or Permanent; the text never quotes the answer."""
    segments = answer.decode("latin-1").replace("\n", "\r").split("\r")[:_MAX_SEGMENTS]
    if not segments[0].startswith("MSH") or len(segments[0]) < 5:
        return Receipt(outcome=Outcome.AMBIGUOUS, code="unreadable-answer")
    sign, component = segments[0][3], segments[0][4]
    said, about = _acknowledged(segments, sign)
    if about != delivery_id:
        return Receipt(outcome=Outcome.AMBIGUOUS, code="another-answer" if said else "unreadable-answer")
    error = _error(segments, sign, component)
    if said in _TAKEN:
        return Receipt(outcome=Outcome.DELIVERED, code=said.lower())
    if said in _ERRORS | _REFUSALS and error == _HAS_IT_ALREADY:
        return Receipt(outcome=Outcome.AMBIGUOUS, code=DUPLICATE)
    if said in _ERRORS | _REFUSALS:
        if error in _NEVER or (said in _REFUSALS and error not in _BUSY):
            raise Permanent(said.lower(), "the recipient refused the letter")
        raise Transient(said.lower(), "the recipient cannot take it now")
    return Receipt(outcome=Outcome.AMBIGUOUS, code="unreadable-answer")


def _acknowledged(segments: list[str], sign: str) -> tuple[str, str]:
    """Give MSA-1 and MSA-2."""
    for segment in segments:
        fields = segment.split(sign)
        if fields[0] == "MSA" and len(fields) > 2:
            return fields[1].strip().upper(), fields[2].strip()
    return "", ""


def _error(segments: list[str], sign: str, component: str) -> str:
    """Give the code of ERR-3 (HL7 v2.5), else of ERR-1.4 (before it)."""
    for segment in segments:
        fields = segment.split(sign)
        if fields[0] == "ERR":
            code = fields[3].split(component)[0] if len(fields) > 3 else ""
            parts = fields[1].split(component) if len(fields) > 1 else []
            return (code or (parts[3].split("&")[0] if len(parts) > 3 else "")).strip()
    return ""
