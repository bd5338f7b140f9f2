"""Messages out of files: one FHIR JSON document, or any number of ER7 messages one after the other. Bytes only; nothing is read."""

from pathlib import Path
from typing import Final

_BEFORE_A_MESSAGE: Final = b"\xef\xbb\xbf \t\r\n\x0b"
"""What editors and pipes leave in front of a message: a UTF-8 byte order mark, blanks, an MLLP start byte. It is no part of it."""


def read_messages(path: Path) -> list[bytes]:
    """The messages of one file in order. ER7 segments may end with CR, LF or both, as editors leave them; MLLP frame bytes are dropped.

    A file without a message gives one empty message, so that it is refused by name and not passed over in silence.
    """
    return split_messages(path.read_bytes())


def split_messages(content: bytes) -> list[bytes]:
    """The messages of one file's bytes."""
    if not content.lstrip(_BEFORE_A_MESSAGE).startswith(b"MSH"):
        return [content]
    lines = content.translate(None, b"\x0b\x1c").replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r")
    messages: list[list[bytes]] = []
    for line in lines:
        begun = line.lstrip(_BEFORE_A_MESSAGE)
        if begun.startswith(b"MSH"):
            messages.append([begun])
        elif messages and line.strip():
            messages[-1].append(line)
    return [b"".join(line + b"\r" for line in message) for message in messages]
