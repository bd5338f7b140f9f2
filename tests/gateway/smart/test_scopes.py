"""The scope grammar, exact; and what is granted is never more than what is registered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.scopes import ScopeError, granted, requested, scope_text


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("system/Bundle.c", {"Bundle.c"}),
        ("system/Bundle.cruds", {"Bundle.c", "Bundle.r", "Bundle.u", "Bundle.d", "Bundle.s"}),
        ("system/*.rs", {"*.r", "*.s"}),
        ("system/Bundle.c system/Binary.c", {"Bundle.c", "Binary.c"}),
    ],
)
def test_the_grammar(text: str, means: set[str]) -> None:
    assert requested(text) == means


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "system/Bundle.c ", " system/Bundle.c", "system/Bundle.c  system/Binary.c", "system/Bundle.c\tsystem/Binary.c",
        "system/Bundle.read", "system/Bundle.write", "system/Bundle.*", "system/*.*", "system/Bundle.", "system/Bundle", "system/.c",
        "system/Bundle.rc", "system/Bundle.cc", "system/Bundle.C", "System/Bundle.c", "user/Bundle.c", "patient/Bundle.c", "Bundle.c",
        "system:Bundle.c", "system/Bundle:c", "system/bundle.c", "system/Bundle.c?x=y", "system/Bundle.c\n", "system/../Bundle.c",
        "system/B\u0443ndle.c", "system/Bundle.c,system/Binary.c", "openid", "offline_access", "system/**.c", "system/Bundle.crudsx",
        "system/" + "B" * 65 + ".c", "system/Bundle.c " * 200,
    ],
)  # fmt: skip
def test_anything_else_is_no_scope(text: str) -> None:
    with pytest.raises(ScopeError):
        requested(text)


def test_granted_is_what_was_asked_for_and_is_registered() -> None:
    registered = {"Bundle.c", "Bundle.r"}
    assert granted({"Bundle.c", "Bundle.d", "Patient.r"}, registered) == {"Bundle.c"}
    assert granted({"*.r"}, registered) == {"Bundle.r"}
    assert granted({"Patient.r"}, registered) == set()
    assert granted({"*.c", "*.r", "*.u"}, set()) == set()


PERMISSIONS = st.frozensets(
    st.tuples(st.sampled_from(["Bundle", "Binary", "*"]), st.sampled_from("cruds")).map(".".join)
)


@given(asked=PERMISSIONS, registered=PERMISSIONS)
def test_nothing_is_granted_that_is_not_registered(asked: frozenset[str], registered: frozenset[str]) -> None:
    registered = frozenset(one for one in registered if not one.startswith("*"))
    found = granted(asked, registered)
    assert found <= registered
    assert not found or requested(scope_text(found)) == found
