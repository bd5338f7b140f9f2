"""ORU^R01 as drug tests: one Observation an assay, its group, method, purpose, time and result, and nothing guessed."""

import pytest

from fhir_profiles import systems
from fhir_profiles.facts import tests as facts_of_tests
from fhir_profiles.shapes import Event, Json, Translation
from gateway.demo.hl7v2_messages import segment
from tests.fhir_profiles.mappings.golden_pairs import translate

PID = "PID|1||9990000018^^^NHS^NH~A1234BC^^^NOMIS^PI"
PANEL = "69739-1^Drugs of abuse panel^LN"
OPIATES = "19295-5^Opiates^LN"
CLEAR = f"OBX|1|ST|{OPIATES}||NEGATIVE||||||F"


def order(number: int = 1, *, code: str = PANEL, **fields: str) -> str:
    """An OBR with numbered fields: `f31="therapeutic"`."""
    numbered = {int(name[1:]): value for name, value in fields.items()}
    return segment("OBR", {1: str(number), 2: f"P{number}", 3: f"F{number}", 4: code, **numbered})


def report(
    *results: str, orc: str = "ORC|RE|P1|F1", obr: str = "", kind: str = "ORU^R01", after: str = ""
) -> Translation:
    obr = obr or order(f7="20260704073000", f31="therapeutic")
    header = f"MSH|^~\\&|LAB|PATH|||20260705||{kind}|M1|P|2.5.1"
    lines = [header, PID, "PV1|1|I|^^^LEI", orc, obr, *results, after]
    return translate("\r".join(line for line in lines if line).encode())


def observations(translation: Translation) -> list[Json]:
    resources = [entry["resource"] for entry in translation.bundle["entry"]]
    return [each for each in resources if each["resourceType"] == "Observation"]


def one(*results: str, **given: str) -> Json:
    (found,) = observations(report(*results, **given))
    return found


def code_of(concepts: list[Json], system: str) -> list[str]:
    return [each["code"] for concept in concepts for each in concept.get("coding", []) if each.get("system") == system]


@pytest.mark.parametrize(
    ("assay", "group", "method"),
    [
        ("19295-5^Opiates [Presence] in Urine by Screen method^LN", "opiates", "screening"),
        ("18390-5^Opiates confirmed^LN", "opiates", "confirmatory"),
        ("19321-9^6-MAM^LN", "opiates", "screening"),
        ("19550-3^Methadone^LN", "methadone", "screening"),
        ("58359-1^Buprenorphine+Norbuprenorphine^LN", "buprenorphine", "screening"),
        ("14316-4^Benzodiazepines^LN", "benzodiazepines", "screening"),
        ("14315-6^Benzoylecgonine^LN", "cocaine", "confirmatory"),
        ("19261-7^Amphetamines^LN", "amphetamines", "screening"),
        ("18282-4^Cannabinoids^LN", "cannabinoids", "screening"),
        ("67126-3^Cannabinoids synthetic^LN", "synthetic-cannabinoids", "confirmatory"),
        ("^Pregabalin (urine, LC-MS)", "pregabalinoids", "confirmatory"),
        ("^Spice", "synthetic-cannabinoids", "screening"),
        ("LOC7^EDDP (Methadone metabolite)^L", "methadone", "screening"),
        ("^Ketamine", "other", "screening"),
        ("1^Methadone^99LAB^19550-3^^LN", "methadone", "screening"),
    ],
)
def test_assays(assay: str, group: str, method: str) -> None:
    """By code, by alternative code or by name; the method is the code's own, else the words', else the panel's."""
    found = one(f"OBX|1|ST|{assay}||NEGATIVE||||||F")
    assert code_of([found["code"]], systems.SUBSTANCE_GROUP) == [group]
    assert code_of([found["method"]], systems.TEST_METHOD) == [method]
    assert code_of(found["category"], systems.OBSERVATION_CATEGORY) == ["laboratory"]


@pytest.mark.parametrize(
    ("value_type", "value", "flag", "result"),
    [
        ("ST", "POSITIVE", "", "positive"),
        ("ST", "Not detected", "", "negative"),
        ("CWE", "10828004^Positive^SCT", "", "positive"),
        ("CWE", "260385009^^SCT", "", "negative"),
        ("CE", "POS^^L", "", "positive"),
        ("NM", "350.5", "POS", "positive"),
        ("NM", "350.5", "", "unknown"),
        ("NM", "350.5", "A", "unknown"),
        ("ST", "NEGATIVE", "POS", "unknown"),
        ("ST", "positive for morphine, negative for 6-MAM", "", "unknown"),
        ("ST", "not positive", "", "unknown"),
        ("ST", "Insufficient", "", "unknown"),
        ("ST", "", "", "unknown"),
    ],
)
def test_results(value_type: str, value: str, flag: str, result: str) -> None:
    """A known word, exactly, or nothing; a value and a flag that contradict each other are unknown, here and to the facts."""
    translation = report(f"OBX|1|{value_type}|{OPIATES}||{value}|||{flag}|||F")
    (found,) = observations(translation)
    assert code_of(found["interpretation"], systems.TEST_RESULT) == [result]
    (fact,) = facts_of_tests([entry["resource"] for entry in translation.bundle["entry"]])
    assert (fact.result, fact.group, fact.purpose.value, fact.establishment) == (
        result,
        "opiates",
        "therapeutic",
        "LEI",
    )


@pytest.mark.parametrize(
    ("obr31", "orc16", "obr13", "purpose"),
    [
        ("therapeutic", "", "", "therapeutic"),
        ("compact", "", "", "compact"),
        ("mandatory", "", "", "mandatory"),
        ("", "mandatory", "", "mandatory"),
        ("", "", "therapeutic", "therapeutic"),
        ("therapeutic", "compact", "mandatory", "therapeutic"),
        ("", "compact", "mandatory", "compact"),
        ("^Compact-based drug testing", "", "", "compact"),
        ("CBDT", "", "", "compact"),
        ("X^MDT^L", "", "", "mandatory"),
        ("Y~mandatory", "", "", "mandatory"),
        ("", "", "Purpose: therapeutic", "therapeutic"),
        ("withdrawal", "", "VDT", "compact"),
        ("not therapeutic", "", "", None),
        ("", "", "", None),
    ],
)
def test_purpose(obr31: str, orc16: str, obr13: str, purpose: str | None) -> None:
    """OBR-31, else ORC-16, else OBR-13; on the report and on every result; none of these is a task and never a guess."""
    orc = segment("ORC", {1: "RE", 2: "P1", 3: "F1", 16: orc16})
    obr = order(f7="20260704", f13=obr13, f31=obr31)
    translation = report(f"OBX|1|ST|{OPIATES}||POSITIVE||||||F", orc=orc, obr=obr)
    wanted = [purpose] if purpose else []
    for kind in ("Observation", "DiagnosticReport"):
        (found,) = (
            entry["resource"] for entry in translation.bundle["entry"] if entry["resource"]["resourceType"] == kind
        )
        assert code_of(found["category"], systems.TEST_PURPOSE) == wanted
    assert ("purpose-unknown" in [task.code for task in translation.tasks]) == (purpose is None)
    assert translation.events == (Event.TEST_RESULT,)


def test_two_purposes_are_asked_about() -> None:
    """The first place counts, as the convention says; a person is asked."""
    orc = segment("ORC", {1: "RE", 2: "P1", 3: "F1", 16: "mandatory"})
    translation = report(f"OBX|1|ST|{OPIATES}||POSITIVE||||||F", orc=orc, obr=order(f7="20260704", f31="therapeutic"))
    assert [task.code for task in translation.tasks] == ["purpose-conflict"]
    assert [issue.path for issue in translation.issues] == ["OBR-31"]


def test_each_order_has_its_own_purpose() -> None:
    second = order(2, f7="20260704", f31="mandatory")
    translation = report(f"OBX|1|ST|{OPIATES}||POSITIVE||||||F", second, f"OBX|1|ST|{OPIATES}||NEGATIVE||||||F")
    purposes = [code_of(each["category"], systems.TEST_PURPOSE) for each in observations(translation)]
    assert purposes == [["therapeutic"], ["mandatory"]]


def test_screen_and_confirmation_are_two_results() -> None:
    """The same code with two methods is two Observations, and both stay the same things when the report comes again."""
    lines = (
        f"OBX|1|ST|{OPIATES}||POSITIVE||||||F",
        "OBX|2|ST|18390-5^Opiates^LN||NEGATIVE||||||F",
        "OBX|3|ST|^Cocaine||POSITIVE||||||F||||||Screen^Screen",
        "OBX|4|ST|^Cocaine||NEGATIVE||||||F||||||LCMS^Confirmation by LC-MS",
    )
    found = observations(report(*lines))
    assert [code_of([each["method"]], systems.TEST_METHOD) for each in found] == [
        ["screening"],
        ["confirmatory"],
        ["screening"],
        ["confirmatory"],
    ]
    ids = [each["id"] for each in found]
    assert len(set(ids)) == 4
    corrected = report(*(line.replace("OBX|", "OBX|1").replace("||||||F", "||||||C") for line in lines))
    assert [each["id"] for each in observations(corrected)] == ids
    assert {each["status"] for each in observations(corrected)} == {"corrected"}
    other_sender = translate(
        ("MSH|^~\\&|OTHER|PATH|||20260705||ORU^R01|M1|P|2.5.1\r" + PID + f"\rOBR|1|P1|F1|{PANEL}\r" + lines[0]).encode()
    )
    assert observations(other_sender)[0]["id"] not in ids


@pytest.mark.parametrize(
    ("obx14", "obr7", "spm17", "taken"),
    [
        ("20260704073000", "20260703", "", "2026-07-04T07:30:00+01:00"),
        ("", "20260103073000", "", "2026-01-03T07:30:00+00:00"),
        ("", "20260703073000+0000", "", "2026-07-03T07:30:00+00:00"),
        ("", "20260703", "202607020715", "2026-07-02T07:15:00+01:00"),
        ("", "", "", None),
    ],
)
def test_when_it_was_taken(obx14: str, obr7: str, spm17: str, taken: str | None) -> None:
    """OBX-14, else SPM-17, else OBR-7; without an offset it is London's. The time of issue is never it."""
    obr = order(f7=obr7, f22="20260709120000", f25="F", f31="therapeutic")
    spm = segment("SPM", {1: "1", 4: "Urine", 17: spm17}) if spm17 else ""
    assert one(f"OBX|1|ST|{OPIATES}||POSITIVE||||||F|||{obx14}", obr=obr, after=spm).get("effectiveDateTime") == taken


def test_what_belongs_to_no_group_is_an_ordinary_result() -> None:
    """Creatinine of the same panel is no drug test; the reader is told."""
    translation = report("OBX|1|NM|2161-8^Creatinine^LN||8.20|mmol/L|||||F")
    (found,) = observations(translation)
    assert code_of([found["code"]], systems.SUBSTANCE_GROUP) == []
    assert "interpretation" not in found
    assert code_of(found["category"], systems.TEST_PURPOSE) == []
    assert [issue.path for issue in translation.issues] == ["OBX-3"]
    assert translation.tasks == ()


def test_the_establishment_is_on_every_result() -> None:
    found = one(f"OBX|1|ST|{OPIATES}||POSITIVE||||||F")
    assert found["extension"] == [
        {"url": systems.ESTABLISHMENT_EXTENSION, "valueIdentifier": {"system": systems.AGENCY, "value": "LEI"}}
    ]


@pytest.mark.parametrize(
    ("spm", "said"),
    [
        ({21: "QS^Quantity not sufficient"}, "specimen rejected: Quantity not sufficient"),
        ({21: "QS~^Broken"}, "specimen rejected: QS, Broken"),
        ({20: "N"}, "specimen rejected: not available"),
        ({20: "Y"}, None),
        ({}, None),
    ],
)
def test_a_result_of_a_specimen_that_was_rejected_is_no_negative(spm: dict[int, str], said: str | None) -> None:
    """The Specimen is in no letter and in no count: its result says it."""
    translation = report(CLEAR, after=segment("SPM", {1: "1", 4: "Urine", **spm}))
    (found,) = observations(translation)
    texts = [each["text"] for each in found.get("interpretation", ()) if "text" in each]
    assert texts == ([said] if said else [])
    (test,) = facts_of_tests([entry["resource"] for entry in translation.bundle["entry"]])
    assert test.result == ("unknown" if said else "negative")


def test_how_a_specimen_came_stands_beside_its_result() -> None:
    found = one(CLEAR, after=segment("SPM", {1: "1", 4: "Urine", 14: "Cold", 24: "CLOT^clotted~DIL"}))
    assert [each["text"] for each in found["note"]] == [
        "specimen, as written: clotted", "specimen, as written: DIL", "specimen, as written: Cold",
    ]  # fmt: skip
