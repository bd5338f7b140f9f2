"""`throughgate agreements check`: do the examples and counter-examples inside each agreement come out as they say? Changes nothing."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.outcome import AsJson, Exit, say_json


def agreements_check(
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", exists=True, dir_okay=False, help="Check an installation's; without it the shipped ones."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run every example of every agreement."""
    from consent.agreement_file import AgreementError, check_examples, read_agreement
    from gateway import shipped
    from gateway.settings import read_settings

    folder = shipped.agreements() if config is None else read_settings(config).gateway.agreements_dir
    results: list[dict[str, Any]] = []
    for file in sorted(folder.glob("*.toml")):
        try:
            agreement = read_agreement(file.read_text("utf-8"), file.stem)
        except AgreementError as error:
            results.append({"agreement": file.stem, "error": str(error), "examples": []})
            continue
        examples = [
            {
                "name": result.name,
                "expected": str(result.expected),
                "found": str(result.got),
                "passed": result.passed,
                "text": result.text,
            }
            for result in check_examples(agreement)
        ]
        results.append({"agreement": file.stem, "digest": agreement.digest, "examples": examples})
    failed = sum(
        "error" in result or not all(example["passed"] for example in result["examples"]) for result in results
    )
    if as_json:
        say_json({"agreements": results, "failed": failed})
    else:
        _say(results, folder)
    if failed:
        raise typer.Exit(int(Exit.FAULT))


def _say(results: list[dict[str, Any]], folder: Path) -> None:
    if not results:
        typer.echo(f"no agreement is active in {folder}: rename an example to .toml to make it active")
    for result in results:
        examples = result["examples"]
        if "error" in result:
            typer.echo(f"{result['agreement']}: cannot be read: {result['error']}")
            continue
        typer.echo(
            f"{result['agreement']}: {sum(bool(example['passed']) for example in examples)} of {len(examples)} examples hold"
        )
        for example in examples:
            if not example["passed"]:
                typer.echo(
                    f"  FAILED {example['name']}: expected {example['expected']}, found {example['found']}: {example['text']}"
                )
