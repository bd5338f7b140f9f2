"""One suite over every adapter that discovery finds, and proof that discovery is strict."""

import ast
import importlib
import sys
import types
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

import adapters
from adapters.contract import AdapterSpec, Inbound
from adapters.discover import AdapterSpecError, discover
from fhir_profiles.letters import WIRES

FOUND = discover()
ROOT = Path(adapters.__file__).parent


def test_the_shipped_adapters_are_found() -> None:
    assert set(FOUND) == {"mllp", "fhir_http", "hl7v2_http", "file_drop", "mailbox"}


@pytest.mark.parametrize("name", sorted(FOUND))
def test_settings_refuse_unknown_keys_and_do_not_change(name: str) -> None:
    for model in (FOUND[name].inbound_settings, FOUND[name].outbound_settings):
        if model is not None:
            assert model.model_config["extra"] == "forbid"
            assert model.model_config["frozen"]
            with pytest.raises(ValidationError, match="surprise"):
                model(surprise=1)


@pytest.mark.parametrize("name", sorted(FOUND))
def test_every_number_of_the_settings_is_bounded(name: str) -> None:
    for model in (FOUND[name].inbound_settings, FOUND[name].outbound_settings):
        for key, field in (model.model_fields if model else {}).items():
            if field.annotation in (int, float):
                kinds = {type(one).__name__ for one in field.metadata}
                assert kinds & {"Ge", "Gt"}, key
                assert kinds & {"Le", "Lt"}, key


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_adapter_imports_ours_or_logs(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] not in {
                "gateway",
                "fhir_profiles",
                "consent",
                "logging",
                "structlog",
                "sqlalchemy",
            }


def test_what_an_adapter_carries_are_wires() -> None:
    for spec in FOUND.values():
        assert spec.wires <= {wire for letter in WIRES.values() for wire in letter} | {"pdf"}
        assert spec.outbound_settings is not None or not spec.wires


def test_each_side_is_built_from_its_settings() -> None:
    mllp = FOUND["mllp"]
    assert mllp.make_inbound is not None
    assert mllp.inbound_settings is not None
    made: Inbound = mllp.make_inbound(mllp.inbound_settings(channel="c", client="c", port=0))
    assert callable(made.start)
    assert callable(made.stop)
    http = FOUND["fhir_http"]
    assert http.make_outbound is not None
    assert http.outbound_settings is not None
    assert callable(http.make_outbound(http.outbound_settings(url="http://127.0.0.1:1/")).send)


class Loose(BaseModel):
    """Settings that take anything."""


def package_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: AdapterSpec | None, *, readme: bool = True
) -> types.ModuleType:
    """A package `sabotage` with one adapter folder `bad`."""
    folder = tmp_path / "sabotage" / "bad"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("")
    (folder / "__init__.py").write_text("")
    if readme:
        (folder / "README.md").write_text("# bad\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("sabotage", "sabotage.bad"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    package = importlib.import_module("sabotage")
    bad = importlib.import_module("sabotage.bad")
    if spec is not None:
        bad.SPEC = spec  # type: ignore[attr-defined]  # made for this test
    return package


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (None, "no SPEC"),
        (AdapterSpec(name="other", outbound_settings=FOUND["mailbox"].outbound_settings), "named other"),
        (AdapterSpec(name="bad"), "neither"),
        (AdapterSpec(name="bad", outbound_settings=Loose), "forbids unknown keys"),
        (AdapterSpec(name="bad", inbound_settings=FOUND["mllp"].inbound_settings), "without make_inbound"),
        (
            AdapterSpec(
                name="bad",
                make_outbound=FOUND["fhir_http"].make_outbound,
                inbound_settings=FOUND["mllp"].inbound_settings,
                make_inbound=FOUND["mllp"].make_inbound,
            ),
            "without outbound_settings",
        ),
    ],
    ids=["no-spec", "wrong-name", "empty", "loose-settings", "no-make-inbound", "no-outbound-settings"],
)  # fmt: skip
def test_a_folder_that_does_not_fit_stops_discovery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: AdapterSpec | None, says: str
) -> None:
    with pytest.raises(AdapterSpecError, match=says):
        discover(package_with(tmp_path, monkeypatch, spec))


def test_an_adapter_without_readme_stops_discovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = AdapterSpec(name="bad", outbound_settings=FOUND["mailbox"].outbound_settings)
    with pytest.raises(AdapterSpecError, match=r"README\.md"):
        discover(package_with(tmp_path, monkeypatch, spec, readme=False))


def test_a_loose_file_among_the_folders_stops_discovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = AdapterSpec(name="bad", outbound_settings=FOUND["mailbox"].outbound_settings)
    package = package_with(tmp_path, monkeypatch, spec)
    assert set(discover(package)) == {"bad"}
    (tmp_path / "sabotage" / "loose.py").write_text("")
    with pytest.raises(AdapterSpecError, match="is a folder"):
        discover(package)
