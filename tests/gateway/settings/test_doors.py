"""Before a door opens beyond this machine: what `check` lists and `serve` refuses."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.doors import missing
from gateway.settings import Settings
from tests.certificates import authority, certified

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
PRINT = certified("zfg-ehr").fingerprint


def made(gateway: dict[str, Any], tls: dict[str, Any] | None = None, **channel: Any) -> Settings:
    ehr = {"name": "ehr", "adapter": "mllp", "port": 2575, "client": "zfg-ehr", **channel}
    return Settings.model_validate(
        {
            "gateway": {"installation": "test", **gateway},
            "sender": {"ods": "ZZT01", "name": "Test", "endpoint": "https://throughgate.example/fhir"},
            "establishments": [{"id": "ZFG", "name": "HMP Fellgate (example)"}],
            "channels": [ehr],
            **({"tls": tls} if tls else {}),
        }
    )


def places(settings: Settings, now: datetime = NOW) -> list[str]:
    return [one.place for one in missing(settings, now)]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    certificate, key = certified("gateway").write(tmp_path, "gateway")
    return {"certificate": certificate, "key": key, "client_ca": authority().write(tmp_path, "ca")[0]}


OUT = {"http_host": "0.0.0.0", "public_url": "https://gateway.example"}


def test_loopback_needs_nothing() -> None:
    assert places(made({})) == []
    assert places(made({"http_host": "::1", "mllp_host": "localhost"})) == []


def test_https_with_everything_is_whole(files: dict[str, Path]) -> None:
    assert places(made(OUT, files)) == []
    assert places(made({**OUT, "mllp_host": "192.0.2.1"}, files, certificates=[PRINT])) == []
    assert made(OUT, files).http_scheme() == "https"


def test_http_beyond_loopback_is_missing_its_tls() -> None:
    assert places(made(OUT)) == ["gateway.http_host"]
    assert places(made({"http_host": "192.0.2.1"})) == ["gateway.http_host"]
    assert "gateway.public_url" in places(made({"http_host": "0.0.0.0"}))
    assert "gateway.public_url" in places(made({"http_host": "::", "public_url": "http://localhost"}))


def test_mllp_beyond_loopback_is_missing_its_mutual_tls(files: dict[str, Path]) -> None:
    out = {"mllp_host": "192.0.2.1"}
    assert places(made(out)) == ["channels.ehr.certificates", "tls.client_ca"]
    assert places(made(out, files)) == ["channels.ehr.certificates"]
    del files["client_ca"]
    assert places(made(out, files, certificates=[PRINT])) == ["tls.client_ca"]
    assert places(made({}, files, certificates=[PRINT])) == ["tls.client_ca"]  # on loopback too: it says it has it


def test_files_that_do_not_fit(files: dict[str, Path], tmp_path: Path) -> None:
    other, _ = certified("another").write(tmp_path, "another")
    assert places(made(OUT, {**files, "certificate": other})) == ["tls"]
    assert places(made(OUT, {**files, "key": tmp_path / "none.key"})) == ["tls"]
    assert places(made(OUT, {**files, "client_ca": tmp_path / "none.pem"})) == ["tls.client_ca"]
    files["key"].chmod(0o640)
    assert places(made(OUT, files)) == ["tls.key"]


def test_a_certificate_that_is_not_valid_now(files: dict[str, Path]) -> None:
    assert places(made(OUT, files), datetime(2041, 1, 1, tzinfo=UTC)) == ["tls.certificate", "tls.client_ca"]
    assert places(made(OUT, files), datetime(2019, 1, 1, tzinfo=UTC)) == ["tls.certificate", "tls.client_ca"]


def test_what_is_missing_says_what_to_do_and_where() -> None:
    for one in missing(made({"http_host": "0.0.0.0", "mllp_host": "0.0.0.0"}), NOW):
        assert len(one.text.split()) >= 6
        assert one.place


def test_only_a_client_that_proves_itself_can_be_a_consent_authority(files: dict[str, Path]) -> None:
    """A bearer or a certificate proves a client; a port alone does not."""
    settings = made({})
    assert not settings.channel("ehr").proves_its_client()
    assert settings.channel("http-fhir").proves_its_client()
    assert made({}, files, certificates=[PRINT]).channel("ehr").proves_its_client()
