"""Is this FHIR R4? The compiled schema first, then what a schema cannot say: invariants, references, narrative.

It must never quote content: an issue has a FHIRPath-like expression, a fixed sentence, and names only elements that R4 defines.
A resource type that this product does not use is passed with an issue of severity `information`: nobody here reads it.
Sources: http://hl7.org/fhir/R4/ (definitions compiled by `fhir_profiles.schema.compile`), reference/stack.md section 2.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, Final, cast

import jsonschema_rs

from fhir_profiles.fhir_json import plain
from fhir_profiles.limits import MAX_ENTRIES, MAX_ISSUES
from fhir_profiles.schema.invariants import BY_RESOURCE, Breach
from fhir_profiles.schema.references import (
    Found,
    Surroundings,
    contained_breaches,
    entries_by_url,
    reference_breaches,
)
from fhir_profiles.schema.walk import Walk, walk_of
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


_ALONE: Final = Surroundings(contained={}, entries=None)


@cache
def schema() -> dict[str, Any]:
    text = files("fhir_profiles.schema").joinpath("r4.json").read_text(encoding="utf-8")
    return cast("dict[str, Any]", json.loads(text))


@cache
def _element_names() -> frozenset[str]:
    return frozenset(name for definition in schema()["$defs"].values() for name in definition.get("properties", ()))


@cache
def _walk() -> Walk:
    return walk_of(schema())


@cache
def resource_types() -> frozenset[str]:
    """The resource types that are checked; others pass with an issue."""
    return frozenset(schema()["resources"])


@cache
def _validator(resource_type: str) -> jsonschema_rs.Draft202012Validator:
    """Compile the schema of one type, once: the definitions that it reaches and no others."""
    definitions, reached, waiting = schema()["$defs"], {}, [resource_type]
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
    issues = list(islice(_judge(resource, _type_of(resource) or "Resource", _ALONE), MAX_ISSUES + 1))
    if len(issues) > MAX_ISSUES:
        issues[MAX_ISSUES:] = [
            _issue(Severity.ERROR, "too-costly", "", f"more than {MAX_ISSUES} issues; the rest is not listed")
        ]
    return tuple(issues)


def invalid(issues: tuple[Issue, ...]) -> bool:
    """Say whether any issue makes the content unusable."""
    return any(issue.severity in (Severity.FATAL, Severity.ERROR) for issue in issues)


def _judge(resource: Any, path: str, around: Surroundings) -> Iterator[Issue]:
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
    holds_others = kind == "Bundle" or "contained" in resource
    shell = _shell(resource) if holds_others else resource
    is_sound = _validator(kind).is_valid(shell)
    if not is_sound:
        yield from _schema_issues(kind, shell, path)
    if holds_others:
        if "contained" in resource and not around.inside:
            around = replace(around, contained=_contained_types(resource))
        if kind == "Bundle" and is_sound and len(resource.get("entry", ())) > MAX_ENTRIES:
            yield _issue(Severity.ERROR, "too-costly", f"{path}.entry", f"more than {MAX_ENTRIES} entries")
            return
        yield from _judge_inner(resource, path, around, is_sound=is_sound)
    if is_sound:
        for breach in _breaches(resource, kind, around):
            code = "not-found" if breach.key in ("dangling", "ref-1") else "invariant"
            yield _issue(breach.severity, code, f"{path}{breach.path}", breach.text)


def _judge_inner(resource: Json, path: str, around: Surroundings, *, is_sound: bool) -> Iterator[Issue]:
    """Judge the resources inside a resource, each in its own surroundings."""
    is_bundle = resource["resourceType"] == "Bundle"
    entries = entries_by_url(resource) if is_bundle and is_sound else around.entries
    beside = Surroundings(contained={}, entries=entries, base=around.base)
    for place, inner, url in _inner(resource):
        if place.startswith(".contained"):
            about = replace(around, contained=_contained_types(resource), entries=entries, inside=True)
        else:
            about = replace(beside, base=_base_of(url, inner)) if url else beside
        yield from _judge(inner, f"{path}{place}", about)


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
    """Say what in a resource that is not sound breaks the schema."""
    validator = _validator(kind)
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


def _breaches(resource: Json, kind: str, around: Surroundings) -> Iterator[Breach]:
    """Judge what a sound resource says."""
    rule = BY_RESOURCE.get(kind)
    if rule is not None:
        yield from rule(resource)
    found: list[Found] = []
    yield from _walk()(resource, found)
    if "contained" in resource:
        yield from contained_breaches(resource)
    yield from reference_breaches(found, around, resource_types())


def _contained_types(resource: Json) -> dict[str, str]:
    contained = resource.get("contained")
    inner = contained if isinstance(contained, list) else []
    return {one["id"]: _type_of(one) for one in inner if isinstance(one, dict) and isinstance(one.get("id"), str)}
