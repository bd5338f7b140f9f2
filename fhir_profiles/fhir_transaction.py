"""What a transaction Bundle may ask for: PUT or POST of what it brings, unconditionally. It must never carry a request out.

A condition that is not looked at would do something else than was asked, so that every condition is refused, with its place.
Source: http://hl7.org/fhir/R4/http.html#transaction.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from fhir_profiles.fhir_message import object_of, text_of
from fhir_profiles.shapes import Json, RefusalCode

_Problem = tuple[RefusalCode, str, str]
_METHODS: Final = ("PUT", "POST")
_CONDITIONS: Final = ("ifNoneMatch", "ifModifiedSince", "ifMatch", "ifNoneExist")
_ADDRESS: Final = re.compile(r"[A-Z][A-Za-z]{1,63}(?:/[A-Za-z0-9.\-]{1,64})?")


def transaction_problems(bundle: Json) -> Iterator[_Problem]:
    """Give what cannot be taken, in order: (code, place, sentence without content)."""
    entries = bundle.get("entry")
    for position, entry in enumerate(entries if isinstance(entries, list) else ()):
        path = f"Bundle.entry[{position}]"
        request = object_of(object_of(entry).get("request"))
        resource = object_of(object_of(entry).get("resource"))
        if not request:
            yield RefusalCode.FIELD_MISSING, f"{path}.request", "an entry of a transaction needs a request (bdl-3)"
            continue
        method = text_of(request.get("method"))
        if method not in _METHODS:
            yield RefusalCode.TYPE_UNSUPPORTED, f"{path}.request.method", "only PUT and POST are taken in a transaction"
        for name in _CONDITIONS:
            if name in request:
                yield RefusalCode.TYPE_UNSUPPORTED, f"{path}.request.{name}", "conditional requests are not taken"
        yield from _address_problems(request, resource, path, method)
        yield from _conditional_references(resource, f"{path}.resource")


def _address_problems(request: Json, resource: Json, path: str, method: str) -> Iterator[_Problem]:
    """The address names what is brought, and asks for nothing else."""
    url = text_of(request.get("url"))
    place = f"{path}.request.url"
    if "?" in url:
        yield RefusalCode.TYPE_UNSUPPORTED, place, "conditional requests are not taken"
        return
    kind, own = text_of(resource.get("resourceType")), text_of(resource.get("id"))
    wanted = f"{kind}/{own}" if method == "PUT" else kind
    if not _ADDRESS.fullmatch(url) or url != wanted:
        text = "the address is `Type/id` of the resource for PUT, and `Type` for POST"
        yield RefusalCode.VALUE_INVALID, place, text


def _conditional_references(value: Any, path: str) -> Iterator[_Problem]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "reference" and isinstance(item, str) and "?" in item:
                yield RefusalCode.TYPE_UNSUPPORTED, f"{path}.reference", "conditional references are not taken"
            else:
                yield from _conditional_references(item, f"{path}.{key}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _conditional_references(item, f"{path}[{position}]")
