"""The installation's keys on disk: five files of 32 random bytes, mode 0600, in a folder of mode 0700.

They are made by `create_files` (that is `throughgate init`) and by nothing else: a gateway that made a missing key would
quietly lose everything that the old one opens.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from gateway.errors import SettingsError
from gateway.keys.identifiers import KEY_BYTES

NAMES = ("installation", "index", "seal", "pseudonym", "ledger-signing")


def create_files(folder: Path, keys: Mapping[str, bytes]) -> None:
    """Writes every key durably. FileExistsError when one is there already: a key is never overwritten."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in NAMES:
        descriptor = os.open(folder / f"{name}.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, keys[name])
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_files(folder: Path) -> dict[str, bytes]:
    """Reads every key. SettingsError names the file that is missing, damaged or open to others."""
    keys = {}
    for name in NAMES:
        path = folder / f"{name}.key"
        try:
            mode = path.stat().st_mode
            key = path.read_bytes()
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
        if len(key) != KEY_BYTES:
            raise SettingsError(
                "throughgate.toml", "gateway.keys_dir", f"{path.name} is not a key of {KEY_BYTES} bytes"
            )
        keys[name] = key
    return keys
