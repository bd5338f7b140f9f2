"""Recipient files: strict; and the choice of one recipient: exactly one, or nobody."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles.letters import WIRES
from gateway.errors import SettingsError
from gateway.recipients import Recipient, choose, postcode_area, read_recipients
from gateway.shipped import recipients as shipped

FILE = """
name = "Northfell Recovery (example)"
class = "community-provider"
ods = "ZZC01"
adapter = "mailbox"
[letters]
handover = "fhir-document"
[serves]
postcode_areas = ["ZA"]
"""


def write(folder: Path, text: str = FILE, name: str = "northfell") -> Path:
    (folder / f"{name}.toml").write_text(text)
    return folder


def test_a_file_is_a_recipient(tmp_path: Path) -> None:
    found = read_recipients(write(tmp_path), WIRES)["northfell"]
    assert (found.id, found.recipient_class, found.ods, dict(found.letters)) == (
        "northfell",
        "community-provider",
        "ZZC01",
        {"handover": "fhir-document"},
    )
    assert found.serves_postcode_areas == ("ZA",)
    assert found.version.startswith("sha256:")


def test_another_byte_is_another_version(tmp_path: Path) -> None:
    first = read_recipients(write(tmp_path), WIRES)["northfell"].version
    assert read_recipients(write(tmp_path, FILE + "# changed\n"), WIRES)["northfell"].version != first


def test_the_shipped_templates_are_read() -> None:
    found = read_recipients(shipped(), WIRES)
    assert {one.recipient_class for one in found.values()} >= {"community-provider", "pharmacy", "prison-security"}


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("surprise = 1\n" + FILE, "surprise", "unknown key"),
        (FILE + "surprise = 1\n", "serves.surprise", "unknown key"),
        (FILE.replace("community-provider", "anybody"), "class", "unknown class"),
        (FILE.replace("handover =", "gossip ="), "letters.gossip", "no such letter"),
        (FILE.replace("fhir-document", "fax"), "letters.handover", "no wire that carries"),
        (FILE.replace("handover =", "correction ="), "letters.correction", "no wire that carries"),
        (FILE.replace('"mailbox"', '"pigeon"'), "adapter", "no such way out"),
        (FILE.replace('"mailbox"', '"mllp"'), "letters.handover", "does not carry this wire"),
        (
            FILE.replace('"mailbox"', '"fhir_http"').replace("fhir-document", "hl7v2"),
            "letters.handover",
            "does not carry this wire",
        ),
        (FILE.replace('"mailbox"', '"fhir_http"'), "adapter_settings.url", "required"),
        (FILE + '[adapter_settings]\nurl = "https://a.example"\n', "adapter_settings.url", "unknown key"),
        (FILE.partition("[serves]")[0], "serves", "required"),
        (FILE.replace('["ZA"]', '["ZA1"]'), "serves.postcode_areas.0", "pattern"),
        (FILE.replace('handover = "fhir-document"', ""), "letters", "at least 1"),
        ("=", "", "readable TOML"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, key: str, says: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_recipients(write(tmp_path, text), WIRES)
    assert raised.value.key == key
    assert says in str(raised.value)
    assert "northfell.toml" in str(raised.value)


def test_a_file_name_is_an_id(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="file name"):
        read_recipients(write(tmp_path, name="North Fell"), WIRES)
    with pytest.raises(SettingsError, match="no folder"):
        read_recipients(tmp_path / "none", WIRES)


# the choice


def recipient(name: str, recipient_class: str = "community-provider", **serves: tuple[str, ...]) -> Recipient:
    return Recipient(
        id=name,
        name=name,
        recipient_class=recipient_class,
        ods=None,
        letters={"handover": "fhir-document"},
        adapter="mailbox",
        adapter_settings={},
        serves_ods=serves.get("ods", ()),
        serves_postcode_areas=serves.get("areas", ()),
        serves_establishments=serves.get("establishments", ()),
        version="v",
    )


def chosen(*recipients: Recipient, recipient_class: str = "community-provider", **facts: str | None) -> str | None:
    known = {"establishment": "ZFG", "postcode": "ZA1 4AP", "gp_ods": "Y00001", "pharmacy_ods": "FA001", **facts}
    found = choose({one.id: one for one in recipients}, "handover", recipient_class, **known)
    return found.id if found else None


def test_the_area_of_the_release_address() -> None:
    north, south = recipient("north", areas=("ZA",)), recipient("south", areas=("ZB",))
    assert chosen(north, south) == "north"
    assert chosen(north, south, postcode="ZB2 2AA") == "south"
    assert chosen(north, south, postcode="Z1 1AA") is None
    assert chosen(north, south, postcode=None) is None


def test_several_are_nobody() -> None:
    assert chosen(recipient("one", areas=("ZA",)), recipient("two", areas=("ZA", "ZB"))) is None


def test_who_states_nothing_serves_nobody() -> None:
    assert chosen(recipient("nobody")) is None


def test_everything_that_is_stated_has_to_hold() -> None:
    narrow = recipient("narrow", areas=("ZA",), establishments=("ZNF",))
    assert chosen(narrow) is None
    assert chosen(narrow, establishment="ZNF") == "narrow"


def test_a_pharmacy_by_the_nominated_code_and_a_gp_by_the_practice() -> None:
    pharmacy = recipient("pharmacy", "pharmacy", ods=("FA001",))
    practice = recipient("practice", "gp", ods=("Y00001",))
    assert chosen(pharmacy, practice, recipient_class="pharmacy") == "pharmacy"
    assert chosen(pharmacy, practice, recipient_class="gp") == "practice"
    assert chosen(pharmacy, practice, recipient_class="pharmacy", pharmacy_ods=None) is None
    assert chosen(pharmacy, practice, recipient_class="pharmacy", pharmacy_ods="Y00001") is None


def test_class_and_letter_are_asked() -> None:
    assert chosen(recipient("security", "prison-security", establishments=("ZFG",))) is None
    without = replace(recipient("other", areas=("ZA",)), letters={"report": "fhir-collection"})
    assert chosen(without) is None


@pytest.mark.parametrize(
    ("postcode", "area"),
    [("LS1 4AP", "LS"), ("ls14ap", "LS"), ("L1 4AP", "L"), ("EC1A 1BB", "EC"), ("LS1", "LS"), (" W1A 0AX ", "W"),
     ("", None), (None, None), ("LS", None), ("1LS", None), ("LEEDS", None), ("LS1 4AP extra", None)],
)  # fmt: skip
def test_postcode_areas(postcode: str | None, area: str | None) -> None:
    assert postcode_area(postcode) == area


FACT = st.sampled_from(["ZA1 1AA", "ZB1 1AA", "", None])
SERVES = st.lists(st.sampled_from(["ZA", "ZB"]), max_size=2, unique=True).map(tuple)


@given(st.lists(SERVES, max_size=5), FACT)
def test_never_more_than_one_and_never_a_guess(served: list[tuple[str, ...]], postcode: str | None) -> None:
    recipients = [recipient(f"r{number}", areas=areas) for number, areas in enumerate(served)]
    fitting = [one.id for one in recipients if postcode_area(postcode) in one.serves_postcode_areas]
    assert chosen(*recipients, postcode=postcode) == (fitting[0] if len(fitting) == 1 else None)
