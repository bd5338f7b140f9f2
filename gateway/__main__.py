"""The command line: `throughgate ...`. It parses, calls the gateway, and words the result; it decides nothing.

Exit codes (DESIGN section 6): 0 good; 1 a fault was found, or a message is refused or held; 2 wrong arguments.
Every command imports what it needs when it runs, so that `--help` is quick.
"""

import sys

import click
import typer

from gateway.commands import (
    accountability,
    aggregate,
    agreements_activate,
    agreements_check,
    agreements_render,
    agreements_what_if,
    audit_events,
    backup,
    bench,
    check,
    client_add,
    client_end,
    client_key_add,
    decide,
    demo,
    disclosures,
    erase,
    explain,
    extract,
    held,
    init,
    journey,
    keys_rotate,
    ledger_export,
    ledger_new_epoch,
    ledger_prove,
    ledger_verify,
    opt_out,
    override,
    person,
    reconcile,
    rederive,
    replay,
    restore,
    sensitive,
    serve,
    staff,
    subject_access,
    task,
    terminology_check,
    token,
    try_message,
    witness,
    work,
)
from gateway.commands.outcome import complain

app = typer.Typer(
    name="throughgate",
    help="HL7 FHIR middleware for prison substance misuse services: consent decides, the least that serves leaves, a ledger proves it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.command("init")(init.init)
app.command("serve")(serve.serve)
app.command("work")(work.work)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.command("check")(check.check)
app.command("try", cls=try_message.SeveralValues)(try_message.try_message)
app.command("decide")(decide.decide)
app.command("journey")(journey.journey)
app.command("bench")(bench.bench)
app.command("explain")(explain.explain)
app.command("reconcile")(reconcile.reconcile)
app.command("accountability")(accountability.accountability)
app.command("aggregate")(aggregate.aggregate)
app.command("replay")(replay.replay)
app.command("rederive")(rederive.rederive)
app.command("token")(token.token)
app.command("audit-events")(audit_events.audit_events)
app.add_typer(held.app, name="held")
app.add_typer(override.app, name="override")
app.add_typer(task.app, name="task")
app.add_typer(person.app, name="person")
app.add_typer(disclosures.app, name="disclosures")
app.add_typer(subject_access.app, name="subject-access")
app.add_typer(erase.app, name="erase")
app.add_typer(sensitive.app, name="sensitive")
app.add_typer(extract.app, name="extract")
app.add_typer(opt_out.app, name="opt-out")
app.add_typer(witness.app, name="witness")
app.add_typer(staff.app, name="staff")

client = typer.Typer(help="The systems that may send to this gateway or open a mailbox.", no_args_is_help=True)
client.command("add")(client_add.client_add)
client.command("end")(client_end.client_end)
client_key = typer.Typer(help="The public keys by which clients prove themselves.", no_args_is_help=True)
client_key.command("add")(client_key_add.client_key_add)
client.add_typer(client_key, name="key")
app.add_typer(client, name="client")

keys = typer.Typer(help="The keys of this installation.", no_args_is_help=True)
keys.command("rotate")(keys_rotate.keys_rotate)
app.add_typer(keys, name="keys")

ledger = typer.Typer(help="The ledger of everything that was received, decided and sent.", no_args_is_help=True)
ledger.command("verify")(ledger_verify.ledger_verify)
ledger.command("export")(ledger_export.ledger_export)
ledger.command("prove")(ledger_prove.ledger_prove)
ledger.command("new-epoch")(ledger_new_epoch.ledger_new_epoch)
app.add_typer(ledger, name="ledger")

agreements = typer.Typer(help="The sharing agreements.", no_args_is_help=True)
agreements.command("activate")(agreements_activate.agreements_activate)
agreements.command("check")(agreements_check.agreements_check)
agreements.command("render")(agreements_render.agreements_render)
agreements.command("what-if")(agreements_what_if.agreements_what_if)
app.add_typer(agreements, name="agreements")
terminology = typer.Typer(help="The code lists.", no_args_is_help=True)
terminology.command("check")(terminology_check.terminology_check)
app.add_typer(terminology, name="terminology")


@app.callback()
def throughgate() -> None:
    """Keeps every command under its name; there is nothing to do before one."""


def main() -> None:
    """The entry point of the `throughgate` script."""
    try:
        app()
    except (click.exceptions.Exit, click.exceptions.Abort):
        raise
    except Exception as error:  # noqa: BLE001 - the last resort: an error of ours is worded, never a traceback with data in it
        sys.exit(complain(error))


if __name__ == "__main__":
    main()
