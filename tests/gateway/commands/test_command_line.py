"""The command line: exit codes, JSON, errors that say what to do, and that nothing is active that nobody made active."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway import shipped
from gateway.__main__ import app
from gateway.clients import ClientError
from gateway.commands.message_files import split_messages
from gateway.commands.try_message import spread
from gateway.errors import SettingsError
from tests.builders import adt_a01, adt_a03, fhir_message
from tests.gateway.smart.signer import ec_key, jwks, public
from tests.line import sign_agreements

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A folder that `init` just made; its throughgate.toml."""
    folder = tmp_path / "made"
    assert run("init", str(folder)).exit_code == 0
    return folder / "throughgate.toml"


def activate(installation: Path) -> None:
    """Make every example active that fits the others, say how a person is told, and let two people sign."""
    for example in installation.parent.rglob("*.toml.example"):
        if example.parent.name != "agreements" or example.name.removesuffix(".toml.example") in shipped.in_use():
            example.rename(example.with_suffix(""))
    text = installation.read_text("utf-8")
    installation.write_text(text + '\n[tell]\nurl = "http://127.0.0.1:9/"\n', "utf-8")
    sign_agreements(installation)


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    """`--help` must not load the line: what it imports is looked at, not how long it takes."""
    heavy = "sqlalchemy|aiohttp|fastapi|uvicorn|jsonschema_rs|fhir_profiles.translate"
    code = (
        "import re, sys\nimport gateway.__main__\n"
        f"loaded = [name for name in sys.modules if re.match(r'({heavy})$', name)]\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_wrong_arguments_exit_2() -> None:
    assert run("try").exit_code == 2
    assert run("check", "--config", "/nowhere/throughgate.toml").exit_code == 2
    assert run("no-such-command").exit_code == 2


def test_init_makes_nothing_active(installation: Path) -> None:
    """INVARIANT of an installation: no account, no recipient, no agreement until somebody makes it active."""
    folder = installation.parent
    assert not list((folder / "recipients").glob("*.toml"))
    assert not list((folder / "agreements").glob("*.toml"))
    assert list((folder / "recipients").glob("*.toml.example"))
    assert list((folder / "agreements").glob("*.toml.example"))
    found = json.loads(run("check", "--config", str(installation), "--json").stdout)
    assert found["routes"] == []


def test_init_keeps_secrets_to_their_owner(installation: Path) -> None:
    for secret in (installation.parent / "keys").iterdir():
        assert secret.stat().st_mode & 0o077 == 0


def test_init_never_writes_over_anything(installation: Path) -> None:
    before = installation.read_bytes()
    assert run("init", str(installation.parent)).exit_code == 2
    assert installation.read_bytes() == before


def test_check_prints_every_route_and_names_what_does_not_fit(installation: Path) -> None:
    activate(installation)
    assert (
        run(
            "client",
            "add",
            "fellgate-ehr",
            "--kinds",
            "ADT^A01",
            "--establishments",
            "ZFG",
            "--config",
            str(installation),
        ).exit_code
        == 0
    )
    found = run("check", "--config", str(installation), "--json")
    assert found.exit_code == 0, found.stdout
    routes = {(route["letter"], route["recipient"]) for route in json.loads(found.stdout)["routes"]}
    assert ("handover", "northfell-recovery") in routes
    assert ("report", "fellgate-security") in routes
    (installation.parent / "agreements" / "handover.toml").unlink()
    broken = run("check", "--config", str(installation), "--json")
    assert broken.exit_code == 1
    assert any("northfell" in fault["place"] for fault in json.loads(broken.stdout)["faults"])


def test_check_refuses_a_flow_that_cannot_tell_anybody(installation: Path) -> None:
    activate(installation)
    text = installation.read_text("utf-8")
    installation.write_text(text.replace('[tell]\nurl = "http://127.0.0.1:9/"\n', ""), "utf-8")
    found = run("check", "--config", str(installation))
    assert found.exit_code == 1
    assert "tell" in found.stdout + found.stderr


def test_an_unknown_setting_is_named(installation: Path) -> None:
    installation.write_text(installation.read_text("utf-8") + "\n[surprise]\nx = 1\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "check", "--config", str(installation)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "surprise" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_client_and_its_token(installation: Path) -> None:
    config = str(installation)
    assert (
        run(
            "client", "add", "a-system", "--kinds", "ADT^A01,ADT^A03", "--establishments", "ZFG", "--config", config
        ).exit_code
        == 0
    )
    made = json.loads(run("token", "--client", "a-system", "--config", config, "--json").stdout)
    assert made["token_type"] == "Bearer"
    assert len(made["access_token"]) >= 43  # 256 bits
    again = run("token", "--client", "a-system", "--config", config)
    assert again.stdout.strip() != made["access_token"]


def test_a_clients_keys_and_its_end(installation: Path, tmp_path: Path) -> None:
    """Only the public half is taken; after the end nothing of it is."""
    config = ("--config", str(installation))
    assert run("client", "add", "a-system", "--kinds", "ADT^A01", "--establishments", "ZFG", *config).exit_code == 0
    good, secret = tmp_path / "public.json", tmp_path / "private.json"
    good.write_bytes(jwks(public(ec_key(), "key-1")))
    secret.write_text(json.dumps({"keys": [{**ec_key().as_dict(private=True), "kid": "key-2"}]}), "utf-8")
    made = json.loads(run("client", "key", "add", "a-system", "--jwks", str(good), *config, "--json").stdout)
    assert made == {"name": "a-system", "kids": ["key-1"], "token_endpoint": "http://127.0.0.1:8080/oauth2/token"}
    refused = run("client", "key", "add", "a-system", "--jwks", str(secret), *config)
    assert isinstance(refused.exception, ClientError)
    assert "private key" in str(refused.exception)
    assert "ended a-system" in run("client", "end", "a-system", *config).stdout
    assert run("client", "end", "a-system", *config).exit_code == 1
    assert run("token", "--client", "a-system", *config).exit_code == 1


def test_check_says_what_a_door_beyond_this_machine_lacks(installation: Path) -> None:
    text = installation.read_text("utf-8")
    installation.write_text(
        text.replace("[gateway]", '[gateway]\nhttp_host = "0.0.0.0"\nmllp_host = "0.0.0.0"'), "utf-8"
    )
    checked = run("check", "--config", str(installation))
    assert checked.exit_code == 1
    for place in ("gateway.http_host", "gateway.public_url", "channels.fellgate-ehr.certificates", "tls.client_ca"):
        assert f"fault  {place}: " in checked.stdout
    serve = run("serve", "--config", str(installation))
    assert serve.exit_code == 1
    assert isinstance(serve.exception, SettingsError)


def test_there_is_no_default_client(installation: Path) -> None:
    assert run("token", "--client", "fellgate-ehr", "--config", str(installation)).exit_code == 1


def test_the_ledger_of_a_new_installation_verifies(installation: Path) -> None:
    found = run("ledger", "verify", "--config", str(installation), "--json")
    assert found.exit_code == 0, found.stdout
    assert json.loads(found.stdout)["verified"] is True


def test_the_ledger_without_its_head_does_not_verify(installation: Path) -> None:
    """Sabotage: the head file is what the database cannot bring back."""
    for head in (installation.parent / "head").iterdir():
        head.unlink()
    assert run("ledger", "verify", "--config", str(installation)).exit_code == 1


def test_the_examples_of_the_shipped_agreements_hold() -> None:
    found = run("agreements", "check", "--json")
    assert found.exit_code == 0, found.stdout
    checked = json.loads(found.stdout)["agreements"]
    assert {one["agreement"] for one in checked} >= {"handover", "prescription-copy", "correction", "report"}
    assert all(len(one["examples"]) >= 2 for one in checked)


def test_an_agreement_whose_example_does_not_hold_is_found(installation: Path) -> None:
    """Sabotage: an example that expects the opposite."""
    activate(installation)
    file = installation.parent / "agreements" / "handover.toml"
    text = file.read_text("utf-8")
    assert 'expect = "release"' in text
    file.write_text(text.replace('expect = "release"', 'expect = "withhold"', 1), "utf-8")
    assert run("agreements", "check", "--config", str(installation)).exit_code == 1


def test_an_agreement_that_leaves_what_is_no_fhir_is_found(installation: Path) -> None:
    activate(installation)
    file = installation.parent / "agreements" / "handover.toml"
    file.write_text(file.read_text("utf-8").replace(', "Flag.subject"', "", 1), "utf-8")
    found = run("agreements", "check", "--config", str(installation))
    assert found.exit_code == 1
    assert "what leaves would be no FHIR without Flag.subject" in found.stdout


def test_an_agreement_that_leaves_out_what_turns_a_resource_round_is_found(installation: Path) -> None:
    activate(installation)
    file = installation.parent / "agreements" / "handover.toml"
    file.write_text(file.read_text("utf-8").replace('"Condition.verificationStatus", ', "", 1), "utf-8")
    found = run("agreements", "check", "--config", str(installation))
    assert found.exit_code == 1
    assert "what leaves would say something else without Condition.verificationStatus" in found.stdout


def test_nothing_waits_in_a_new_installation(installation: Path) -> None:
    assert json.loads(run("held", "--config", str(installation), "--json").stdout) == {"held": []}


def test_an_id_that_nobody_has(installation: Path) -> None:
    assert run("journey", "NOSUCHID", "--reason", "why", "--config", str(installation)).exit_code == 2
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "gateway",
            "held",
            "release",
            "NOSUCHID",
            "--reason",
            "x",
            "--config",
            str(installation),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "held" in done.stderr


def test_try_says_what_would_be_released(tmp_path: Path) -> None:
    file = tmp_path / "a03.hl7"
    file.write_bytes(adt_a03().replace(b"\r", b"\n"))  # as an editor leaves it
    found = run("try", str(file), "--json", "--as-of", "2026-01-15T13:00:00Z")
    assert found.exit_code == 0, found.stdout
    result = json.loads(found.stdout)
    assert result["message"]["outcome"] == "released"
    assert [(one["letter"], one["recipient"], one["outcome"]) for one in result["decisions"]] == [
        ("handover", "northfell-recovery", "release"),
        ("gp-copy", "exampleton-surgery", "release"),
    ]


def test_try_gives_a_json_line_for_each_message(tmp_path: Path) -> None:
    file = tmp_path / "several.hl7"
    file.write_bytes(adt_a01() + b"\n" + adt_a03())
    lines = run("try", str(file), "--json").stdout.splitlines()
    assert [json.loads(line)["message"]["kind"] for line in lines] == ["ADT^A01", "ADT^A03"]


def test_try_exits_1_for_what_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "broken.json"
    file.write_bytes(fhir_message()[:-20])
    assert run("try", str(file)).exit_code == 1


def test_history_and_consents_take_several_files() -> None:
    """`--history A B --consents C D` and repeated options are the same."""
    assert spread(["x", "--history", "a", "b", "--consents", "c", "d", "--json"]) == [
        "x",
        *("--history", "a", "--history", "b", "--consents", "c", "--consents", "d", "--json"),
    ]
    assert spread(["--history", "a", "b", "m", "--json"]) == ["--history", "a", "--history", "b", "m", "--json"]
    assert spread(["--as-of", "t", "m", "--history", "a"]) == ["--as-of", "t", "m", "--history", "a"]


def test_the_command_itself_takes_several_files(tmp_path: Path) -> None:
    """The files after `--history` were taken as messages: the command was made without the class that spreads them."""
    files = []
    for number in range(3):
        file = tmp_path / f"{number}.hl7"
        file.write_bytes(adt_a03(message_id=f"M{number}") if number else adt_a01())
        files.append(str(file))
    for order in (["try", files[2], "--history", *files[:2]], ["try", "--history", *files]):
        lines = run(*order, "--json").stdout.splitlines()
        assert [json.loads(line)["message"]["kind"] for line in lines] == ["ADT^A03"]


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b"MSH|a\rPID|1\r", 1),
        (b"MSH|a\n\nMSH|b\n", 2),
        (b"\x0bMSH|a\r\x1c\r\x0bMSH|b\r\x1c\r", 2),
        (b"\xef\xbb\xbfMSH|a\rPID|1\r\xef\xbb\xbfMSH|b\rPID|2\r", 2),
        (b"\xef\xbb\xbf\r\n  MSH|a\rPID|1\r", 1),
        (b"{}", 1),
        (b"", 1),
    ],
)
def test_messages_out_of_a_file(content: bytes, number: int) -> None:
    messages = split_messages(content)
    assert len(messages) == number
    assert not any(b"\n" in message or b"\x0b" in message for message in messages)
    assert b"MSH" not in content or all(message.startswith(b"MSH|") for message in messages)


def test_no_environment_is_needed(installation: Path) -> None:
    """Nothing but the arguments says where an installation is."""
    environment = {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "gateway", "check", "--config", str(installation)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "no routes" in done.stdout
