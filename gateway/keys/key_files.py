"""The installation's keys on disk: five files of 32 random bytes, mode 0600, in a folder of mode 0700.

They are made by `create_files` (that is `throughgate init`) and by a rotation, and by nothing else: a gateway that made a missing key
would quietly lose everything that the old one opens. While one is rotated there are two of it, in steps that a crash cannot halve:

    NAME.key            one key; or two, of which the first is used and the second only opens
    NAME.next.key       will be used; until then it only opens
    retired/NAME.N.key  opens nothing any more: kept until no backup is older than the rotation, then for a person to destroy
    NAME.former         (ledger-signing) the public halves of those before: heads from their time stay verifiable

INVARIANT: a key that has wrapped anything is never destroyed by this program.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway import durable
from gateway.errors import SettingsError
from gateway.failpoints import around
from gateway.keys.identifiers import KEY_BYTES

NAMES = ("installation", "index", "seal", "pseudonym", "ledger-signing")
Ring = tuple[bytes, ...]
"""The key in use, then those that only open."""
MOST_IN_A_FILE: Final = 2


def create_files(folder: Path, keys: Mapping[str, bytes]) -> None:
    """Writes every key durably. FileExistsError when one is there already: a key is never overwritten."""
    durable.make_folder(folder)
    folder.chmod(0o700)
    for name in NAMES:
        durable.write(folder / f"{name}.key", keys[name], durable.NEW)
    durable.sync(folder)


def read_files(folder: Path) -> dict[str, Ring]:
    """Reads every key. SettingsError names the file that is missing, damaged or open to others."""
    rings = {}
    for name in NAMES:
        ring = _read(folder / f"{name}.key", most=MOST_IN_A_FILE)
        following = folder / f"{name}.next.key"
        if following.exists():
            ring += tuple(key for key in _read(following, most=1) if key not in ring)
        rings[name] = ring
    return rings


def _read(path: Path, *, most: int) -> Ring:
    try:
        mode = path.stat().st_mode
        body = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            "throughgate.toml",
            "gateway.keys_dir",
            f"{path.name} cannot be read: {error.strerror}; `throughgate init` makes keys",
        ) from None
    if mode & 0o077:
        raise SettingsError(
            "throughgate.toml", "gateway.keys_dir", f"{path.name} is open to other users; make it mode 0600"
        )
    if len(body) not in range(KEY_BYTES, KEY_BYTES * most + 1, KEY_BYTES):
        raise SettingsError("throughgate.toml", "gateway.keys_dir", f"{path.name} is not a key of {KEY_BYTES} bytes")
    return tuple(body[at : at + KEY_BYTES] for at in range(0, len(body), KEY_BYTES))


def read_former(folder: Path, name: str) -> Ring:
    """The public halves of the keys before; nothing where none was ever rotated."""
    path = folder / f"{name}.former"
    return _read(path, most=1_000) if path.exists() else ()


def stamp(folder: Path) -> int:
    """Changes whenever a step of a rotation was made. Raises OSError when the folder is not there."""
    return os.stat(folder).st_mtime_ns  # noqa: PTH116  asked at every use of a key: pathlib costs several times as much


class Rotating:
    """The steps of one key's rotation. Each is one rename, and tells by what is there whether it was made."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._file = folder / f"{name}.key"
        self._next = folder / f"{name}.next.key"

    def is_prepared(self) -> bool:
        """Is there a next key that is not in use yet?"""
        return self._next.exists() and _read(self._next, most=1)[0] not in self._ring()

    def is_promoted(self) -> bool:
        """Is the new key in use, while the old one still opens?"""
        return len(self._ring()) == MOST_IN_A_FILE

    def prepare(self) -> None:
        """From now on there is another key, and it opens."""
        self._put(self._next, os.urandom(KEY_BYTES))

    def promote(self) -> None:
        """From now on the next key is used, and the one before opens."""
        self._put(self._file, _read(self._next, most=1)[0] + self._ring()[0])
        self._next.unlink()
        self._changed()

    def retire(self, former: bytes = b"") -> None:
        """From now on the old key opens nothing; it is kept aside. `former`: its public half, to be remembered."""
        new, old = self._ring()
        retired = self._folder / "retired"
        durable.make_folder(retired)
        kept = [path.read_bytes() for path in retired.glob(f"{self._name}.*.key")]
        if old not in kept:
            self._put(retired / f"{self._name}.{len(kept) + 1}.key", old)
        if former and former not in read_former(self._folder, self._name):
            self._put(self._folder / f"{self._name}.former", b"".join(read_former(self._folder, self._name)) + former)
        self._put(self._file, new)

    def tidy(self) -> None:
        """Takes away a next key that is in use already: a crash left it."""
        if self._next.exists() and not self.is_prepared():
            self._next.unlink()
            self._changed()

    def _ring(self) -> Ring:
        return _read(self._file, most=MOST_IN_A_FILE)

    def _put(self, path: Path, body: bytes) -> None:
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        durable.write(beside, body, durable.NEW)
        with around("key-file"):
            beside.rename(path)
            durable.sync(path.parent)
            self._changed()

    def _changed(self) -> None:
        """INVARIANT: two steps never have the same stamp, however coarse the clock of the file system is."""
        at = os.stat(self._folder)  # noqa: PTH116  the same call as `stamp` makes
        os.utime(self._folder, ns=(at.st_atime_ns, at.st_mtime_ns + 1_000_000))
        durable.sync(self._folder)
