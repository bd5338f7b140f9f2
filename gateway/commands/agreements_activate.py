"""`throughgate agreements activate`: one person proposes what the file says, another approves that same text; then it is in force."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json

if TYPE_CHECKING:
    from gateway.activation import Signature, Standing


def agreements_activate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Agreements by their file's name, without .toml.")
    ] = None,
    *,
    by: Annotated[str, typer.Option("--by", help="The name of the person who signs.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept sealed with the signature. No names of patients.")],
    every: Annotated[bool, typer.Option("--all", help="Every agreement of the folder that is not in force.")] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="The second person: put what another one proposed in force.")
    ] = False,
    end: Annotated[
        bool, typer.Option("--end", help="End these agreements instead: nothing leaves under them.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Propose agreements, or with --approve put in force what somebody else proposed. Without that nothing of a file takes effect."""
    from gateway import activation

    if every == bool(names):
        raise refuse("name the agreements, or give --all", Exit.ARGUMENTS)
    with opened(config) as gateway:
        folder = gateway.settings.gateway.agreements_dir
        with gateway.store.read() as c:
            standing = activation.standing(c)
        chosen = names or (sorted(standing.in_force) if end else _unsigned(folder, standing))
        if not chosen:
            raise refuse(f"every agreement of {folder} is in force as it is: there is nothing to sign")
        texts = {name: None if end else _text(folder, name) for name in chosen}
        sign = activation.approve if approve else activation.propose
        made = sign(gateway, texts, by=by, reason=reason)
        # Said to both people; what may never be said is an error, and was refused.
        read = (activation.read_text(text, name) for name, text in texts.items() if text is not None)
        odd = activation.remarks(gateway, *read)
    if as_json:
        signed = [
            {**asdict(each), "remarks": [{"code": one.rule, "text": one.text} for one in odd.get(each.name, ())]}
            for each in made
        ]
        say_json({"act": "approved" if approve else "proposed", "agreements": signed})
        return
    for each in made:
        typer.echo(_said(each))
        for one in odd.get(each.name, ()):
            typer.echo(f"  remark {one.rule}: {one.text}")
    if not approve:
        again = f"throughgate agreements activate {' '.join(chosen)}{' --end' if end else ''} --approve --by NAME --reason R"
        typer.echo(f"nothing has changed yet: another person reads the same text and approves it:\n  {again}")


def _unsigned(folder: Path, standing: "Standing") -> list[str]:
    from consent.agreement_file import digest_of
    from gateway.commands.agreements_read import read_file

    digests = {path.stem: digest_of(read_file(path).text) for path in sorted(folder.glob("*.toml"))}
    return [name for name, digest in digests.items() if not standing.is_in_force(name, digest)]


def _text(folder: Path, name: str) -> str:
    """The text of a file, whose examples hold: what does not do as it says is not signed."""
    from consent.agreement_file import check_examples
    from gateway.commands.agreements_read import read_file

    file = read_file(folder / f"{name}.toml")
    if file.agreement is None:
        raise refuse(f"{file.error}: nothing was signed")
    failed = [each for each in check_examples(file.agreement) if not each.passed]
    if failed:
        raise refuse(f"{file.path}: its example `{failed[0].name}` does not come out as it says: {failed[0].text}")
    return file.text


def _said(signature: "Signature") -> str:
    if signature.approved_by is None:
        what = signature.digest or "that it ends"
        return f"{signature.name}: proposed by {signature.proposed_by}: {what}"
    signed = f"signed by {signature.proposed_by} and {signature.approved_by}"
    if not signature.digest:
        return f"{signature.name}: ended, {signed}"
    return f"{signature.name}: in force, {signed}: {signature.digest}; a running gateway takes it up at its next sweep"
