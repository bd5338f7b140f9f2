"""Every agreement of a folder for the commands that look at them: those that may be in force, then the drafts. It MUST NOT put any in force."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from consent.shapes import Agreement
from gateway.commands.outcome import refuse

if TYPE_CHECKING:
    from gateway.pipeline import Gateway

DRAFTS = "drafts"


@dataclass(frozen=True, kw_only=True)
class AgreementFile:
    """One file. `agreement` is None where it cannot be read; `error` then names the file and the key or line."""

    path: Path
    text: str
    agreement: Agreement | None
    error: str


def folder_of(config: Path | None) -> Path:
    """The agreements of an installation; the shipped ones without one."""
    from gateway import shipped
    from gateway.settings import read_settings

    return shipped.agreements() if config is None else read_settings(config).gateway.agreements_dir


def read_files(folder: Path) -> Iterator[AgreementFile]:
    """`*.toml` of the folder, then of its `drafts/`, by name."""
    for path in (*sorted(folder.glob("*.toml")), *sorted((folder / DRAFTS).glob("*.toml"))):
        yield read_file(path)


def read_file(path: Path) -> AgreementFile:
    """One file, read whatever is in it."""
    from consent.agreement_file import AgreementError, read_agreement

    text = ""
    try:
        text = path.read_text("utf-8")
        return AgreementFile(path=path, text=text, agreement=read_agreement(text, path.stem), error="")
    except AgreementError as error:
        told = f"{path}: {error.key}: {error.text}"
    except OSError as error:
        told = f"{path}: cannot be opened: {error.strerror}"
    except UnicodeDecodeError:
        told = f"{path}: is not UTF-8 text"
    return AgreementFile(path=path, text=text, agreement=None, error=told)


def say_unsigned(gateway: "Gateway") -> None:
    """Before a gateway opens: what of the folder is not in force. Refused where nothing is, so that no care stops in silence."""
    from gateway import activation, wiring

    with gateway.store.read() as c:
        standing = activation.standing(c)
    faults = wiring.unsigned(gateway.settings, standing)
    for fault in faults:
        typer.echo(f"not in force: {fault.place}: {fault.text}", err=True)
    if faults and not gateway.agreements:
        gateway.store.close()
        raise refuse("no agreement is in force, so nothing would leave to anybody: let two people sign them first")
