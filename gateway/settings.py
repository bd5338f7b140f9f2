"""How this installation runs: `throughgate.toml`, read once, every key known, every number bounded.

Who receives is in `recipients/`, what may be shared in `agreements/`; nothing here MUST ever widen what is shared.
Technical settings have safe defaults. An unknown key is an error that names the file and the key. "For ever" is not a value.
"""

import tomllib
from base64 import b64decode
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fhir_profiles.shapes import Channel
from gateway.errors import SettingsError

AGENCY_PATTERN: Final = r"^[A-Z]{3}$"
NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
ODS_PATTERN: Final = r"^[A-Z0-9]{3,10}$"

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Agency = Annotated[str, Field(pattern=AGENCY_PATTERN)]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Ods = Annotated[str, Field(pattern=ODS_PATTERN)]
Days = Annotated[int, Field(ge=1, le=36_525)]
T = TypeVar("T", bound=BaseModel)


class Strict(BaseModel):
    """Unknown keys are errors, values do not change, numbers are not read from text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Category(StrEnum):
    """Every kind of thing that is kept; the same words in `sealed.category` and in `[retention]`."""

    BODY = "body"
    ANSWER = "answer"
    RESOURCE = "resource"
    CONSENT = "consent"
    DECISION = "decision"
    LETTER = "letter"
    MESSAGE = "message"
    REJECTED = "rejected"
    TASK = "task"
    TOKEN = "token"  # noqa: S105 - the name of a category, not a secret
    CONTRIBUTION = "contribution"
    LEDGER = "ledger"


_CATEGORIES = frozenset(Category)


class Retention(Strict):
    """Days that each category is kept, from when a person or a receipt ended it. At most a hundred years, and never "for ever".

    `resource`, `consent`, `decision`: eight years after the end of care, the adult health record of the NHS Records Management
    Code. `answer` is also how long a repeated message id is recognised.
    """

    body: Days = 90
    answer: Days = 365
    resource: Days = 2922
    consent: Days = 2922
    decision: Days = 2922
    letter: Days = 90
    message: Days = 2922
    rejected: Days = 90
    task: Days = 730
    token: Days = 1
    contribution: Days = 200
    ledger: Days = 7305

    def days(self, category: str) -> int:
        """The retention of one `Category`; an unknown category is a `KeyError`, never an endless one."""
        if category not in _CATEGORIES:
            raise KeyError(category)
        return int(getattr(self, category))


def is_loopback(host: str) -> bool:
    """True for `localhost` and the addresses that never leave the machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Installation(Strict):
    """Where things are. Relative paths are relative to the file. `throughgate serve` listens beyond this machine only under `[tls]`, and
    on MLLP only under mutual TLS; `throughgate check` says what is missing.
    """

    installation: Name
    store_url: str = "sqlite:///throughgate.db"
    bus_url: str = Field(default="memory://", pattern="^(memory://$|amqps?://)")
    keys_dir: Path = Field(default=Path("keys"), strict=False)
    recipients_dir: Path = Field(default=Path("recipients"), strict=False)
    agreements_dir: Path = Field(default=Path("agreements"), strict=False)
    head_file: Path = Field(default=Path("head/ledger.head"), strict=False)
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65_535)
    mllp_host: str = "127.0.0.1"
    public_url: str = ""
    """The address by which clients know this gateway (issuer and audience of their assertions); empty: where it listens."""

    @field_validator("public_url")
    @classmethod
    def _safe(cls, url: str) -> str:
        return require_safe_url(url).rstrip("/") if url else ""


class Tls(Strict):
    """Our own certificate and key (PEM files), and who signs the certificates of clients. TLS 1.2 or newer.

    With it HTTP is HTTPS, and every MLLP channel that names `certificates` speaks mutual TLS. With `http_mutual` so do HTTP clients: a
    bearer is bound to the certificate that it was given to (RFC 8705), and is worth nothing with another one or none.
    """

    certificate: Path = Field(strict=False)
    key: Path = Field(strict=False)
    client_ca: Path | None = Field(default=None, strict=False)
    http_mutual: bool = False

    @model_validator(mode="after")
    def _has_a_ca(self) -> Self:
        if self.http_mutual and self.client_ca is None:
            raise ValueError("http_mutual needs client_ca: who signs the certificates of clients")
        return self


class Sender(Strict):
    """Who this installation is in the heading of a letter."""

    ods: Ods
    name: str = Field(min_length=1, max_length=200)
    endpoint: str = Field(min_length=1, max_length=500)

    @field_validator("endpoint")
    @classmethod
    def _an_address(cls, endpoint: str) -> str:
        if not urlsplit(endpoint).scheme:
            raise ValueError("an absolute address is needed, for example https://throughgate.example/fhir")
        return endpoint.rstrip("/")


class Establishment(Strict):
    """A prison that this installation serves: its agency id and its name."""

    id: Agency
    name: str = Field(min_length=1, max_length=200)
    telephone: str = Field(default="", pattern=r"^(|\+?[0-9][0-9 ()-]{2,38})$")
    """Where whoever gets a letter can ask, at any hour; empty: every letter names it as missing."""


DISPOSITIONS: Final = frozenset({"release", "transfer", "court", "temporary-absence", "escape", "death", "merge"})


class Answers(Strict):
    """Where the later answers to a channel's client go, each a message of its own: an application acknowledgement that MSH-16 asks for, the
    response to a FHIR message of `async=true`. The address comes from here alone, never from a message or a request.
    """

    adapter: str
    adapter_settings: Mapping[str, Any] = Field(default_factory=dict)
    """Both as in a recipient's file."""


class ChannelSettings(Strict):
    """One way in, for one client. An `mllp` channel has a port of its own, a `file_drop` channel a folder; an `http` channel only states
    more about a client.

    `senders` are the allowed `MSH-3|MSH-4` as written (or MessageHeader.source.endpoint); empty means that they are not compared.
    `kinds` narrows the client's own kinds for this channel. `dispositions` maps PV1-36 values over the default table.
    """

    name: Name
    adapter: Literal["mllp", "http", "file_drop"]
    client: Name
    format: Literal["hl7v2", "fhir"] = "hl7v2"
    port: int | None = Field(default=None, ge=0, le=65_535)
    folder: Path | None = Field(default=None, strict=False)
    kinds: tuple[str, ...] = Field(default=(), strict=False)
    senders: tuple[str, ...] = Field(default=(), strict=False)
    processing_ids: tuple[Literal["P", "T", "D"], ...] = Field(default=("P",), min_length=1, strict=False)
    certificates: tuple[Fingerprint, ...] = Field(default=(), strict=False)
    """SHA-256 of the client certificates that are this client (64 hex digits; two while it changes over). Names the client beside the port."""
    application_acknowledgement: Literal["none", "same-connection"] = "none"
    """Enhanced mode: whether an owed application acknowledgement follows the accept acknowledgement on the same connection."""
    answers: Answers | None = None
    dialect: Literal["core", "bars"] = "core"
    """How a FHIR message that was taken before is answered: `core` sends the stored response again, `bars` says 409 or 425."""
    dispositions: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_its_adapter(self) -> Self:
        if self.adapter == "mllp" and (self.port is None or self.format != "hl7v2"):
            raise ValueError("an mllp channel needs a port and the format hl7v2")
        if self.adapter != "mllp" and self.certificates:
            raise ValueError("certificates are for mllp: an http client proves itself with its bearer")
        if self.adapter != "mllp" and self.port is not None:
            raise ValueError("this channel has no port of its own: for http see gateway.http_port")
        if self.answers is not None and self.application_acknowledgement != "none":
            raise ValueError("an application acknowledgement goes one way: on the same connection, or as answers say")
        if self.dialect == "bars" and (self.adapter, self.format) != ("http", "fhir"):
            raise ValueError("the dialect bars needs the headers of http and the format fhir")
        if (self.adapter == "file_drop") != (self.folder is not None):
            raise ValueError("a file_drop channel, and no other, needs a folder")
        if unknown := set(self.dispositions.values()) - DISPOSITIONS:
            raise ValueError(f"unknown disposition {min(unknown)}: use one of {', '.join(sorted(DISPOSITIONS))}")
        return self

    def proves_its_client(self) -> bool:
        """Is the client shown by a key of its own (a bearer, a certificate), and not by a port alone?"""
        return self.adapter == "http" or bool(self.certificates)

    def shape(self, client: str = "", establishment: str | None = None) -> Channel:
        """What `fhir_profiles` may know of this channel, of who sent by it and of where that was registered."""
        tables = dict(self.dispositions)
        return Channel(
            name=self.name, format=self.format, dispositions=tables, client=client, establishment=establishment
        )


class Tell(Strict):
    """How a person is told: a command, or an https address, that gets ids and a code, never content."""

    command: tuple[str, ...] = Field(default=(), strict=False)
    url: str = ""
    timeout_seconds: float = Field(default=10, gt=0, le=60)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("give a command or a url, one of the two")
        if self.url:
            require_safe_url(self.url)
        return self


def require_safe_url(url: str) -> str:
    """Take https anywhere, http only to loopback; no user or password in the address. Anything else is a ValueError."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError("no user or password in an address")
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and is_loopback(parts.hostname or ""):
        return url
    raise ValueError("an https address is needed (http only to this machine)")


class Limits(Strict):
    """Bounds on what comes in. None can be switched off."""

    max_body_bytes: int = Field(default=5_242_880, ge=1_024, le=5_242_880)
    http_read_seconds: float = Field(default=30, gt=0, le=300)
    http_connections: int = Field(default=1_000, ge=1, le=100_000)
    process_seconds: float = Field(default=5, ge=0, le=60)
    """How long a synchronous $process-message waits for the release before it answers 202."""
    token_seconds: int = Field(default=3_600, ge=60, le=86_400)
    unfinished_messages: int = Field(default=100_000, ge=1, le=100_000_000)
    unfinished_deliveries: int = Field(default=500_000, ge=1, le=100_000_000)
    """Letters that have not ended: a recipient that is down for a day fills up to here, in the database and never in memory."""
    store_bytes: int = Field(default=21_474_836_480, ge=1_048_576, le=17_592_186_044_416)
    """What the database may hold. Beyond any of these three nothing new is taken: 503, and an MLLP answer that asks to send again."""
    rejected_per_client_day: int = Field(default=1_000, ge=1, le=1_000_000)
    """Refused messages of one client of which a row is kept in a day, in each process; the rest are answered alike, and counted."""
    mllp_connections: int = Field(default=1_000, ge=1, le=10_000)
    mllp_idle_seconds: float = Field(default=300, gt=0, le=86_400)
    mllp_frame_seconds: float = Field(default=30, gt=0, le=600)
    mllp_buffer_bytes: int = Field(default=67_108_864, ge=5_242_880, le=1_073_741_824)
    """All unfinished frames of one listener together."""


class Delivery(Strict):
    """How often and how long a letter is sent before a person is asked."""

    attempts: int = Field(default=12, ge=1, le=100)
    backoff_seconds: float = Field(default=5, gt=0, le=3_600)
    backoff_max_seconds: float = Field(default=3_600, gt=0, le=86_400)
    send_timeout_seconds: float = Field(default=30, gt=0, le=300)
    retry_after_max_seconds: float = Field(default=3_600, gt=0, le=86_400)
    concurrency: int = Field(default=16, ge=1, le=256)
    mailbox_acknowledge_seconds: float = Field(default=3_600, gt=0, le=604_800)
    """A collected letter that is not acknowledged in this time is `ambiguous` and told."""
    expire_days: int = Field(default=30, ge=1, le=365)
    confirm_seconds: float = Field(default=86_400, ge=60, le=2_592_000)
    """A handover that its recipient has not confirmed in this time is told to the clinical lead; in twice the time, again. A notice of withdrawal
    is told to the IG officer, and then to the Caldicott guardian."""
    engagement_days: int = Field(default=7, ge=1, le=27)
    """A released person of whom a provider with a registered system has told nothing in this time is told to the clinical lead."""
    sweep_seconds: float = Field(default=5, gt=0, le=300)


class Overrides(Strict):
    """How long an emergency lasts, and how soon others look at what was done in it."""

    hours: float = Field(default=4, gt=0, le=24)
    """Nothing leaves under an override after that time."""
    confirm_hours: float = Field(default=24, gt=0, le=72)
    """A second person confirms in this time that a life or health was at stake; else the Caldicott guardian is told."""
    review_hours: float = Field(default=72, gt=0, le=168)
    """It is reviewed in this time; else the Caldicott guardian is told, and who gave it may not start a harm test."""


class Reports(Strict):
    """Calendar reports: the day of the next month on which a month, or a quarter, is closed; of a quarter's figures the largest that is hidden,
    and what every other one is rounded to.
    """

    close_day: int = Field(default=8, ge=1, le=28)
    small: int = Field(default=7, ge=7, le=50)
    base: int = Field(default=5, ge=5, le=100)


class OpenIdConnect(Strict):
    """An organisation's own identity provider for the console's people. It says who somebody is; `throughgate staff add` says what they may."""

    issuer: str = Field(min_length=1, max_length=500)
    client_id: str = Field(min_length=1, max_length=255)
    client_secret: Path = Field(strict=False)
    """A file that holds the secret, and nothing else."""
    acr: tuple[str, ...] = Field(min_length=1, strict=False)
    """How strongly a log-in has to be proven: the provider's words for two factors, any of which will do."""

    @field_validator("issuer")
    @classmethod
    def _safe(cls, url: str) -> str:
        return require_safe_url(url)


class Console(Strict):
    """The pages under `/console/`. They answer this machine alone unless `beyond_this_machine` is said; then over HTTPS, as every door is."""

    beyond_this_machine: bool = False
    oidc: OpenIdConnect | None = None


class Witness(Strict):
    """The witness of the ledger, run by information governance on another host (`throughgate witness`). Nothing ever waits for it."""

    url: str
    key: str
    """Its public key, as `throughgate witness init` printed it there."""
    every_seconds: float = Field(default=30, ge=0.1, le=3_600)
    timeout_seconds: float = Field(default=5, gt=0, le=60)

    @field_validator("url")
    @classmethod
    def _safe(cls, url: str) -> str:
        return require_safe_url(url)

    @field_validator("key")
    @classmethod
    def _a_key(cls, key: str) -> str:
        name, _, rest = key.partition("+")
        key_id, _, public = rest.partition("+")
        try:
            raw = b64decode(public, validate=True)
        except ValueError:
            raw = b""
        if len(raw) != 33 or raw[0] != 4 or sha256(name.encode() + b"\n" + raw).hexdigest()[:8] != key_id:
            raise ValueError("not a witness's public key: copy what `throughgate witness init` printed")
        return key


class Settings(Strict):
    """Everything in `throughgate.toml`."""

    gateway: Installation
    sender: Sender
    establishments: tuple[Establishment, ...] = Field(min_length=1, strict=False)
    channels: tuple[ChannelSettings, ...] = Field(default=(), strict=False)
    tell: Tell | None = None
    tls: Tls | None = None
    witness: Witness | None = None
    console: Console = Console()
    retention: Retention = Retention()
    limits: Limits = Limits()
    delivery: Delivery = Delivery()
    overrides: Overrides = Overrides()
    reports: Reports = Reports()

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        for what, values in (
            ("establishments.id", [one.id for one in self.establishments]),
            ("channels.name", [one.name for one in self.channels] + [one.name for one in HTTP_CHANNELS.values()]),
            ("channels.port", [one.port for one in self.channels if one.port]),
            (
                "channels.client and format",
                [(one.client, one.format) for one in self.channels if one.adapter == "http"],
            ),
        ):
            if len(values) != len(set(values)):
                raise ValueError(f"{what}: the same value twice")
        return self

    def http_scheme(self) -> str:
        """How this process is spoken to."""
        return "https" if self.tls else "http"

    def http_mutual(self) -> bool:
        """Do HTTP clients show a certificate, to which their bearers are bound?"""
        return self.tls is not None and self.tls.http_mutual

    def ways_in(self) -> tuple[str, ...]:
        """One line for each channel that has a door of its own: a port or a folder."""
        mllp = (
            f"mllp   {self.gateway.mllp_host}:{each.port}  channel {each.name}, client {each.client}"
            f"{', mutual TLS' if each.certificates else ''}"
            for each in self.channels
            if each.adapter == "mllp"
        )
        files = (
            f"files  {each.folder}  channel {each.name}, client {each.client}" for each in self.channels if each.folder
        )
        return (*mllp, *files)

    def ways_back(self) -> tuple[str, ...]:
        """One line for each channel that registers where its later answers go, for people to read."""
        return tuple(
            f"channel {each.name}, client {each.client}: {each.answers.adapter} "
            + ", ".join(f"{key} {value}" for key, value in each.answers.adapter_settings.items())
            for each in self.channels
            if each.answers is not None
        )

    def establishment_names(self) -> dict[str, str]:
        """Agency id -> name."""
        return {one.id: one.name for one in self.establishments}

    def establishment_telephones(self) -> dict[str, str]:
        """Agency id -> telephone, of those that state one."""
        return {one.id: one.telephone for one in self.establishments if one.telephone}

    def channel(self, name: str) -> ChannelSettings:
        """A configured channel, or one of the two that every HTTP client has. KeyError when there is none of that name."""
        for channel in (*self.channels, *HTTP_CHANNELS.values()):
            if channel.name == name:
                return channel
        raise KeyError(name)

    def http_channel(self, client: str, message_format: Literal["hl7v2", "fhir"]) -> ChannelSettings:
        """The channel of a client over HTTP: its own where `[[channels]]` states one, else the one that every client has."""
        for channel in self.channels:
            if channel.adapter == "http" and channel.client == client and channel.format == message_format:
                return channel
        return HTTP_CHANNELS[message_format]

    def listener(self, channel: ChannelSettings) -> dict[str, Any]:
        """The settings of an adapter's inbound side for one channel: hand them to `SPEC.inbound_settings(**...)`."""
        if channel.adapter == "file_drop":
            return {
                "channel": channel.name,
                "client": channel.client,
                "folder": channel.folder,
                "content_type": "application/fhir+json" if channel.format == "fhir" else "application/hl7-v2+er7",
                "max_file_bytes": self.limits.max_body_bytes,
            }
        mutual = {}
        if self.tls is not None and self.tls.client_ca is not None and channel.certificates:
            mutual = {
                "certificate": self.tls.certificate,
                "key": self.tls.key,
                "client_ca": self.tls.client_ca,
                "client_certificates": channel.certificates,
            }
        return {
            **mutual,
            "channel": channel.name,
            "client": channel.client,
            "host": self.gateway.mllp_host,
            "port": channel.port,
            "max_frame_bytes": self.limits.max_body_bytes,
            "max_connections": self.limits.mllp_connections,
            "max_buffered_bytes": self.limits.mllp_buffer_bytes,
            "idle_seconds": self.limits.mllp_idle_seconds,
            "frame_seconds": self.limits.mllp_frame_seconds,
        }


HTTP_CHANNELS: Final[dict[str, ChannelSettings]] = {
    "hl7v2": ChannelSettings(name="http-hl7v2", adapter="http", client="any", format="hl7v2"),
    "fhir": ChannelSettings(name="http-fhir", adapter="http", client="any", format="fhir"),
}
"""What every client has over HTTP without a `[[channels]]` entry: its `client` is not compared, the bearer names the client."""


def read_settings(path: Path) -> Settings:
    """Read `throughgate.toml`. Relative paths become absolute, beside the file. Raises SettingsError (file, key, what to do)."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), "", "cannot be read as a UTF-8 file") from error
    settings = parse_settings(text, str(path))
    return _beside(settings, path.resolve().parent)


def parse_settings(text: str, file: str) -> Settings:
    """The settings of a text; `file` is only named in errors."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(file, "", f"is not TOML: {error}") from error
    return validated(Settings, values, file)


def validated(model: type[T], values: Mapping[str, Any], file: str) -> T:
    """`values` as `model`, or a SettingsError that names the first key that does not fit. Values are never quoted: one may be a secret."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        text = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise SettingsError(file, key, text) from None


def _beside(settings: Settings, folder: Path) -> Settings:
    gateway = settings.gateway
    places = {
        "keys_dir": folder / gateway.keys_dir,
        "recipients_dir": folder / gateway.recipients_dir,
        "agreements_dir": folder / gateway.agreements_dir,
        "head_file": folder / gateway.head_file,
        "store_url": _store_beside(gateway.store_url, folder),
    }
    tls = settings.tls
    if tls is not None:
        files = {"certificate": folder / tls.certificate, "key": folder / tls.key}
        ca = {"client_ca": folder / tls.client_ca} if tls.client_ca else {}
        tls = tls.model_copy(update={**files, **ca})
    channels = tuple(
        each.model_copy(update={"folder": folder / each.folder}) if each.folder else each for each in settings.channels
    )
    oidc = settings.console.oidc
    if oidc is not None:
        oidc = oidc.model_copy(update={"client_secret": folder / oidc.client_secret})
    found = {"gateway": gateway.model_copy(update=places), "tls": tls, "channels": channels}
    return settings.model_copy(update={**found, "console": settings.console.model_copy(update={"oidc": oidc})})


def _store_beside(url: str, folder: Path) -> str:
    scheme, separator, place = url.partition(":///")
    if scheme != "sqlite" or not separator or not place or place.startswith("/"):
        return url
    return f"sqlite:///{folder / place}"
