"""Builds a gateway from its settings: the only module that knows which store, bus and adapters are in use, and the only one with a clock.

Nothing is shared that an installation's own `recipients/` and `agreements/` do not name. This module MUST NOT hold any logic of the line.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from adapters.contract import Outbound
from adapters.discover import discover
from consent.agreement_file import AgreementError, digest_of
from consent.shapes import Agreement
from fhir_profiles.letters import WIRES
from gateway import activation, durable, shipped
from gateway.bus import Bus, InProcessBus
from gateway.engine import made_by
from gateway.errors import SettingsError
from gateway.instants import Clock, from_text
from gateway.keys import Keys
from gateway.keys.identifiers import Ids, RandomIds, SeededIds
from gateway.ledger import HeadFile, HeadInMemory, Ledger
from gateway.parts import Parts
from gateway.pipeline import Gateway
from gateway.recipients import Recipient, check_adapter_settings, read_recipients
from gateway.routes import Fault
from gateway.settings import Installation, Settings, read_settings
from gateway.store import Store, faults_of, open_store
from gateway.store.schema import client
from gateway.telling import teller_of


def read_clock() -> datetime:
    """The present instant: the only place that asks the machine."""
    return datetime.now(UTC)


def read_sharing(settings: Settings) -> tuple[Mapping[str, Recipient], Mapping[str, Agreement]]:
    """Who receives, and what may be shared by the files, in force or not. Raises SettingsError for anything that does not fit."""
    return read_recipients(settings.gateway.recipients_dir, WIRES), read_agreements(settings.gateway.agreements_dir)


def read_agreements(folder: Path) -> Mapping[str, Agreement]:
    """Every agreement of a folder that could be in force, by name. Raises SettingsError."""
    if not folder.is_dir():
        raise SettingsError(str(folder), "", "there is no folder of agreements: `throughgate init` makes one")
    found = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            found[path.stem] = activation.read_text(path.read_text("utf-8"), path.stem)
        except (AgreementError, OSError, UnicodeDecodeError) as error:
            raise SettingsError(str(path), "", str(error)) from error
        activation.require_built(str(path), found[path.stem])
    return found


def registered_clients(settings: Settings) -> tuple[str, ...] | None:
    """The names of registered clients; None where there is no store yet."""
    store = open_store(settings.gateway.store_url)
    try:
        with store.read() as c:
            return tuple(
                c.execute(select(client.c.name).where(client.c.ended_at.is_(None)).order_by(client.c.name)).scalars()
            )
    finally:
        store.close()


def read_standing(settings: Settings) -> activation.Standing:
    """What two people have signed in this installation, and what is proposed. For a command that has not opened its store."""
    store = open_store(settings.gateway.store_url)
    try:
        with store.read() as c:
            return activation.standing(c)
    finally:
        store.close()


def unsigned(settings: Settings, standing: activation.Standing) -> list[Fault]:
    """Files of agreements that are not what is in force, and agreements in force whose file is gone."""
    folder = settings.gateway.agreements_dir
    files = {path.stem: _digest_of(path) for path in sorted(folder.glob("*.toml"))}
    sign = "two people put it in force with `throughgate agreements activate"
    found = [
        Fault(place=f"agreements/{name}.toml", text=f"{standing.of(name, digest)}; {sign} {name}`")
        for name, digest in files.items()
        if not standing.is_in_force(name, digest)
    ]
    ends = "is in force and its file is gone: put it back, or end it with `throughgate agreements activate"
    gone = sorted(set(standing.in_force) - set(files))
    return found + [Fault(place=f"agreements/{name}.toml", text=f"{ends} {name} --end`") for name in gone]


def create_installation(config: Path) -> None:
    """Keys, an empty store and the ledger's first head beside a new `throughgate.toml`. Raises FileExistsError when any is there."""
    settings = read_settings(config)
    gateway = settings.gateway
    durable.make_folder(gateway.keys_dir)
    Keys.create(gateway.keys_dir)
    open_store(gateway.store_url).close()
    create_head(settings)


def create_head(settings: Settings) -> None:
    """The signed head of a ledger of which nothing was signed before. Raises FileExistsError when there is one."""
    gateway = settings.gateway
    durable.make_folder(gateway.head_file.parent)
    Ledger.create_head_file(gateway.head_file, Keys.open(gateway.keys_dir).ledger_signer(), _origin(settings))


def _digest_of(path: Path) -> str:
    """INVARIANT: no file of the folder stops a start, not even one that nobody can read: it is no text that anybody signed."""
    try:
        return digest_of(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return "unreadable"


def sign_folder(settings: Settings, *, by: tuple[str, str], reason: str, clock: Clock | None = None) -> None:
    """Put exactly the agreements of the folder in force, as these two people would by the command line. For demo, bench and tests."""
    texts: dict[str, str | None] = {
        path.stem: path.read_text("utf-8") for path in settings.gateway.agreements_dir.glob("*.toml")
    }
    with open_parts(settings, clock=clock) as gateway:
        gone = dict.fromkeys(set(gateway.agreements) - set(texts))
        digests = {name: each.digest for name, each in gateway.agreements.items()}
        new = {name: text for name, text in texts.items() if text is not None and digest_of(text) != digests.get(name)}
        for sign, person in ((activation.propose, by[0]), (activation.approve, by[1])):
            sign(gateway, {**gone, **new}, by=person, reason=reason)


@contextmanager
def open_parts(settings: Settings, *, clock: Clock | None = None) -> Iterator[Gateway]:
    """A gateway that is not started, for one command; closed at the end."""
    gateway = build(settings, clock=clock)
    try:
        yield gateway
    finally:
        gateway.store.close()


def build(settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None, bus: Bus | None = None) -> Gateway:
    """The gateway of an installation. Raises SettingsError when something does not fit, before anything is opened to others."""
    recipients = read_recipients(settings.gateway.recipients_dir, WIRES)
    keys = Keys.open(settings.gateway.keys_dir)
    store = open_store(settings.gateway.store_url)
    try:
        signed = activation.in_force(store, keys)
        activation.require_teller(signed.agreements, settings)
    except BaseException:
        store.close()
        raise
    ticking = clock or read_clock
    made_by()  # read now, not in the first message
    return Gateway(
        settings=settings,
        store=store,
        bus=bus or make_bus(settings.gateway, keys),
        keys=keys,
        ledger=Ledger(
            store=store,
            signer=keys,
            head=HeadFile(settings.gateway.head_file),
            origin=_origin(settings),
            clock=ticking,
        ),
        clock=ticking,
        ids=ids or RandomIds(),
        recipients=recipients,
        agreements=signed.agreements,
        signatures=signed.signatures,
        unread=signed.unread,
        establishments=settings.establishment_names(),
        outbounds=make_outbounds(recipients),
        answering=make_answering(settings),
        teller=teller_of(settings.tell),
    )


def make_bus(installation: Installation, keys: Keys) -> Bus:
    """The bus of a `bus_url`. Raises SettingsError for one that would not be safe."""
    if installation.bus_url == "memory://":
        return InProcessBus()
    from gateway.bus.rabbitmq import RabbitBus  # noqa: PLC0415  its driver costs time that an embedded gateway need not pay

    return RabbitBus(
        installation.bus_url, lambda topic, some_id: keys.seal_mac("bus", topic, some_id), name=_queues(installation)
    )


def _queues(installation: Installation) -> str:
    """How the names of an installation's queues begin."""
    return f"throughgate.{installation.installation}"


def engine_faults(settings: Settings) -> list[Fault]:
    """What is missing before the database and the broker of an installation can be used."""
    installation = settings.gateway
    found = [Fault(place="gateway.store_url", text=text) for text in faults_of(installation.store_url)]
    if installation.bus_url != "memory://":
        from gateway.bus.rabbitmq import faults  # noqa: PLC0415  its driver costs time that an embedded gateway need not pay

        texts = asyncio.run(faults(installation.bus_url, _queues(installation)))
        found += [Fault(place="gateway.bus_url", text=text) for text in texts]
    return found


def has_room_for_workers(settings: Settings) -> bool:
    """Can a second process write to this store beside the one that serves?"""
    return not settings.gateway.store_url.startswith("sqlite")


def make_outbounds(recipients: Mapping[str, Recipient]) -> Mapping[str, Outbound]:
    """One sender a recipient; a mailbox has none, its recipient collects."""
    specs = discover()
    found: dict[str, Outbound] = {}
    for recipient in recipients.values():
        spec = specs[recipient.adapter]
        if spec.make_outbound is not None and spec.outbound_settings is not None:
            found[recipient.id] = spec.make_outbound(spec.outbound_settings(**recipient.adapter_settings))
    return found


_ANSWER_WIRES: Mapping[str, str] = {"hl7v2": "hl7v2", "fhir": "fhir-message"}


def make_answering(settings: Settings) -> Mapping[str, Outbound]:
    """One sender a channel that says where later answers go. Raises SettingsError for an address that cannot carry what its format asks."""
    specs = discover()
    found: dict[str, Outbound] = {}
    for number, channel in enumerate(settings.channels):
        if channel.answers is None:
            continue
        place, wire = f"channels.{number}.answers.", _ANSWER_WIRES[channel.format]
        able = {name: one for name, one in specs.items() if one.make_outbound and (not one.wires or wire in one.wires)}
        spec = able.get(channel.answers.adapter)
        if spec is None or spec.make_outbound is None or spec.outbound_settings is None:
            text = f"no way out for an answer of this format: use one of {', '.join(sorted(able))}"
            raise SettingsError("throughgate.toml", f"{place}adapter", text)
        check_adapter_settings(spec, channel.answers.adapter_settings, "throughgate.toml", place)
        found[channel.name] = spec.make_outbound(spec.outbound_settings(**channel.answers.adapter_settings))
    return found


def build_for_try(config: Path | None, *, as_of: str | None) -> Gateway:
    """A gateway in memory that sends nothing: fixed ids and naming keys, so that the same question has the same answer.

    Without `config` it has the shipped recipients and agreements, and its register is not asked.
    """
    settings = read_settings(config) if config is not None else shipped_settings()
    recipients, agreements = read_sharing(settings)
    if config is None:
        agreements = {name: each for name, each in agreements.items() if name in shipped.in_use()}
    ids = SeededIds("try")
    keys = Keys.in_memory(ids)
    store: Store = open_store("sqlite://")
    instant = from_text(as_of) if as_of is not None else read_clock()
    ledger = Ledger(
        store=store,
        signer=keys.ledger_signer(),
        head=HeadInMemory(Ledger.first_head(keys.ledger_signer(), _origin(settings))),
        origin=_origin(settings),
        clock=lambda: instant,
    )
    return Gateway(
        settings=settings,
        store=store,
        bus=InProcessBus(),
        keys=keys,
        ledger=ledger,
        clock=lambda: instant,
        ids=ids,
        recipients=recipients,
        agreements=agreements,
        establishments=settings.establishment_names(),
        outbounds={},
        register_checked=config is not None,
        dry_run=True,
    )


def shipped_settings() -> Settings:
    """The template's settings on the shipped recipients and agreements: what `try` runs on without a configuration."""
    settings = read_settings(shipped.settings_template())
    places = {"recipients_dir": shipped.recipients(), "agreements_dir": shipped.agreements()}
    return settings.model_copy(update={"gateway": settings.gateway.model_copy(update=places)})


def copy_register(source: Settings, target: Parts) -> None:
    """Give `try --config` the registered clients of an installation: names and rights, no bearer."""
    store = open_store(source.gateway.store_url)
    try:
        with store.read() as c:
            rows = [dict(row) for row in c.execute(select(client)).mappings()]
    finally:
        store.close()
    if rows:
        target.store.write(lambda c: c.execute(client.insert(), rows))


def _origin(settings: Settings) -> str:
    return f"throughgate.example/{settings.gateway.installation}"
