"""The installer of the engines on a machine that has none, with a false apt-get: what it installs, what it says, and that it leaves no policy behind."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "requirements" / "install-engines.sh"
INITDB, SERVER = "usr/lib/postgresql/15/bin/initdb", "usr/lib/rabbitmq/bin/rabbitmq-server"
BROWSER = "usr/bin/chromium"
PROGRAMS = ("usr/bin/gcc", "usr/bin/curl", "usr/bin/systemd-analyze")
EVERY = "postgresql rabbitmq-server chromium gcc libc6-dev curl systemd"
POLICY = "usr/sbin/policy-rc.d"
APT = """#!/bin/sh
echo "$*" >> "$ENGINES_ROOT/asked"
[ "$1" = install ] || exit 0
"$ENGINES_ROOT/usr/sbin/policy-rc.d"; echo "policy $?" >> "$ENGINES_ROOT/asked"
exit {code}
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A root folder without engines, and programs that are asked before the real ones: root, no sudo, an apt-get that notes what it is asked."""
    for folder in ("programs", "usr/sbin"):
        (tmp_path / folder).mkdir(parents=True)
    program(tmp_path, "id", "#!/bin/sh\necho 0\n")
    program(tmp_path, "sudo", "#!/bin/sh\nexit 1\n")
    program(tmp_path, "apt-get", APT.format(code=0))
    return tmp_path


def program(machine: Path, name: str, text: str) -> None:
    path = machine / "programs" / name
    path.write_text(text)
    path.chmod(0o755)


def installed(machine: Path, *names: str) -> None:
    """These engines are there."""
    for name in names:
        path = machine / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)


def run(machine: Path) -> subprocess.CompletedProcess[str]:
    """It never fails: what is missing is left out, and the tests say so."""
    done = subprocess.run(
        [SCRIPT],
        env={"PATH": f"{machine / 'programs'}:{os.defpath}", "ENGINES_ROOT": str(machine)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def asked(machine: Path) -> list[str]:
    path = machine / "asked"
    return path.read_text().splitlines() if path.exists() else []


def test_all_are_installed_and_no_service_starts(machine: Path) -> None:
    run(machine)
    update, install, policy = asked(machine)
    assert update.startswith("update")
    assert install.split()[0] == "install"
    assert install.endswith(f" {EVERY}")
    assert policy == "policy 101"
    assert not (machine / POLICY).exists(), "a policy was left behind"


def test_what_is_there_is_not_installed_again(machine: Path) -> None:
    installed(machine, INITDB, BROWSER, *PROGRAMS)
    run(machine)
    assert asked(machine)[1].split()[-1] == "rabbitmq-server"
    assert "postgresql" not in asked(machine)[1]


def test_with_all_nothing_is_asked(machine: Path) -> None:
    installed(machine, INITDB, SERVER, BROWSER, *PROGRAMS)
    run(machine)
    assert asked(machine) == []


def test_a_policy_that_was_there_stays(machine: Path) -> None:
    installed(machine, POLICY)
    (machine / POLICY).write_text("#!/bin/sh\nexit 104\n")
    run(machine)
    assert asked(machine)[-1] == "policy 104"
    assert (machine / POLICY).exists()


def test_an_installation_that_fails_is_said_and_leaves_no_policy(machine: Path) -> None:
    program(machine, "apt-get", APT.format(code=100))
    assert f"could not be installed: {EVERY}" in run(machine).stderr
    assert not (machine / POLICY).exists()


def test_who_may_not_install_is_told_how(machine: Path) -> None:
    program(machine, "id", "#!/bin/sh\necho 1000\n")
    assert f"apt-get install -y --no-install-recommends {EVERY}" in run(machine).stderr
    assert asked(machine) == []
