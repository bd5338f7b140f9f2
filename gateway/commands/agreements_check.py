"""`throughgate agreements check`: do the examples and counter-examples inside each agreement come out as they say, can what leaves be FHIR, and does it
say what the whole said? What is odd about it is said beside that, and fails nothing. Changes nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.agreements_read import AgreementFile, folder_of, read_files
from gateway.commands.outcome import AsJson, Exit, say_json

if TYPE_CHECKING:
    from consent.shapes import Agreement

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", exists=True, dir_okay=False, help="Those of an installation; without it the shipped ones."
    ),
]


def agreements_check(*, config: Config = None, as_json: AsJson = False) -> None:
    """Run every example of every agreement, of drafts too."""
    folder = folder_of(config)
    files = list(read_files(folder))
    beside = [file.agreement for file in files if file.agreement is not None and not file.agreement.draft]
    results = [_checked(file, beside) for file in files]
    failed = sum(_has_failed(result) for result in results)
    if as_json:
        say_json({"agreements": results, "failed": failed})
    else:
        _say(results, folder)
    if failed:
        raise typer.Exit(int(Exit.FAULT))


def _has_failed(result: dict[str, Any]) -> bool:
    unfit = "error" in result or bool(result["lacking"]) or bool(result["modifiers"])
    return unfit or not all(each["passed"] for each in result["examples"])


def _checked(file: AgreementFile, beside: "Sequence[Agreement]") -> dict[str, Any]:
    from consent.agreement_file import check_examples
    from consent.agreement_lint import lint
    from consent.modifiers import unlisted
    from fhir_profiles.schema.asked import lacking

    agreement = file.agreement
    if agreement is None:
        return {"agreement": file.path.stem, "error": file.error, "examples": [], "remarks": []}
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
    about = {"agreement": agreement.name, "flow": agreement.flow, "draft": agreement.draft, "digest": agreement.digest}
    asked = list(lacking(item.path for item in agreement.fields))
    remarks = [{"code": each.rule, "text": each.text} for each in lint(agreement, beside)]
    turned = list(unlisted(agreement.tree))
    return {**about, "lacking": asked, "modifiers": turned, "examples": examples, "remarks": remarks}


def _say(results: list[dict[str, Any]], folder: Path) -> None:
    if not results:
        typer.echo(f"there is no agreement in {folder}: rename an example to .toml, and edit it")
    for result in results:
        examples = result["examples"]
        if "error" in result:
            typer.echo(f"{result['agreement']}: cannot be read: {result['error']}")
            continue
        held = sum(bool(example["passed"]) for example in examples)
        kind = ", a draft" if result["draft"] else ""
        typer.echo(f"{result['agreement']} ({result['flow']}{kind}): {held} of {len(examples)} examples hold")
        if result["lacking"]:
            typer.echo(f"  FAILED fields: what leaves would be no FHIR without {', '.join(result['lacking'])}")
        if result["modifiers"]:
            typer.echo(
                f"  FAILED fields: what leaves would say something else without {', '.join(result['modifiers'])}"
            )
        for example in examples:
            if not example["passed"]:
                typer.echo(
                    f"  FAILED {example['name']}: expected {example['expected']}, found {example['found']}: {example['text']}"
                )
        for remark in result["remarks"]:
            typer.echo(f"  remark {remark['code']}: {remark['text']}")
