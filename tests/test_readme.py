"""The README is true: its commands are run as they stand, in a new folder, with only ports changed."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks() -> list[str]:
    """Every `sh` block, in order."""
    return re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])


def script(folder: Path) -> str:
    """The blocks as one script. Only what a reader does with hands is added: another port, another terminal, the end."""
    http, mllp = free_ports()
    text = (
        "\n".join(blocks())
        .replace("127.0.0.1:8080", f"127.0.0.1:{http}")
        .replace("tcp/127.0.0.1/2575", f"tcp/127.0.0.1/{mllp}")
    )
    init, rest = text.split("\n", maxsplit=1)
    ports = f"sed -i 's/http_port = 8080/http_port = {http}/; s/port = 2575/port = {mllp}/' my-gateway/throughgate.toml"
    wait = f"for _ in $(seq 100); do curl -fsS http://127.0.0.1:{http}/health/ready >ready.txt 2>&1 && break; sleep 0.1; done"
    rest = rest.replace(
        "throughgate serve\n", f"throughgate serve >served.txt 2>&1 &\nserver=$!\ntrap 'kill $server' ERR\n{wait}\n"
    )
    end = "kill -TERM $server\nwait $server\necho served=$?"
    return f"set -euo pipefail\ncd {folder}\n{init}\n{ports}\n{rest}\n{end}\n"


@pytest.mark.slow(seconds=80)
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_commands_of_the_readme_work(tmp_path: Path) -> None:
    """From `init` to a handover in a mailbox, a journey and a ledger that verifies; a stop ends with 0."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "throughgate").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gateway "$@"\n', "utf-8")
    (commands / "throughgate").chmod(0o755)
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    environment = {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    with contextlib.suppress(FileNotFoundError):
        (tmp_path / "served.txt").unlink()
    done = subprocess.run(
        ["bash", "-c", script(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "served.txt").read_text("utf-8")
    said = done.stdout
    assert said.count("MSA|AA|EXAMPLE-") == 2
    assert '"resourceType":"Bundle"' in said.replace('": "', '":"')
    assert "Example-Test" in said  # the letter in the mailbox names its person
    assert "delivered" in said
    assert "nothing waits" in said
    assert "verified" in said
    assert "served=0" in said


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make ([\w-]+)`", README))
    assert {"demo", "test"} <= named
    assert named <= targets


def test_what_the_readme_quotes_of_the_demo_is_what_it_prints() -> None:
    """The words of the quoted lines stand in the code that prints them."""
    printed = "".join(
        (ROOT / "gateway" / "demo" / name).read_text("utf-8") for name in ("account.py", "story.py", "invariants.py")
    )
    printed += (ROOT / "gateway" / "commands" / "demo.py").read_text("utf-8")
    for quoted in (
        "Alex is released: the message itself has no clinical content",
        "the handover is made from what came before",
        "what had to be true, looked at from outside:",
        "every act came out as the story says",
        "what the gateway calls delivered is what the neighbours hold",
        "nobody can be found in what security got",
        "every invariant held",
    ):
        assert quoted in README
        assert quoted in printed
