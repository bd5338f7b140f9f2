"""OML^O21, laboratory tests that are ordered: a ServiceRequest for each order, with its Specimen. It must never pass for a result.

What is observed beside an order (the questions that a laboratory asks, earlier results) is an Observation that the order refers to.
"""

from typing import Final

from fhir_profiles.ids import reference
from fhir_profiles.mappings.adt_details import add_person_details, observed
from fhir_profiles.mappings.confidential import Confidential, labelled
from fhir_profiles.mappings.encounter import named_stay
from fhir_profiles.mappings.field_ledger import keep_order
from fhir_profiles.mappings.observation import Order
from fhir_profiles.mappings.oru_r01 import Group, each_once, order_key, orders
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import Reading, open_message
from fhir_profiles.mappings.service_request import service_request
from fhir_profiles.mappings.specimen import specimen_of
from fhir_profiles.shapes import Channel, Event, HoldCode, Json, Translation

_TO: Final = "ServiceRequest"


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one OML^O21. Never raises; bytes that cannot be read are held. Orders after a second person's PID are not translated."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    visit = named_stay(reading, to=_TO)
    add_person_details(reading, hold)
    groups = orders(reading, first_only=hold is not None and hold.code is HoldCode.TWO_PEOPLE)
    keep_order([group.obr for group in groups if group.obr is not None], to="Bundle.entry")
    marked = Confidential((group.orc, group.obr) for group in groups)
    for group in groups:
        _add_order(reading, group, visit, marked)
    reading.resources[:] = each_once(reading.resources)
    return reading.finish((Event.RECORD,), hold=hold)


def _add_order(reading: Reading, group: Group, visit: Json | None, marked: Confidential) -> None:
    obr = group.obr
    if obr is None:
        return
    labels = marked.labels(group.orc, obr, to=_TO)
    request = labelled(service_request(reading, group, obr, visit), labels)
    key = order_key(reading, group, obr)
    taken, specimen = specimen_of(reading, group.specimens, obr, key, labels)
    if specimen is not None and "reference" in specimen:
        request["specimen"] = [specimen]
    order = Order(
        key=("asked", *key),
        code={},
        panel=False,
        purpose=None,
        taken=taken,
        method=None,
        specimen=None,
        encounter=visit,
    )
    rows = [row for row, _ in group.results]
    keep_order(rows, to=f"{_TO}.supportingInfo")
    about = [labelled(observed(reading, row, order), labels) for row in rows]
    reading.resources += about
    if about:
        request["supportingInfo"] = [{"reference": reference("Observation", each["id"])} for each in about]
    reading.resources.append(request)
