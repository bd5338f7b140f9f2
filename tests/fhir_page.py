"""docs/fhir.md, the part of the integration guide that is made from the registered routes and definitions. `tests/generated_pages.py` writes it."""

import json
from collections.abc import Iterator
from typing import Any

from fhir_profiles.compose import LETTERS
from fhir_profiles.definitions import DEFINITIONS
from fhir_profiles.definitions.guide import profiles_of
from fhir_profiles.examples import example
from gateway.api.access import Access
from gateway.api.routes import ROUTES

HEAD = """# What Throughgate speaks in FHIR

Made from the registered routes, letters and definitions by `python -m tests.generated_pages`; a test compares. The same is served:
`GET /fhir/metadata`, and each definition below at `GET /fhir/<type>/<id>` or `GET /fhir/<type>?url=<canonical>`, to anybody, as JSON. FHIR is
R4 (4.0.1); profiles derive from UK Core R4 2.0.0. How to use it is in the [integration guide](integration-guide.md).
"""


def _routes() -> Iterator[str]:
    yield "## Routes"
    yield ""
    yield "| route | in FHIR | permission | parameters |"
    yield "|---|---|---|---|"
    for route in ROUTES:
        if route.fhir is None:
            continue
        what = f"operation `${route.fhir.name}`" if route.fhir.code == "operation" else f"`{route.fhir.code}`"
        who = f"`{route.permission}`" if route.access is Access.CLIENT else "public"
        parameters = ", ".join(f"`{name}`" for name in sorted(route.parameters))
        yield f"| `{route.method} {route.path}` | {what} | {who} | {parameters} |"


def _letters() -> Iterator[str]:
    yield "## Letters and messages"
    yield ""
    wires = "A letter leaves on one of its wires, the first by default, and any letter about a person as text too (integration-guide.md)."
    yield f"{wires} As a message its event is of a local code system."
    yield ""
    yield "| letter | title | wires | message | the header points to | example at `/fhir/Bundle/` keeps the profiles |"
    yield "|---|---|---|---|---|---|"
    for name, letter in LETTERS.items():
        message = DEFINITIONS["MessageDefinition"].get(name)
        wires = ", ".join(f"`{wire}`" for wire in letter.wires)
        event = f"`{message['eventCoding']['system']}#{message['eventCoding']['code']}`" if message else "none"
        kept = f"`example-{name}`: {', '.join(profiles_of(example(f'example-{name}')))}"
        focus = [f"{each['code']} {each['min']}..{each['max']}" for each in message["focus"]] if message else []
        yield f"| `{name}` | {letter.title} | {wires} | {event} | {', '.join(focus)} | {kept} |"
    response = DEFINITIONS["MessageDefinition"]["response"]
    yield ""
    yield f"`{response['eventUri']}`: {response['description']}"


def _asked(element: dict[str, Any]) -> Iterator[str]:
    if "min" in element or "max" in element:
        yield f"{element.get('min', '')}..{element.get('max', '')}"
    for key, value in element.items():
        if key.startswith(("fixed", "pattern")):
            yield f"{'fixed' if key.startswith('fixed') else 'pattern'} `{json.dumps(value)}`"
        elif key == "constraint":
            yield from (f"{each['key']}: {each['human']}" for each in value)


def _structure(definition: dict[str, Any]) -> Iterator[str]:
    yield f"### {definition['title']}"
    yield ""
    yield f"`{definition['url']}`, a {definition['type']} from `{definition['baseDefinition']}`. {definition['description']}"
    rows = [
        f"| `{element['id']}` | {'; '.join(asked)} |"
        for element in definition["differential"]["element"]
        if (asked := list(_asked(element)))
    ]
    if rows:
        yield ""
        yield "| element | asks |"
        yield "|---|---|"
        yield from rows
    yield ""


def _operation(definition: dict[str, Any]) -> Iterator[str]:
    yield f"### `${definition['code']}`: {definition['title']}"
    yield ""
    yield f"`{definition['url']}` on {', '.join(definition['resource'])}. {definition['description']}"
    yield ""
    yield "| parameter | use | is |"
    yield "|---|---|---|"
    for each in definition["parameter"]:
        yield f"| `{each['name']}` | {each['use']} {each['min']}..{each['max']} | {each['documentation']} |"
    yield ""


def fhir_page() -> str:
    """Write the whole page."""
    structures = DEFINITIONS["StructureDefinition"].values()
    lines = [HEAD, *_routes(), "", *_letters(), "", "## Profiles", ""]
    lines += [line for each in structures if each["type"] != "Extension" for line in _structure(each)]
    lines += ["## Extensions", ""]
    lines += [line for each in structures if each["type"] == "Extension" for line in _structure(each)]
    lines += ["## Operations", ""]
    lines += [line for each in DEFINITIONS["OperationDefinition"].values() for line in _operation(each)]
    return "\n".join(lines)
