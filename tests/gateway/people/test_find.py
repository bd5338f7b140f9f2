"""Whose message: one person, a new one, or nobody. Never a guess, never an identifier in clear."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from fhir_profiles.shapes import HoldCode, PersonIdentifier
from fhir_profiles.systems import NHS_NUMBER, PRISON_NUMBER
from gateway.parts import Parts
from gateway.people.find import Found, NotFound, identifier_index, resolve, resolve_all
from gateway.store.schema import metadata, person, person_identifier
from tests.builders import nhs_number, prison_number
from tests.gateway.receive.line import make_parts


@pytest.fixture
def parts() -> Parts:
    return make_parts()


def nhs(number: int, *, valid: bool = True, path: str = "PID-3[1].1") -> PersonIdentifier:
    return PersonIdentifier(system=NHS_NUMBER, value=nhs_number(number), path=path, valid=valid)


def prison(number: int, *, valid: bool = True, path: str = "PID-3[2].1") -> PersonIdentifier:
    return PersonIdentifier(system=PRISON_NUMBER, value=prison_number(number), path=path, valid=valid)


def ask(parts: Parts, *persons: PersonIdentifier) -> Found | NotFound:
    return parts.store.write(lambda c: resolve(c, parts.keys, persons, parts.now()))


def found(parts: Parts, *persons: PersonIdentifier) -> str:
    answer = ask(parts, *persons)
    assert isinstance(answer, Found)
    return answer.person_id


def held(parts: Parts, *persons: PersonIdentifier) -> tuple[HoldCode, str]:
    before = everything(parts)
    answer = ask(parts, *persons)
    assert isinstance(answer, NotFound)
    assert everything(parts) == before, "a hold changes nothing"
    for one in persons:
        assert one.value not in answer.text
    return answer.code, answer.path


def everything(parts: Parts) -> str:
    with parts.store.read() as c:
        return repr([c.execute(select(person)).all(), c.execute(select(person_identifier)).all()])


def test_a_new_person_then_the_same(parts: Parts) -> None:
    first = ask(parts, nhs(1), prison(1))
    assert first == Found(person_id=found(parts, nhs(1)), new=True)
    assert found(parts, prison(1)) == found(parts, nhs(1), prison(1))


def test_another_person_is_another(parts: Parts) -> None:
    assert found(parts, nhs(1)) != found(parts, nhs(2))


def test_a_new_number_joins_a_known_person_and_moves_the_link_version(parts: Parts) -> None:
    known = found(parts, prison(1))
    versions = link_versions(parts)
    assert found(parts, prison(1), nhs(1)) == known
    assert found(parts, nhs(1)) == known
    assert link_versions(parts)[known] == versions[known] + 1
    found(parts, prison(1), nhs(1))
    assert link_versions(parts)[known] == versions[known] + 1


def link_versions(parts: Parts) -> dict[str, int]:
    with parts.store.read() as c:
        return {row.id: row.link_version for row in c.execute(select(person))}


def test_numbers_of_two_people_are_a_conflict(parts: Parts) -> None:
    found(parts, nhs(1))
    found(parts, prison(2))
    assert held(parts, nhs(1), prison(2)) == (HoldCode.IDENTITY_CONFLICT, "PID-3[1].1")


def test_another_nhs_number_for_a_known_person_is_a_conflict(parts: Parts) -> None:
    known = found(parts, nhs(1), prison(1))
    assert held(parts, nhs(3), prison(1)) == (HoldCode.IDENTITY_CONFLICT, "PID-3[1].1")
    assert found(parts, prison(1)) == known


def test_another_prison_number_for_a_known_person_is_a_conflict(parts: Parts) -> None:
    found(parts, nhs(1), prison(1))
    assert held(parts, nhs(1), prison(4))[0] is HoldCode.IDENTITY_CONFLICT


def test_two_numbers_of_one_kind_are_two_people(parts: Parts) -> None:
    assert held(parts, nhs(1), nhs(2, path="PID-3[3].1")) == (HoldCode.TWO_PEOPLE, "PID-3[3].1")


def test_the_same_number_twice_is_one(parts: Parts) -> None:
    assert found(parts, nhs(1), nhs(1, path="PID-2")) == found(parts, nhs(1))


def test_an_invalid_number_is_not_looked_up(parts: Parts) -> None:
    known = found(parts, nhs(1))
    assert held(parts, nhs(1, valid=False)) == (HoldCode.NO_PERSON, "PID-3[1].1")
    assert found(parts, nhs(2, valid=False), prison(5)) != known


def test_nobody(parts: Parts) -> None:
    assert held(parts) == (HoldCode.NO_PERSON, "")
    local = PersonIdentifier(system="https://throughgate.example/id/mrn", value="123", path="PID-3", valid=True)
    assert held(parts, local) == (HoldCode.NO_PERSON, "")


def test_spaces_hyphens_and_case_make_no_other_person(parts: Parts) -> None:
    value = nhs_number(1)
    spaced = PersonIdentifier(
        system=NHS_NUMBER, value=f"{value[:3]} {value[3:6]}-{value[6:]}", path="PID-3", valid=True
    )
    lower = PersonIdentifier(system=PRISON_NUMBER, value=prison_number(1).lower(), path="PID-3", valid=True)
    known = found(parts, nhs(1), prison(1))
    assert found(parts, spaced) == found(parts, lower) == known


def test_no_identifier_and_no_bare_hash_is_kept_anywhere(parts: Parts) -> None:
    found(parts, nhs(1), prison(1))
    with parts.store.read() as c:
        kept = [row for table in metadata.sorted_tables for row in c.execute(select(table))]
    for value in (nhs_number(1), prison_number(1)):
        assert value not in repr(kept)
        for digest in (hashlib.sha256(value.encode()).digest(), hashlib.md5(value.encode()).digest()):
            assert not any(digest in row for row in kept)


def test_each_system_has_its_own_domain(parts: Parts) -> None:
    assert identifier_index(parts.keys, NHS_NUMBER, "X1") != identifier_index(parts.keys, PRISON_NUMBER, "X1")


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=8))
def test_in_any_order_a_number_belongs_to_one_person_for_ever(pairs: list[tuple[int, int]]) -> None:
    parts = make_parts()
    owners: dict[tuple[str, int], str] = {}
    for nhs_one, prison_one in pairs:
        answer = ask(parts, nhs(nhs_one), prison(prison_one))
        if isinstance(answer, Found):
            for key in (("nhs", nhs_one), ("prison", prison_one)):
                assert owners.setdefault(key, answer.person_id) == answer.person_id
    for person_id in set(owners.values()):
        kinds = [kind for (kind, _), owner in owners.items() if owner == person_id]
        assert len(kinds) == len(set(kinds)), "one number of each kind"


NAMED = st.lists(st.tuples(st.integers(1, 3) | st.none(), st.integers(1, 3) | st.none()), min_size=1, max_size=20)


def outcome(persons: list[Found | NotFound]) -> list[tuple[str, object]]:
    """What came of each: whose it is by who came first, and whether somebody new; or why not."""
    seen: dict[str, int] = {}
    return [
        (str(seen.setdefault(each.person_id, len(seen))), each.new)
        if isinstance(each, Found)
        else (each.code.value, each.path)
        for each in persons
    ]


def links(parts: Parts) -> list[int]:
    with parts.store.read() as c:
        return sorted(c.execute(select(person.c.link_version)).scalars())


@given(named=NAMED)
def test_several_at_once_are_found_as_one_after_the_other(named: list[tuple[int | None, int | None]]) -> None:
    """Also where the one before has made the person, or given the number, that the next one names."""
    asked = [
        [*([nhs(one)] if one is not None else []), *([prison(other)] if other is not None else [])]
        for one, other in named
    ]
    alone, together = make_parts(), make_parts()
    expected = [ask(alone, *persons) for persons in asked]
    found_at_once = together.store.write(lambda c: resolve_all(c, together.keys, asked, together.now()))
    assert outcome(found_at_once) == outcome(expected)
    assert links(together) == links(alone)
    assert outcome([ask(together, *persons) for persons in asked]) == outcome(
        [ask(alone, *persons) for persons in asked]
    )
