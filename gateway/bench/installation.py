"""A temporary installation for one run of the bench: the shipped agreements for as many classes of recipient as are asked for.

It is made like any other (`init`, a registered client, a bearer) and ends with its folder. Technical settings are the defaults.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from gateway import shipped, wiring
from gateway.clients import add_client, issue_token
from gateway.demo.stage import free_ports
from gateway.settings import read_settings

SERVES = {
    "community-provider": 'postcode_areas = ["ZA"]',
    "gp": 'ods = ["ZZG01"]',
    "care-team": 'establishments = ["ZFG"]',
    "receiving-prison": 'establishments = ["ZFG"]',
}
"""Class -> for whom its one recipient is the right one: all four serve every person of the bench."""
LETTERS = {"handover": "fhir-document", "prescription-copy": "fhir-message"}
CLIENT = "bench-ehr"
BEARER_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Where the gateway of the bench listens, and whom its receivers are: `receivers[n]` is the port of the n-th recipient."""

    name: str
    config: Path
    http_port: int
    mllp_port: int
    receivers: tuple[int, ...]

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"


def make_installation(folder: Path, *, store_url: str | None = None, bus_url: str | None = None) -> Installation:
    """A new one in `folder`, with nobody to send to yet. `store_url` names an empty database. Raises what `init` raises."""
    http_port, mllp_port, *receivers = free_ports(2 + len(SERVES))
    name = f"bench-{http_port}"
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    config = shipped.copy_templates(folder)
    text = config.read_text("utf-8")
    for old, new in (
        ("http_port = 8080", f"http_port = {http_port}"),
        ("port = 2575", f"port = {mllp_port}"),
        ('"fellgate-ehr"', f'"{CLIENT}"'),
        (
            'installation = "embedded"',
            f'installation = "{name}"' + (f'\nbus_url = "{bus_url}"' if bus_url else ""),
        ),
        *([("sqlite:///throughgate.db", store_url)] if store_url else []),
    ):
        if old not in text:
            raise ValueError(f"the shipped settings have no {old}")
        text = text.replace(old, new)
    config.write_text(text + '\n[tell]\ncommand = ["cat"]\n', "utf-8")
    wiring.create_installation(config)
    return Installation(name=name, config=config, http_port=http_port, mllp_port=mllp_port, receivers=tuple(receivers))


def share_with(installation: Installation, copies: int, *, more_recipients: int = 0) -> None:
    """Make `copies` recipients active, each of a class of its own and under agreements of its own; and more that serve nobody here."""
    folder = installation.config.parent
    for kind in ("recipients", "agreements"):
        for file in (folder / kind).glob("*.toml"):
            file.unlink()
    for place, (recipient_class, serves) in enumerate(list(SERVES.items())[:copies]):
        url = f"http://127.0.0.1:{installation.receivers[place]}/fhir"
        _write_recipient(folder, f"bench-{recipient_class}", recipient_class, serves, url)
        for letter in LETTERS:
            text = (shipped.agreements() / f"{letter}.toml").read_text("utf-8")
            own = re.sub(r'(?m)^recipient_class = ".*"$', f'recipient_class = "{recipient_class}"', text)
            (folder / "agreements" / f"{letter}-{recipient_class}.toml").write_text(own, "utf-8")
    for number in range(more_recipients):
        ods = f'ods = ["ZY{number:03d}"]'
        url = f"http://127.0.0.1:{installation.receivers[0]}/fhir"
        _write_recipient(folder, f"elsewhere-{number}", list(SERVES)[number % copies], ods, url)
    settings = read_settings(installation.config)
    wiring.sign_folder(settings, by=("Bench One", "Bench Two"), reason="to be measured")


def _write_recipient(folder: Path, name: str, recipient_class: str, serves: str, url: str) -> None:
    letters = "\n".join(f'{letter} = "{wire}"' for letter, wire in LETTERS.items())
    text = (
        f'name = "{name} (example)"\nclass = "{recipient_class}"\nods = "ZZC01"\nadapter = "fhir_http"\n\n'
        f'[adapter_settings]\nurl = "{url}"\n\n[letters]\n{letters}\n\n[serves]\n{serves}\n'
    )
    (folder / "recipients" / f"{name}.toml").write_text(text, "utf-8")


def register(installation: Installation) -> str:
    """The one client of the bench, for MLLP and for HTTP; its bearer."""
    with wiring.open_parts(read_settings(installation.config)) as gateway:
        establishments = [one.id for one in gateway.settings.establishments]
        add_client(gateway, name=CLIENT, kinds=("ADT^*", "RDE^O11"), establishments=establishments)
        return issue_token(gateway, CLIENT, BEARER_SECONDS)
