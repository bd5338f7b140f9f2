"""The person of a message: UK Core, one, and identified, or the message is held."""

import pytest

from fhir_profiles import systems
from fhir_profiles.shapes import HoldCode, Json, Translation
from tests.builders import adt_a01
from tests.fhir_profiles.mappings.golden_pairs import translate

NHS, OTHER_NHS = "9990000018^^^NHS^NH", "9990000026^^^NHS^NH"
PRISON, OTHER_PRISON = "A1234BC^^^NOMIS^PI", "B1234BC^^^NOMIS^PI"


def admit(*pids: str, pd1: str = "") -> Translation:
    lines = ["MSH|^~\\&|EHR|LEI|||20260301||ADT^A01|1|P|2.5", "EVN|A01", *pids, pd1, "PV1|1|I"]
    return translate("\r".join(line for line in lines if line).encode())


def patient(pid: str, pd1: str = "") -> Json:
    resource: Json = admit(pid, pd1=pd1).bundle["entry"][0]["resource"]
    return resource


@pytest.mark.parametrize(
    ("pids", "code"),
    [
        ([f"PID|1||{NHS}~{PRISON}"], None),
        ([f"PID|1||{PRISON}"], None),
        ([f"PID|1||{NHS}~{NHS}"], None),
        ([f"PID|1||{NHS}", f"PID|2||{NHS}~{PRISON}"], None),
        ([f"PID|1||{NHS}~{OTHER_NHS}"], HoldCode.TWO_PEOPLE),
        ([f"PID|1||{PRISON}~{NHS}~{OTHER_PRISON}"], HoldCode.TWO_PEOPLE),
        ([f"PID|1||{NHS}", f"PID|2||{OTHER_NHS}"], HoldCode.TWO_PEOPLE),
        ([f"PID|1||{NHS}", f"PID|2||{PRISON}"], HoldCode.TWO_PEOPLE),
        ([f"PID|1||{NHS}", "PID|2||55^^^LOCAL"], HoldCode.TWO_PEOPLE),
        (["PID|1||55^^^LOCAL", "PID|2||66^^^LOCAL"], HoldCode.TWO_PEOPLE),
        (["PID|1||"], HoldCode.NO_PERSON),
        (["PID|1||55^^^LOCAL^MR"], HoldCode.NO_PERSON),
        (["PID|1||9990000019^^^NHS^NH"], HoldCode.NO_PERSON),
        (["PID|1||A12^^^NOMIS^PI"], HoldCode.NO_PERSON),
        ([f"PID|1||9990000019^^^NHS^NH~{PRISON}"], None),
    ],
)
def test_who_is_it_about(pids: list[str], code: HoldCode | None) -> None:
    """A held message still has its bundle: a person must be able to see what it is."""
    translation = admit(*pids)
    assert (translation.hold.code if translation.hold else None) == code
    assert translation.bundle["entry"][0]["resource"]["resourceType"] == "Patient"


def test_a_number_whose_check_digit_fails_is_not_carried() -> None:
    """A letter must not carry a wrong NHS number on; the issue says where it was."""
    translation = admit(f"PID|1||9990000019^^^NHS^NH~{PRISON}")
    identifiers = translation.bundle["entry"][0]["resource"]["identifier"]
    assert [each["system"] for each in identifiers] == [systems.PRISON_NUMBER]
    assert [issue.path for issue in translation.issues] == ["PID-3.1"]


def test_results_of_two_people_are_never_mixed() -> None:
    """After a second person's PID nothing is translated, and the ledger says so."""
    lines = [
        "MSH|^~\\&|LAB|LEI|||20260301||ORU^R01|1|P|2.5",
        f"PID|1||{NHS}",
        "OBR|1||F1|x^First^L",
        "OBX|1|ST|a^A^L||one||||||F",
        f"PID|2||{OTHER_NHS}",
        "OBR|2||F2|y^Second^L",
        "OBX|2|ST|b^B^L||two||||||F",
    ]
    translation = translate("\r".join(lines).encode())
    assert translation.hold is not None
    assert translation.hold.code is HoldCode.TWO_PEOPLE
    assert "'one'" in str(translation.bundle)
    assert "'two'" not in str(translation.bundle)
    assert "Second" not in str(translation.bundle)


def test_verification_status_belongs_to_the_nhs_number() -> None:
    """PID-32, with or without the prefix NSTS; any other value stays in the original."""
    for written, code in (("NSTS02", "02"), ("01", "01"), ("US", None)):
        identifier = patient(f"PID|1||{NHS}~{PRISON}|{'|' * 28}{written}")["identifier"]
        codes = [each["valueCodeableConcept"]["coding"][0]["code"] for each in identifier[0].get("extension", [])]
        assert codes == ([code] if code else [])
        assert "extension" not in identifier[1]


@pytest.mark.parametrize(
    ("written", "gender"),
    [("M", "male"), ("f", "female"), ("O", "other"), ("U", "unknown"), ("2", "female"), ("9", "unknown"), ("X", None)],
)
def test_gender(written: str, gender: str | None) -> None:
    assert patient(f"PID|1||{NHS}|||||{written}").get("gender") == gender


def test_only_type_h_is_the_release_address() -> None:
    """`home` is where the person goes on release; no other type becomes it."""
    addresses = patient(f"PID|1||{NHS}||||||||1 A St^^Leeds^^LS1 1AA^^H~HMP^^Leeds^^LS12 2TJ^^C~2 B St^^^^^^P~^^^^^^H")
    assert [each.get("use") for each in addresses["address"]] == ["home", "temp", None]


@pytest.mark.parametrize(
    ("pd1", "kind", "system", "value"),
    [
        ("PD1||||B86001^Example Surgery", "Organization", systems.ODS, "B86001"),
        ("PD1||||Y02289^HMP Practice^^^^^^^ODS", "Organization", systems.ODS, "Y02289"),
        ("PD1||||G1234567^Example^Pat", "Practitioner", systems.GMP_NUMBER, "G1234567"),
        ("PD1||||C1234567^Example^Pat^^^^^^GMC", "Practitioner", systems.GMC_NUMBER, "C1234567"),
        ("PD1||||7^Example^Pat^^^^^^LOCAL", "Practitioner", systems.LOCAL_ID + "local", "7"),
        ("PD1|||Example Surgery^^B86001", "Organization", systems.ODS, "B86001"),
    ],
)
def test_general_practice(pd1: str, kind: str, system: str, value: str) -> None:
    reference = patient(f"PID|1||{NHS}", pd1)["generalPractitioner"]
    assert [(each["type"], each["identifier"]) for each in reference] == [(kind, {"system": system, "value": value})]


@pytest.mark.parametrize(
    ("pd1", "vip", "flagged"),
    [
        ("Y", "", True),
        ("y", "N", True),
        ("N", "", False),
        ("", "R", True),
        ("", "vip", True),
        ("N", "V", True),
        ("", "", False),
        ("maybe", "", False),
        ("", "chaplain", False),
    ],
)
def test_a_record_to_protect_is_flagged_sensitive(pd1: str, vip: str, flagged: bool) -> None:
    """PD1-12 and PV1-16: what asks for protection raises the mark; no value lifts it, and one that nobody knows is said."""
    lines = [
        "MSH|^~\\&|LAB|LEI|||20260301||ADT^A01|1|P|2.5",
        "EVN|A01|20260301",
        f"PID|1||{NHS}",
        f"PD1{'|' * 12}{pd1}",
        f"PV1||I{'|' * 14}{vip}",
    ]
    translation = translate("\r".join(lines).encode())
    (person,) = (
        each["resource"] for each in translation.bundle["entry"] if each["resource"]["resourceType"] == "Patient"
    )
    codes = [each["code"] for each in person["meta"].get("security", ()) if each["system"] == systems.CONFIDENTIALITY]
    assert ("R" in codes) is flagged
    assert any(each.path == "PD1-12" for each in translation.issues) is (pd1 == "maybe")


@pytest.mark.parametrize(("written", "code"), [("A^White - British", "A"), ("z", "Z"), ("2106-3^White^HL70005", None)])
def test_ethnic_category_only_where_coded_as_the_nhs_does(written: str, code: str | None) -> None:
    extensions = patient(f"PID|1||{NHS}|{'|' * 18}{written}").get("extension", [])
    assert [each["valueCodeableConcept"]["coding"][0]["code"] for each in extensions] == ([code] if code else [])


def test_a_message_without_pid_has_an_empty_patient() -> None:
    """References must resolve; nobody is invented."""
    translation = translate(b"MSH|^~\\&|LAB|LEI|||20260301||ORU^R01|1|P|2.5\rOBR|1||F|x\rOBX|1|ST|a||b||||||F")
    assert set(translation.bundle["entry"][0]["resource"]) == {"resourceType", "id", "meta"}
    assert translation.hold is not None
    assert translation.hold.code is HoldCode.NO_PERSON


def test_a_disability_is_carried_beside_what_is_said_of_the_person() -> None:
    """PD1-6, where HL7's map puts it: what somebody needs to be understood must not stay in a message."""
    lines = [line for line in adt_a01().decode().split("\r") if not line.startswith("PD1")]
    body = "\r".join([*lines[:3], "PD1||||||H^Hearing impaired^L", *lines[3:]]).encode()
    patient = translate(body).bundle["entry"][0]["resource"]
    (found,) = [each for each in patient["extension"] if each["url"].endswith("/patient-disability")]
    assert found["valueCodeableConcept"]["text"] == "Hearing impaired"
