"""Which adapters there are: every folder here, strictly. A folder that does not fit stops the start; nothing is skipped in silence."""

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

import adapters
from adapters.contract import AdapterSpec

NOT_ADAPTERS = frozenset({"contract", "discover", "failpoints"})


class AdapterSpecError(Exception):
    """An adapter folder that does not fit: names the folder and what is missing."""

    def __init__(self, folder: str, text: str) -> None:
        super().__init__(f"adapters/{folder}: {text}")
        self.folder = folder


def discover(package: ModuleType = adapters) -> Mapping[str, AdapterSpec]:
    """Every adapter by its name. Raises AdapterSpecError for the first folder that does not fit the contract."""
    found: dict[str, AdapterSpec] = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda one: one.name):
        if module.name in NOT_ADAPTERS:
            continue
        if not module.ispkg:
            raise AdapterSpecError(
                module.name, "an adapter is a folder with inbound.py, outbound.py, settings.py and README.md"
            )
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        found[module.name] = _checked(module.name, loaded)
    return found


def _checked(folder: str, loaded: ModuleType) -> AdapterSpec:
    spec = getattr(loaded, "SPEC", None)
    if not isinstance(spec, AdapterSpec):
        raise AdapterSpecError(folder, "__init__.py has no SPEC")
    if spec.name != folder:
        raise AdapterSpecError(folder, f"SPEC is named {spec.name}")
    if spec.inbound_settings is None and spec.outbound_settings is None:
        raise AdapterSpecError(folder, "SPEC says neither a way in nor a way out")
    if spec.make_inbound is not None and spec.inbound_settings is None:
        raise AdapterSpecError(folder, "make_inbound without inbound_settings")
    if spec.inbound_settings is not None and spec.make_inbound is None:
        raise AdapterSpecError(folder, "inbound_settings without make_inbound")
    if spec.make_outbound is not None and spec.outbound_settings is None:
        raise AdapterSpecError(folder, "make_outbound without outbound_settings")
    for model in (spec.inbound_settings, spec.outbound_settings):
        if model is not None and not (issubclass(model, BaseModel) and model.model_config.get("extra") == "forbid"):
            raise AdapterSpecError(folder, f"{model.__name__} has to be a pydantic model that forbids unknown keys")
    if not (Path(loaded.__path__[0]) / "README.md").is_file():
        raise AdapterSpecError(folder, "there is no README.md")
    return spec
