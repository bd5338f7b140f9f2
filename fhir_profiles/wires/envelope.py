"""The parts that every FHIR wire shares: derived UUIDs, fullUrls, references inside the bundle. Deterministic: no clock, no random number."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from fhir_profiles.elements import as_object, as_objects, as_text, codings, kind, name_of, referenced
from fhir_profiles.profiles.notice import LETTER_CODES
from fhir_profiles.shapes import Heading, Json
from fhir_profiles.systems import LOCAL_ID

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_URN: Final = "urn:uuid:"
DELIVERY_ID: Final = LOCAL_ID + "delivery"


def derived_uuid(delivery_id: str, part: str) -> str:
    """Give the UUID of one part of an envelope: RFC 9562 version 8 over SHA-256 of its name and the delivery id."""
    digest = bytearray(hashlib.sha256(f"throughgate/{part}/{delivery_id}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def head_of(bundle: Json, heading: Heading) -> Json:
    """Give the head of a Bundle: a derived id, what the gate says of the letter (its generic marker of something left out), and an identifier.

    The delivery id is the identifier: the recipient can discard a repeat by it, and a correction names it.
    """
    meta = as_object(bundle.get("meta"))
    identifier = {"system": DELIVERY_ID, "value": heading.delivery_id}
    bundle_id = derived_uuid(heading.delivery_id, "bundle")
    return {"resourceType": "Bundle", "id": bundle_id, **({"meta": meta} if meta else {}), "identifier": identifier}


def _full_url(entry: Json, resource: Json, delivery_id: str) -> str:
    """Keep a urn:uuid that is there; else make it of an id that is a UUID; else derive one."""
    given = as_text(entry.get("fullUrl"))
    if given.startswith(_URN) and _UUID.fullmatch(given[len(_URN) :]):
        return given
    own = as_text(resource.get("id"))
    if _UUID.fullmatch(own):
        return _URN + own
    return _URN + derived_uuid(delivery_id, f"{kind(resource)}/{own}")


def _rewritten(value: Any, urls: Mapping[str, str]) -> Any:
    """Copy an object or a list with every literal reference as a fullUrl of this bundle; one that leads out of it is left out."""
    if isinstance(value, list):
        items = [_rewritten(item, urls) if isinstance(item, (dict, list)) else item for item in value]
        return [item for item in items if item or not isinstance(item, (dict, list))]
    copy: Json = {}
    for key, item in value.items():
        if type(item) is str:
            if key != "reference" or item.startswith("#"):
                copy[key] = item
            elif (url := urls.get(referenced(value))) is not None:
                copy[key] = url
        elif isinstance(item, (dict, list)):
            kept = _rewritten(item, urls)
            if kept:
                copy[key] = kept
        else:
            copy[key] = item
    return copy


def entries_of(bundle: Json, heading: Heading) -> tuple[Json, ...]:
    """Give the entries of a letter in order, each {fullUrl, resource}, with references inside the bundle."""
    urls: dict[str, str] = {}
    placed: list[tuple[str, Json]] = []
    for entry in as_objects(bundle.get("entry")):
        resource = as_object(entry.get("resource"))
        if not kind(resource):
            continue
        url = _full_url(entry, resource, heading.delivery_id)
        urls[name_of(resource)] = url
        given = as_text(entry.get("fullUrl"))
        if given:
            urls[given] = url
        urls[url] = url
        placed.append((url, resource))
    return tuple({"fullUrl": url, "resource": _dated(_rewritten(resource, urls), heading)} for url, resource in placed)


def _dated(resource: Json, heading: Heading) -> Json:
    """Say of a referral when this version of it was written: updates that overtake each other are put in order by that (Booking and Referral)."""
    if kind(resource) != "ServiceRequest":
        return resource
    return {**resource, "meta": {"lastUpdated": heading.time, **as_object(resource.get("meta"))}}


def first_of(entries: tuple[Json, ...], resource_type: str) -> Json | None:
    """Give the first entry of a type."""
    return next((entry for entry in entries if kind(entry["resource"]) == resource_type), None)


def letter_name(entries: tuple[Json, ...]) -> str:
    """Give the kind of letter as the letter itself says it (Composition.type, Communication.category), or `letter`."""
    for entry in entries:
        resource = entry["resource"]
        for concept in (resource.get("type"), resource.get("category")):
            for coding in codings(concept) if kind(resource) in {"Composition", "Communication"} else ():
                if coding.get("system") == LETTER_CODES and as_text(coding.get("code")):
                    return as_text(coding.get("code"))
    return "letter"
