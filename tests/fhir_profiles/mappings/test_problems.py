"""Problems of the problem list: how sure, how they stand, and what supersedes what."""

from typing import Any

import pytest

from fhir_profiles.shapes import Event, Translation
from fhir_profiles.validate import invalid, validate
from tests.fhir_profiles.mappings.golden_pairs import translate

Json = dict[str, Any]
PID = "PID|1||9990000018^^^NHS^NH~A1234BC^^^NOMIS^PI||Example^Sam||19850713|M"


def problems(*lines: str) -> Translation:
    header = "MSH|^~\\&|PRISON-EHR|LEI|TG|HUB|20260401110000||PPR^PC1|ID-1|P|2.5.1"
    return translate("\r".join((header, PID, *lines)).encode())


def prb(**fields: str) -> str:
    known = {"f1": "AD", "f2": "20260401", "f3": "75544000^Opioid dependence^SCT", **fields}
    values = {int(name[1:]): value for name, value in known.items()}
    return "|".join(["PRB", *(values.get(number, "") for number in range(1, max(values) + 1))])


def conditions(translation: Translation) -> list[Json]:
    found = [entry["resource"] for entry in translation.bundle["entry"]]
    assert not invalid(validate(translation.bundle))
    return [each for each in found if each["resourceType"] == "Condition"]


def code_of(concept: Json | None) -> str | None:
    return concept["coding"][0]["code"] if concept is not None else None


@pytest.mark.parametrize(
    ("fields", "clinical", "sure"),
    [
        ({}, None, None),
        ({"f14": "Active"}, "active", None),
        ({"f14": "R^Resolved"}, "resolved", None),
        ({"f13": "Confirmed", "f14": "A"}, "active", "confirmed"),
        ({"f13": "whatever", "f14": "sort of"}, None, None),
        ({"f1": "DE", "f14": "Active"}, None, "entered-in-error"),
    ],
)
def test_nothing_is_certain_or_over_that_does_not_say_so(
    fields: dict[str, str], clinical: str | None, sure: str | None
) -> None:
    found = conditions(problems(prb(**fields)))[0]
    assert (code_of(found.get("clinicalStatus")), code_of(found.get("verificationStatus"))) == (clinical, sure)


def test_an_end_counts_only_where_the_problem_is_over_and_after_its_beginning() -> None:
    assert "abatementDateTime" not in conditions(problems(prb(f9="20260301", f14="Active")))[0]
    assert conditions(problems(prb(f9="20260301", f14="Resolved")))[0]["abatementDateTime"] == "2026-03-01"
    wrong = problems(prb(f9="20230301", f14="Resolved", f16="20240101"))
    assert "abatementDateTime" not in conditions(wrong)[0]
    assert [issue.path for issue in wrong.issues] == ["PRB-9"]


def test_the_instance_number_names_a_problem_and_else_its_code() -> None:
    one, again, other = (
        conditions(problems(prb(**fields)))[0]["id"]
        for fields in ({"f4": "P-1"}, {"f4": "P-1", "f1": "UP"}, {"f4": "P-2"})
    )
    assert one == again != other
    assert conditions(problems(prb()))[0]["id"] == conditions(problems(prb(f1="UP", f14="Active")))[0]["id"]


def test_a_problem_is_a_record_and_its_goal_is_no_note() -> None:
    translation = problems(prb(), "NTE|1||of the problem", "GOL|AD|20260401|^Abstinence", "NTE|1||of the goal")
    assert translation.events == (Event.RECORD,)
    assert conditions(translation)[0]["note"] == [{"text": "of the problem"}]


@pytest.mark.parametrize(
    ("fields", "notes"),
    [
        ({"f13": "EX^Excluded"}, ["how sure it is, as written: Excluded"]),
        ({"f13": "whatever", "f14": "sort of"}, ["how sure it is, as written: whatever", "how it stands, as written: sort of"]),
        ({"f13": "Ruled out", "f14": "Active"}, []),
        ({"f1": "DE", "f13": "whatever"}, []),
    ],
)  # fmt: skip
def test_a_word_of_a_status_that_is_not_known_stands_beside_the_problem(
    fields: dict[str, str], notes: list[str]
) -> None:
    """A problem that was excluded in a word of the sender's own is no problem."""
    translation = problems(prb(**fields))
    (found,) = conditions(translation)
    assert [each["text"] for each in found.get("note", ())] == notes
    assert len([issue for issue in translation.issues if "not known" in issue.text]) == len(notes)


def test_a_type_of_diagnosis_that_is_not_known_stands_beside_it() -> None:
    lines = ("PV1|1|I|B1^^^LEI", "DG1|1||75544000^Opioid dependence^SCT|||RO", "DG1|2||84757009^Epilepsy^SCT|||W")
    head = "MSH|^~\\&|PRISON-EHR|LEI|TG|HUB|20260401110000||ADT^A08|ID-1|P|2.5.1\rEVN|A08|20260401110000"
    translation = translate("\r".join((head, PID, *lines)).encode())
    first, second = conditions(translation)
    assert first["note"] == [{"text": "type of diagnosis, as written: RO"}]
    assert "verificationStatus" not in first
    assert "note" not in second
    assert [issue.path for issue in translation.issues] == ["DG1-6"]


def diagnoses(*lines: str) -> list[Json]:
    head = "MSH|^~\\&|PRISON-EHR|LEI|TG|HUB|20260401110000||ADT^A08|ID-1|P|2.5.1\rEVN|A08|20260401110000"
    return conditions(translate("\r".join((head, PID, "PV1|1|I|B1^^^LEI", *lines)).encode()))


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [("A", "F", "confirmed"), ("F", "A", "confirmed"), ("W", "", "provisional"), ("", "W", "provisional")],
)
def test_a_diagnosis_named_twice_is_as_sure_as_its_surest_word(first: str, second: str, status: str) -> None:
    """An admitting diagnosis stands before the final one: the final one was lost."""
    epilepsy = "84757009^Epilepsy^SCT"
    (condition,) = diagnoses(f"DG1|1||{epilepsy}|||{first}", f"DG1|2||{epilepsy}|||{second}")
    assert code_of(condition.get("verificationStatus")) == status


def test_a_diagnosis_that_is_deleted_in_one_segment_stands_by_the_other() -> None:
    deleted = f"DG1|1||84757009^Epilepsy^SCT|||W{'|' * 15}D"
    (condition,) = diagnoses(deleted, "DG1|2||84757009^Epilepsy^SCT|||F")
    assert code_of(condition.get("verificationStatus")) == "confirmed"
    assert [code_of(each["verificationStatus"]) for each in diagnoses(deleted)] == ["entered-in-error"]


def test_a_word_that_casts_doubt_stays_with_a_diagnosis_named_twice() -> None:
    (condition,) = diagnoses("DG1|1||84757009^Epilepsy^SCT|||A", "DG1|2||84757009^Epilepsy^SCT|||^Ruled out")
    assert condition["note"] == [{"text": "type of diagnosis, as written: Ruled out"}]


def test_a_diagnosis_keeps_its_number_when_it_is_corrected() -> None:
    """DG1-20: what was put right stood beside what was wrong."""
    (before,) = diagnoses(f"DG1|1||84757009^Epilepsy^SCT{'|' * 17}DX-1^EHR")
    (after,) = diagnoses(f"DG1|1||91175000^Seizure^SCT{'|' * 17}DX-1^EHR|U")
    assert before["id"] == after["id"]
    assert before["identifier"][0]["value"] == "DX-1"


@pytest.mark.parametrize(("said", "labels"), [("Y", ["R"]), ("N", []), ("", []), ("?", [])])
def test_a_diagnosis_called_confidential_is_restricted(said: str, labels: list[str]) -> None:
    (condition,) = diagnoses(f"DG1|1||84757009^Epilepsy^SCT{'|' * 15}{said}")
    assert [each["code"] for each in condition["meta"].get("security", ())] == labels


@pytest.mark.parametrize(
    ("said", "labels"),
    [("", []), ("N", []), ("^Normal", []), ("R", ["R"]), ("V", ["V"]), ("PSY", ["PSY"]), ("X^Only the unit", ["R"])],
)
def test_a_problem_called_sensitive_is_restricted(said: str, labels: list[str]) -> None:
    """PRB-25: a word that nobody knows is no word for "normal"."""
    translation = problems(prb(f25=said))
    (condition,) = conditions(translation)
    assert [each["code"] for each in condition["meta"].get("security", ())] == labels
    assert bool(translation.issues) == said.startswith("X")


def test_a_problem_named_twice_keeps_the_label_of_either() -> None:
    for first, second in (("R", ""), ("", "R"), ("R", "N")):
        (condition,) = conditions(problems(prb(f4="P-1", f25=first), prb(f4="P-1", f25=second)))
        assert "R" in [each["code"] for each in condition["meta"]["security"]]
