"""What is missing before a door opens: HTTPS and mutual TLS for everything that is not loopback. It reads certificates, and changes nothing.

`throughgate check` lists it, `throughgate serve` refuses to open while the list is not empty. A door on loopback needs nothing; where it has
TLS, that has to be whole too.
"""

import ssl
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from adapters.file_drop.folder import FolderUnfit, require_fit
from gateway.routes import Fault
from gateway.settings import Settings, Tls, is_loopback

_OTHERS: Final = 0o077
EVERYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, never listened on


def missing(settings: Settings, now: datetime) -> list[Fault]:
    """Everything that has to be there before these doors may open. `now` judges certificates."""
    return [*_http(settings), *_mllp(settings), *_folders(settings), *_tls(settings, now)]


def _http(settings: Settings) -> Iterator[Fault]:
    host = settings.gateway.http_host
    if is_loopback(host):
        return
    if settings.tls is None:
        yield Fault(
            place="gateway.http_host",
            text="beyond loopback HTTP is served only under TLS: give [tls] certificate and key, or use 127.0.0.1",
        )
    if host in EVERYWHERE and not settings.gateway.public_url:
        yield Fault(
            place="gateway.public_url",
            text="say by which address clients know this gateway: assertions are made for it",
        )
    if settings.gateway.public_url.startswith("http:"):
        yield Fault(place="gateway.public_url", text="clients beyond this machine need an https address")


def _mllp(settings: Settings) -> Iterator[Fault]:
    ca = settings.tls is not None and settings.tls.client_ca is not None
    beyond = not is_loopback(settings.gateway.mllp_host)
    for channel in settings.channels:
        if channel.adapter != "mllp":
            continue
        if beyond and not channel.certificates:
            text = "beyond loopback MLLP is mutual TLS: give the SHA-256 of the client's certificate, or use mllp_host 127.0.0.1"
            yield Fault(place=f"channels.{channel.name}.certificates", text=text)
        if (beyond or channel.certificates) and not ca:
            yield Fault(
                place="tls.client_ca", text=f"channel {channel.name} needs [tls] with certificate, key and client_ca"
            )


def _folders(settings: Settings) -> Iterator[Fault]:
    for channel in settings.channels:
        if channel.folder is not None:
            try:
                require_fit(channel.folder)
            except FolderUnfit as error:
                yield Fault(place=f"channels.{channel.name}.folder", text=str(error))


def _tls(settings: Settings, now: datetime) -> Iterator[Fault]:
    tls = settings.tls
    if tls is None:
        return
    try:
        server_tls(tls)
    except (OSError, ssl.SSLError):
        yield Fault(place="tls", text="certificate and key cannot be read, or are not of one pair (PEM)")
        return
    if tls.key.stat().st_mode & _OTHERS:
        yield Fault(place="tls.key", text="others can read the key: chmod 600")
    yield from _certificate("tls.certificate", tls.certificate, now)
    if tls.client_ca is not None:
        yield from _certificate("tls.client_ca", tls.client_ca, now)


def _certificate(place: str, file: Path, now: datetime) -> Iterator[Fault]:
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        yield Fault(place=place, text="cannot be read as PEM certificates")
        return
    if any(not one.not_valid_before_utc <= now <= one.not_valid_after_utc for one in found):
        yield Fault(place=place, text="a certificate is not valid now: replace it")


def server_tls(tls: Tls) -> ssl.SSLContext:
    """HTTPS of TLS 1.2 or newer. Raises OSError or ssl.SSLError for files that do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    context.set_alpn_protocols(["http/1.1"])
    if tls.http_mutual:
        # asked for, not demanded: probes have none; what needs a client refuses without one (gateway/api/access.py)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(tls.client_ca)
    return context
