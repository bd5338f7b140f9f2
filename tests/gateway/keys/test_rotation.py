"""A key is rotated: both open meanwhile, everything is under the new one afterwards, a crash anywhere is gone on from, nothing is destroyed."""

import contextlib
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from gateway.keys import PERSON, SEALED, Keys, SealedBroken
from gateway.keys.key_files import NAMES, Rotating, read_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Keys.create(tmp_path / "keys")
    return tmp_path / "keys"


class Died(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("name", NAMES)
def test_the_steps_show_to_a_process_that_runs(folder: Path, name: str) -> None:
    """Opens, then used, then alone; the one before is kept aside and opens nothing."""
    steps = Rotating(folder, name)
    (old,) = read_files(folder)[name]
    assert not steps.is_prepared()
    steps.prepare()
    first, new = read_files(folder)[name]
    assert (first, steps.is_prepared(), steps.is_promoted()) == (old, True, False)
    steps.promote()
    assert read_files(folder)[name] == (new, old)
    assert (steps.is_prepared(), steps.is_promoted()) == (False, True)
    steps.retire()
    assert read_files(folder)[name] == (new,)
    assert (folder / "retired" / f"{name}.1.key").read_bytes() == old


def test_what_either_wrapped_opens_in_a_process_that_was_there_before(folder: Path) -> None:
    """A running process wraps by the old key, then at once by the new one, and opens both until the old one is retired."""
    running = Keys.open(folder)
    before = running.seal_mac("letter")
    wrapped = running.report_key_wrap(b"k" * 32)
    steps = Rotating(folder, "installation")
    for step in (steps.prepare, steps.promote):
        step()
        assert running.report_key_unwrap(wrapped) == b"k" * 32
        assert running.report_key_unwrap(Keys.open(folder).report_key_wrap(b"n" * 32)) == b"n" * 32
    assert running.report_key_wrap(b"k" * 32) != wrapped, "the new key is used"
    steps.retire()
    running.report_key_wrap(b"k" * 32)  # whatever it makes next shows it the step
    with pytest.raises(SealedBroken):
        running.report_key_unwrap(wrapped)
    seal = Rotating(folder, "seal")
    seal.prepare()
    assert running.seal_mac("letter") == before
    seal.promote()
    assert running.seal_mac("letter") != before
    assert running.verify_seal_mac(before, "letter")
    assert running.seal_mac_again(before, "letter") == running.seal_mac("letter")
    assert running.seal_mac_again(running.seal_mac("letter"), "letter") is None
    seal.retire()
    assert not running.verify_seal_mac(before, "letter")
    with pytest.raises(SealedBroken):
        running.seal_mac_again(before, "letter")


@pytest.mark.parametrize("use", [SEALED, PERSON])
def test_a_key_is_wrapped_again_once_and_a_foreign_one_never(folder: Path, use: str) -> None:
    keys = Keys.open(folder)
    stranger = Keys.in_memory(keys._ids)
    steps = Rotating(folder, "installation")
    old = aes_key_wrap(keys._wrap(use), b"k" * 32)
    assert keys.wrapped_again(use, old) is None
    steps.prepare()
    steps.promote()
    new = keys.wrapped_again(use, old)
    assert new is not None
    assert keys.wrapped_again(use, new) is None
    with pytest.raises(SealedBroken):
        keys.wrapped_again(use, aes_key_wrap(stranger._wrap(use), b"k" * 32))


@pytest.mark.parametrize("dies_at", range(1, 14))
def test_a_crash_between_any_two_renames_loses_no_key_and_is_gone_on_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """Dies before the n-th rename or removal of a whole rotation; what is there opens everything, and the same calls finish it."""
    keys = Keys.open(folder)
    wrapped = keys.report_key_wrap(b"k" * 32)
    count = 0

    def rotate() -> None:
        steps = Rotating(folder, "installation")
        steps.tidy()
        if not steps.is_promoted():
            if not steps.is_prepared():
                steps.prepare()
            steps.promote()
        again = Keys.open(folder).wrapped_again("wrap report keys", wrapped_now[0])
        wrapped_now[0] = again or wrapped_now[0]
        steps.retire()

    wrapped_now = [wrapped]
    with monkeypatch.context() as dying:
        for name in ("rename", "unlink"):
            real = getattr(Path, name)

            def counted(self: Path, *arguments: object, real: object = real, **named: object) -> object:
                nonlocal count
                count += 1
                if count == dies_at:
                    raise Died
                return real(self, *arguments, **named)  # type: ignore[operator]  # the method of Path that it stands for

            dying.setattr(Path, name, counted)
        with contextlib.suppress(Died):
            rotate()
    assert keys.report_key_unwrap(wrapped_now[0]) == b"k" * 32
    assert Keys.open(folder).report_key_unwrap(wrapped_now[0]) == b"k" * 32
    steps = Rotating(folder, "installation")
    if count >= dies_at and (steps.is_promoted() or steps.is_prepared() or not (folder / "retired").exists()):
        rotate()
    assert keys.report_key_unwrap(wrapped_now[0]) == b"k" * 32
    assert len(read_files(folder)["installation"]) == 1
    assert len(list((folder / "retired").glob("installation.*.key"))) == 1


def test_a_folder_that_is_away_for_a_while_changes_nothing(folder: Path) -> None:
    keys = Keys.open(folder)
    before = keys.index("domain", "value")
    shutil.move(folder, folder.with_name("away"))
    assert keys.index("domain", "value") == before
    shutil.move(folder.with_name("away"), folder)
    assert keys.index("domain", "value") == before
