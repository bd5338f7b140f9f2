"""`check` says what a database and a broker lack, each in a sentence, before anything is opened on them; a fit pair has no fault."""

from pathlib import Path

from gateway import wiring
from gateway.settings import Settings, parse_settings
from gateway.store import faults_of
from tests.engines import broker, database, own_database
from tests.line import SETTINGS

EMBEDDED = ("sqlite:////tmp/x.db", "memory://")


def settings(folder: Path, store_url: str, bus_url: str) -> Settings:
    text = SETTINGS.format(
        folder=folder, store_url=store_url, bus_url=bus_url, installation=broker().fresh(), send_timeout_seconds=1
    )
    return parse_settings(text, "throughgate.toml")


def said(folder: Path, store_url: str, bus_url: str) -> list[tuple[str, str]]:
    return [(fault.place, fault.text) for fault in wiring.engine_faults(settings(folder, store_url, bus_url))]


def names_at_the_broker() -> tuple[list[str], list[str]]:
    """Every queue and exchange; the broker lists them in no order."""
    queues, exchanges = (
        sorted(broker().control(kind, "name").splitlines()) for kind in ("list_queues", "list_exchanges")
    )
    return queues, exchanges


def test_a_fit_pair_and_one_process_have_no_fault_and_nothing_is_left(tmp_path: Path) -> None:
    before = names_at_the_broker()
    assert said(tmp_path, database().fresh(), broker().url) == []
    assert said(tmp_path, *EMBEDDED) == []
    assert names_at_the_broker() == before


def test_engines_elsewhere_without_tls_are_named_and_never_called(tmp_path: Path) -> None:
    """192.0.2.1 is for documentation: asking it would only time out."""
    faults = said(tmp_path, "postgresql://app@192.0.2.1/x?sslmode=require", "amqp://app@192.0.2.1/")
    assert [place for place, _ in faults] == ["gateway.store_url", "gateway.bus_url"]
    assert "verify-full" in faults[0][1]
    assert "amqps" in faults[1][1]


def test_engines_that_are_away_are_named(tmp_path: Path) -> None:
    faults = said(tmp_path, "postgresql://app@127.0.0.1:1/x", "amqp://guest:guest@127.0.0.1:1/")
    assert [place for place, _ in faults] == ["gateway.store_url", "gateway.bus_url"]


def test_a_user_of_the_broker_without_rights_or_with_a_wrong_password(tmp_path: Path) -> None:
    name = f"limited-{broker().fresh()}"
    broker().control("add_user", name, "password")
    broker().control("set_permissions", name, "^other$", ".*", ".*")
    limited = broker().url.replace("guest:guest", f"{name}:password")
    ((place, text),) = said(tmp_path, database().fresh(), limited)
    assert (place, "set_permissions" in text) == ("gateway.bus_url", True)
    ((_, text),) = said(tmp_path, database().fresh(), limited.replace(":password", ":wrong"))
    assert "refuses this user" in text
    broker().control("set_permissions", name, r"^throughgate\..*", r"^throughgate\..*", r"^throughgate\..*")
    assert said(tmp_path, database().fresh(), limited) == []


def test_a_database_that_is_not_durable_or_lets_its_user_make_nothing() -> None:
    with own_database() as server:
        url = server.fresh()
        assert faults_of(url) == []
        assert server.sql("CREATE USER reader")
        (text,) = faults_of(url.replace("app@", "reader@"))
        assert "may not make tables" in text
        assert server.sql("ALTER SYSTEM SET fsync = off")
        assert server.sql("ALTER SYSTEM SET full_page_writes = off")
        assert server.sql("SELECT pg_reload_conf()")
        found = faults_of(url)
        assert [text.split(" is ")[0] for text in found] == ["fsync", "full_page_writes"]
