"""Every profile that Throughgate promises, one module a profile with its StructureDefinition beside it, found by name.

A resource claims a profile (`meta.profile`) only when it keeps it: claims are made when a letter is rendered, after everything was taken out.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Final

from fhir_profiles.elements import as_object, as_objects, kind
from fhir_profiles.profiles.checking.spec import Profile
from fhir_profiles.shapes import Json


def profile_in(module: ModuleType) -> Profile:
    """Give the profile of a module. Raises TypeError or ValueError when it states none, has no `build`, or its definition is another's."""
    file_name = module.__name__.rpartition(".")[2]
    profile = getattr(module, "PROFILE", None)
    if not isinstance(profile, Profile) or not callable(getattr(module, "build", None)):
        raise TypeError(f"profiles/{file_name}.py states no PROFILE or no build")
    if profile.name.replace("-", "_") != file_name or profile.definition.get("url") != profile.url:
        raise ValueError(f"profiles/{file_name}.py: the name or the url of its definition differs")
    if profile.stated_type() != profile.resource_type:
        raise ValueError(f"profiles/{file_name}.py: the definition is of another type")
    return profile


def _discover() -> Mapping[str, Profile]:
    names = sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.ispkg)
    profiles = (profile_in(importlib.import_module(f"{__name__}.{name}")) for name in names)
    return MappingProxyType({profile.url: profile for profile in profiles})


PROFILES: Final = _discover()
"""Canonical URL -> profile."""
_BY_TYPE: Final = {
    profile.resource_type: tuple(one for one in PROFILES.values() if one.resource_type == profile.resource_type)
    for profile in PROFILES.values()
}


def _with_claims(resource: Json) -> Json:
    """Copy a resource with `meta.profile` naming every profile of ours that it keeps, and no other."""
    kept = [profile.url for profile in _BY_TYPE.get(kind(resource), ()) if profile.kept_by(resource)]
    meta = {key: value for key, value in as_object(resource.get("meta")).items() if key != "profile"}
    if kept:
        meta = {"profile": kept, **meta}
    head: Json = {key: resource[key] for key in ("resourceType", "id") if key in resource}
    rest = {key: value for key, value in resource.items() if key not in {*head, "meta"}}
    return {**head, **({"meta": meta} if meta else {}), **rest}


def claimed(bundle: Json) -> Json:
    """Copy a rendered Bundle in which it and each of its resources claims exactly the profiles that it keeps."""
    entries = [{**entry, "resource": _with_claims(entry["resource"])} for entry in as_objects(bundle.get("entry"))]
    return _with_claims({**bundle, "entry": entries} if entries else bundle)
