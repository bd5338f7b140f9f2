"""Keys: what is sealed opens only here, only for its person, only unchanged; and what lies on disk says nothing."""

import pickle
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update

from gateway.errors import SettingsError
from gateway.keys import INSTALLATION, Keys, SealedBroken, SealedGone
from gateway.keys.identifiers import RandomIds, SeededIds
from gateway.keys.key_files import NAMES
from gateway.store import MemoryStore, open_store
from gateway.store.schema import person, person_identifier, sealed

NOW = "2026-01-15T12:00:00.000000Z"


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    store = MemoryStore.create()
    yield store
    store.close()


@pytest.fixture
def keys() -> Keys:
    return Keys.in_memory(SeededIds("keys"))


def seal(store: MemoryStore, keys: Keys, plaintext: bytes, person_id: str | None = None) -> str:
    return store.write(lambda c: keys.seal(c, category="body", plaintext=plaintext, person_id=person_id, now=NOW))


def unseal(store: MemoryStore, keys: Keys, sealed_id: str) -> bytes:
    with store.read() as c:
        return keys.unseal(c, sealed_id)


def test_what_is_sealed_opens_again(store: MemoryStore, keys: Keys) -> None:
    person_id = store.write(lambda c: keys.create_person(c, NOW))
    for owner in (None, person_id):
        for plaintext in (b"", b"letter", bytes(range(256)) * 4096):
            assert unseal(store, keys, seal(store, keys, plaintext, owner)) == plaintext


def test_every_row_has_its_own_key_and_nonce(store: MemoryStore, keys: Keys) -> None:
    for _ in range(20):
        seal(store, keys, b"the same")
    with store.read() as c:
        rows = c.execute(select(sealed.c.nonce, sealed.c.ciphertext, sealed.c.wrapped_key)).all()
    for column in zip(*rows, strict=True):
        assert len(set(column)) == 20


@pytest.mark.parametrize("column", ["nonce", "ciphertext", "wrapped_key"])
def test_a_changed_byte_is_found(store: MemoryStore, keys: Keys, column: str) -> None:
    sealed_id = seal(store, keys, b"letter")
    with store.read() as c:
        value = bytearray(c.execute(select(sealed.c[column])).scalar_one())
    value[-1] ^= 1
    store.write(lambda c: c.execute(update(sealed).values({column: bytes(value)})))
    with pytest.raises(SealedBroken, match=sealed_id):
        unseal(store, keys, sealed_id)


def test_a_row_put_in_the_place_of_another_is_found(store: MemoryStore, keys: Keys) -> None:
    one, two = seal(store, keys, b"one"), seal(store, keys, b"two")
    with store.read() as c:
        row = c.execute(
            select(sealed.c.nonce, sealed.c.ciphertext, sealed.c.wrapped_key).where(sealed.c.id == two)
        ).one()
    store.write(lambda c: c.execute(update(sealed).where(sealed.c.id == one).values(row._asdict())))
    with pytest.raises(SealedBroken):
        unseal(store, keys, one)


def test_another_retention_category_is_found(store: MemoryStore, keys: Keys) -> None:
    sealed_id = seal(store, keys, b"letter")
    store.write(lambda c: c.execute(update(sealed).values(category="for-longer")))
    with pytest.raises(SealedBroken):
        unseal(store, keys, sealed_id)


def test_another_installation_cannot_open(store: MemoryStore, keys: Keys) -> None:
    person_id = store.write(lambda c: keys.create_person(c, NOW))
    other = Keys.in_memory(SeededIds("another installation"))
    for owner in (None, person_id):
        sealed_id = seal(store, keys, b"letter", owner)
        with pytest.raises(SealedBroken):
            unseal(store, other, sealed_id)


def test_the_first_wrap_is_overwritten_when_a_message_gets_its_person(store: MemoryStore, keys: Keys) -> None:
    sealed_id = seal(store, keys, b"letter")
    with store.read() as c:
        before = c.execute(select(sealed.c.wrapped_by, sealed.c.wrapped_key)).one()
    person_id = store.write(lambda c: keys.create_person(c, NOW))
    store.write(lambda c: keys.wrap_for_person(c, sealed_id, person_id))
    with store.read() as c:
        after = c.execute(select(sealed.c.wrapped_by, sealed.c.wrapped_key)).one()
    assert before.wrapped_by == INSTALLATION
    assert after.wrapped_by == person_id
    assert before.wrapped_key != after.wrapped_key
    assert unseal(store, keys, sealed_id) == b"letter"


def test_a_merge_wraps_again_for_the_survivor(store: MemoryStore, keys: Keys) -> None:
    first = store.write(lambda c: keys.create_person(c, NOW))
    survivor = store.write(lambda c: keys.create_person(c, NOW))
    sealed_id = seal(store, keys, b"letter", first)
    store.write(lambda c: keys.wrap_for_person(c, sealed_id, survivor))
    store.write(lambda c: keys.wrap_for_person(c, sealed_id, survivor))
    store.write(lambda c: c.execute(delete(person).where(person.c.id == first)))
    assert unseal(store, keys, sealed_id) == b"letter"


def test_a_wrap_that_claims_another_person_does_not_open(store: MemoryStore, keys: Keys) -> None:
    one = store.write(lambda c: keys.create_person(c, NOW))
    two = store.write(lambda c: keys.create_person(c, NOW))
    sealed_id = seal(store, keys, b"letter", one)
    store.write(lambda c: c.execute(update(sealed).values(wrapped_by=two)))
    with pytest.raises(SealedBroken):
        unseal(store, keys, sealed_id)


def test_without_the_persons_key_nothing_of_the_person_opens(store: MemoryStore, keys: Keys) -> None:
    person_id = store.write(lambda c: keys.create_person(c, NOW))
    sealed_id = seal(store, keys, b"letter", person_id)
    other = seal(store, keys, b"other")
    store.write(lambda c: c.execute(update(person).values(wrapped_key=b"")))
    with pytest.raises(SealedGone):
        unseal(store, keys, sealed_id)
    assert unseal(store, keys, other) == b"other"


def test_what_is_gone_says_so(store: MemoryStore, keys: Keys) -> None:
    with pytest.raises(SealedGone, match="NOTHERE"):
        unseal(store, keys, "NOTHERE")
    with pytest.raises(SealedGone):
        store.write(lambda c: keys.wrap_for_person(c, "NOTHERE", "NOBODY"))
    with pytest.raises(SealedGone):
        seal(store, keys, b"", "NOBODY")


def test_a_person_starts_with_versions_1(store: MemoryStore, keys: Keys) -> None:
    store.write(lambda c: keys.create_person(c, NOW))
    with store.read() as c:
        row = c.execute(select(person.c.consent_version, person.c.file_version, person.c.link_version)).one()
    assert tuple(row) == (1, 1, 1)


# Keyed digests


def test_the_index_separates_domains_and_installations(keys: Keys) -> None:
    other = Keys.in_memory(SeededIds("other"))
    found = {
        keys.index("nhs", "9990000018"),
        keys.index("prison", "9990000018"),
        keys.index("nhs", "9990000026"),
        other.index("nhs", "9990000018"),
        keys.index("nhs9", "990000018"),
    }
    assert len(found) == 5
    assert keys.index("nhs", "9990000018") == keys.index("nhs", "9990000018")
    assert {len(index) for index in found} == {32}


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_two_lists_of_parts_never_have_the_same_mac(one: list[str], two: list[str]) -> None:
    keys = Keys.in_memory(SeededIds("mac"))
    assert keys.verify_seal_mac(keys.seal_mac(*one), *two) == (one == two)


def test_commitments_are_linked_by_the_persons_key_only(store: MemoryStore, keys: Keys) -> None:
    one = store.write(lambda c: keys.create_person(c, NOW))
    two = store.write(lambda c: keys.create_person(c, NOW))
    with store.read() as c:
        found = {
            keys.commitment(c, owner, nonce, data)
            for owner in (None, one, two)
            for nonce in (b"n1", b"n2")
            for data in (b"letter", b"other")
        }
        again = keys.commitment(c, one, b"n1", b"letter")
        moved = keys.commitment(c, one, b"n1l", b"etter")
        # who tries every entry has the key prepared: the same commitment, by another way
        assert keys.commitments_of_framed(c, one)(keys.framed(b"n1", b"letter")).hex() == again
        assert keys.commitments_of(c, (one,))[one](b"n1", b"letter") == again
    assert len(found) == 12
    assert again in found
    assert moved not in found


def test_a_reports_key_is_wrapped(keys: Keys) -> None:
    key = RandomIds().key()
    wrapped = keys.report_key_wrap(key)
    assert key not in wrapped
    assert keys.report_key_unwrap(wrapped) == key
    with pytest.raises(SealedBroken):
        Keys.in_memory(SeededIds("other")).report_key_unwrap(wrapped)


def test_a_wrapped_person_key_is_no_report_key(store: MemoryStore, keys: Keys) -> None:
    """One key a purpose: what is wrapped for one cannot be used as another."""
    store.write(lambda c: keys.create_person(c, NOW))
    with store.read() as c:
        wrapped = c.execute(select(person.c.wrapped_key)).scalar_one()
    with pytest.raises(SealedBroken):
        keys.report_key_unwrap(wrapped)


# Files


def test_key_files_are_private_and_open_again(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    Keys.create(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == sorted(f"{name}.key" for name in NAMES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert len({path.read_bytes() for path in files}) == len(NAMES)
    one, two = Keys.open(folder), Keys.open(folder)
    assert one.index("a", "b") == two.index("a", "b")
    assert one.ledger_signer().public_key() == two.ledger_signer().public_key()
    assert one.pseudonym_key() == two.pseudonym_key()


def test_keys_are_made_once(tmp_path: Path) -> None:
    Keys.create(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError):
        Keys.create(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_open_or_damaged_key_file_is_named(tmp_path: Path, name: str) -> None:
    Keys.create(tmp_path)
    path = tmp_path / f"{name}.key"
    path.chmod(0o640)
    with pytest.raises(SettingsError, match=rf"{name}\.key is open to other users"):
        Keys.open(tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(SettingsError, match=rf"{name}\.key is not a key"):
        Keys.open(tmp_path)
    path.unlink()
    with pytest.raises(SettingsError, match=rf"{name}\.key cannot be read"):
        Keys.open(tmp_path)
    assert not path.exists()


def test_nothing_of_a_key_can_be_printed_or_copied(tmp_path: Path) -> None:
    Keys.create(tmp_path)
    keys = Keys.open(tmp_path)
    shown = f"{keys!r} {keys!s}"
    for path in tmp_path.iterdir():
        assert path.read_bytes().hex() not in shown
        assert repr(path.read_bytes()) not in shown
    assert shown == "Keys(...) Keys(...)"
    with pytest.raises(TypeError):
        pickle.dumps(keys)


# A stolen database


CANARIES = ("9990000018", "A1234BC", "CANARYSURNAME", "LS1 4AP")


def files_with(tmp_path: Path, plant: str | None) -> bytes:
    """A database with a person's identifiers and letter in it, as bytes; `plant` goes in unencrypted (sabotage)."""
    keys = Keys.in_memory(SeededIds("canary"))
    store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}")

    def fill(c):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  a work
        person_id = keys.create_person(c, NOW)
        for system, value in (("nhs", CANARIES[0]), ("prison", CANARIES[1])):
            c.execute(
                person_identifier.insert().values(
                    system=system, value_index=keys.index(system, value), person_id=person_id
                )
            )
        letter = "|".join(CANARIES).encode()
        first = keys.seal(c, category="body", plaintext=letter, person_id=None, now=NOW)
        keys.wrap_for_person(c, first, person_id)
        keys.seal(c, category="letter", plaintext=letter, person_id=person_id, now=NOW)
        if plant:
            c.execute(text("INSERT INTO installation VALUES ('note', :plant)"), {"plant": plant})

    store.write(fill)
    found = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    store.close()
    return found + (tmp_path / "gateway.db").read_bytes()


def test_a_stolen_database_says_nothing_about_anyone(tmp_path: Path) -> None:
    found = files_with(tmp_path, None)
    assert len(found) > 100_000
    assert [canary for canary in CANARIES if canary.encode() in found] == []


def test_the_canary_would_be_found(tmp_path: Path) -> None:
    """Sabotage of the test above."""
    found = files_with(tmp_path, CANARIES[2])
    assert [canary for canary in CANARIES if canary.encode() in found] == [CANARIES[2]]
