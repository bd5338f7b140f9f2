"""Which program decided: each file counts where it belongs, in whatever order it is read, and nothing that two people sign does."""

from gateway.engine import MadeBy, digests, made_by

FILES = {
    "consent/decide.py": b"one",
    "consent/agreements/handover.toml": b"signed",
    "fhir_profiles/labels.toml": b"labels",
    "fhir_profiles/terminology/groups.csv": b"codes",
    "fhir_profiles/terminology/concepts.py": b"reads them",
}


def made(**changed: bytes) -> MadeBy:
    names = {name.rsplit("/", 1)[-1].split(".")[0]: name for name in FILES}
    return digests((FILES | {names[name]: content for name, content in changed.items()}).items())


def test_what_counts_where() -> None:
    before = made()
    assert digests(reversed(FILES.items())) == before
    assert made(handover=b"other") == before
    for name, engine, terminology in (
        ("decide", True, False),
        ("concepts", True, False),
        ("labels", False, True),
        ("groups", False, True),
    ):
        after = made(**{name: b"other"})
        assert (after.engine != before.engine, after.terminology != before.terminology) == (engine, terminology), name
    moved = digests(
        [("consent/decide.pyo", b"ne"), *((name, FILES[name]) for name in FILES if name != "consent/decide.py")]
    )
    assert moved.engine != before.engine


def test_what_runs_here_has_both_and_reads_it_once() -> None:
    found = made_by()
    assert len(found.engine) == len(found.terminology) == 64
    assert found.engine != found.terminology
    assert made_by() is found
