"""Who receives: one TOML file a recipient in the installation's `recipients/`, and the choice of exactly one for a letter.

A file says what its recipient serves; it MUST NOT say what may be shared with it (that is an agreement). None or several matches
is nobody: the delivery is held and a person is told, never a nearest guess.
"""

import hashlib
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, field_validator

from adapters.contract import AdapterSpec
from adapters.discover import discover
from gateway.errors import SettingsError
from gateway.settings import NAME_PATTERN, Agency, Ods, Strict, validated

CLASSES: Final = frozenset(
    {
        "care-team",
        "community-provider",
        "gp",
        "pharmacy",
        "receiving-prison",
        "prison-security",
        "safer-custody",
        "probation",
        "board",
        "ndtms",
        "commissioner",
        "evaluator",
        "family",
        "national-reporting",
    }
)


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """One recipient. `letters` is letter -> wire; `version` is the SHA-256 of its file, checked again at the door.

    `serves_*` say for whom this is the right one: ODS codes (of the nominated pharmacy, or of the GP practice), postcode areas of the
    release address (`LS`), establishments. What is empty is not asked; a recipient that states nothing serves nobody.
    """

    id: str
    name: str
    recipient_class: str
    ods: str | None
    letters: Mapping[str, str]
    adapter: str
    adapter_settings: Mapping[str, Any]
    serves_ods: tuple[str, ...]
    serves_postcode_areas: tuple[str, ...]
    serves_establishments: tuple[str, ...]
    version: str
    roles: tuple[str, ...] = ()
    tell_role: str = "clinical-lead"


PostcodeArea = Annotated[str, Field(pattern=r"^[A-Z]{1,2}$")]


class _Serves(Strict):
    ods: tuple[Ods, ...] = Field(default=(), strict=False)
    postcode_areas: tuple[PostcodeArea, ...] = Field(default=(), strict=False)
    establishments: tuple[Agency, ...] = Field(default=(), strict=False)


class _File(Strict):
    """The keys of a recipient file. Nothing that says who is served has a default that serves anybody."""

    name: str = Field(min_length=1, max_length=200)
    recipient_class: str = Field(alias="class")
    ods: Ods | None = None
    letters: Mapping[str, str] = Field(min_length=1)
    adapter: str
    adapter_settings: Mapping[str, Any] = Field(default_factory=dict)
    serves: _Serves
    roles: tuple[str, ...] = Field(default=(), strict=False)
    tell_role: str = Field(default="clinical-lead", pattern=NAME_PATTERN)

    @field_validator("recipient_class")
    @classmethod
    def _a_known_class(cls, value: str) -> str:
        if value not in CLASSES:
            raise ValueError(f"unknown class: use one of {', '.join(sorted(CLASSES))}")
        return value


def read_recipients(folder: Path, letters: Mapping[str, Collection[str]]) -> Mapping[str, Recipient]:
    """Every `<id>.toml` of a folder, by id. `letters` are the letters that exist, each with the wires that can carry it.

    Raises SettingsError (file, key, what to do) for an unknown key, class, letter or adapter, a wire that cannot carry the letter, or
    settings that an adapter does not take.
    """
    if not folder.is_dir():
        raise SettingsError(str(folder), "", "there is no folder of recipients: `throughgate init` makes one")
    adapters = discover()
    return {path.stem: _read(path, letters, adapters) for path in sorted(folder.glob("*.toml"))}


def _read(path: Path, letters: Mapping[str, Collection[str]], adapters: Mapping[str, AdapterSpec]) -> Recipient:
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(str(path), "", "is not a readable TOML file") from error
    if not re.fullmatch(NAME_PATTERN, path.stem):
        raise SettingsError(
            str(path), "", "the file name is the recipient's id: lower case letters, digits and hyphens"
        )
    file = validated(_File, values, str(path))
    _check_letters(path, file, letters)
    _check_adapter(path, file, adapters)
    return Recipient(
        id=path.stem,
        name=file.name,
        recipient_class=file.recipient_class,
        ods=file.ods,
        letters=dict(file.letters),
        adapter=file.adapter,
        adapter_settings=dict(file.adapter_settings),
        serves_ods=file.serves.ods,
        serves_postcode_areas=file.serves.postcode_areas,
        serves_establishments=file.serves.establishments,
        version="sha256:" + hashlib.sha256(text.encode()).hexdigest(),
        roles=file.roles,
        tell_role=file.tell_role,
    )


def _check_letters(path: Path, file: _File, letters: Mapping[str, Collection[str]]) -> None:
    """A letter on a wire that cannot carry it would be found out on the day of a release: it is refused at the start."""
    for letter, wire in file.letters.items():
        if letter not in letters:
            raise SettingsError(
                str(path), f"letters.{letter}", f"no such letter: use one of {', '.join(sorted(letters))}"
            )
        if wire not in letters[letter]:
            wires = ", ".join(sorted(letters[letter]))
            raise SettingsError(str(path), f"letters.{letter}", f"no wire that carries this letter: use one of {wires}")


def _check_adapter(path: Path, file: _File, adapters: Mapping[str, AdapterSpec]) -> None:
    takes = {name: spec for name, spec in adapters.items() if spec.outbound_settings is not None}
    spec = takes.get(file.adapter)
    if spec is None:
        raise SettingsError(str(path), "adapter", f"no such way out: use one of {', '.join(sorted(takes))}")
    for letter, wire in file.letters.items():
        if spec.wires and wire not in spec.wires:
            wires = ", ".join(sorted(spec.wires))
            raise SettingsError(
                str(path), f"letters.{letter}", f"{file.adapter} does not carry this wire: use one of {wires}"
            )
    check_adapter_settings(spec, file.adapter_settings, str(path))


def check_adapter_settings(spec: AdapterSpec, values: Mapping[str, Any], file: str, place: str = "") -> None:
    """Would an adapter that sends take these? Raises SettingsError with the key under `place`."""
    assert spec.outbound_settings is not None
    try:
        validated(spec.outbound_settings, values, file)
    except SettingsError as error:
        key = f"{place}adapter_settings.{error.key}" if error.key else f"{place}adapter_settings"
        raise SettingsError(error.file, key, error.text) from None


def choose(
    recipients: Mapping[str, Recipient],
    letter: str,
    recipient_class: str,
    *,
    establishment: str | None,
    postcode: str | None,
    gp_ods: str | None,
    pharmacy_ods: str | None,
) -> Recipient | None:
    """The one recipient of this class that takes this letter and serves this person; None when there is none, or more than one."""
    ods = pharmacy_ods if recipient_class == "pharmacy" else gp_ods
    asked = (ods, postcode_area(postcode), establishment)
    found = [
        one
        for one in recipients.values()
        if one.recipient_class == recipient_class and letter in one.letters and _serves(one, asked)
    ]
    # INVARIANT: exactly one or nobody; a letter never goes to a nearest guess.
    return found[0] if len(found) == 1 else None


def _serves(recipient: Recipient, asked: tuple[str | None, str | None, str | None]) -> bool:
    """Everything that the recipient states has to hold, and it has to state something."""
    stated = (recipient.serves_ods, recipient.serves_postcode_areas, recipient.serves_establishments)
    return any(stated) and all(
        value is not None and value in served for served, value in zip(stated, asked, strict=True) if served
    )


_POSTCODE: Final = re.compile(r"([A-Z]{1,2})[0-9][A-Z0-9]? ?(?:[0-9][A-Z]{2})?")


def postcode_area(postcode: str | None) -> str | None:
    """`LS` of `LS1 4AP` (or of an outward code `LS1`); None for what is no postcode of the United Kingdom."""
    match = _POSTCODE.fullmatch((postcode or "").strip().upper())
    return match[1] if match else None
