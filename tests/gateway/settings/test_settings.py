"""throughgate.toml: every key known, every number bounded, errors that name file and key, nothing that listens beyond this machine."""

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from adapters.mllp.settings import InboundSettings
from fhir_profiles.shapes import Channel
from gateway.errors import SettingsError
from gateway.settings import (
    HTTP_CHANNELS,
    Category,
    Delivery,
    Limits,
    Reports,
    Retention,
    Settings,
    Strict,
    parse_settings,
    read_settings,
)
from gateway.shipped import settings_template
from gateway.wiring import make_answering

MINIMAL = """
[gateway]
installation = "one"
[sender]
ods = "ZZT01"
name = "Example"
endpoint = "https://throughgate.example/fhir"
[[establishments]]
id = "ZFG"
name = "HMP Fellgate (example)"
"""
CHANNEL = """
[[channels]]
name = "ehr"
adapter = "mllp"
port = 2575
client = "zfg-ehr"
"""


def test_the_least_file_has_safe_defaults() -> None:
    settings = parse_settings(MINIMAL, "t.toml")
    assert settings.gateway.http_host == settings.gateway.mllp_host == "127.0.0.1"
    assert settings.tell is None
    assert settings.channels == ()
    assert settings.retention == Retention()


def test_the_shipped_file_is_read() -> None:
    settings = read_settings(settings_template())
    assert settings.channels[0].adapter == "mllp"
    assert Path(settings.gateway.keys_dir).is_absolute()


def test_paths_are_beside_the_file(tmp_path: Path) -> None:
    file = tmp_path / "throughgate.toml"
    file.write_text(MINIMAL)
    gateway = read_settings(file).gateway
    assert gateway.keys_dir == tmp_path / "keys"
    assert gateway.head_file == tmp_path / "head" / "ledger.head"
    assert gateway.store_url == f"sqlite:///{tmp_path / 'throughgate.db'}"
    file.write_text(MINIMAL.replace('installation = "one"', 'installation = "one"\nstore_url = "sqlite:////srv/x.db"'))
    assert read_settings(file).gateway.store_url == "sqlite:////srv/x.db"
    file.write_text(MINIMAL.replace('installation = "one"', 'installation = "one"\nstore_url = "sqlite://"'))
    assert read_settings(file).gateway.store_url == "sqlite://"


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (MINIMAL + "[surprise]\na = 1\n", "surprise", "unknown key"),
        (MINIMAL.replace("[sender]", "surprise = 1\n[sender]"), "gateway.surprise", "unknown key"),
        (MINIMAL + CHANNEL + "surprise = 1\n", "channels.0.surprise", "unknown key"),
        (MINIMAL + "[retention]\nbodies = 4\n", "retention.bodies", "unknown key"),
        (MINIMAL + '[retention]\nbody = "for ever"\n', "retention.body", "integer"),
        (MINIMAL + "[retention]\nbody = 0\n", "retention.body", "greater"),
        (MINIMAL + "[retention]\nbody = -1\n", "retention.body", "greater"),
        (MINIMAL + "[retention]\nledger = 99999\n", "retention.ledger", "less"),
        (MINIMAL + "[limits]\nmax_body_bytes = 999999999\n", "limits.max_body_bytes", "less"),
        (MINIMAL + "[limits]\nhttp_read_seconds = inf\n", "limits.http_read_seconds", "less"),
        (MINIMAL + "[delivery]\nattempts = 0\n", "delivery.attempts", "greater"),
        (MINIMAL + "[reports]\nclose_day = 31\n", "reports.close_day", "less"),
        (MINIMAL.replace('"one"', '"one"\npublic_url = "http://gateway.example"'), "gateway.public_url", "https"),
        (MINIMAL + CHANNEL + 'certificates = ["AA:BB"]\n', "channels.0.certificates.0", "pattern"),
        (MINIMAL.replace('"one"', '"one"\nbus_url = "kafka://x"'), "gateway.bus_url", "memory"),
        (MINIMAL.replace('"ZZT01"', '"zz"'), "sender.ods", "pattern"),
        (MINIMAL.replace('"https://throughgate.example/fhir"', '"nowhere"'), "sender.endpoint", "absolute address"),
        (MINIMAL.replace('id = "ZFG"', 'id = "Fellgate"'), "establishments.0.id", "pattern"),
        (
            MINIMAL.replace('id = "ZFG"', 'id = "ZFG"\ntelephone = "ask the gate"'),
            "establishments.0.telephone",
            "pattern",
        ),
        (MINIMAL + CHANNEL.replace("port = 2575", ""), "channels.0", "needs a port"),
        (MINIMAL + CHANNEL + 'format = "fhir"\n', "channels.0", "format hl7v2"),
        (MINIMAL + CHANNEL.replace('"mllp"', '"http"'), "channels.0", "no port of its own"),
        (MINIMAL + CHANNEL.replace('"mllp"', '"pigeon"'), "channels.0.adapter", "mllp"),
        (MINIMAL + CHANNEL + 'folder = "in"\n', "channels.0", "needs a folder"),
        (MINIMAL + CHANNEL.replace('"mllp"', '"file_drop"').replace("port = 2575", ""), "channels.0", "needs a folder"),
        (MINIMAL + '[tls]\ncertificate = "a"\nkey = "b"\nhttp_mutual = true\n', "tls", "client_ca"),
        (MINIMAL + CHANNEL + "processing_ids = []\n", "channels.0.processing_ids", "at least 1"),
        (MINIMAL + CHANNEL + '[channels.dispositions]\nXX = "vanished"\n', "channels.0", "unknown disposition"),
        (
            MINIMAL
            + CHANNEL
            + 'application_acknowledgement = "same-connection"\n[channels.answers]\nadapter = "mllp"\n',
            "channels.0",
            "goes one way",
        ),
        (MINIMAL + CHANNEL + "[channels.answers]\n", "channels.0.answers.adapter", "required"),
        (MINIMAL + CHANNEL + CHANNEL, "", "channels.name"),
        (MINIMAL + CHANNEL + CHANNEL.replace('"ehr"', '"two"'), "", "channels.port"),
        (MINIMAL + CHANNEL.replace('"ehr"', '"http-fhir"'), "", "channels.name"),
        (MINIMAL + "[tell]\n", "tell", "one of the two"),
        (MINIMAL + '[tell]\nurl = "http://example.org/"\n', "tell", "https"),
        (MINIMAL + '[tell]\nurl = "https://u:p@example.org/"\n', "tell", "password"),
        ("not toml", "", "not TOML"),
        ("", "gateway", "required"),
    ],
)
def test_what_does_not_fit_is_named(text: str, key: str, says: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_settings(text, "t.toml")
    assert raised.value.file == "t.toml"
    assert raised.value.key == key
    assert says in str(raised.value)


def test_a_value_is_never_quoted_in_an_error() -> None:
    with pytest.raises(SettingsError) as raised:
        parse_settings(MINIMAL + '[tell]\nurl = "https://u:s3cret@example.org/"\n', "t.toml")
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(SettingsError, match="UTF-8"):
        read_settings(tmp_path / "latin.toml")


def test_every_category_has_a_retention_and_every_retention_a_category() -> None:
    assert set(Retention.model_fields) == {category.value for category in Category}
    for category in Category:
        assert 1 <= Retention().days(category) <= 36_525
        assert Retention().days(category.value) == Retention().days(category)


def test_an_unknown_category_is_never_endless() -> None:
    with pytest.raises(KeyError):
        Retention().days("letters")


@pytest.mark.parametrize("model", [Retention, Limits, Delivery, Reports])
def test_every_number_is_bounded_on_both_sides_and_has_a_default(model: type[Strict]) -> None:
    for key, field in model.model_fields.items():
        bounds = {type(one).__name__ for one in field.metadata}
        assert bounds & {"Ge", "Gt"}, key
        assert bounds & {"Le", "Lt"}, key
        assert not field.is_required(), key


def models(annotation: Any) -> list[type[BaseModel]]:
    """Every settings model that a field's type mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation, *(one for field in annotation.model_fields.values() for one in models(field.annotation))]
    return [one for argument in get_args(annotation) for one in models(argument)]


def test_every_part_of_the_file_refuses_unknown_keys() -> None:
    found = models(Settings)
    assert len(found) >= 9
    for model in found:
        assert model.model_config["extra"] == "forbid", model
        assert model.model_config["frozen"], model


def test_channels_are_found_by_name_and_by_client() -> None:
    text = MINIMAL + CHANNEL + '[channels.dispositions]\nXX = "release"\n'
    text += '[[channels]]\nname = "hub"\nadapter = "http"\nclient = "hub"\nformat = "fhir"\n'
    settings = parse_settings(text, "t.toml")
    assert settings.channel("ehr").shape() == Channel(name="ehr", format="hl7v2", dispositions={"XX": "release"})
    assert settings.http_channel("hub", "fhir").name == "hub"
    assert settings.http_channel("hub", "hl7v2") == HTTP_CHANNELS["hl7v2"]
    assert settings.http_channel("other", "fhir") == settings.channel("http-fhir")
    with pytest.raises(KeyError):
        settings.channel("none")


def test_a_channel_fits_the_settings_of_its_listener() -> None:
    settings = parse_settings(MINIMAL + CHANNEL, "t.toml")
    made = InboundSettings(**settings.listener(settings.channels[0]))
    assert (made.channel, made.client, made.port, made.max_frame_bytes) == ("ehr", "zfg-ehr", 2575, 5_242_880)


@pytest.mark.parametrize(
    ("answers", "key", "says"),
    [
        ('adapter = "fhir_http"', "channels.0.answers.adapter", "file_drop, hl7v2_http, mllp"),
        ('adapter = "mailbox"', "channels.0.answers.adapter", "file_drop, hl7v2_http, mllp"),
        ('adapter = "mllp"', "channels.0.answers.adapter_settings.host", "required"),
        (
            'adapter = "mllp"\nadapter_settings = {host = "ehr.example", port = 2576}',
            "channels.0.answers.adapter_settings",
            "TLS",
        ),
        (
            'adapter = "hl7v2_http"\nadapter_settings = {url = "http://ehr.example/"}',
            "channels.0.answers.adapter_settings.url",
            "https",
        ),
    ],
)
def test_an_address_for_answers_that_does_not_fit_is_named(answers: str, key: str, says: str) -> None:
    """Before anything is opened: an adapter that cannot carry the format, an address that is missing, or one that is not safe."""
    with pytest.raises(SettingsError) as raised:
        make_answering(parse_settings(MINIMAL + CHANNEL + f"[channels.answers]\n{answers}\n", "t.toml"))
    assert raised.value.key == key
    assert says in str(raised.value)


def test_a_channel_has_one_sender_for_its_answers() -> None:
    answers = '[channels.answers]\nadapter = "mllp"\nadapter_settings = {host = "127.0.0.1", port = 2576}\n'
    settings = parse_settings(MINIMAL + CHANNEL + answers, "t.toml")
    assert set(make_answering(settings)) == {"ehr"}
    assert settings.ways_back() == ("channel ehr, client zfg-ehr: mllp host 127.0.0.1, port 2576",)
    assert make_answering(parse_settings(MINIMAL + CHANNEL, "t.toml")) == {}
