"""Is this FHIR R4? The compiled schema first, then what a schema cannot say: invariants, references, narrative.

It must never quote content: an issue has a FHIRPath-like expression, a fixed sentence, and names only elements that R4 defines.
A resource type that this product does not use is passed with an issue of severity `information`: nobody here reads it.
Sources: http://hl7.org/fhir/R4/ (definitions compiled by `fhir_profiles.schema.compile`), reference/stack.md section 2.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import islice, zip_longest
from typing import Any, Final, cast

import jsonschema_rs

from fhir_profiles.fhir_json import plain
from fhir_profiles.limits import MAX_ENTRIES, MAX_ISSUES
from fhir_profiles.schema.invariants import BY_ELEMENT, BY_RESOURCE, Breach, period_fault, quantity_fault
from fhir_profiles.schema.narrative import narrative_fault
from fhir_profiles.schema.references import (
    Found,
    Surroundings,
    Trail,
    contained_breaches,
    entries_by_url,
    reference_breaches,
    written,
)
from fhir_profiles.shapes import Issue, Json, Severity

_DEFINITION: Final = re.compile(r'"#/\$defs/([^"]+)"')
_TYPE_NAME: Final = re.compile(r"[A-Z][A-Za-z]{1,63}")
_CODES: Final = {
    "required": "required",
    "type": "structure",
    "additionalProperties": "structure",
    "enum": "code-invalid",
}
_SENTENCES: Final = {
    "anyOf": "a required element is missing, or none of the forms allowed here fits",
    "const": "not the value that R4 fixes here",
    "contains": "no code of the value set that R4 requires here",
    "enum": "a code outside the value set that R4 requires here",
    "maximum": "a number above what its type allows",
    "minimum": "a number below what its type allows",
    "minItems": "an empty array",
    "minProperties": "an empty object, or one with nothing but an id",
    "not": "two types of one choice",
    "pattern": "not in the form of its FHIR type",
}


@cache
def _schema() -> dict[str, Any]:
    text = files("fhir_profiles.schema").joinpath("r4.json").read_text(encoding="utf-8")
    return cast("dict[str, Any]", json.loads(text))


@cache
def _element_names() -> frozenset[str]:
    return frozenset(name for definition in _schema()["$defs"].values() for name in definition.get("properties", ()))


@cache
def _reference_names() -> frozenset[str]:
    return frozenset(place.rpartition(".")[2] for place in _schema()["targets"])


@cache
def resource_types() -> frozenset[str]:
    """The resource types that are checked; others pass with an issue."""
    return frozenset(_schema()["resources"])


@cache
def _validator(resource_type: str) -> jsonschema_rs.Draft202012Validator:
    """Compile the schema of one type, once: the definitions that it reaches and no others."""
    definitions, reached, waiting = _schema()["$defs"], {}, [resource_type]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = definitions[name]
            waiting += _DEFINITION.findall(json.dumps(definitions[name]))
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/$defs/{resource_type}", "$defs": reached}, validate_formats=False
    )


def validate(resource: Json) -> tuple[Issue, ...]:
    """Give what is wrong with a resource or Bundle, at most `MAX_ISSUES` of it. No issue of severity error or fatal: it is valid R4."""
    issues = list(islice(_judge(resource, _type_of(resource) or "Resource", None, ""), MAX_ISSUES + 1))
    if len(issues) > MAX_ISSUES:
        issues[MAX_ISSUES:] = [
            _issue(Severity.ERROR, "too-costly", "", f"more than {MAX_ISSUES} issues; the rest is not listed")
        ]
    return tuple(issues)


def invalid(issues: tuple[Issue, ...]) -> bool:
    """Say whether any issue makes the content unusable."""
    return any(issue.severity in (Severity.FATAL, Severity.ERROR) for issue in issues)


def _judge(
    resource: Any, path: str, entries: Mapping[str, str] | None, base: str, local: Mapping[str, str] | None = None
) -> Iterator[Issue]:
    kind = _type_of(resource)
    if not kind:
        yield _issue(
            Severity.ERROR, "structure", path, "not a resource: resourceType is missing or is not the name of a type"
        )
        return
    if kind not in resource_types():
        yield _issue(
            Severity.INFORMATION,
            "not-supported",
            path,
            "a type of resource that is not used here: its content is not checked",
        )
        return
    faults = list(_schema_issues(kind, _shell(resource), path))
    yield from faults
    inner_entries, shell_is_sound = entries, not faults
    if kind == "Bundle" and shell_is_sound:
        inner_entries = entries_by_url(resource)
        if len(resource.get("entry", ())) > MAX_ENTRIES:
            yield _issue(Severity.ERROR, "too-costly", f"{path}.entry", f"more than {MAX_ENTRIES} entries")
            return
    for place, inner, url in _inner(resource):
        within = _contained_types(resource) if place.startswith(".contained") else None
        yield from _judge(inner, f"{path}{place}", inner_entries, _base_of(url, inner) if url else base, within)
    if shell_is_sound:
        for breach in _breaches(resource, entries, base, local):
            code = "not-found" if breach.key in ("dangling", "ref-1") else "invariant"
            yield _issue(breach.severity, code, f"{path}{breach.path}", breach.text)


def _issue(severity: Severity, code: str, path: str, text: str) -> Issue:
    return Issue(severity=severity, code=code, path=path, text=text)


def _type_of(resource: Any) -> str:
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    return kind if isinstance(kind, str) and (kind in resource_types() or _TYPE_NAME.fullmatch(kind)) else ""


def _base_of(url: str, resource: Any) -> str:
    """The service base of an absolute fullUrl: `https://server/fhir/Patient/1` gives `https://server/fhir/`."""
    if not url.startswith("http"):
        return ""
    tail = f"{_type_of(resource)}/{url.rpartition('/')[2]}"
    return url.removesuffix(tail) if url.endswith(tail) else ""


def _inner(resource: Json) -> Iterator[tuple[str, Any, str]]:
    """Give the resources inside a resource: place below it, resource, fullUrl."""
    contained = resource.get("contained")
    if isinstance(contained, list):
        for position, inner in enumerate(contained):
            yield f".contained[{position}]", inner, ""
    entries = resource.get("entry")
    if resource["resourceType"] != "Bundle" or not isinstance(entries, list):
        return
    for position, entry in enumerate(entries):
        if isinstance(entry, dict):
            url = entry.get("fullUrl")
            if "resource" in entry:
                yield f".entry[{position}].resource", entry["resource"], url if isinstance(url, str) else ""
            response = entry.get("response")
            if isinstance(response, dict) and "outcome" in response:
                yield f".entry[{position}].response.outcome", response["outcome"], ""


def _stub(inner: Any) -> Any:
    kind = _type_of(inner)
    return {"resourceType": kind} if kind else inner


def _shell(resource: Json) -> Json:
    """The resource with the resources inside it cut down to their type: each is judged by the schema of its own."""
    shell = resource
    if isinstance(resource.get("contained"), list):
        shell = {**shell, "contained": [_stub(inner) for inner in resource["contained"]]}
    if resource["resourceType"] == "Bundle" and isinstance(resource.get("entry"), list):
        entries = [
            {**entry, "resource": _stub(entry["resource"])}
            if isinstance(entry, dict) and "resource" in entry
            else entry
            for entry in resource["entry"]
        ]
        shell = {**shell, "entry": entries}
    return shell


def _schema_issues(kind: str, shell: Json, path: str) -> Iterator[Issue]:
    validator = _validator(kind)
    if validator.is_valid(shell):
        return
    try:
        faults = list(islice(validator.iter_errors(shell), MAX_ISSUES + 1))
    except ValueError:  # a number that keeps its text: the validator knows plain decimals only
        faults = list(islice(validator.iter_errors(plain(shell)), MAX_ISSUES + 1))
    for error in faults:
        keyword = error.kind.name
        place = path + _expression(error.instance_path)
        yield _issue(Severity.ERROR, _CODES.get(keyword, "value"), place, _sentence(error))


def _expression(steps: list[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _sentence(error: jsonschema_rs.ValidationError) -> str:
    kind = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        named = [f"`{name}`" for name in kind.unexpected if name in _element_names()][:5]
        what = " and ".join(named) if named else "an element whose name R4 does not know"
        return f"{what}: not defined by R4 here"
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return f"`{kind.property}` is required"
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AnyOf):
        missing = [inner.kind.property for branch in kind.context for inner in branch
                   if isinstance(inner.kind, jsonschema_rs.ValidationErrorKind.Required)]  # fmt: skip
        wanted = sorted({str(name) for name in missing if not str(name).startswith("_")})
        return (
            f"one of {', '.join(wanted)} is required"
            if len(wanted) > 1
            else f"`{wanted[0]}` is required"
            if wanted
            else _SENTENCES["anyOf"]
        )
    if kind.name == "type":
        return "not of the JSON type that R4 requires here"
    return _SENTENCES.get(kind.name, "not what R4 allows here")


def _breaches(
    resource: Json, entries: Mapping[str, str] | None, base: str, local: Mapping[str, str] | None
) -> Iterator[Breach]:
    """Judge what a sound resource says; `local` are the contained resources of the one around it, when it is contained itself."""
    rule = BY_RESOURCE.get(resource["resourceType"])
    if rule is not None:
        yield from rule(resource)
    found: list[Found] = []
    yield from _walk(resource, found)
    if "contained" in resource:
        yield from contained_breaches(resource)
    contained = _contained_types(resource) if local is None else local
    around = Surroundings(contained=contained, entries=entries, base=base, inside=local is not None)
    yield from reference_breaches(found, around, _schema()["targets"], resource_types())


def _contained_types(resource: Json) -> dict[str, str]:
    contained = resource.get("contained")
    inner = contained if isinstance(contained, list) else []
    return {one["id"]: _type_of(one) for one in inner if isinstance(one, dict) and isinstance(one.get("id"), str)}


_PRIMITIVE: Final = frozenset({"code", "display", "system", "text", "unit", "use", "value", "version"})
"""Members that are primitives in every datatype that has nothing else (Coding, Quantity, Identifier): the schema has seen to it."""
_JUDGED_TEXTS: Final = frozenset({"reference", "div"})


@cache
def _judged_names() -> frozenset[str]:
    """Elements that have a rule by their name."""
    return frozenset(BY_ELEMENT) | _reference_names()


def _walk(resource: Json, found: list[Found]) -> Iterator[Breach]:
    """Visit every element of one resource, not the resources inside it; collect its references; give the breaches of its datatypes."""
    judged = _judged_names()
    waiting: list[tuple[Trail | None, str, Json]] = [(None, resource["resourceType"], resource)]
    while waiting:
        trail, place, node = waiting.pop()
        inner: list[tuple[Trail, Json]] = []
        for key, value in node.items():
            kind = type(value)
            if kind is str:
                if key in _JUDGED_TEXTS:
                    yield from _judged_text(key, value, node, place, trail, found)
            elif kind is dict:
                # What no rule could find fault with is not looked at again: it is most of what there is.
                if not value.keys() <= _PRIMITIVE or key in judged or ("code" in value and "system" not in value):
                    inner.append(((trail, key, -1), value))
            elif kind is list:
                if key[0] == "_" or None in value:
                    yield from _alignment_breaches(node, key, f"{written(trail)}.{key}")
                inner += [
                    ((trail, key, position), item)
                    for position, item in enumerate(value)
                    if type(item) is dict
                    and (not item.keys() <= _PRIMITIVE or key in judged or ("code" in item and "system" not in item))
                ]
        for here, element in inner:
            if "resourceType" in element:
                continue
            key = here[1]
            if not element.keys() <= _PRIMITIVE:
                waiting.append((here, f"{place}.{key}", element))
            if key in judged or "start" in element or ("code" in element and "system" not in element):
                yield from _element_breaches(key, element, here)


def _judged_text(
    key: str, value: str, node: Json, place: str, trail: Trail | None, found: list[Found]
) -> Iterator[Breach]:
    if key == "reference":
        found.append(Found(place, trail, value, node.get("type", "")))
        return
    fault = narrative_fault(value)
    if fault:
        yield Breach(key="txt-1", text=fault, path=f"{written(trail)}.div")


def _element_breaches(name: str, element: Json, here: Trail) -> Iterator[Breach]:
    rule = BY_ELEMENT.get(name)
    if rule is not None:
        for breach in rule(element):
            yield replace(breach, path=written(here) + breach.path)
    start, end = element.get("start"), element.get("end")
    if isinstance(start, str) and isinstance(end, str) and period_fault(start, end):
        yield Breach(key="per-1", text="it starts after it ends (per-1)", path=written(here))
    if name in _reference_names() and element.keys() <= {"id", "type"}:
        yield Breach(key="ref-2", text="a reference needs a reference, an identifier or a display", path=written(here))
    if "code" in element and quantity_fault(element):
        yield Breach(key="qty-3", text="a coded unit needs its system (qty-3)", path=written(here))


def _alignment_breaches(node: Json, key: str, path: str) -> Iterator[Breach]:
    """A null in a primitive array stands for a value that its sibling array explains at the same place, and the reverse."""
    name = key.removeprefix("_")
    if key != name and name in node and None in node[name]:
        return  # judged once, from the values
    values, siblings = node.get(name, []), node.get(f"_{name}", [])
    if isinstance(values, list) and isinstance(siblings, list):
        for position, (value, sibling) in enumerate(zip_longest(values, siblings)):
            if value is None and sibling is None:
                yield Breach(key="null", text="a null that nothing explains", path=f"{path}[{position}]")
