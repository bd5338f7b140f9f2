"""`throughgate witness`: run by information governance on a host of its own, so that nobody who runs the gateway can rewrite its ledger unseen."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.outcome import Exit, refuse

app = typer.Typer(help="The witness of a gateway's ledger, on a host of its own.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The witness's folder.")]


@app.command("init")
def init(
    folder: Folder,
    *,
    name: Annotated[str, typer.Option("--name", help="The witness's name, for example witness.example/ig.")],
    ledger: Annotated[
        list[str], typer.Option("--ledger", help="The ledger's public key, as `ledger export` names it; repeat it.")
    ],
) -> None:
    """Make a witness with a new key, and print its public key: the gateway's `[witness] key`, and `--key` of verify_ledger.py."""
    from gateway.keys.identifiers import RandomIds
    from gateway.wiring import read_clock
    from gateway.witness import Witness

    Witness.create(folder, name=name, ledger=tuple(ledger), key=RandomIds().key())
    typer.echo(Witness(folder, read_clock).public_key())


@app.command("serve")
def serve(
    folder: Folder,
    *,
    host: Annotated[
        str, typer.Option(help="Where to listen; beyond this machine only with a certificate.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8090,
    certificate: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="PEM.")] = None,
    private_key: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="PEM.")] = None,
) -> None:
    """Answer `POST /add-checkpoint` until it is stopped."""
    import uvicorn

    from gateway.settings import is_loopback
    from gateway.wiring import read_clock
    from gateway.witness import Witness
    from gateway.witness.door import create_app

    if not is_loopback(host) and (certificate is None or private_key is None):
        raise refuse("beyond this machine a certificate and its private key are needed", Exit.ARGUMENTS)
    application = create_app(Witness(folder, read_clock))
    typer.echo(f"witness at {host}:{port}")
    uvicorn.run(
        application,
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=private_key,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


@app.command("show")
def show(folder: Folder) -> None:
    """Print the last head that was cosigned: give it to `verify_ledger.py --checkpoint` or `ledger verify --checkpoint`."""
    from gateway.wiring import read_clock
    from gateway.witness import Witness

    typer.echo(Witness(folder, read_clock).last(), nl=False)


@app.command("forget")
def forget(folder: Folder) -> None:
    """Accept that the ledger began a new epoch. The last head is kept beside: it proves what was there before."""
    from gateway.instants import to_text
    from gateway.wiring import read_clock
    from gateway.witness import Witness

    Witness(folder, read_clock).forget(f"before-{to_text(read_clock()).replace(':', '')}")
    typer.echo("the next signed head is taken as the first one was; the one before is kept beside it")
