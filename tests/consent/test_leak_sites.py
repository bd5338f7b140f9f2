"""Every place where something of a person can leak, by the list of reference/consent.md section 4, and the test that plants a canary there.

F a resource, B what is around it, V HL7 v2, T transport and operation, A figures. A site without a test is a site that nobody looks at.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

from tests.consent.letters import LETTERS
from tests.consent.made import AGREEMENTS
from tests.consent.test_leaks import BUNDLE_SITES, ENTRY_SITES, SITES
from tests.gateway import test_canaries

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = {"F": 58, "B": 18, "V": 20, "T": 20, "A": 10}

_LEAKS = "tests/consent/test_leaks.py::"
_STORY = "tests/gateway/test_canaries.py::test_a_canary_of_every_site_leaves_only_where_the_table_says"
_WORDS = _LEAKS + "test_words_leave_only_where_the_agreement_lists_them"
_TYPES = _LEAKS + "test_a_type_that_the_agreement_does_not_name_does_not_leave"
_MODIFIER = _LEAKS + "test_a_modifier_or_an_implicit_rule_keeps_the_resource_back"
_TWO_WORLDS = "tests/consent/test_minimise.py::test_two_worlds_look_alike_to_the_recipient"
_LAWS = "tests/consent/test_disclosure_control.py::test_what_becomes_of_a_cell_never_depends_on_its_results"
_ATTACK = "tests/consent/test_disclosure_attack.py::test_two_years_of_reports_stay_within_both_measures"
_ANY_SHAPE = "tests/consent/test_minimise.py::test_any_shape_is_projected_and_is_a_subset"
_HTTP = "tests/gateway/api/test_http.py::test_no_error_body_header_or_log_line_holds_what_was_sent"

SHOWN: Mapping[str, str] = {
    "F1": _LEAKS + "test_a_sender_id_that_is_an_identity_does_not_leave",
    "F6": _LEAKS + "test_labels_do_not_leave",
    "F7": _MODIFIER,
    "F10": _LEAKS + "test_no_canary_leaves",  # in the narrative of F9: a comment, a style, an attribute
    "F13": _MODIFIER,
    "F15": _LEAKS + "test_no_canary_leaves",  # the address of the extensions of F12 and F14
    "F19": _WORDS,
    "F25": _LEAKS + "test_no_canary_leaves",
    "F27": _WORDS,
    "F28": _WORDS,
    "F30": "tests/consent/test_must_have.py::test_the_prison_number_goes_to_recipients_inside_prisons_alone",
    "F34": _TWO_WORLDS,
    "F40": _WORDS,
    "F44": _TYPES,
    "F48": _WORDS,
    "F56": "tests/consent/test_person_identifiers.py",
    "F57": "tests/fhir_profiles/render/test_render.py::test_every_report_has_the_same_length",
    "B2": _TWO_WORLDS,
    "B9": "tests/fhir_profiles/render/test_render.py",
    "B10": "tests/consent/test_lint_and_explain.py::test_a_recipient_cannot_tell_whether_anything_was_withheld",
    "B11": "tests/consent/test_minimise.py::test_a_reference_to_what_was_denied_goes_too",
    "B12": _LEAKS + "test_no_canary_leaves",
    "B13": "tests/spec/test_tables.py::test_kinds_of_data",
    "B14": "tests/fhir_profiles/render/test_render.py::test_every_report_has_the_same_length",
    "B15": "tests/gateway/api/test_access.py::test_every_route_is_in_this_matrix_and_no_other",
    "B16": "tests/flow/test_change_of_mind.py::test_the_door_alone_stops_a_letter_under_an_old_consent",
    "B17": _TYPES,
    "B18": _ANY_SHAPE,
    "T1": "tests/gateway/bus/test_bus.py::test_nothing_but_an_id_is_carried",
    "T2": "tests/gateway/bus/test_bus.py::test_nothing_but_an_id_is_carried",
    "T3": _STORY,
    "T4": _STORY,
    "T5": "tests/gateway/bus/test_bus.py::test_a_poisoned_id_stops_nobody_and_its_text_is_not_logged",
    "T6": "tests/gateway/keys/test_keys.py::test_a_stolen_database_says_nothing_about_anyone",
    "T7": "tests/gateway/test_log.py::test_a_value_that_could_be_about_somebody_is_refused_and_not_quoted",
    "T8": "tests/gateway/test_metrics.py::test_a_word_in_the_store_that_is_not_of_the_vocabulary_is_never_a_label",
    "T9": _HTTP,
    "T10": "tests/flow/test_intake.py::test_a_canary_stands_nowhere_where_everybody_can_read",
    "T11": "tests/gateway/api/test_access.py::test_every_route_is_in_this_matrix_and_no_other",
    "T12": _STORY,
    "T13": "tests/flow/test_report.py::test_a_report_comes_every_month_also_when_nobody_was_ever_tested_and_is_as_long_as_any_other",
    "T14": "tests/adapters/test_file_drop.py::test_a_letter_is_there_whole_under_its_delivery_id",
    "T15": _LEAKS + "test_no_canary_leaves",
    "T16": "tests/gateway/commands/test_command_line.py::test_init_keeps_secrets_to_their_owner",
    "T17": "tests/gateway/trying/test_shapes.py",
    "T18": "tests/test_guards.py",
    "T19": "tests/consent/test_must_have.py::test_nothing_that_the_recipient_needs_is_missing",
    "T20": "tests/consent/test_lint_and_explain.py::test_a_recipient_cannot_tell_whether_anything_was_withheld",
    "A1": _LAWS,
    "A2": _LAWS,
    "A3": "tests/gateway/close/test_differencing.py::test_no_row_of_reports_tells_what_was_not_shown",
    "A4": "tests/gateway/close/test_differencing.py::test_no_row_of_reports_tells_what_was_not_shown",
    "A5": "tests/gateway/close/test_differencing.py::test_no_row_of_reports_tells_what_was_not_shown",
    "A6": _ATTACK,
    "A7": _ATTACK,
    "A8": "tests/consent/test_disclosure_control.py::test_what_is_printed_is_never_small_nor_a_number_of_positives",
    "A9": "tests/consent/test_disclosure_control.py::test_every_group_of_the_form_is_there_once_in_its_order",
    "A10": _ATTACK,
}


def sites_planted() -> set[str]:
    """The sites that a matrix names itself."""
    names = [*SITES, *BUNDLE_SITES, *ENTRY_SITES, *(site.ref for site in test_canaries.SITES), *test_canaries.NOT_HERE]
    return {name.split()[0] for name in names}


def test_every_site_of_the_list_has_its_test() -> None:
    every = {f"{kind}{number}" for kind, last in NUMBERS.items() for number in range(1, last + 1)}
    assert every - sites_planted() - SHOWN.keys() == set()
    assert SHOWN.keys() <= every


def test_the_tests_that_are_named_exist() -> None:
    for site, named in SHOWN.items():
        path, _, name = named.partition("::")
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        functions = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert not name or name in functions, (site, named)


def test_every_agreement_that_can_be_in_force_is_in_the_matrix() -> None:
    # rows for an evaluator are no letter: tests/fhir_profiles/test_evaluation_row.py plants in every element of a file
    assert {each.stem for each in AGREEMENTS.glob("*.toml")} == LETTERS.keys() | {"evaluation-extract"}
