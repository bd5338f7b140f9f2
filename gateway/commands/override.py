"""`throughgate override`: letting a letter go in an emergency, against what consents say; a second person's word; the review."""

from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from consent.shapes import OverrideKind
from gateway.commands.looking import Looker, looker
from gateway.commands.opened import opened
from gateway.commands.outcome import CONFIG_VARIABLE, DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json

if TYPE_CHECKING:
    from gateway.overrides import Actor, Given
    from gateway.pipeline import Gateway

E = TypeVar("E", bound=StrEnum)

app = typer.Typer(help="Emergencies: letting go what consents do not, never more than the agreement names.")

OverrideId = Annotated[str, typer.Argument(metavar="ID", help="The id of an override, from `throughgate override`.")]
WhoseHarm = Annotated[str, typer.Option(help="Whose harm: harm-to-the-person or harm-to-others.")]
Unsafe = Annotated[bool, typer.Option("--unsafe-to-tell", help="The person must not be told.")]
By = Annotated[str, typer.Option("--by", help="Who acts: the person's name.")]
InRole = Annotated[
    str,
    typer.Option("--role", help="clinician, clinical-lead, ig-officer, caldicott-guardian or safeguarding-lead."),
]
Because = Annotated[str, typer.Option("--reason", help="Why. It is kept, sealed.")]
AnyPath = Annotated[Path, typer.Option("--config", envvar=CONFIG_VARIABLE, help="The installation's throughgate.toml.")]


@app.callback(invoke_without_command=True)
def override(
    context: typer.Context, *, by: Looker = "", config: AnyPath = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """List every override: who gave it, who said so too, when it ends, whether it was reviewed."""
    if context.invoked_subcommand is not None:
        return
    if not config.is_file():
        raise refuse(f"{config} does not exist: give --config", Exit.ARGUMENTS)
    from gateway import looks, overrides

    with opened(config) as gateway:
        found = overrides.listed(gateway)
        looks.enter_look(gateway, "override", by=looker(by))
    if as_json:
        say_json({"overrides": [asdict(each) for each in found]})
        return
    for each in found:
        _say(each)
    typer.echo(f"{len(found)} overrides" if found else "no override was ever given")


@app.command("give")
def give(  # noqa: PLR0913  an override has no fewer parts, each named by who gives it
    delivery_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a withheld letter.")],
    *,
    kind: Annotated[OverrideKind, typer.Option(help="vital-interest: to who gives care, at once; harm-test: else.")],
    limb: WhoseHarm,
    recipient: Annotated[str, typer.Option(help="To whom: the id of a recipient.")],
    by: By,
    role: InRole,
    reason: Because,
    unsafe_to_tell: Unsafe = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Let a withheld letter go because a life or health is at stake, or ask a second person to because of serious harm."""
    from gateway import overrides

    actor = _actor(by, role, reason)
    whose = _one_of(overrides.Limb, limb, "--limb")
    with opened(config) as gateway:
        made = overrides.give(gateway, delivery_id, recipient, kind, whose, actor, tell_person=not unsafe_to_tell)
    _answer(made, as_json=as_json)


@app.command("ask")
def ask(  # noqa: PLR0913  an override has no fewer parts, each named by who gives it
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id of the message whose positive tests are told.")
    ],
    *,
    limb: WhoseHarm,
    recipient: Annotated[str, typer.Option(help="To whom: the id of a recipient that takes `harm-disclosure`.")],
    by: By,
    role: InRole,
    reason: Because,
    unsafe_to_tell: Unsafe = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Ask a second person of another role to let positive clinical tests be told, because serious harm is likely otherwise."""
    from gateway import overrides

    actor = _actor(by, role, reason)
    whose = _one_of(overrides.Limb, limb, "--limb")
    with opened(config) as gateway:
        made = overrides.ask(gateway, message_id, recipient, whose, actor, tell_person=not unsafe_to_tell)
    _answer(made, as_json=as_json)


@app.command("second")
def second(
    override_id: OverrideId,
    *,
    by: By,
    role: InRole,
    reason: Because,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Another person confirms a vital interest, or agrees to what a harm test asks for."""
    from gateway import overrides

    _act(overrides.second, override_id, _actor(by, role, reason), config, as_json=as_json)


@app.command("review")
def review(
    override_id: OverrideId,
    *,
    by: By,
    role: InRole,
    reason: Because,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Somebody who had no part in it has looked at what was done."""
    from gateway import overrides

    _act(overrides.review, override_id, _actor(by, role, reason), config, as_json=as_json)


def _act(
    act: "Callable[[Gateway, str, Actor], Given]", override_id: str, actor: "Actor", config: Path, *, as_json: bool
) -> None:
    with opened(config) as gateway:
        made = act(gateway, override_id, actor)
    _answer(made, as_json=as_json)


def _actor(by: str, role: str, reason: str) -> "Actor":
    from gateway.overrides import Actor, Role

    return Actor(by=by, role=_one_of(Role, role, "--role"), reason=reason)


def _one_of(kind: "type[E]", said: str, name: str) -> "E":
    if said not in list(kind):
        raise refuse(f"{name}: one of {', '.join(kind)}", Exit.ARGUMENTS)
    return kind(said)


def _answer(made: "Given", *, as_json: bool) -> None:
    say_json(asdict(made)) if as_json else _say(made)


def _say(each: "Given") -> None:
    went = f"letter {each.letter}" if each.letter else "nothing has left"
    seconded = f"and {each.second_by}" if each.second_by else "nobody else yet"
    typer.echo(f"{each.id}  {each.kind}  {each.limb}  to {each.recipient}  until {each.until}  {went}")
    typer.echo(
        f"    given by {each.given_by}, {seconded}; {'reviewed by ' + each.reviewed_by if each.reviewed_by else 'not reviewed'}"
    )
