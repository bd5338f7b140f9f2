"""Mistakes in the engine that no test noticed (tests/mutation), each with what it would have done to a letter."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from consent.agreement_file import read_agreement
from consent.fhir_consent import CATEGORY_SYSTEM, is_about, votes
from consent.minimise import WITHHELD_TEXT, minimise, without
from consent.outcomes import PathOutcome, outcome_of, path_outcomes
from consent.purposes import LOCAL_PURPOSE
from consent.sensitive import unplaced, without_words
from consent.shapes import Coding, Decision, Facts, Outcome, PermittedPath, ResourceVote, Unplaced, Vote, Withheld
from consent.ternary import Match
from tests.consent import made
from tests.consent.letters import bundle

Json = dict[str, Any]
URL = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory"
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
COMPOSITION = made.resource("Composition", "letter", ["N"], title="Handover")


def rules(decision: Decision) -> set[str]:
    return {reason.rule for reason in decision.reasons}


def decided(*resources: Json, permitted: tuple[str, ...], systems: tuple[str, ...] = ()) -> Decision:
    cast = tuple(
        ResourceVote(resource=f"{item['resourceType']}/{item['id']}", vote=Vote.PERMIT, rule="implied")
        for item in resources
    )
    return replace(made.ask(), votes=cast, permitted=permitted, identifier_systems=systems, withheld_marker=False)


def projected(item: Json, *permitted: str, systems: tuple[str, ...] = ()) -> tuple[Json, tuple[Withheld, ...]]:
    released = minimise(bundle(item), decided(item, permitted=permitted, systems=systems), made.NAMING)
    return released.bundle["entry"][0]["resource"], released.withheld


def test_a_letter_whose_document_is_denied_does_not_leave_without_it() -> None:
    denied = made.provision("deny", class_=[{"system": made.TYPES, "code": "Composition"}])
    consent = made.fhir_consent(made.provision("permit", provision=[denied]))
    decision = made.ask(consent, resources=[made.patient(), made.resource(), COMPOSITION])
    assert (decision.outcome, "subject-denied" in rules(decision)) == (Outcome.WITHHOLD, True)


def test_an_agreement_that_ended_is_what_the_decision_names() -> None:
    assert rules(made.ask(as_of="2099-01-01T00:00:00Z")) == {"agreement-ended"}


def test_every_place_of_a_sensitive_person_stays_however_much_the_agreement_names() -> None:
    handover = made.agreement("handover")
    of_patient = ("address", "telecom", "generalPractitioner", "managingOrganization", "contact")
    deeper = (
        "Encounter.location",
        "Encounter.serviceProvider",
        "EpisodeOfCare.managingOrganization.identifier",
        "CareTeam.name",
    )
    named = (*(f"Patient.{each}" for each in of_patient), *deeper)
    more = tuple(
        PermittedPath(path=path, why="a test")
        for path in (*named, "Encounter.hospitalization", "MedicationDispense.performer")
    )
    restricted = {**made.patient(), "meta": {"security": [made.label("R")]}}
    under = replace(handover, fields=(*handover.fields, *more))
    stay = made.resource(
        "Encounter",
        "stay",
        hospitalization={"origin": {"display": "Qvx"}, "dischargeDisposition": {"coding": [{"code": "release"}]}},
    )
    decision = made.ask(resources=(restricted, made.resource(), stay), released=True, named=True, under=under)
    assert not [path for path in decision.permitted if path.startswith(named)]
    # a path that names more than a place is cut below what it names
    left = minimise(bundle(restricted, made.resource(), stay), decision, made.NAMING)
    (visit,) = (entry["resource"] for entry in left.bundle["entry"] if entry["resource"]["resourceType"] == "Encounter")
    assert visit["hospitalization"] == {"dischargeDisposition": {"coding": [{"code": "release"}]}}
    assert Withheld(path="Encounter.hospitalization.origin", rule="sensitive-person") in left.withheld


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Call 0113 4960000 at HMP Example", "Call not named in this letter at not named in this letter"),
        ("Examples of 40 ml at 08:05, BMI 23", "Examples of 40 ml at 08:05, BMI 23"),
        ("from EXAMPLE, ls999zz", "from not named in this letter, not named in this letter"),
    ],
)
def test_words_for_places_are_taken_out_of_text_whole_and_nothing_beside_them(said: str, left: str) -> None:
    prison = {
        **made.organization("prison", "LEI"),
        "name": "HMP Example (HMP)",
        "telecom": [{"value": "0113 496 0000"}],
        "address": [{"line": ["40"], "postalCode": "LS99 9ZZ"}],
    }
    restricted = {**made.patient(), "meta": {"security": [made.label("R")]}}
    hidden = unplaced((restricted,), (prison,), made.request(made.agreement("handover")).recipient)
    assert hidden is not None
    assert without_words("text", said, hidden.words) == left
    assert without_words("code", said, hidden.words) == said


def test_the_marker_is_the_code_of_the_standard() -> None:
    decision = replace(decided(COMPOSITION, permitted=("Composition.status",)), withheld_marker=True)
    whole = minimise(bundle({**COMPOSITION, "status": "final"}), decision, made.NAMING).bundle
    observation = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
    assert whole["meta"] == {"security": [{"system": observation, "code": "REDACTED"}]}
    reason = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
    assert whole["entry"][0]["resource"]["section"] == [
        {
            "title": "Information not included",
            "emptyReason": {"coding": [{"system": reason, "code": "withheld"}], "text": WITHHELD_TEXT},
        }
    ]


@pytest.mark.parametrize(
    ("codes", "asks", "implied"), [((), "deny", "hold"), (("treatment",), "deny", "permit")], ids=["unknown", "other"]
)
def test_a_scope_of_which_one_code_is_not_known_may_be_about_privacy(
    codes: tuple[str, ...], asks: str, implied: str
) -> None:
    codings = [{"system": CONSENT_SCOPE, "code": code} for code in ("research", *codes)]
    codings += [] if codes else [{"system": "urn:example:scope", "code": "sharing"}]
    permitted, denied = (made.fhir_consent(rule=rule, scope={"coding": codings}) for rule in ("OPTIN", "OPTOUT"))
    assert made.vote(made.ask(permitted, under=made.ASKS_FIRST)) == asks
    assert made.vote(made.ask(denied)) == implied


@pytest.mark.parametrize("narrative", [{"status": "generated"}, {"div": "<div>words</div>"}])
def test_a_narrative_is_one_by_either_of_its_elements_and_nothing_else_is_one(narrative: Json) -> None:
    section = {"code": made.code("1000"), "text": narrative, "emptyReason": made.code("1001")}
    paths = ("Composition.section", "Composition.section.text")
    left, withheld = projected({**COMPOSITION, "section": [section]}, *paths)
    assert left["section"] == [{"code": made.code("1000"), "emptyReason": made.code("1001")}]
    assert Withheld(path="Composition.section.text", rule="narrative") in withheld
    detail = {"status": "in-progress", "code": made.code("1000")}
    plan, _ = projected(made.resource("CarePlan", activity=[{"detail": detail}]), "CarePlan.activity")
    assert plan["activity"] == [{"detail": detail}]


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        (
            {"participant": [{"individual": {"identifier": {"system": made.NHS, "value": "9990000018"}}}]},
            "participant.individual",
        ),
        ({"partOf": {"type": "Patient", "identifier": {"system": made.NHS, "value": "9990000018"}}}, "partOf"),
        ({"partOf": {"type": "RelatedPerson", "identifier": {"system": made.NHS, "value": "9990000018"}}}, "partOf"),
        *(
            ({name: {"identifier": {"system": made.NHS, "value": "9990000018"}}}, name)
            for name in ("subject", "patient", "beneficiary", "other")
        ),
    ],
)
def test_a_number_behind_a_reference_to_a_person_leaves_only_where_the_agreement_names_its_system(
    resource: Json, path: str
) -> None:
    encounter = {**made.resource("Encounter", "one"), "status": "finished", **resource}
    paths = ("Encounter.status", f"Encounter.{path}", f"Encounter.{path}.identifier")
    assert "9990000018" not in str(projected(encounter, *paths)[0])
    assert "9990000018" in str(projected(encounter, *paths, systems=(made.NHS,))[0])


def test_a_section_that_became_empty_is_listed() -> None:
    section = {"title": "Tests", "entry": [{"reference": "Observation/gone"}]}
    left, withheld = projected(
        {**COMPOSITION, "status": "final", "section": [section]}, "Composition.status", "Composition.section.title"
    )
    assert "section" not in left
    assert Withheld(path="Composition.section", rule="nothing-left") in withheld


def test_an_extension_leaves_without_its_id_and_its_path_is_said_to_leave() -> None:
    other = {"url": "urn:example:local", "valueCode": "B"}
    held = {**made.patient(), "gender": "male", "extension": [other, {"url": URL, "id": "A1234BC", "valueCode": "A"}]}
    paths = ("Patient.gender", f"Patient.extension({URL})")
    assert projected(held, *paths)[0]["extension"] == [{"url": URL, "valueCode": "A"}]
    groups = path_outcomes(bundle(held), decided(held, permitted=paths), ())
    told = outcome_of(groups, "Patient/patient", f"Patient.extension({URL})")
    assert told is not None
    assert told.outcome is PathOutcome.LEAVES


@pytest.mark.parametrize("first", [Vote.PERMIT, Vote.DENY])
def test_of_two_votes_on_one_resource_the_denial_counts(first: Vote) -> None:
    one, other = made.resource(status="final"), made.patient(gender="male")
    decision = decided(one, other, permitted=("Observation.status", "Patient.gender"))
    second = Vote.DENY if first is Vote.PERMIT else Vote.PERMIT
    both = [ResourceVote(resource="Observation/one", vote=vote, rule="implied") for vote in (first, second)]
    voted = replace(decision, votes=(*both, decision.votes[1]))
    kinds = {
        entry["resource"]["resourceType"] for entry in minimise(bundle(one, other), voted, made.NAMING).bundle["entry"]
    }
    assert kinds == {"Patient"}


def test_a_deidentified_extract_is_research_by_any_of_its_categories() -> None:
    """`rsdid` and `rsreid` of the first code system too: a consent to them permits no treatment."""
    for code in ("rsdid", "rsreid"):
        category = [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentcategorycodes", "code": code}]}
        ]
        permitted = made.fhir_consent(rule="OPTIN", category=category)
        assert made.vote(made.ask(permitted, under=made.ASKS_FIRST)) == "deny"


def test_nobodys_consent_stands_for_the_two_people_of_a_harm_test() -> None:
    (file,) = made.AGREEMENTS.rglob("harm-disclosure.toml")
    under = read_agreement(file.read_text("utf-8"), "harm-disclosure")
    assert under.without_consent == "harm-test"
    decision = made.ask(made.fhir_consent(rule="OPTIN"), under=under)
    assert {(vote.vote, vote.rule) for vote in decision.votes} == {(Vote.DENY, "harm-test-only")}


@pytest.mark.parametrize(("patient", "vote"), [(None, "deny"), ({}, "hold"), ("Patient/patient", "hold")])
def test_a_consent_whose_person_cannot_be_read_is_not_sure_to_be_this_persons(patient: Any, vote: str) -> None:
    """Without the element, the register says whose it is; with one that says nothing, nobody does."""
    refusal = made.fhir_consent(rule="OPTOUT", patient=patient)
    if patient is None:
        del refusal["patient"]
    assert made.vote(made.ask(refusal)) == vote


def test_what_names_nobody_is_about_the_one_person_of_the_letter() -> None:
    number = {"system": made.NHS, "value": "9990000018"}
    refusal = made.fhir_consent(rule="OPTOUT", patient={"identifier": number})
    nobodys = made.resource("Medication", "m")
    del nobodys["subject"]
    decision = made.ask(refusal, resources=[made.patient(identifier=[number]), nobodys])
    assert made.vote(decision, "Medication/m") == "deny"


def test_the_number_of_a_result_is_not_the_number_of_its_person() -> None:
    number = {"system": made.NHS, "value": "9990000018"}
    refusal = made.fhir_consent(rule="OPTOUT", patient={"identifier": number})
    things = [made.patient(), made.resource(identifier=[number])]
    assert made.vote(made.ask(refusal, resources=things)) == "hold"


def test_what_a_projection_lists_is_what_it_left_out_and_no_more() -> None:
    """A resource that comes twice leaves once, and that is listed; what every letter makes anew is not."""
    held = made.patient(gender="male")
    composed = bundle(held, held)
    del composed["type"]
    released = minimise(composed, decided(held, permitted=("Patient.gender",)), made.NAMING)
    assert released.bundle["type"] == "collection"
    assert len(released.bundle["entry"]) == 1
    assert {(item.path, item.rule) for item in released.withheld} == {
        ("Patient/patient", "duplicate"),
        ("Patient.meta", "not-in-agreement"),
    }


def test_a_resource_of_which_nothing_may_leave_is_listed_and_the_rest_is_a_bundle() -> None:
    person, result, bare = made.patient(gender="male"), made.resource(status="final"), made.resource("Flag", "f")
    decision = decided(person, result, bare, permitted=("Patient.gender", "Observation.value[x]"))
    released = minimise(bundle(person, result, bare), decision, made.NAMING)
    assert released.bundle["resourceType"] == "Bundle"
    assert [entry["resource"]["resourceType"] for entry in released.bundle["entry"]] == ["Patient"]
    listed = {(item.path, item.rule) for item in released.withheld}
    assert {("Observation/one", "not-in-agreement"), ("Flag/f", "not-in-agreement")} <= listed


def test_a_section_that_cannot_be_read_hides_no_other() -> None:
    sections = ["odd", {"code": made.code("1000"), "emptyReason": made.code("1001")}]
    left, _ = projected({**COMPOSITION, "section": sections}, "Composition.section")
    assert left["section"] == sections[1:]


@pytest.mark.parametrize("code", ["acd", "dnr", "hcd", "polst", "npp"])
def test_what_is_to_be_done_in_an_emergency_or_that_a_notice_was_read_denies_no_letter(code: str) -> None:
    category = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentcategorycodes", "code": code}]}]
    assert made.vote(made.ask(made.fhir_consent(rule="OPTOUT", category=category))) == "permit"


@pytest.mark.parametrize(("people", "vote"), [((), "deny"), (("a",), "deny"), (("a", "b"), "hold")])
def test_what_names_nobody_among_several_people_is_about_nobody_known(people: tuple[str, ...], vote: str) -> None:
    nobodys = {"resourceType": "Medication", "id": "m", "meta": {"security": [made.label("N")]}}
    patients = [{"resourceType": "Patient", "id": name} for name in people]
    refusal = made.fhir_consent(rule="OPTOUT", patient={"reference": "Patient/a"})
    facts = Facts(resources=(nobodys, *patients), consents=made.registered(refusal), directory=(), subsumes={})
    asked = made.request(made.agreement("handover"))
    when = datetime.fromisoformat(made.AS_OF)
    assert str(votes(asked, facts, when, "implied", hold=True)[0].vote) == vote


def flagged(*, own: tuple[str, ...] = (), words: tuple[str, ...] = ("Leeds",)) -> Unplaced:
    return Unplaced(own=own, words=words)


def of_somebody_flagged(
    hidden: Unplaced, *held: Json, permitted: tuple[str, ...]
) -> tuple[list[Json], tuple[Withheld, ...]]:
    decision = replace(decided(*held, permitted=permitted), unplaced=hidden)
    released = minimise(bundle(*held), decision, made.NAMING)
    return [entry["resource"] for entry in released.bundle["entry"]], released.withheld


def test_of_somebody_flagged_words_for_places_leave_in_no_text_and_it_is_listed() -> None:
    note = made.resource("Flag", "one", note="Lives in Leeds now", status="active")
    (left,), withheld = of_somebody_flagged(flagged(), note, permitted=("Flag.note", "Flag.status"))
    assert left["note"] == "Lives in not named in this letter now"
    assert Withheld(path="Flag.note", rule="sensitive-place") in withheld
    (plain,) = (projected(note, "Flag.note")[0],)
    assert plain["note"] == "Lives in Leeds now"


def test_of_somebody_flagged_only_the_recipient_and_what_is_clinical_keep_a_name() -> None:
    us, them = (
        {"resourceType": "Organization", "id": name, "name": f"Service {name}", "active": True}
        for name in ("us", "them")
    )
    given = made.resource(
        "Encounter",
        "one",
        status="finished",
        subject={"reference": "Patient/patient", "display": "The Person"},
        episodeOfCare=[{"reference": "EpisodeOfCare/e", "display": "Leeds clinic"}],
        appointment=[{"reference": "Appointment/a", "identifier": {"system": "urn:x", "value": "17"}}],
    )
    permitted: tuple[str, ...] = ("Organization.name", "Organization.active", "Encounter.status")
    permitted += tuple(f"Encounter.{name}.display" for name in ("subject", "episodeOfCare"))
    permitted += ("Encounter.appointment.identifier",)
    left, withheld = of_somebody_flagged(flagged(own=("Organization/us",)), us, them, given, permitted=permitted)
    assert [each.get("name") for each in left] == ["Service us", "Not named in this letter", None]
    assert [each.get("active") for each in left] == [True, None, None]
    assert Withheld(path="Organization.active", rule="sensitive-place") in withheld
    assert left[2]["subject"] == {"display": "The Person"}
    assert left[2]["episodeOfCare"] == [{"display": "Not named in this letter"}]
    assert "appointment" not in left[2]
    assert Withheld(path="Encounter.appointment.identifier", rule="sensitive-place") in withheld


def test_a_reference_leaves_only_where_the_agreement_names_it_and_not_for_its_display() -> None:
    encounter = made.resource(
        "Encounter", "one", status="finished", subject={"reference": "Patient/patient", "display": "The Person"}
    )
    paths = ("Patient.gender", "Encounter.status", "Encounter.subject.display")
    held = (made.patient(gender="male"), encounter)
    released = minimise(bundle(*held), decided(*held, permitted=paths), made.NAMING)
    assert released.bundle["entry"][1]["resource"]["subject"] == {"display": "The Person"}


def test_a_number_of_somebody_related_leaves_only_where_the_agreement_names_its_system() -> None:
    related = made.resource(
        "RelatedPerson", "one", active=True, identifier=[{"system": made.NHS, "value": "9990000018"}]
    )
    assert "9990000018" not in str(projected(related, "RelatedPerson.active", "RelatedPerson.identifier")[0])


def test_what_stands_on_nothing_is_listed_and_what_stands_is_not() -> None:
    listed = Withheld(path="Patient.contact", rule="nothing-left")
    contact = {"gender": "female", "name": {"family": "Example"}}
    held = made.patient(gender="male", contact=[contact])
    left, withheld = projected(held, "Patient.gender", "Patient.contact.gender")
    assert ("contact" in left, listed in withheld) == (False, True)
    left, withheld = projected(held, "Patient.gender", "Patient.contact.gender", "Patient.contact.name")
    assert (left["contact"], listed in withheld) == ([contact], False)
    assert listed not in projected(held, "Patient.gender")[1], "the agreement does not name it, which is another reason"


def test_a_nested_section_that_became_empty_leaves_no_trace() -> None:
    gone, left = (
        {"title": title, "entry": [{"reference": to}]}
        for title, to in (("Tests", "Observation/gone"), ("Person", "Patient/patient"))
    )
    sections = [
        {"title": "mixed", "section": [gone, left]},
        {"title": "own", "entry": left["entry"], "section": [gone]},
        {"title": "none", "section": [gone]},
    ]
    paths = [f"Composition.section.{below}{name}" for below in ("", "section.") for name in ("title", "entry")]
    held = ({**COMPOSITION, "status": "final", "section": sections}, made.patient(gender="male"))
    decision = decided(*held, permitted=("Composition.status", *paths, "Patient.gender"))
    found = minimise(bundle(*held), decision, made.NAMING).bundle["entry"][0]["resource"]["section"]
    assert [each["title"] for each in found] == ["mixed", "own"]
    assert [each["title"] for each in found[0]["section"]] == ["Person"]
    assert found[1].keys() == {"title", "entry"}


def test_an_entry_that_has_no_name_is_listed_as_an_entry_and_the_marker_has_its_words() -> None:
    held = (made.patient(gender="male"), {"resourceType": "", "id": ""})
    decision = replace(decided(held[0], permitted=("Patient.gender",)), withheld_marker=True)
    assert Withheld(path="entry", rule="not-decided") in minimise(bundle(*held), decision, made.NAMING).withheld
    assert WITHHELD_TEXT == "Items excluded due to confidentiality and/or patient preferences."


def test_a_document_that_says_what_nobody_understands_waits_in_care_until_a_person_has_read_it() -> None:
    odd = {**COMPOSITION, "modifierExtension": [{"url": "urn:example:odd"}]}
    asked = (made.patient(), made.resource(), odd)
    assert (made.ask(resources=asked).outcome, made.ask(resources=asked, released=True).outcome) == ("hold", "release")


@pytest.mark.parametrize("name", ["extension", "contained", "subject", "evaluatedResource"])
def test_a_report_that_may_say_whom_it_is_about_is_no_report_about_nobody(name: str) -> None:
    report = {"resourceType": "MeasureReport", "id": "one", "status": "complete"}
    for held, outcome in ((report, "release"), ({**report, name: [{"url": "urn:x"}]}, "counted")):
        assert made.ask(under="indicators", resources=(held,)).outcome == outcome


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"scope": {"coding": [{"system": CONSENT_SCOPE, "code": "adr"}]}}, "implied"),
        ({"scope": {"coding": [{"system": CONSENT_SCOPE, "code": "another"}]}}, "undecidable"),
        ({"category": []}, "consent-deny"),
        ({"category": [made.code("ndtms", "https://throughgate.example/code/consent-category")]}, "implied"),
        ({"category": [made.code("RESEARCH", made.ACT)]}, "implied"),
    ],
)
def test_a_consent_that_is_about_something_else_says_nothing(changed: Json, rule: str) -> None:
    assert made.rule(made.ask(made.fhir_consent(made.provision("deny"), **changed))) == rule


def test_whose_a_consent_is_is_found_by_the_number_of_whom_it_names() -> None:
    """The register's Patient has the number, the consent has another name for the same person; another's number is another's."""
    number = [{"system": made.NHS, "value": "9990000018"}]
    asked = (made.patient(identifier=number), made.resource())
    for value, rule in (("9990000018", "consent-deny"), ("9990000026", "implied")):
        named = {"resourceType": "Patient", "id": "elsewhere", "identifier": [{"system": made.NHS, "value": value}]}
        said = made.fhir_consent(made.provision("deny"), patient={"reference": "Patient/elsewhere"})
        decision = made.ask(said, resources=asked, directory=(*made.DIRECTORY, named))
        assert made.rule(decision) == rule


def test_of_what_is_not_known_the_denial_is_named() -> None:
    unknown = made.actor()
    unknown["reference"] = {"reference": "Organization/nobody-knows"}
    said = (
        made.fhir_consent(made.provision("permit")),
        made.fhir_consent(made.provision("deny", actor=[unknown]), name="c2"),
    )
    (vote,) = (each for each in made.ask(*said).votes if each.resource == "Observation/one")
    assert (vote.rule, vote.consent) == ("undecidable", "c2")


def test_every_pair_of_the_longer_side_is_in_a_conflict() -> None:
    yes = made.fhir_consent(made.provision("permit"))
    no = [made.fhir_consent(made.provision("deny"), name=name) for name in ("c2", "c3")]
    found = {each.denies.consent for each in made.ask(yes, *no).conflicts}
    assert found == {"c2", "c3"}


def test_what_a_reference_or_an_extension_lost_is_listed_under_its_path() -> None:
    encounter = made.resource("Encounter", "one", status="finished", subject={"display": "The Person"})
    held = {**made.patient(), "gender": "male", "extension": [{"url": URL, "valueCode": "A", "valueString": "words"}]}
    _, withheld = projected(encounter, "Encounter.status", "Encounter.subject")
    assert Withheld(path="Encounter.subject.display", rule="not-in-agreement") in withheld
    _, withheld = projected(held, "Patient.gender", f"Patient.extension({URL}).valueCode")
    assert Withheld(path=f"Patient.extension({URL}).valueString", rule="not-in-agreement") in withheld


def test_words_that_are_taken_out_of_a_finished_letter_are_listed_and_codes_stay() -> None:
    held = {
        **made.patient(),
        "name": [{"text": "Ann of Leeds"}],
        "extension": [{"url": URL, "valueString": "in Leeds", "valueCode": "Leeds"}],
    }
    held = {**held, "identifier": [{"system": "urn:x", "value": "Leeds"}]}
    extension = tuple(f"Patient.extension({URL}).{name}" for name in ("valueString", "valueCode"))
    paths = ("Patient.name.text", *extension, "Patient.identifier")
    released = minimise(bundle(held), decided(held, permitted=paths, systems=("urn:x",)), made.NAMING)
    cut = without(released, ("Leeds",))
    left = cut.bundle["entry"][0]["resource"]
    assert left["name"] == [{"text": "Ann of not named in this letter"}]
    assert left["extension"][0]["valueCode"] == left["identifier"][0]["value"] == "Leeds"
    new = set(cut.withheld) - set(released.withheld)
    assert new == {Withheld(path=path, rule="leak-scan") for path in ("Patient.name.text", extension[0])}
    assert without(cut, ("Leeds",)) == cut


def test_whose_a_consent_is_does_not_depend_on_the_version_that_it_names() -> None:
    said = made.fhir_consent(made.provision("deny"), patient={"reference": "Patient/patient/_history/3"})
    assert made.rule(made.ask(said)) == "consent-deny"


def test_what_a_consent_is_about_can_be_asked_without_a_letter() -> None:
    treatment, research, ndtms = (
        Coding(system=system, code=code)
        for system, code in ((made.REASON, "TREAT"), (made.REASON, "HRESCH"), (LOCAL_PURPOSE, "ndtms"))
    )
    for category, purpose in (
        (made.code("RESEARCH", made.ACT), research),
        (made.code("research", CATEGORY_SYSTEM), research),
        (made.code("ndtms", "https://throughgate.example/code/consent-category"), ndtms),
    ):
        said = made.fhir_consent(category=[category])
        assert [is_about(said, each) for each in (treatment, purpose)] == [Match.NO, Match.YES]
    unstated = {name: value for name, value in made.fhir_consent().items() if name != "scope"}
    assert is_about(unstated, treatment) is Match.UNKNOWN
