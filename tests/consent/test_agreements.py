"""The shipped agreements: their examples hold, and a file that is not exact does not take effect."""

import re
from dataclasses import replace

import pytest

from consent.agreement_file import KEYS, WORDS, AgreementError, check_examples, digest_of, read_agreement
from consent.shapes import Agreement, Outcome
from tests.consent.made import AGREEMENTS, agreement

NAMES = (
    "acct-contribution",
    "assessment",
    "board-indicators",
    "care-plan-update",
    "community-record",
    "correction",
    "engagement",
    "evaluation-extract",
    "gp-copy",
    "gp-correction",
    "gp-notice-of-withdrawal",
    "gp-prescription-copy",
    "gp-reception-notice",
    "handover",
    "harm-disclosure",
    "indicators",
    "mandatory-test-referral",
    "notice-of-withdrawal",
    "persons-correction",
    "persons-handover",
    "persons-transfer",
    "pharmacy-notice-of-withdrawal",
    "pharmacy-reception-notice",
    "prescription-copy",
    "prison-notice-of-withdrawal",
    "probation-summary",
    "reception-notice",
    "record-notice-of-withdrawal",
    "referral",
    "report",
    "transfer",
    "transfer-correction",
    "write-back",
)
NHS_NUMBER, PRISON_NUMBER = "https://fhir.nhs.uk/Id/nhs-number", "https://throughgate.example/id/prison-number"
KNOWN_BY_PRISON_NUMBER = frozenset(
    {
        "assessment",
        "community-record",
        "engagement",
        "transfer",
        "transfer-correction",
        "write-back",
        "record-notice-of-withdrawal",
        "prison-notice-of-withdrawal",
    }
)
"""Whose recipients are inside prisons, beside the NHS number."""
BY_PRISON_NUMBER_ALONE = frozenset(
    {"acct-contribution", "harm-disclosure", "mandatory-test-referral", "probation-summary"}
)
"""Who sends or gets them knows nobody's NHS number."""
ABOUT_NOBODY = frozenset({"report", "indicators", "board-indicators"})
TEXT = {name: (AGREEMENTS / f"{name}.toml").read_text(encoding="utf-8") for name in NAMES}


def test_these_are_the_agreements() -> None:
    assert tuple(sorted(path.stem for path in AGREEMENTS.glob("*.toml"))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_example_holds(name: str) -> None:
    results = check_examples(agreement(name))
    assert len(results) >= 3
    assert [f"{item.name}: {item.text}" for item in results if not item.passed] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_example_can_fail(name: str) -> None:
    """Sabotage: each example with another expectation, and an agreement that says the opposite, is noticed."""
    agreed = agreement(name)
    for example in agreed.examples:
        other = next(item for item in Outcome if item is not example.expect)
        (result,) = check_examples(replace(agreed, examples=(replace(example, expect=other),)))
        assert not result.passed
    wider = replace(
        agreed,
        fields=(
            *agreed.fields,
            replace(agreed.fields[0], path="Patient.photo"),
            replace(agreed.fields[0], path="MeasureReport.date"),
        ),
    )
    noticed = any(not item.passed for item in check_examples(wider))
    assert noticed == any({"Patient.photo", "MeasureReport.date"} & set(example.stays) for example in agreed.examples)


def test_an_agreement_that_implies_where_it_must_ask_fails_its_examples() -> None:
    agreed = agreement("handover")
    assert any(not item.passed for item in check_examples(replace(agreed, without_consent="nothing")))
    assert any(not item.passed for item in check_examples(replace(agreed, undecidable="withhold")))


@pytest.mark.parametrize("key", sorted(KEYS))
def test_no_key_has_a_default(key: str) -> None:
    text = TEXT["correction"]
    if key in ("fields", "examples"):
        without = text[: text.index(f"[[{key}]]")] + (text[text.index("[[examples]]") :] if key == "fields" else "")
    elif key == "words":
        without = text[: text.index("[words]")] + text[text.index("[[fields]]") :]
    else:
        without = re.sub(rf"(?m)^{key} = .*\n", "", text, count=1)
    assert without != text
    with pytest.raises(AgreementError) as told:
        read_agreement(without, "x")
    assert told.value.key.startswith(key)


@pytest.mark.parametrize("key", sorted(WORDS))
def test_nothing_that_is_signed_may_be_missing(key: str) -> None:
    text = re.sub(rf"(?ms)(\[words\].*?)^{key} = .*?\n", r"\1", TEXT["correction"], count=1)
    with pytest.raises(AgreementError) as told:
        read_agreement(text, "x")
    assert told.value.key == f"words.{key}"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('title = "', 'colour = "blue"\ntitle = "', "colour"),
        ("[words]\n", '[words]\nmood = "good"\n', "words.mood"),
        ('without_consent = "implied"', 'without_consent = "assumed"', "without_consent"),
        ('undecidable = "hold"', 'undecidable = "release"', "undecidable"),
        ('undecidable = "hold"', 'undecidable = "withhold"', "undecidable"),
        ("withheld_marker = false", 'withheld_marker = "no"', "withheld_marker"),
        ('regime = "uk-gdpr"', 'regime = "none"', "regime"),
        ('regime = "uk-gdpr"', 'regime = "anonymous"', "regime"),
        ('action = "http://terminology.hl7.org/CodeSystem/consentaction|disclose"', 'action = "disclose"', "action"),
        ('events = ["release-cancelled"]', "events = []", "events"),
        ('"Patient.gender"', '"Patient.text"', "fields[2].paths"),
        ('"Patient.gender"', '"Patient"', "fields[2].paths"),
        ('"Patient.gender"', '"Patient.name"', "fields[2].paths"),
        ("review = 2027-10-31", 'review = "soon"', "words.review"),
        ('identifier_systems = ["https://fhir.nhs.uk/Id/nhs-number"]', "identifier_systems = []", "identifier_systems"),
        ('expect = "release"', 'expect = "perhaps"', "examples[0].expect"),
        ('status = "rejected"', 'status = "cross"', "examples[1].given"),
        ('status = "rejected"', 'state = "rejected"', "examples[1].given"),
        ('why = "To find', 'because = "To find', "fields[2].because"),
    ],
)
def test_what_is_not_exact_is_an_error_that_names_the_key(old: str, new: str, key: str) -> None:
    assert old in TEXT["correction"]
    with pytest.raises(AgreementError) as told:
        read_agreement(TEXT["correction"].replace(old, new, 1), "x")
    assert told.value.key == key
    assert str(told.value).startswith(f"agreement x: {key}")


@pytest.mark.parametrize("broken", ["", "title = ", "[[[", "title = 1", "\x00"])
def test_what_is_not_an_agreement_is_an_error(broken: str) -> None:
    with pytest.raises(AgreementError):
        read_agreement(broken, "x")


def test_an_agreement_needs_a_counter_example() -> None:
    text = TEXT["correction"]
    with pytest.raises(AgreementError) as told:
        read_agreement(
            re.sub(r"(?m)^stays = .*\n", "", text[: text.index('[[examples]]\nname = "The person refuses')]), "x"
        )
    assert told.value.key == "examples"


def test_the_anonymous_one_needs_its_assessment() -> None:
    text = re.sub(r'(?s)motivated_intruder = """.*?"""\n', "", TEXT["report"])
    with pytest.raises(AgreementError) as told:
        read_agreement(text, "x")
    assert told.value.key == "words.motivated_intruder"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('without_consent = "nothing"', 'without_consent = "implied"', "without_consent"),
        ('["pseudonym:', '["', "identifier_systems"),
        ('approval = "', 'unsure_too = "', "words.unsure_too"),
        ("approval = ", "motivated_intruder = ", "words.approval"),
        ("evaluator = ", "article_10 = ", "words.evaluator"),
        ('evaluator = "ZZE01"', 'evaluator = "the university"', "words.evaluator"),
    ],
)
def test_an_extract_names_its_approval_and_its_evaluator_and_nobody_else(old: str, new: str, key: str) -> None:
    assert old in TEXT["evaluation-extract"]
    with pytest.raises(AgreementError) as told:
        read_agreement(TEXT["evaluation-extract"].replace(old, new, 1), "x")
    assert told.value.key == key


def test_the_digest_is_of_what_is_said() -> None:
    text = TEXT["handover"]
    assert digest_of(text) == digest_of(text.replace("\n", "\r\n")) == digest_of(text.replace("\n", "  \n") + "\n\n")
    assert digest_of(text) != digest_of(text.replace("implied", "nothing"))
    assert agreement("handover").digest == digest_of(text)


def _care(agreed: Agreement) -> bool:
    return agreed.without_consent == "implied"


NOTICES = tuple(name for name in NAMES if name.endswith("notice-of-withdrawal"))


def test_a_notice_of_withdrawal_says_no_more_of_a_person_than_the_letters_before_it() -> None:
    """Whom it is about leaves by paths and numbers that letters to that class have; nothing else of anybody leaves at all.

    Of these it says what its recipient was told by that very letter (`LetterContext.known_as`), be it by prison number alone.
    """
    for name in NOTICES:
        notice = agreement(name)
        earlier = [
            each for each in map(agreement, NAMES) if each.recipient_class == notice.recipient_class and _care(each)
        ]
        assert earlier, name
        whom = {path for path in notice.paths if path.startswith("Patient.")}
        assert whom <= {path for each in earlier for path in each.paths}, name
        assert set(notice.identifier_systems) <= {one for each in earlier for one in each.identifier_systems}, name
        assert {path.split(".")[0] for path in notice.paths} == {"Communication", "Patient", "Organization"}


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('recipient_class = "community-provider"', 'recipient_class = "prison-security"', "recipient_class"),
        ('recipient_class = "community-provider"', 'recipient_class = "board"', "recipient_class"),
        ('recipient_class = "community-provider"', 'recipient_class = "family"', "recipient_class"),
        ('undecidable = "hold"', 'undecidable = "withhold"', "undecidable"),
        ('without_consent = "duty"', 'without_consent = "implied"', "without_consent"),
        ('without_consent = "duty"', 'without_consent = "nothing"', "without_consent"),
        ('letter = "notice-of-withdrawal"', 'letter = "handover"', "without_consent"),
        ('letter = "notice-of-withdrawal"', 'letter = "correction"', "without_consent"),
        ('"Patient.gender"', '"Flag.code"', "fields"),
        ('"Patient.gender"', '"Consent.provision"', "fields"),
    ],
)
def test_what_no_consent_is_asked_for_is_one_letter_that_says_nothing_new(old: str, new: str, key: str) -> None:
    text = TEXT["notice-of-withdrawal"]
    assert old in text
    with pytest.raises(AgreementError) as told:
        read_agreement(text.replace(old, new, 1), "x")
    assert told.value.key == key


@pytest.mark.parametrize("name", NAMES)
def test_what_every_agreement_here_must_say(name: str) -> None:
    agreed = agreement(name)
    own = {"harm-disclosure": "harm-test"} | dict.fromkeys(
        ("report", "indicators", "board-indicators", "evaluation-extract", "probation-summary"), "nothing"
    )
    basis = own.get(name, "duty" if name in NOTICES else "implied")
    assert agreed.without_consent == basis
    assert agreed.undecidable == ("withhold" if name in own else "hold")
    known = (NHS_NUMBER, PRISON_NUMBER) if name in KNOWN_BY_PRISON_NUMBER else (NHS_NUMBER,)
    known = (PRISON_NUMBER,) if name in BY_PRISON_NUMBER_ALONE else known
    nobody = {"evaluation-extract": (f"pseudonym:{NHS_NUMBER}",), **dict.fromkeys(ABOUT_NOBODY, ())}
    assert agreed.identifier_systems == nobody.get(name, known)
    assert all(len(item.why) > 20 for item in agreed.fields)
    assert not any("meta" in item.path.split(".") for item in agreed.fields), "labels and sources do not leave"


@pytest.mark.parametrize("name", sorted(ABOUT_NOBODY))
def test_a_report_about_nobody_has_no_more_than_a_handful_of_elements(name: str) -> None:
    """Requirements M4: what security gets stays countable: what the form is, the month, the place, and three texts a group."""
    paths = {item.path for item in agreement(name).fields}
    assert {path.split(".")[0] for path in paths} == {"MeasureReport", "Organization"}
    assert len(paths) <= 12
