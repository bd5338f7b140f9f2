"""The installer of the FHIR validators with false programs: what it asks for, that a jar with other bytes is not kept, that the second time is quick."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
LISTED = "org.example:thing:1.0 " + hashlib.sha256(b"good").hexdigest() + "\n"
MAVEN = """#!/bin/sh
echo "mvn $*" >> "$ASKED"
for word; do case $word in -DoutputDirectory=*) mkdir -p "${{word#*=}}"; printf %s '{jar}' > "${{word#*=}}/thing-1.0.jar";; esac; done
"""
NPM = """#!/bin/sh
echo "npm $*" >> "$ASKED"
mkdir -p .validators/node_modules/@medplum
exit {code}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the installer and a list of one jar, and programs that note what they are asked."""
    shutil.copytree(REQUIREMENTS, tmp_path / "requirements")
    (tmp_path / "requirements/validators/jars.txt").write_text(LISTED)
    (tmp_path / "programs").mkdir()
    for name in ("javac", "node"):
        program(tmp_path, name, "#!/bin/sh\n")
    program(tmp_path, "mvn", MAVEN.format(jar="good"))
    program(tmp_path, "npm", NPM.format(code=0))
    return tmp_path


def program(project: Path, name: str, text: str) -> None:
    path = project / "programs" / name
    path.write_text(text)
    path.chmod(0o755)


def run(project: Path) -> subprocess.CompletedProcess[str]:
    """It never fails: what is missing is left out, and the tests say so."""
    done = subprocess.run(
        [project / "requirements/install-validators.sh"],
        env={"PATH": f"{project / 'programs'}:{os.defpath}", "ASKED": str(project / "asked")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def asked(project: Path) -> list[str]:
    path = project / "asked"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def test_both_are_fetched_once(project: Path) -> None:
    run(project)
    assert asked(project) == ["mvn", "npm"]
    assert (project / ".validators/jars/thing-1.0.jar").read_text() == "good"
    assert "<artifactId>thing</artifactId><version>1.0</version>" in (project / ".validators/pom.xml").read_text()
    assert run(project).stdout == ""
    assert asked(project) == ["mvn", "npm"]


def test_a_list_that_changed_is_fetched_again(project: Path) -> None:
    run(project)
    lock = project / "requirements/validators/package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    run(project)
    assert asked(project) == ["mvn", "npm", "npm"]


def test_what_was_there_before_is_not_taken_for_what_could_not_be_had(project: Path) -> None:
    run(project)
    for name, list_ in (("mvn", "jars.txt"), ("npm", "package-lock.json")):
        program(project, name, "#!/bin/sh\nexit 1\n")
        path = project / "requirements/validators" / list_
        path.write_text(path.read_text() + ("\n" if name == "npm" else LISTED.replace("thing", "other")))
    run(project)
    for left in ("jars", ".hapi", "node_modules", ".medplum"):
        assert not (project / ".validators" / left).exists()


def test_a_jar_with_other_bytes_is_not_kept(project: Path) -> None:
    program(project, "mvn", MAVEN.format(jar="evil"))
    assert "HAPI's validator could not be had" in run(project).stderr
    assert not (project / ".validators/jars").exists()
    assert not (project / ".validators/.hapi").exists()


def test_what_fails_is_said_and_the_other_is_fetched_all_the_same(project: Path) -> None:
    program(project, "npm", NPM.format(code=1))
    assert "Medplum's validator could not be had" in run(project).stderr
    assert (project / ".validators/.hapi").exists()
    assert not (project / ".validators/node_modules").exists()


def test_every_jar_is_pinned_by_its_digest() -> None:
    lines = (REQUIREMENTS / "validators/jars.txt").read_text().splitlines()
    assert lines
    for line in lines:
        coordinates, digest = line.split(" ")
        assert len(coordinates.split(":")) == 3
        assert len(bytes.fromhex(digest)) == hashlib.sha256().digest_size
