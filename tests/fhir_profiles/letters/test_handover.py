"""The handover: what a care recipient must have is in it, what it must not have is not, and what is missing is named."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fhir_profiles import systems
from fhir_profiles.compose import LETTERS, compose
from fhir_profiles.letters.parts.headings import LOCAL_HEADINGS
from fhir_profiles.letters.parts.not_stated import with_what_is_not_stated
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import (
    AS_OF,
    CONTEXT,
    METHADONE,
    care_plan,
    dose,
    drug_test,
    flag,
    in_team,
    named,
    patient,
    prescription,
    report_of,
    resources_in,
    simple,
    whole_file,
)

MUST_HAVE = {
    "the person": "Patient/patient",
    "the notice": "Communication/notice",
    "substitute medication": "MedicationRequest/methadone",
    "substitute medication that ended lately": "MedicationRequest/old",
    "other medication": "MedicationRequest/sertraline",
    "other medication that somebody else prescribed": "MedicationStatement/naloxone",
    "what begins after the release": "MedicationRequest/later",
    "the prescriber": "Practitioner/prescriber",
    "the last dose": "MedicationAdministration/dose",
    "a drug test": "Observation/test",
    "a confirmed drug test": "Observation/confirmed",
    "the report of the drug tests": "DiagnosticReport/panel",
    "a score": "Observation/audit",
    "risk": "Flag/risk",
    "the care plan": "CarePlan/plan",
    "a condition": "Condition/condition",
    "an allergy": "AllergyIntolerance/allergy",
    "an appointment": "Appointment/appointment",
    "the general practice": "Organization/gp-practice",
    "the establishment": "Organization/establishment",
    "naloxone, as somebody wrote of it": "Observation/naloxone-talk",
    "blood-borne viruses": "Observation/bbv",
    "smoking": "Observation/smoking",
    "communication needs": "Observation/interpreter",
    "heart tracing": "Observation/qtc",
    "liver function": "Observation/liver",
    "the care team": "CareTeam/team",
    "the named nurse": "Practitioner/nurse",
    "the local treatment provider": "Organization/provider",
    "the community pharmacy": "Organization/community-pharmacy",
}
"""What a community treatment provider must have in a handover, adjudicated from specification A 5.8 to 5.10 (R075, R090 to R112)."""
MUST_NOT_HAVE = {
    "a mandatory test (R118)": "Observation/mandatory",
    "the report of a mandatory test": "DiagnosticReport/mandatory-panel",
    "an ended risk": "Flag/ended",
    "a revoked plan": "CarePlan/old-plan",
    "an earlier dose": "MedicationAdministration/early",
    "a team that has ended": "CareTeam/old-team",
    "a blood test that is no drug test": "Observation/sodium",
}


ALONG_WITH = {"last-dose": ("dose-on-the-day",), "substitute-medication": ("medicine-after-release",)}
"""What is missing for the same reason."""


def handover(*file: Json, **context: Any) -> tuple[dict[str, Json], tuple[str, ...]]:
    composed = compose("handover", file, replace(CONTEXT, **context), AS_OF)
    return named(composed.bundle), composed.missing


def without_role(role: str) -> Callable[[Json], Any]:
    """Takes whoever has a role out of a care team."""

    def drop(resource: Json) -> None:
        if resource["resourceType"] == "CareTeam":
            members = resource["participant"]
            resource["participant"] = [each for each in members if each["role"][0]["text"] != role]

    return drop


def sections(composition: Json) -> dict[str, Json]:
    return {section["title"]: section for section in composition["section"]}


def said(bundle: dict[str, Json]) -> str:
    return " ".join(payload["contentString"] for payload in bundle["Communication/notice"]["payload"])


@pytest.mark.parametrize("name", MUST_HAVE.values(), ids=MUST_HAVE)
def test_it_has_what_the_provider_must_have(name: str) -> None:
    bundle, missing = handover(*whole_file())
    assert name in bundle
    assert missing == ()


@pytest.mark.parametrize("name", MUST_NOT_HAVE.values(), ids=MUST_NOT_HAVE)
def test_it_has_nothing_else(name: str) -> None:
    bundle, _missing = handover(*whole_file())
    assert name not in bundle
    assert set(bundle) == {*MUST_HAVE.values(), "Composition/handover"}


def test_what_it_takes_from_the_file_is_unchanged() -> None:
    file = {f"{resource['resourceType']}/{resource['id']}": resource for resource in whole_file()}
    bundle, _missing = handover(*file.values())
    for name, resource in bundle.items():
        if name in file and name != "Observation/test":
            assert resource == with_what_is_not_stated(file[name])


@pytest.mark.parametrize("letter", ["handover", "gp-copy"])
def test_where_the_source_is_silent_about_substitution_that_is_said_and_nothing_else(letter: str) -> None:
    silent, told = prescription(), prescription("told", substitution={"allowedBoolean": True})
    bundle = named(compose(letter, [patient(), silent, told], CONTEXT, AS_OF).bundle)
    unknown = {"coding": [{"system": systems.DATA_ABSENT, "code": "unknown"}]}
    assert bundle["MedicationRequest/methadone"]["substitution"] == {"allowedCodeableConcept": unknown}
    assert bundle["MedicationRequest/told"]["substitution"] == {"allowedBoolean": True}


@pytest.mark.parametrize("letter", ["handover", "gp-copy"])
def test_a_language_in_words_is_kept_in_words_beside_the_code_for_one_that_is_not_determined(letter: str) -> None:
    spoken = {"coding": [{"system": "urn:ietf:bcp:47", "code": "pl"}]}
    local = {"coding": [{"system": "urn:x", "code": "POL"}], "text": "Polish"}
    person = patient(communication=[{"language": spoken}, {"language": local}, {"preferred": True}])
    sent = named(compose(letter, [person], CONTEXT, AS_OF).bundle)["Patient/patient"]["communication"]
    undetermined = {"system": "urn:ietf:bcp:47", "code": "und"}
    assert sent[0] == {"language": spoken}
    assert sent[1] == {"language": {"coding": [*local["coding"], undetermined], "text": "Polish"}}
    assert sent[2] == {"preferred": True, "language": {"coding": [undetermined]}}


def test_the_composition_comes_first_and_every_section_has_entries_or_a_reason() -> None:
    composed = compose("handover", whole_file(), CONTEXT, AS_OF)
    first = resources_in(composed.bundle)[0]
    assert first["resourceType"] == "Composition"
    for section in first["section"]:
        assert ("entry" in section) != ("emptyReason" in section)


def test_risk_and_medicines_come_before_everything_else() -> None:
    bundle, _missing = handover(*whole_file())
    titles = list(sections(bundle["Composition/handover"]))
    assert titles[:4] == ["Handover details", "Risk", "Substitute medication", "Last dose given"]


@pytest.mark.parametrize(
    ("name", "drop"),
    [
        ("name", lambda r: r.pop("name", None)),
        ("nhs-number", lambda r: r.pop("identifier", None)),
        ("date-of-birth", lambda r: r.pop("birthDate", None)),
        ("release-address", lambda r: r.pop("address", None)),
        ("general-practice", lambda r: r.pop("generalPractitioner", None)),
        ("risk", "Flag/risk"),
        ("substitute-medication", ("MedicationRequest/methadone", "MedicationRequest/later")),
        ("last-dose", ("MedicationAdministration/dose", "MedicationAdministration/early")),
        ("test-results", ("Observation/test", "Observation/confirmed")),
        ("allergies", "AllergyIntolerance/allergy"),
        ("conditions", "Condition/condition"),
        ("care-plan", "CarePlan/plan"),
        ("appointment", "Appointment/appointment"),
        ("naloxone", ("MedicationStatement/naloxone", "Observation/naloxone-talk")),
        ("blood-borne-viruses", "Observation/bbv"),
        ("smoking", "Observation/smoking"),
        ("scores", "Observation/audit"),
        ("pregnancy", lambda r: r.update(gender="female")),
        ("heart-tracing", "Observation/qtc"),
        ("treatment-provider", without_role("treatment-provider")),
        ("single-point-of-contact", without_role("spoc")),
        ("named-nurse", without_role("named-nurse")),
        ("recovery-coordinator", without_role("recovery-coordinator")),
        ("community-pharmacy", lambda r: r.pop("extension", None)),
    ],
)
def test_a_missing_fact_is_named_and_nothing_is_invented(
    name: str, drop: str | tuple[str, ...] | Callable[[Json], Any]
) -> None:
    out = drop if isinstance(drop, tuple) else (drop,)
    file = [r for r in whole_file() if f"{r['resourceType']}/{r['id']}" not in out]
    if callable(drop):
        for resource in file:
            if resource["resourceType"] in {"Patient", "CareTeam"}:
                drop(resource)
    bundle, missing = handover(*file)
    assert missing == (name, *ALONG_WITH.get(name, ()))
    told = sections(bundle["Composition/handover"])["Missing: what this letter should hold and the file does not"]
    part = told["section"][0]
    assert part["code"]["coding"] == [{"system": LOCAL_HEADINGS, "code": f"missing-{name}"}]
    assert part["emptyReason"]["text"].endswith(".")


def test_the_table_above_covers_every_required_fact() -> None:
    parametrized = {row[0] for row in test_a_missing_fact_is_named_and_nothing_is_invented.pytestmark[0].args[1]}
    other = {
        "dose-on-the-day",
        "recent-dose",
        "contact",
        "last-dose-amount",
        "last-dose-supervision",
        "medicine-after-release",
        "communication-needs",
    }
    assert {fact.name for fact in LETTERS["handover"].required} == parametrized | other


def test_contact_amount_and_supervision_are_named_when_missing() -> None:
    file = [r for r in whole_file() if r["resourceType"] != "MedicationAdministration"]
    _bundle, missing = handover(*file, dose(amount=None, supervised=None), establishment_telephone="")
    assert missing == ("contact", "last-dose-amount", "last-dose-supervision")


def test_what_is_only_given_in_custody_is_no_medicine_after_release() -> None:
    inpatient = [{"coding": [{"system": systems.MEDICATION_REQUEST_CATEGORY, "code": "inpatient"}]}]
    file = [{**r, "category": inpatient} if r["resourceType"] == "MedicationRequest" else r for r in whole_file()]
    bundle, missing = handover(*file)
    assert missing == ("medicine-after-release",)
    assert "MedicationRequest/methadone" in bundle
    _bundle, missing = handover(patient(), prescription(medicine="Sertraline 50mg tablets"))
    assert "medicine-after-release" not in missing


def test_a_language_alone_answers_how_to_speak_with_the_person() -> None:
    file = [r for r in whole_file() if r["id"] != "interpreter"]
    assert handover(*file)[1] == ()
    silent = [{k: v for k, v in r.items() if k != "communication"} for r in file]
    assert handover(*silent)[1] == ("communication-needs",)


def test_each_item_stands_under_its_own_heading_and_nowhere_else() -> None:
    told = sections(handover(*whole_file())[0]["Composition/handover"])
    entries = {title: {e["reference"] for e in section.get("entry", ())} for title, section in told.items()}
    assert entries["Naloxone to take home"] == {"MedicationStatement/naloxone", "Observation/naloxone-talk"}
    assert entries["Blood-borne viruses"] == {"Observation/bbv"}
    assert entries["Smoking"] == {"Observation/smoking"}
    assert entries["Heart tracing (ECG) and QT interval"] == {"Observation/qtc"}
    assert entries["Liver function"] == {"Observation/liver"}
    assert entries["Assessment scores"] == {"Observation/audit"}
    assert entries["Communication needs"] == {"Observation/interpreter"}
    assert entries["Care team in prison"] == {"CareTeam/team"}
    assert entries["Release plan: local treatment provider"] == {"Organization/provider"}
    assert entries["Release plan: community pharmacy"] == {"Organization/community-pharmacy"}
    assert "MedicationRequest/later" in entries["Release plan: substitute medication from the day of release"]
    assert "MedicationStatement/naloxone" not in entries["Other current medication"]


def test_a_provider_that_is_only_named_is_found_in_its_team() -> None:
    team = simple(
        "CareTeam", "named", status="active", participant=[in_team("treatment-provider", {"display": "Northfell"})]
    )
    nobody = simple("CareTeam", "empty", participant=[{"role": [{"text": "Named nurse"}]}])
    bundle, missing = handover(patient(), team, nobody)
    told = sections(bundle["Composition/handover"])["Release plan: local treatment provider"]
    assert [entry["reference"] for entry in told["entry"]] == ["CareTeam/named"]
    assert "treatment-provider" not in missing
    assert "named-nurse" in missing, "a role without anybody in it"


def test_no_last_dose_is_asked_of_a_person_without_substitute_treatment() -> None:
    _bundle, missing = handover(patient(), prescription(medicine="Sertraline 50mg tablets"))
    assert "last-dose" not in missing
    assert "substitute-medication" in missing


def test_a_provisional_release_is_marked() -> None:
    bundle, _missing = handover(*whole_file(), provisional=True)
    assert bundle["Composition/handover"]["status"] == "preliminary"
    assert bundle["Composition/handover"]["title"].endswith("(provisional)")
    assert "Provisional" in said(bundle)
    certain, _missing = handover(*whole_file())
    assert certain["Composition/handover"]["status"] == "final"
    assert "rovisional" not in said(certain) + certain["Composition/handover"]["title"]


def test_it_says_how_many_earlier_messages_it_does_not_contain() -> None:
    assert "Earlier messages that it does not contain: 2." in said(handover(*whole_file(), not_contained=2)[0])
    assert "No earlier message" in said(handover(*whole_file())[0])


@pytest.mark.parametrize(("method", "presumptive"), [("screening", True), (None, True), ("confirmatory", False)])
def test_a_result_that_is_not_confirmatory_is_called_presumptive(method: str | None, presumptive: bool) -> None:
    bundle, _missing = handover(patient(), drug_test(method=method, note=[{"text": "as sent"}]))
    notes = [note["text"] for note in bundle["Observation/test"]["note"]]
    assert any("Presumptive" in note for note in notes) is presumptive
    assert notes[-1] == "as sent"


@pytest.mark.parametrize(
    "tests",
    [
        [drug_test(purpose="mandatory")],
        [drug_test(purpose=None), report_of("panel", "test", purpose="mandatory")],
        [drug_test(purpose="therapeutic"), report_of("panel", "test", purpose="mandatory")],
        [
            drug_test("parent", purpose="mandatory", hasMember=[{"reference": "Observation/test"}]),
            drug_test(purpose=None),
        ],
    ],
    ids=["by itself", "by its report", "against its report", "as a member"],
)
def test_a_mandatory_test_is_in_no_clinical_letter(tests: list[Json]) -> None:
    for letter in ("handover", "prescription-copy", "correction"):
        composed = compose(letter, [patient(), prescription(), *tests], CONTEXT, AS_OF)
        assert "Observation" not in str(composed.bundle)
        assert "DiagnosticReport" not in str(composed.bundle)
        assert "mandatory" not in str(composed.bundle).lower()


def test_a_therapeutic_test_of_the_same_day_stays() -> None:
    bundle, _missing = handover(
        patient(), drug_test(), drug_test("mdt", purpose="mandatory"), report_of("panel", "mdt")
    )
    assert "Observation/test" in bundle
    assert not {"Observation/mdt", "DiagnosticReport/panel"} & set(bundle)


def test_there_is_one_care_plan_the_latest_active_of_substance_misuse() -> None:
    plans = [
        care_plan("older", period={"start": "2025-12-01"}),
        care_plan("latest", period={"start": "2026-01-10"}),
        care_plan("other", title="Diabetes plan", period={"start": "2026-01-14"}),
        care_plan("held", status="on-hold", period={"start": "2026-01-15"}),
    ]
    bundle, _missing = handover(patient(), *plans)
    assert [name for name in bundle if name.startswith("CarePlan/")] == ["CarePlan/latest"]


def test_every_risk_flag_that_is_not_ended_is_there() -> None:
    flags = [flag("a"), flag("b", status=None), flag("c", status="inactive"), flag("d", status="entered-in-error")]
    bundle, _missing = handover(patient(), *flags)
    assert {name for name in bundle if name.startswith("Flag/")} == {"Flag/a", "Flag/b"}


def test_what_was_entered_in_error_is_nowhere() -> None:
    wrong = {"verificationStatus": {"coding": [{"code": "entered-in-error"}]}}
    bundle, _missing = handover(
        patient(), simple("Condition", "wrong", **wrong), prescription(status="entered-in-error")
    )
    assert not {"Condition/wrong", "MedicationRequest/methadone"} & set(bundle)


def test_a_product_that_is_referred_to_comes_along_and_a_reference_outwards_goes() -> None:
    request = prescription(
        medicationReference={"reference": "Medication/product"}, encounter={"reference": "Encounter/stay"}
    )
    del request["medicationCodeableConcept"]
    bundle, _missing = handover(patient(), request, simple("Medication", "product", code=METHADONE))
    assert "Medication/product" in bundle
    assert "encounter" not in bundle["MedicationRequest/methadone"]
    assert bundle["MedicationRequest/methadone"]["medicationReference"] == {"reference": "Medication/product"}


def test_what_is_sensitive_and_what_the_letter_adds_is_labelled() -> None:
    bundle, _missing = handover(*whole_file())
    labels = {name: {c["code"] for c in r.get("meta", {}).get("security", ())} for name, r in bundle.items()}
    for name in (
        "Composition/handover",
        "Communication/notice",
        "MedicationRequest/methadone",
        "Observation/test",
        "CarePlan/plan",
    ):
        assert {"R", "SUD"} <= labels[name]
    for name in ("Patient/patient", "Organization/establishment", "Organization/gp-practice"):
        assert labels[name] == {"N"}


def test_the_file_is_not_changed_by_writing_a_letter() -> None:
    file = whole_file()
    compose("handover", file, CONTEXT, AS_OF)
    assert file == whole_file()


@pytest.mark.parametrize("status", ["stopped", "on-hold", "unknown"])
def test_a_dose_that_may_have_been_given_in_part_stands_beside_the_last_one(status: str) -> None:
    """Who reads only yesterday's whole dose gives today's a second time."""
    doubtful = dose("doubtful", given="2026-01-15T08:00:00+00:00", status=status)
    before, earlier = (
        dose("before", given="2026-01-14T08:00:00+00:00"),
        dose("earlier", given="2026-01-13T08:00:00+00:00", status=status),
    )
    bundle, _missing = handover(patient(), prescription(), before, earlier, doubtful)
    section = sections(bundle["Composition/handover"])["Last dose given"]
    assert len(section["entry"]) == 2
    assert {"MedicationAdministration/before", "MedicationAdministration/doubtful"} <= set(bundle)
    assert "MedicationAdministration/earlier" not in bundle
    assert "MedicationAdministration/doubtful" in handover(patient(), prescription(), doubtful)[0]


@pytest.mark.parametrize("status", ["not-done", "entered-in-error"])
def test_a_dose_that_was_not_given_is_no_last_dose(status: str) -> None:
    """Refused, missed or never recorded rightly: the gap stays named. What was not given is told as that and as nothing else."""
    bundle, missing = handover(patient(), prescription(), dose("refused", status=status))
    assert "last-dose" in missing
    held = bundle.get("MedicationAdministration/refused", {})
    assert held.get("status") == ("not-done" if status == "not-done" else None)
    entries = sections(bundle["Composition/handover"])["Last dose given"].get("entry", [])
    assert len(entries) == (1 if held else 0)


@pytest.mark.parametrize(
    "more",
    [
        {"status": "cancelled"},
        {"status": "draft"},
        {"status": "stopped"},
        {"doNotPerform": True},
        {"intent": "proposal"},
    ],
)
def test_what_begins_later_and_does_not_stand_is_not_in_it(more: dict[str, Any]) -> None:
    """Only a prescription that stands is one for the days after."""
    bundle, _missing = handover(patient(), prescription("later", start="2026-01-16", **more))
    assert "MedicationRequest/later" not in bundle


TRACING = {"coding": [{"system": systems.LOINC, "code": "8636-3", "display": "Q-T interval corrected"}], "text": "QTc"}


def result(resource_id: str, name: Json | str, at: str | None, **value: Any) -> Json:
    """A result of a laboratory system: it has no category but that, and a name."""
    return simple(
        "Observation",
        resource_id,
        status="final",
        category=[{"coding": [{"system": systems.OBSERVATION_CATEGORY, "code": "laboratory"}]}],
        code={"text": name} if isinstance(name, str) else name,
        **({"effectiveDateTime": at} if at else {}),
        **value,
    )


@pytest.mark.parametrize("letter", ["handover", "transfer"])
def test_what_a_prescriber_needs_of_other_results_has_its_heading_the_newest_first(letter: str) -> None:
    file = [
        patient(gender="female"),
        result("undated", "ECG", None, valueString="sinus rhythm"),
        result("old", TRACING, "2024-02-01", valueQuantity={"value": 430, "unit": "ms"}),
        result("new", TRACING, "2026-01-10", valueQuantity={"value": 510, "unit": "ms"}),
        simple("DiagnosticReport", "ecg", status="final", code={"text": "12 lead ECG"}, conclusion="Prolonged QTc"),
        result("hcg", "Urine pregnancy test", "2026-01-03", valueString="Positive"),
        simple("Condition", "pregnant", code={"coding": [{"system": systems.SNOMED, "code": "77386006"}]}),
        simple("Condition", "asthma", code={"text": "Asthma"}),
        result("alt", "Alanine aminotransferase", "2026-01-04", valueQuantity={"value": 61, "unit": "U/L"}),
        result("sodium", "Sodium", "2026-01-04", valueQuantity={"value": 140, "unit": "mmol/L"}),
    ]
    bundle = {f"{r['resourceType']}/{r['id']}": r for r in resources_in(compose(letter, file, CONTEXT, AS_OF).bundle)}
    composition = next(r for r in bundle.values() if r["resourceType"] == "Composition")
    told = {t: [e["reference"] for e in s.get("entry", ())] for t, s in sections(composition).items()}
    assert told["Heart tracing (ECG) and QT interval"] == [
        "Observation/new", "Observation/old", "Observation/undated", "DiagnosticReport/ecg",
    ]  # fmt: skip
    assert told["Pregnancy"] == ["Condition/pregnant", "Observation/hcg"]
    assert list(told)[1:3] == ["Risk", "Pregnancy"]
    assert told["Liver function"] == ["Observation/alt"]
    assert told["Conditions"] == ["Condition/asthma"]
    assert "Observation/sodium" not in bundle


@pytest.mark.parametrize(("gender", "asked"), [("male", False), ("female", True), ("unknown", True), ("other", True)])
def test_pregnancy_is_asked_of_whoever_may_be_pregnant(gender: str, asked: bool) -> None:
    bundle, missing = handover(patient(gender=gender))
    assert ("Pregnancy" in sections(bundle["Composition/handover"]), "pregnancy" in missing) == (asked, asked)


def test_a_heart_tracing_is_missed_of_methadone_alone() -> None:
    assert "heart-tracing" in handover(patient(), prescription())[1]
    assert "heart-tracing" not in handover(patient(), prescription(medicine="Buprenorphine 2mg sublingual tablets"))[1]


def test_a_report_of_a_tracing_that_lists_another_result_stays() -> None:
    report = simple(
        "DiagnosticReport", "mixed", status="final", code={"text": "ECG"}, result=[{"reference": "Observation/x"}]
    )
    bundle, _missing = handover(patient(), report, result("x", "Sodium", "2026-01-04"))
    assert "DiagnosticReport/mixed" not in bundle
