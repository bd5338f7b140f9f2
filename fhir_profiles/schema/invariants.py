"""The invariants of FHIR R4 that a JSON Schema cannot state, for the types this product uses. A rule must never read more than its resource.

Every rule is called only with content that the schema accepted, so shapes are certain. A rule gives `Breach`es: the invariant's key, the
element below the resource, a fixed sentence. Keys are those of the specification (http://hl7.org/fhir/R4/).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from fhir_profiles.schema.narrative import narrative_fault
from fhir_profiles.shapes import Json, Severity

CONDITION_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"


@dataclass(frozen=True, kw_only=True)
class Breach:
    """One broken invariant. `path` is below the resource or element (`.component[0]`), empty for the thing itself."""

    key: str
    text: str
    path: str = ""
    severity: Severity = Severity.ERROR


Rule = Callable[[Json], Iterable[Breach]]


def _codes(concept: Json | None) -> Iterator[tuple[str, str]]:
    for coding in (concept or {}).get("coding", ()):
        if "code" in coding:
            yield coding.get("system", ""), coding["code"]


def _has(element: Json, base: str) -> bool:
    """Say whether any type of the choice `base[x]` is there."""
    return any(name.startswith(base) and name[len(base) : len(base) + 1].isupper() for name in element)


# --- datatypes; those that are everywhere give an empty tuple where nothing is wrong, which is cheaper than an iterator


def period_fault(start: str, end: str) -> bool:
    """per-1: does a period certainly start after it ends? Dates are compared at the precision that both have."""
    if "T" in start and "T" in end:
        try:
            return datetime.fromisoformat(start) > datetime.fromisoformat(end)
        except ValueError:  # a leap second: at the precision of a minute
            return start[:16] > end[:16] and start[-6:] == end[-6:]
    if "T" in start or "T" in end:
        first, last = start[:10], end[:10]
        whole = len(first) == len(last) == 10
        return whole and (date.fromisoformat(first) - date.fromisoformat(last)).days > 1
    shared = min(len(start), len(end))
    return start[:shared] > end[:shared]


def period_rule(period: Json) -> Iterable[Breach]:
    start, end = period.get("start"), period.get("end")
    if isinstance(start, str) and isinstance(end, str) and period_fault(start, end):
        return (Breach(key="per-1", text="it starts after it ends (per-1)"),)
    return ()


def quantity_rule(quantity: Json) -> Iterable[Breach]:
    if "code" in quantity and "system" not in quantity and ("unit" in quantity or "value" in quantity):
        return (Breach(key="qty-3", text="a coded unit needs its system (qty-3)"),)
    return ()


def reference_rule(reference: Json) -> Iterable[Breach]:
    if "reference" in reference or not reference.keys() <= {"id", "type"}:
        return ()
    return (Breach(key="ref-2", text="a reference needs a reference, an identifier or a display"),)


def narrative_rule(narrative: Json) -> Iterable[Breach]:
    fault = narrative_fault(narrative["div"]) if "div" in narrative else ""
    return (Breach(key="txt-1", text=fault, path=".div"),) if fault else ()


def extension_rule(extension: Json) -> Iterable[Breach]:
    names = [name for name in extension if name.startswith(("value", "_value"))]
    if len(names) == 1 and "extension" not in extension:
        return ()  # the usual case, and there is nothing to find in it
    values = {name.removeprefix("_") for name in names}
    found = []
    if len(values) > 1:
        found.append(Breach(key="value[x]", text="an extension has values of two types"))
    if bool(values) == ("extension" in extension):
        text = "an extension must have either a value or extensions, not both and not neither (ext-1)"
        found.append(Breach(key="ext-1", text=text))
    return found


def contact_point_rule(contact: Json) -> Iterable[Breach]:
    if "value" in contact and "system" not in contact and "_system" not in contact:
        return (Breach(key="cpt-2", text="a contact point with a value needs a system (cpt-2)"),)
    return ()


def timing_rule(repeat: Json) -> Iterator[Breach]:
    for key, needing, needed in _TIMING_NEEDS:
        if needing in repeat and needed not in repeat and f"_{needed}" not in repeat:
            yield Breach(key=key, text=f"{needing} needs {needed} ({key})")
    for key, name in (("tim-4", "duration"), ("tim-5", "period")):
        if _negative(repeat.get(name)):
            yield Breach(key=key, text=f"{name} is below zero ({key})", path=f".{name}")
    if "timeOfDay" in repeat and "when" in repeat:
        yield Breach(key="tim-10", text="timeOfDay and when exclude each other (tim-10)")
    if "offset" in repeat and not _has_event_time(repeat):
        yield Breach(key="tim-9", text="offset needs a when that is not a meal itself (tim-9)")


_TIMING_NEEDS: Final = (
    ("tim-1", "duration", "durationUnit"),
    ("tim-2", "period", "periodUnit"),
    ("tim-6", "periodMax", "period"),
    ("tim-7", "durationMax", "duration"),
    ("tim-8", "countMax", "count"),
)


def _negative(number: Any) -> bool:
    return isinstance(number, int | Decimal) and number < 0


def _has_event_time(repeat: Json) -> bool:
    when = repeat.get("when", ())
    return bool(when) and not {"C", "CM", "CD", "CV"} & set(when)


def range_rule(value: Json) -> Iterator[Breach]:
    low, high = value.get("low", {}), value.get("high", {})
    same = low.get("code") == high.get("code") and low.get("unit") == high.get("unit")
    if same and "value" in low and "value" in high and low["value"] > high["value"]:
        yield Breach(key="rng-2", text="low is above high (rng-2)")


def ratio_rule(value: Json) -> Iterator[Breach]:
    if ("numerator" in value) != ("denominator" in value) or ("numerator" not in value and "extension" not in value):
        yield Breach(key="rat-1", text="a ratio needs numerator and denominator, or neither and an extension (rat-1)")


def attachment_rule(value: Json) -> Iterator[Breach]:
    if "data" in value and "contentType" not in value and "_contentType" not in value:
        yield Breach(key="att-1", text="data needs a contentType (att-1)")


BY_DATATYPE: Final[Mapping[str, Rule]] = {
    "Attachment": attachment_rule,
    "ContactPoint": contact_point_rule,
    "Extension": extension_rule,
    "Narrative": narrative_rule,
    "Period": period_rule,
    "Range": range_rule,
    "Ratio": ratio_rule,
    "Reference": reference_rule,
    "Timing.repeat": timing_rule,
    **dict.fromkeys(("Age", "Count", "Distance", "Duration", "Quantity"), quantity_rule),
}


# --- resources


def _observation(resource: Json) -> Iterator[Breach]:
    if "dataAbsentReason" in resource and _has(resource, "value"):
        yield Breach(
            key="obs-6",
            text="a value and a reason for its absence exclude each other (obs-6)",
            path=".dataAbsentReason",
        )
    components = resource.get("component", ())
    own = set(_codes(resource.get("code"))) if components else set()
    for position, component in enumerate(components):
        if _has(resource, "value") and own & set(_codes(component["code"])):
            yield Breach(
                key="obs-7",
                text="a component repeats the observation's code, so it has no value (obs-7)",
                path=".value",
            )
        if "dataAbsentReason" in component and _has(component, "value"):
            yield Breach(
                key="obs-6",
                text="a value and a reason for its absence exclude each other",
                path=f".component[{position}]",
            )
    for path, ranges in _reference_ranges(resource):
        for position, item in enumerate(ranges):
            if not {"low", "high", "text"} & item.keys():
                yield Breach(
                    key="obs-3", text="a reference range needs low, high or text (obs-3)", path=f"{path}[{position}]"
                )


def _reference_ranges(resource: Json) -> Iterator[tuple[str, list[Json]]]:
    yield ".referenceRange", resource.get("referenceRange", [])
    for position, component in enumerate(resource.get("component", ())):
        yield f".component[{position}].referenceRange", component.get("referenceRange", [])


def _patient(resource: Json) -> Iterator[Breach]:
    for position, contact in enumerate(resource.get("contact", ())):
        if not {"name", "telecom", "address", "organization"} & contact.keys():
            yield Breach(
                key="pat-1", text="a contact needs details or a reference (pat-1)", path=f".contact[{position}]"
            )


def _consent(resource: Json) -> Iterator[Breach]:
    if "policy" in resource or "policyRule" in resource:
        return
    # A recorded dissent always counts (reference/consent.md 3.4 c): what can only narrow is read, whatever its form lacks.
    permits = resource.get("status") == "active" and _permits(resource.get("provision"))
    severity = Severity.ERROR if permits else Severity.WARNING
    yield Breach(key="ppc-1", text="a Consent needs a policy or a policyRule (ppc-1)", severity=severity)


def _permits(provision: Json | None) -> bool:
    nested: Sequence[Json] = (provision or {}).get("provision", ())
    return (provision or {}).get("type") == "permit" or any(map(_permits, nested))


def _condition(resource: Json) -> Iterator[Breach]:
    in_error = "entered-in-error" in {code for _, code in _codes(resource.get("verificationStatus"))}
    if in_error and "clinicalStatus" in resource:
        yield Breach(
            key="con-5", text="what was entered in error has no clinical status (con-5)", path=".clinicalStatus"
        )
    status = {code for system, code in _codes(resource.get("clinicalStatus")) if system == CONDITION_CLINICAL}
    if _has(resource, "abatement") and not status & {"inactive", "resolved", "remission"}:
        yield Breach(
            key="con-4",
            text="an abated condition is inactive, resolved or in remission (con-4)",
            path=".clinicalStatus",
        )
    for position, stage in enumerate(resource.get("stage", ())):
        if not {"summary", "assessment"} & stage.keys():
            yield Breach(
                key="con-1", text="a stage needs a summary or an assessment (con-1)", path=f".stage[{position}]"
            )
    for position, item in enumerate(resource.get("evidence", ())):
        if not {"code", "detail"} & item.keys():
            yield Breach(key="con-2", text="evidence needs a code or a detail (con-2)", path=f".evidence[{position}]")


def _allergy(resource: Json) -> Iterator[Breach]:
    in_error = "entered-in-error" in {code for _, code in _codes(resource.get("verificationStatus"))}
    if in_error and "clinicalStatus" in resource:
        yield Breach(
            key="ait-2", text="what was entered in error has no clinical status (ait-2)", path=".clinicalStatus"
        )
    if not in_error and "clinicalStatus" not in resource:
        yield Breach(key="ait-1", text="an allergy needs a clinical status (ait-1)", path=".clinicalStatus")


def _administration(resource: Json) -> Iterator[Breach]:
    dosage = resource.get("dosage")
    if dosage is not None and "dose" not in dosage and not _has(dosage, "rate"):
        yield Breach(key="mad-1", text="a dosage given needs a dose or a rate (mad-1)", path=".dosage")


def _dispense(resource: Json) -> Iterator[Breach]:
    handed, prepared = resource.get("whenHandedOver"), resource.get("whenPrepared")
    if handed and prepared and period_fault(prepared, handed):
        yield Breach(key="mdd-1", text="it was handed over before it was prepared (mdd-1)", path=".whenHandedOver")


def _organization(resource: Json) -> Iterator[Breach]:
    if "identifier" not in resource and "name" not in resource:
        yield Breach(key="org-1", text="an organization needs an identifier or a name (org-1)")
    for key, name in (("org-2", "address"), ("org-3", "telecom")):
        for position, item in enumerate(resource.get(name, ())):
            if item.get("use") == "home":
                yield Breach(key=key, text=f"an organization has no home {name} ({key})", path=f".{name}[{position}]")


def _care_plan(resource: Json) -> Iterator[Breach]:
    for position, activity in enumerate(resource.get("activity", ())):
        if "detail" in activity and "reference" in activity:
            yield Breach(
                key="cpl-3", text="detail and reference exclude each other (cpl-3)", path=f".activity[{position}]"
            )


def _service_request(resource: Json) -> Iterator[Breach]:
    if "orderDetail" in resource and "code" not in resource:
        yield Breach(key="prr-1", text="an order detail needs a code (prr-1)", path=".orderDetail")


def _appointment(resource: Json) -> Iterator[Breach]:
    if ("start" in resource) != ("end" in resource):
        yield Breach(key="app-2", text="start and end are both given or neither (app-2)")
    if "start" not in resource and resource["status"] not in ("proposed", "cancelled", "waitlist"):
        yield Breach(key="app-3", text="only proposed, cancelled or waitlisted appointments have no start (app-3)")
    if "cancelationReason" in resource and resource["status"] not in ("cancelled", "noshow"):
        yield Breach(
            key="app-4",
            text="a reason for cancellation is for cancelled appointments (app-4)",
            path=".cancelationReason",
        )
    for position, item in enumerate(resource.get("participant", ())):
        if "type" not in item and "actor" not in item:
            yield Breach(
                key="app-1", text="a participant needs a type or an actor (app-1)", path=f".participant[{position}]"
            )


def _composition(resource: Json) -> Iterator[Breach]:
    yield from _sections(resource.get("section", ()), ".section")


def _sections(sections: Any, path: str) -> Iterator[Breach]:
    for position, section in enumerate(sections):
        here = f"{path}[{position}]"
        if not {"text", "entry", "section"} & section.keys():
            yield Breach(key="cmp-1", text="a section needs text, entries or sections (cmp-1)", path=here)
        if "emptyReason" in section and "entry" in section:
            yield Breach(key="cmp-2", text="an empty reason is for a section without entries (cmp-2)", path=here)
        yield from _sections(section.get("section", ()), f"{here}.section")


def _questionnaire_response(resource: Json) -> Iterator[Breach]:
    waiting = [(f".item[{position}]", item) for position, item in enumerate(resource.get("item", ()))]
    while waiting:
        path, item = waiting.pop()
        if "answer" in item and "item" in item:
            yield Breach(
                key="qrs-1", text="nested items belong to the item or to its answers, not both (qrs-1)", path=path
            )
        waiting += [(f"{path}.item[{at}]", child) for at, child in enumerate(item.get("item", ()))]


def _goal(resource: Json) -> Iterator[Breach]:
    for position, target in enumerate(resource.get("target", ())):
        if _has(target, "detail") and "measure" not in target:
            yield Breach(key="gol-1", text="a target's detail needs a measure (gol-1)", path=f".target[{position}]")


def _list(resource: Json) -> Iterator[Breach]:
    if "entry" in resource and "emptyReason" in resource:
        yield Breach(key="lst-1", text="an empty reason is for a list without entries (lst-1)")
    if resource["mode"] != "changes" and any("deleted" in entry for entry in resource.get("entry", ())):
        yield Breach(key="lst-2", text="deleted is for a list of changes (lst-2)")


def _group(resource: Json) -> Iterator[Breach]:
    if "member" in resource and resource["actual"] is not True:
        yield Breach(key="grp-1", text="only an actual group has members (grp-1)")


def _task(resource: Json) -> Iterator[Breach]:
    authored, modified = resource.get("authoredOn"), resource.get("lastModified")
    if authored and modified and period_fault(authored, modified):
        yield Breach(key="inv-1", text="it was modified before it was authored (inv-1)", path=".lastModified")


def _bundle(resource: Json) -> Iterator[Breach]:
    kind, entries = resource["type"], resource.get("entry", [])
    if "total" in resource and kind not in ("searchset", "history"):
        yield Breach(key="bdl-1", text="a total is for searches and histories (bdl-1)", path=".total")
    first = entries[0].get("resource", {}).get("resourceType") if entries else None
    if kind == "document":
        if not {"system", "value"} <= resource.get("identifier", {}).keys():
            yield Breach(
                key="bdl-9", text="a document needs an identifier with a system and a value (bdl-9)", path=".identifier"
            )
        if "timestamp" not in resource:
            yield Breach(key="bdl-10", text="a document needs a timestamp (bdl-10)", path=".timestamp")
        if first != "Composition":
            yield Breach(key="bdl-11", text="a document begins with a Composition (bdl-11)", path=".entry[0]")
    if kind == "message" and first != "MessageHeader":
        yield Breach(key="bdl-12", text="a message begins with a MessageHeader (bdl-12)", path=".entry[0]")
    yield from _entries(kind, entries)


def _entries(kind: str, entries: list[Json]) -> Iterator[Breach]:
    seen: set[tuple[str, str]] = set()
    for position, entry in enumerate(entries):
        path = f".entry[{position}]"
        yield from _entry(kind, entry, path)
        url = entry.get("fullUrl", "")
        if url:
            name = (url, entry.get("resource", {}).get("meta", {}).get("versionId", ""))
            if name in seen and kind != "history":
                yield Breach(key="bdl-7", text="two entries have the same fullUrl (bdl-7)", path=f"{path}.fullUrl")
            seen.add(name)
            if "/_history/" in url:
                yield Breach(key="bdl-8", text="a fullUrl names no version (bdl-8)", path=f"{path}.fullUrl")
            own, is_urn = entry.get("resource", {}).get("id"), url.startswith("urn:")
            if own and not is_urn and "/" in url and url.rpartition("/")[2] != own:
                yield Breach(
                    key="fullUrl",
                    text="the fullUrl and the resource's id differ",
                    path=f"{path}.fullUrl",
                    severity=Severity.WARNING,
                )


def _entry(kind: str, entry: Json, path: str) -> Iterator[Breach]:
    if "search" in entry and kind != "searchset":
        yield Breach(key="bdl-2", text="entry.search is for searches (bdl-2)", path=f"{path}.search")
    if ("request" in entry) != (kind in ("batch", "transaction", "history")):
        yield Breach(
            key="bdl-3",
            text="entry.request is for batches, transactions and histories, and needed there (bdl-3)",
            path=path,
        )
    if ("response" in entry) != (kind in ("batch-response", "transaction-response", "history")):
        yield Breach(
            key="bdl-4", text="entry.response is for responses and histories, and needed there (bdl-4)", path=path
        )
    if not {"resource", "request", "response"} & entry.keys():
        yield Breach(key="bdl-5", text="an entry needs a resource (bdl-5)", path=path)


BY_RESOURCE: Final[Mapping[str, Rule]] = {
    "AllergyIntolerance": _allergy,
    "Appointment": _appointment,
    "Bundle": _bundle,
    "CarePlan": _care_plan,
    "Composition": _composition,
    "Condition": _condition,
    "Consent": _consent,
    "Goal": _goal,
    "Group": _group,
    "List": _list,
    "MedicationAdministration": _administration,
    "MedicationDispense": _dispense,
    "Observation": _observation,
    "Organization": _organization,
    "Patient": _patient,
    "QuestionnaireResponse": _questionnaire_response,
    "ServiceRequest": _service_request,
    "Task": _task,
}
