"""What is in deploy/: nobody's root, no secret, nothing that floats, every path there; and the steps, done in a fresh folder, make a program that runs.

There is no container engine here: the Dockerfile's own COPY and RUN lines are carried out by this test where they do not need one.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tests.builders import adt_a01, mllp_frame
from tests.engines import broker, database, free_ports, is_open

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
COMPOSE = (DEPLOY / "compose.yaml").read_text("utf-8")
UNIT = (DEPLOY / "throughgate.service").read_text("utf-8")
READ_ONLY = """mount --make-rprivate /
for each in "$1" "$2"; do mount --bind "$each" "$each"; done
mount -o remount,bind,ro /
touch "$3" 2>/dev/null && { echo "this root can be written" >&2; exit 9; }
shift 3
exec "$@"
"""
"""What `read_only: true` of the services and `ProtectSystem=strict` of the unit come to: only two folders may be written, the head's and /tmp."""
SECRET = re.compile(r"(?i)(password|secret|token|passwd)\s*[:=]\s*['\"]?[A-Za-z0-9]{6,}")


def instructions(text: str) -> list[tuple[str, str]]:
    """(word, rest) of each instruction, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def stages(text: str) -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions(text):
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def services(text: str) -> dict[str, str]:
    """Name -> block of each service; the gateway's common part under `x-gateway`."""
    found = {"x-gateway": text.split("x-gateway: &gateway\n")[1].split("\nservices:", maxsplit=1)[0]}
    block = text.split("\nservices:\n")[1].split("\nvolumes:\n", maxsplit=1)[0]
    for part in re.split(r"^  (?=\w+:\n)", block, flags=re.MULTILINE)[1:]:
        name, _, rest = part.partition(":\n")
        found[name] = rest
    return found


def faults_of_image(text: str) -> list[str]:
    """What would be wrong with an image made so."""
    build, run = stages(text)[0], stages(text)[-1]
    words = dict(run)
    found = [
        f"base {rest}"
        for word, rest in (*build, *run)
        if word == "FROM" and not re.match(r"\S+:\d+\.\d+\.\d+[\w.-]*( AS \w+)?$|\S+@sha256:", rest)
    ]
    if not re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", words.get("USER", "")):
        found.append("runs as root")
    if run[-1][0] not in ("CMD", "ENTRYPOINT") or "ENTRYPOINT" not in words:
        found.append("no entry point")
    if "HEALTHCHECK" not in words:
        found.append("no health check")
    installs = [rest for word, rest in build if word == "RUN" and " pip install " in rest]
    if not installs or not all("--require-hashes" in rest or "--no-index" in rest for rest in installs):
        found.append("installs what is not locked")
    sources = [path for word, rest in build if word == "COPY" for path in rest.split()[:-1]]
    found += [f"{path} is not there" for path in sources if not (ROOT / path).exists()]
    if SECRET.search(text) or any(word == "ARG" for word, _ in instructions(text)):
        found.append("a secret could be in it")
    return found


def faults_of_compose(text: str) -> list[str]:
    """What would be wrong with services run so."""
    found = [f"image {image}" for image in re.findall(r"image: (\S+)", text) if not re.search(r":\d+\.\d+", image)]
    found += [f"port {port}" for port in re.findall(r'ports: \["([^"]+)"', text) if not port.startswith("127.0.0.1:")]
    parts = services(text)
    for line in ('user: "10001:10001"', "read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "restart: "):
        if line not in parts["x-gateway"]:
            found.append(f"the gateway without {line}")
    for name in ("postgres", "rabbitmq"):
        found += [
            f"{name} without {line}"
            for line in ("restart: ", "mem_limit: ", "healthcheck:", "secrets:")
            if line not in parts[name]
        ]
    found += [f"inside the image's own folder: {path}" for path in re.findall(r"(?:file: |- )(\./\S+)", text)]
    if SECRET.search(text.replace("PASSWORD_FILE: /run/secrets/", "")):
        found.append("a secret in it")
    return found


def test_the_image_and_the_services_have_no_fault() -> None:
    assert faults_of_image(DOCKERFILE) == []
    assert faults_of_compose(COMPOSE) == []
    for setting in ("fsync=on", "full_page_writes=on", "synchronous_commit=on"):
        assert setting in services(COMPOSE)["postgres"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("USER 10001:10001\n", "", "root"),
        ("USER 10001:10001", "USER 0:0", "root"),
        ("FROM python:3.11.13-slim-bookworm\n", "FROM python:latest\n", "base"),
        ("--require-hashes ", "", "locked"),
        ("COPY adapters adapters", "COPY adaptors adaptors", "not there"),
        ('ENTRYPOINT ["throughgate"]\n', "", "entry point"),
        ("HEALTHCHECK ", "# ", "health"),
        ("STOPSIGNAL", "ENV PASSWORD=swordfish\nSTOPSIGNAL", "secret"),
    ],
)
def test_each_fault_of_an_image_is_found(old: str, new: str, says: str) -> None:
    """Sabotage."""
    assert old in DOCKERFILE
    assert any(says in fault for fault in faults_of_image(DOCKERFILE.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("postgres:15.13-bookworm", "postgres:latest"),
        ('"127.0.0.1:5432:5432"', '"5432:5432"'),
        ("  read_only: true\n", ""),
        ("  cap_drop: [ALL]\n", ""),
        ("    mem_limit: 2g\n", ""),
        ("/etc/throughgate-secrets/pgpass", "./secrets/pgpass"),
        ("POSTGRES_DB: throughgate", "POSTGRES_PASSWORD: swordfish"),
    ],
)
def test_each_fault_of_the_services_is_found(old: str, new: str) -> None:
    """Sabotage."""
    assert old in COMPOSE
    assert faults_of_compose(COMPOSE.replace(old, new))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build stage, carried out: only what is copied is there, and the project is installed offline. The locked packages are this environment's."""
    folder = tmp_path_factory.mktemp("image")
    build, opt = folder / "build", folder / "opt"
    build.mkdir()
    site = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for word, rest in stages(DOCKERFILE)[0]:
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                to = build / (Path(source).name if target == "./" else target)
                to.parent.mkdir(parents=True, exist_ok=True)
                copied = ROOT / source
                if copied.is_dir():
                    shutil.copytree(copied, to, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copyfile(copied, to)
        elif word == "RUN":
            command = rest.replace("/opt/throughgate", str(opt)).replace("python -m venv", f"{sys.executable} -m venv")
            if "--require-hashes" in command:
                (inside,) = opt.glob("lib/python*/site-packages")
                (inside / "locked.pth").write_text(f"import sys; sys.path.append({str(site)!r})\n")
                continue
            done = subprocess.run(command.split(), cwd=build, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
    return opt


def throughgate(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The image's entry point, with its own environment and nothing of this checkout."""
    (entry,) = [rest for word, rest in stages(DOCKERFILE)[-1] if word == "ENTRYPOINT"]
    environment = {"PATH": f"{installed}/bin:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(folder)}
    command = [str(installed / "bin" / entry.strip('[]"')), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.slow(seconds=60)
def test_what_is_built_runs_on_the_production_settings(installed: Path, tmp_path: Path) -> None:
    """`init --settings` with deploy/production.toml on a real database and broker, then `check`: nothing but the client is missing.

    Then `serve`, where no file but the signed head and what is temporary can be written: a message is taken.
    """
    store_url, bus_url = database().fresh(), broker().url
    http = free_ports(2)  # after the engines have theirs
    mllp = http + 1
    text = (DEPLOY / "production.toml").read_text("utf-8")
    for pattern, new in (
        (r'store_url = "[^"]+"', f'store_url = "{store_url}"'),
        (r'bus_url = "[^"]+"', f'bus_url = "{bus_url}"'),
        (r'head_file = "[^"]+"', f'head_file = "{tmp_path}/head/ledger.head"'),
        (r'installation = "production"', f'installation = "{broker().fresh()}"'),
        (r"http_port = \d+", f"http_port = {http}"),
        (r"\nport = \d+", f"\nport = {mllp}"),
    ):
        text, changed = re.subn(pattern, new, text)
        assert changed == 1
    (tmp_path / "production.toml").write_text(text)
    made = throughgate(installed, tmp_path, "init", "made", "--settings", "production.toml")
    assert made.returncode == 0, made.stderr
    config = ("--config", "made/throughgate.toml")
    checked = throughgate(installed, tmp_path, "check", *config)
    assert checked.returncode == 1
    assert "1 fault(s)" in checked.stdout
    assert "client `fellgate-ehr` is not registered" in checked.stdout
    added = throughgate(
        installed, tmp_path, "client", "add", "fellgate-ehr", "--kinds", "ADT^A01", "--establishments", "ZFG", *config
    )
    assert added.returncode == 0, added.stderr
    assert throughgate(installed, tmp_path, "check", *config).returncode == 0
    answer = served_read_only(installed, tmp_path, http, mllp)
    assert b"MSA|AA|" in answer, answer


def served_read_only(installed: Path, folder: Path, http: int, mllp: int) -> bytes:
    """What `serve` answered to an admission; it started, was ready and ended well."""
    temporary, config = folder / "temporary", folder / "made" / "throughgate.toml"
    temporary.mkdir()
    namespaces = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    written = [str(folder / "head"), str(temporary), str(folder / "made" / "touched")]
    serve = [str(installed / "bin" / "throughgate"), "serve", "--config", str(config)]
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(temporary)}
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*namespaces, "sh", "-ec", READ_ONLY, "sh", *written, *serve],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            ends = time.monotonic() + 60
            while not (is_open(http) and is_open(mllp)):
                assert process.poll() is None, (folder / "serve.log").read_text("utf-8")
                assert time.monotonic() < ends, (folder / "serve.log").read_text("utf-8")
                time.sleep(0.05)
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/health/ready", timeout=10) as ready:
                assert ready.status == 200
            with socket.create_connection(("127.0.0.1", mllp), timeout=20) as line:
                line.sendall(mllp_frame(adt_a01()))
                answer = line.recv(65536)
            process.terminate()
            assert process.wait(30) == 0, (folder / "serve.log").read_text("utf-8")
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
    return answer


def test_the_unit_is_hardened_and_verifies(tmp_path: Path) -> None:
    for line in (
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=\n",
        "PrivateTmp=yes",
        "UMask=0077",
        "User=throughgate",
    ):
        assert line in UNIT
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "throughgate"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    def verdict(text: str) -> str:
        unit = tmp_path / "throughgate.service"
        unit.write_text(text.replace("/opt/throughgate/bin/throughgate", str(program)))
        return subprocess.run(
            ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
        ).stderr

    assert "throughgate.service" not in verdict(UNIT)
    assert "throughgate.service" in verdict(UNIT.replace("ProtectSystem=strict", "ProtectSystm=strict")), "sabotage"
