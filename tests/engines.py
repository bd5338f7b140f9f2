"""Real engines for tests: PostgreSQL and RabbitMQ as ordinary processes, in private folders, on free ports of loopback.

Each test process starts its own, once, when the first test asks, and ends it. A database and queues of its own for every test.
`make install-engines` installs them where it may; what is missing is left out with a counted reason, and under CI that fails the run.
"""

import atexit
import contextlib
import itertools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from gateway.store import open_store

WITHOUT_DATABASE = "PostgreSQL is not installed: make install-engines"
WITHOUT_BROKER = "RabbitMQ is not installed: make install-engines"
START_SECONDS = 180  # this number belongs to the fixtures: the first start on a cold disk takes nine, on a machine that does much else a minute
LOWEST_PORT, HIGHEST_PORT = 21_000, 32_000  # below the range that outgoing connections take theirs from

_numbers = itertools.count(1)


def free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that nobody listens on."""
    first = LOWEST_PORT + (os.getpid() * 37) % (HIGHEST_PORT - LOWEST_PORT - 200)
    for port in itertools.chain(range(first, HIGHEST_PORT - count), range(LOWEST_PORT, first)):
        with contextlib.ExitStack() as bound:
            try:
                for each in range(port, port + count):
                    bound.enter_context(socket.socket()).bind(("127.0.0.1", each))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Until `ready` says so; the process's own words when it does not, and nothing stays of it."""
    ends = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > ends:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
            raise RuntimeError(f"it did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def children_of(parent: int) -> list[int]:
    """The processes that this one started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


@cache
def database_programs() -> Path | None:
    """The folder of the newest PostgreSQL of this machine."""
    found = sorted(
        (path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()),
        key=lambda path: int(path.parent.name),
    )
    return found[-1] if found else None


def _ordinary_user() -> str | None:
    """Whom the database runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


class Database:
    """One PostgreSQL server. `fresh()` is the URL of an empty database of its own."""

    def __init__(self, programs: Path, environment: Callable[[Path], Mapping[str, str]] = lambda _: {}) -> None:
        """`environment`: what the server's processes get beside ours, for its folder."""
        self.folder = Path(tempfile.mkdtemp(prefix="tg-pg-", dir="/tmp"))
        self.environment = environment(self.folder)
        self.programs = programs
        self.user = _ordinary_user()
        self.port = free_ports(1)
        self.process: subprocess.Popen[bytes] | None = None
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        self._run("initdb", "-D", f"{self.folder}/data", "-U", "app", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.programs / program, *arguments],
            user=self.user,
            extra_groups=[] if self.user else None,
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace"))

    def start(self) -> None:
        """Durable as in production: fsync stays on."""
        log = self.folder / "server.log"
        settings = (
            "listen_addresses=127.0.0.1",
            "max_connections=300",
            "deadlock_timeout=100ms",
            "shared_buffers=64MB",
        )
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    self.programs / "postgres",
                    "-D",
                    f"{self.folder}/data",
                    "-p",
                    str(self.port),
                    "-k",
                    str(self.folder),
                    *(part for each in settings for part in ("-c", each)),
                ],
                user=self.user,
                extra_groups=[] if self.user else None,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_until(self._answers, self.process, log)

    def _answers(self) -> bool:
        return is_open(self.port) and self.sql("SELECT 1")

    def come_up(self) -> None:
        """After something that it may not have survived: by itself, or started again as a service manager does."""
        ends = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < ends, "it does not come up"
            if self.process is not None and self.process.poll() is not None:
                self.start()
            time.sleep(0.02)

    def sql(self, statement: str, database: str = "postgres") -> bool:
        """One statement by the server's own client."""
        done = subprocess.run(
            [
                self.programs / "psql",
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                "-U",
                "app",
                "-qAtc",
                statement,
                database,
            ],
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def fresh(self) -> str:
        """An empty database."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        assert self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql://app@127.0.0.1:{self.port}/{name}"

    @property
    @cache  # noqa: B019  one server a process
    def _template(self) -> str:
        """A database with every table, made once."""
        assert self.sql("CREATE DATABASE made")
        open_store(self.url("made")).close()
        return "made"

    def prepared(self, like: str | None = None) -> str:
        """A database with every table and no row, or with all that another one has: copied, which is quicker than migrating."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        template = self._template if like is None else like.rsplit("/", 1)[1]
        assert self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def kill(self) -> None:
        """As a power switch would: every process of it, at once."""
        assert self.process is not None
        own = children_of(self.process.pid)
        self.process.kill()
        self.process.wait()
        for each in own:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        ends = time.monotonic() + START_SECONDS
        while any(Path(f"/proc/{each}").exists() for each in own) and time.monotonic() < ends:
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


BROKER = Path("/usr/lib/rabbitmq/bin")
NO_BUSY_WAITING = "+sbwt none +sbwtdcpu none +sbwtdio none"
"""Schedulers of the broker that have nothing to do leave the cores to the tests."""


def needed_by(name: str, plugins: Path) -> set[Path]:
    """The folders of an application and of every other of `plugins` that it needs, by their own lists."""
    folders = {each.name.rpartition("-")[0]: each for each in plugins.iterdir()}
    found: set[Path] = set()
    asked = [name]
    while asked:
        folder = folders.get(asked.pop())
        if folder is None or folder in found:  # of Erlang itself, or known
            continue
        found.add(folder)
        (described,) = (folder / "ebin").glob("*.app")
        listed = re.search(r"\{applications,\s*\[(.*?)\]", described.read_text(), re.DOTALL)
        asked += re.findall(r"\w+", listed[1] if listed else "")
    return found


def without_plugins(folder: Path) -> Path:
    """The programs of a server that has itself and no plugin, in `folder`.

    Every start would look for each of its modules in sixty folders of plugins that are not enabled: half of its time.
    """
    home = (BROKER / "rabbitmq-server").resolve().parent.parent
    shutil.copytree(home / "sbin", folder / "sbin")
    (folder / "escript").symlink_to(home / "escript")
    (folder / "plugins").mkdir()
    for each in needed_by("rabbit", home / "plugins"):
        (folder / "plugins" / each.name).symlink_to(each)
    return folder / "sbin"


class Broker:
    """One RabbitMQ server. `fresh()` is a name for the queues of one test."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tg-mq-", dir="/tmp"))
        self.port = free_ports(3)
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(os.urandom(16).hex())
        cookie.chmod(0o400)
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            "vm_memory_high_watermark.relative = 0.3\ndisk_free_limit.absolute = 50MB\n"
        )
        (self.folder / "advanced.config").write_text("[].\n")
        self.programs = without_plugins(self.folder / "home")
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")}
        folder = str(self.folder)
        return kept | {
            "HOME": folder,
            "ERL_EPMD_PORT": str(self.port + 2),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"t{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.port + 1),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/gen",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{127,0,0,1}} {NO_BUSY_WAITING}",
        }

    def start(self) -> None:
        """Ready when the protocol's own header is answered."""
        log = self.folder / "server.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [self.programs / "rabbitmq-server"],
                env=self.environment,
                cwd=self.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_until(self._answers, self.process, log)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(b"AMQP\x00\x00\x09\x01")
                return probe.recv(1) == b"\x01"
        except OSError:
            return False

    def control(self, *arguments: str) -> str:
        """`rabbitmqctl`, whose answer is text."""
        done = subprocess.run(
            [BROKER / "rabbitmqctl", "-n", f"t{self.port}@localhost", "-q", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr + done.stdout)
        return done.stdout

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @staticmethod
    def fresh() -> str:
        """A name of which nobody has a queue."""
        return f"test-{os.getpid()}-{next(_numbers)}"

    def kill(self) -> None:
        """As a power switch would."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        ends = time.monotonic() + START_SECONDS
        while is_open(self.port) and time.monotonic() < ends:
            time.sleep(0.02)

    def wipe(self) -> None:
        """Everything that the broker had on disk is gone."""
        shutil.rmtree(self.folder / "mnesia", ignore_errors=True)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for epmd in Path("/usr/lib/erlang").glob("erts-*/bin/epmd"):
            subprocess.run([epmd, "-port", str(self.port + 2), "-kill"], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def database() -> Database:
    """The PostgreSQL of this process; the test that asks is skipped where there is none."""
    programs = database_programs()
    if programs is None:
        pytest.skip(WITHOUT_DATABASE)
    found = Database(programs)
    atexit.register(found.stop)
    return found


@cache
def broker() -> Broker:
    """The RabbitMQ of this process; the test that asks is skipped where there is none."""
    if not (BROKER / "rabbitmq-server").exists():
        pytest.skip(WITHOUT_BROKER)
    found = Broker()
    atexit.register(found.stop)
    return found


@contextlib.contextmanager
def own_broker() -> Iterator[Broker]:
    """One that the test may kill and wipe."""
    if not (BROKER / "rabbitmq-server").exists():
        pytest.skip(WITHOUT_BROKER)
    found = Broker()
    try:
        yield found
    finally:
        found.stop()


@contextlib.contextmanager
def own_database(environment: Callable[[Path], Mapping[str, str]] = lambda _: {}) -> Iterator[Database]:
    """One that the test may kill."""
    programs = database_programs()
    if programs is None:
        pytest.skip(WITHOUT_DATABASE)
    found = Database(programs, environment)
    try:
        yield found
    finally:
        found.stop()


MODES: Sequence[str] = ("embedded", "production")
