"""False withholding: what each recipient must have, 0 missing. A handover without the dose is as wrong as one too many (Caldicott 7)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from consent.minimise import minimise
from tests.consent.letters import ABOUT_NOBODY, LETTERS, letter, send
from tests.consent.made import NAMING, ask

MUST_HAVE = {
    "handover": """
        Composition: status type.coding.code type.text subject.reference date author.reference title confidentiality custodian.reference
          event.code.text event.period.start section.title section.code.coding.code section.entry.reference section.section.title
          section.section.emptyReason.text section.section.emptyReason.coding.code
        Communication: status category.coding.code priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value identifier.use identifier.extension.url identifier.extension.valueCodeableConcept.coding.code
          active name.family name.given name.text gender birthDate telecom.value address.line address.city address.postalCode address.text
          communication.language.coding.code generalPractitioner.reference generalPractitioner.identifier.value
        MedicationRequest: status intent category.coding.code medicationCodeableConcept.coding.code medicationCodeableConcept.coding.display
          medicationCodeableConcept.text subject.reference requester.reference authoredOn courseOfTherapyType.text reasonCode.coding.code
          dosageInstruction.text dosageInstruction.patientInstruction dosageInstruction.additionalInstruction.text
          dosageInstruction.timing.repeat.frequency dosageInstruction.timing.repeat.boundsPeriod.start dosageInstruction.route.coding.display
          dosageInstruction.method.text dosageInstruction.doseAndRate.doseQuantity.value dosageInstruction.doseAndRate.doseQuantity.unit
          dosageInstruction.maxDosePerPeriod.numerator.value dispenseRequest.quantity.value dispenseRequest.validityPeriod.end
          dispenseRequest.numberOfRepeatsAllowed dispenseRequest.dispenseInterval.value dispenseRequest.expectedSupplyDuration.value
          substitution.allowedBoolean note.text statusReason.text
        MedicationAdministration: status category.coding.code medicationCodeableConcept.coding.code medicationCodeableConcept.text subject.reference
          request.reference effectiveDateTime dosage.text dosage.route.text dosage.dose.value note.text
        Observation: status category.coding.code code.coding.code code.coding.display code.text subject.reference effectiveDateTime issued
          valueCodeableConcept.coding.code valueCodeableConcept.text interpretation.coding.code method.coding.code note.text
          component.code.text component.valueQuantity.value
        DiagnosticReport: status category.coding.code code.coding.code subject.reference effectiveDateTime issued result.reference conclusion
        Flag: status category.coding.code code.coding.display code.text subject.reference period.start
        CarePlan: status intent category.coding.code title description subject.reference addresses.reference author.reference period.start created
          activity.detail.status activity.detail.description activity.detail.code.text note.text
        Condition: clinicalStatus.coding.code verificationStatus.coding.code code.coding.code code.text subject.reference onsetDateTime
          recordedDate note.text
        AllergyIntolerance: clinicalStatus.coding.code type criticality code.text patient.reference recordedDate
          reaction.manifestation.text reaction.severity
        Appointment: status description serviceType.text start end minutesDuration participant.actor.reference participant.status participant.required
        Organization: identifier.system identifier.value name telecom.value
        Practitioner: identifier.value name.family
    """,
    "transfer": """
        Composition: status type.coding.code type.text subject.reference date author.reference title confidentiality custodian.reference
          event.code.text event.period.start section.title section.code.coding.code section.entry.reference section.section.title
          section.section.emptyReason.text section.section.emptyReason.coding.code
        Communication: status category.coding.code priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value identifier.use identifier.extension.url identifier.extension.valueCodeableConcept.coding.code
          name.family name.given name.text gender birthDate communication.language.coding.code communication.language.text
        MedicationRequest: status intent category.coding.code medicationCodeableConcept.coding.code medicationCodeableConcept.coding.display
          medicationCodeableConcept.text subject.reference requester.reference authoredOn courseOfTherapyType.text reasonCode.coding.code
          dosageInstruction.text dosageInstruction.patientInstruction dosageInstruction.additionalInstruction.text
          dosageInstruction.timing.repeat.frequency dosageInstruction.timing.repeat.boundsPeriod.start dosageInstruction.route.coding.display
          dosageInstruction.method.text dosageInstruction.doseAndRate.doseQuantity.value dosageInstruction.doseAndRate.doseQuantity.unit
          dosageInstruction.maxDosePerPeriod.numerator.value dispenseRequest.quantity.value dispenseRequest.validityPeriod.end
          dispenseRequest.numberOfRepeatsAllowed dispenseRequest.dispenseInterval.value dispenseRequest.expectedSupplyDuration.value
          substitution.allowedBoolean note.text statusReason.text
        MedicationAdministration: status category.coding.code medicationCodeableConcept.coding.code medicationCodeableConcept.text subject.reference
          request.reference effectiveDateTime dosage.text dosage.route.text dosage.dose.value note.text
        Observation: status category.coding.code code.coding.code code.coding.display code.text subject.reference effectiveDateTime issued
          valueCodeableConcept.coding.code valueCodeableConcept.text interpretation.coding.code method.coding.code note.text
          component.code.text component.valueQuantity.value
        DiagnosticReport: status category.coding.code code.coding.code subject.reference effectiveDateTime issued result.reference conclusion
        Flag: status category.coding.code code.coding.display code.text subject.reference period.start
        CarePlan: status intent category.coding.code title description subject.reference addresses.reference author.reference period.start created
          activity.detail.status activity.detail.description activity.detail.code.text note.text
        Condition: clinicalStatus.coding.code verificationStatus.coding.code code.coding.code code.text subject.reference onsetDateTime
          recordedDate note.text
        AllergyIntolerance: clinicalStatus.coding.code type criticality code.text patient.reference recordedDate
          reaction.manifestation.text reaction.severity
        Appointment: status description serviceType.text start end minutesDuration participant.actor.reference participant.status participant.required
        Organization: identifier.system identifier.value name telecom.value
        Practitioner: identifier.value name.family
        CareTeam: status subject.reference participant.role.text participant.member.display
        MedicationStatement: status medicationCodeableConcept.text subject.reference effectivePeriod.start dosage.text
    """,
    "prescription-copy": """
        Communication: status category.coding.code priority sent subject.reference sender.reference payload.contentString about.reference
        Patient: identifier.system identifier.value name.family name.given gender birthDate address.line address.postalCode
        MedicationRequest: identifier.system identifier.value status intent category.coding.code medicationCodeableConcept.coding.code
          medicationCodeableConcept.coding.display medicationCodeableConcept.text subject.reference requester.reference authoredOn
          dosageInstruction.text dosageInstruction.patientInstruction dosageInstruction.timing.repeat.frequency
          dosageInstruction.doseAndRate.doseQuantity.value dispenseRequest.quantity.value dispenseRequest.validityPeriod.end
          substitution.allowedBoolean note.text courseOfTherapyType.text
        MedicationDispense: status medicationCodeableConcept.coding.code medicationCodeableConcept.text subject.reference
          authorizingPrescription.reference quantity.value quantity.unit daysSupply.value whenPrepared whenHandedOver
        MedicationAdministration: status category.coding.code medicationCodeableConcept.coding.code subject.reference request.reference
          effectiveDateTime
          dosage.text dosage.dose.value
        Organization: identifier.value name telecom.value
        Practitioner: identifier.value name.family
    """,
    "correction": """
        Communication: status category.coding.code priority sent subject.reference sender.reference payload.contentString
          about.identifier.system about.identifier.value
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        Organization: identifier.value name telecom.value
    """,
    "gp-copy": """
        Composition: status type.coding.code type.text subject.reference date author.reference title confidentiality custodian.reference
          event.code.text event.period.start section.title section.code.coding.code section.entry.reference section.section.title
          section.section.emptyReason.text section.section.emptyReason.coding.code
        Communication: status category.coding.code priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value identifier.use identifier.extension.url identifier.extension.valueCodeableConcept.coding.code
          active name.family name.given name.text gender birthDate telecom.value address.line address.city address.postalCode address.text
          communication.language.coding.code generalPractitioner.reference generalPractitioner.identifier.value
        MedicationRequest: status intent category.coding.code medicationCodeableConcept.coding.code medicationCodeableConcept.coding.display
          medicationCodeableConcept.text subject.reference requester.reference authoredOn courseOfTherapyType.text reasonCode.coding.code
          dosageInstruction.text dosageInstruction.patientInstruction dosageInstruction.additionalInstruction.text
          dosageInstruction.timing.repeat.frequency dosageInstruction.timing.repeat.boundsPeriod.start dosageInstruction.route.coding.display
          dosageInstruction.method.text dosageInstruction.doseAndRate.doseQuantity.value dosageInstruction.doseAndRate.doseQuantity.unit
          dosageInstruction.maxDosePerPeriod.numerator.value dispenseRequest.quantity.value dispenseRequest.validityPeriod.end
          dispenseRequest.numberOfRepeatsAllowed dispenseRequest.dispenseInterval.value dispenseRequest.expectedSupplyDuration.value
          substitution.allowedBoolean note.text statusReason.text
        MedicationAdministration: status category.coding.code medicationCodeableConcept.coding.code medicationCodeableConcept.text subject.reference
          request.reference effectiveDateTime dosage.text dosage.route.text dosage.dose.value note.text
        Observation: status category.coding.code code.coding.code code.coding.display code.text subject.reference effectiveDateTime
          valueQuantity.value valueQuantity.unit interpretation.coding.code note.text
        Flag: status category.coding.code code.coding.display code.text subject.reference period.start
        CarePlan: status intent category.coding.code title description subject.reference addresses.reference author.reference period.start created
          activity.detail.status activity.detail.description activity.detail.code.text note.text
        Condition: clinicalStatus.coding.code verificationStatus.coding.code code.coding.code code.text subject.reference onsetDateTime
          recordedDate note.text
        AllergyIntolerance: clinicalStatus.coding.code type criticality code.text patient.reference recordedDate
          reaction.manifestation.text reaction.severity
        Appointment: status description serviceType.text start end minutesDuration participant.actor.reference participant.status participant.required
        Organization: identifier.system identifier.value name telecom.value
        Practitioner: identifier.value name.family
    """,
    "gp-prescription-copy": """
        Communication: status category.coding.code priority sent subject.reference sender.reference payload.contentString about.reference
        Patient: identifier.system identifier.value name.family name.given gender birthDate address.line address.postalCode
        MedicationRequest: identifier.system identifier.value status intent category.coding.code medicationCodeableConcept.coding.code
          medicationCodeableConcept.coding.display medicationCodeableConcept.text subject.reference requester.reference authoredOn
          dosageInstruction.text dosageInstruction.patientInstruction dosageInstruction.timing.repeat.frequency
          dosageInstruction.doseAndRate.doseQuantity.value dispenseRequest.quantity.value dispenseRequest.validityPeriod.end
          substitution.allowedBoolean note.text courseOfTherapyType.text
        MedicationDispense: status medicationCodeableConcept.coding.code medicationCodeableConcept.text subject.reference
          authorizingPrescription.reference quantity.value quantity.unit daysSupply.value whenPrepared whenHandedOver
        MedicationAdministration: status category.coding.code medicationCodeableConcept.coding.code subject.reference request.reference
          effectiveDateTime
          dosage.text dosage.dose.value
        Organization: identifier.value name telecom.value
        Practitioner: identifier.value name.family
    """,
    "gp-correction": """
        Communication: status category.coding.code priority sent subject.reference sender.reference payload.contentString
          about.identifier.system about.identifier.value
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        Organization: identifier.value name telecom.value
    """,
    "transfer-correction": """
        Communication: status category.coding.code priority sent subject.reference sender.reference payload.contentString
          about.identifier.system about.identifier.value
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        Organization: identifier.value name telecom.value
    """,
    "write-back": """
        Communication: status category.coding.code priority sent received subject.reference sender.reference payload.contentString about.reference
          medium.coding.code medium.text topic.text note.text
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        Appointment: status description serviceType.text start end minutesDuration participant.actor.reference participant.actor.display
          participant.status
        Encounter: status class.code type.text period.start period.end subject.reference participant.individual.reference
          participant.individual.display reasonCode.text serviceProvider.display
        Organization: identifier.value name telecom.value
        Practitioner: identifier.value name.family
    """,
    "reception-notice": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        MedicationStatement: status subject.reference medicationCodeableConcept.coding.code medicationCodeableConcept.coding.display
          medicationCodeableConcept.text effectivePeriod.start dosage.text
        Encounter: status class.code period.start subject.reference
        Organization: identifier.value name telecom.value
        Practitioner: identifier.value name.family
    """,
    "gp-reception-notice": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        MedicationStatement: status subject.reference medicationCodeableConcept.coding.code medicationCodeableConcept.coding.display
          medicationCodeableConcept.text effectivePeriod.start dosage.text
        Encounter: status class.code period.start subject.reference
        Organization: identifier.value name telecom.value
        Practitioner: identifier.value name.family
    """,
    "pharmacy-reception-notice": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        MedicationStatement: status subject.reference medicationCodeableConcept.coding.code medicationCodeableConcept.coding.display
          medicationCodeableConcept.text effectivePeriod.start dosage.text
        Encounter: status class.code period.start subject.reference
        Organization: identifier.value name telecom.value
        Practitioner: identifier.value name.family
    """,
    "notice-of-withdrawal": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
          about.identifier.system about.identifier.value
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        Organization: identifier.value name telecom.value
    """,
    "gp-notice-of-withdrawal": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
          about.identifier.system about.identifier.value
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        Organization: identifier.value name telecom.value
    """,
    "pharmacy-notice-of-withdrawal": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
          about.identifier.system about.identifier.value
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        Organization: identifier.value name telecom.value
    """,
    "record-notice-of-withdrawal": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
          about.identifier.system about.identifier.value
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        Organization: identifier.value name telecom.value
    """,
    "prison-notice-of-withdrawal": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
          about.identifier.system about.identifier.value
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        Organization: identifier.value name telecom.value
    """,
    "harm-disclosure": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value name.family name.given
        Observation: status code.coding.code code.text subject.reference effectiveDateTime valueCodeableConcept.coding.code valueCodeableConcept.text
          component.code.text
        Organization: identifier.value name telecom.value
    """,
    "assessment": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value name.family name.given gender birthDate communication.language.coding.code
          communication.language.text
        QuestionnaireResponse: status questionnaire subject.reference authored item.linkId item.text item.answer.valueString
        Observation: status category.coding.code code.coding.code code.coding.display code.text subject.reference effectiveDateTime issued
          valueCodeableConcept.coding.code valueCodeableConcept.text interpretation.coding.code method.coding.code note.text
          component.code.text component.valueQuantity.value
        DiagnosticReport: status category.coding.code code.coding.code subject.reference effectiveDateTime issued result.reference conclusion
        Flag: status category.coding.code code.coding.display code.text subject.reference period.start
        Organization: identifier.value name telecom.value
    """,
    "care-plan-update": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
          about.reference
        Patient: identifier.system identifier.value name.family name.given gender birthDate communication.language.coding.code
        CarePlan: status intent category.coding.code title description subject.reference author.reference period.start created
          activity.detail.status activity.detail.description activity.detail.code.text note.text
        Goal: lifecycleStatus description.text subject.reference startDate target.dueDate
        CareTeam: status subject.reference participant.role.text participant.member.display
        MedicationRequest: status intent category.coding.code medicationCodeableConcept.coding.code medicationCodeableConcept.text subject.reference
          requester.reference authoredOn dosageInstruction.text dosageInstruction.timing.repeat.frequency dosageInstruction.route.coding.display
          dosageInstruction.doseAndRate.doseQuantity.value dispenseRequest.quantity.value dispenseRequest.validityPeriod.end reasonCode.text note.text
        Flag: status category.coding.code code.coding.display code.text subject.reference period.start
        Organization: identifier.value name telecom.value
        Practitioner: identifier.value name.family
    """,
    "engagement": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        Appointment: status start end participant.status participant.actor.reference
        Encounter: status class.code period.start period.end subject.reference
        Organization: identifier.value name telecom.value
    """,
    "community-record": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
          about.reference
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        MedicationRequest: status intent category.coding.code medicationCodeableConcept.coding.code medicationCodeableConcept.text subject.reference
          requester.reference authoredOn dosageInstruction.text dosageInstruction.timing.repeat.frequency dosageInstruction.route.coding.display
          dosageInstruction.doseAndRate.doseQuantity.value dispenseRequest.quantity.value dispenseRequest.validityPeriod.end reasonCode.text note.text
        MedicationAdministration: status category.coding.code medicationCodeableConcept.text subject.reference request.reference effectiveDateTime
          dosage.text dosage.dose.value note.text
        MedicationStatement: status medicationCodeableConcept.text subject.reference effectivePeriod.start dosage.text
        Observation: status category.coding.code code.coding.code code.coding.display code.text subject.reference effectiveDateTime issued
          valueCodeableConcept.coding.code valueCodeableConcept.text interpretation.coding.code method.coding.code note.text
          component.code.text component.valueQuantity.value
        Flag: status category.coding.code code.coding.display code.text subject.reference period.start
        Condition: clinicalStatus.coding.code verificationStatus.coding.code code.coding.code code.text subject.reference onsetDateTime recordedDate
        AllergyIntolerance: clinicalStatus.coding.code type criticality code.text patient.reference recordedDate
          reaction.manifestation.text reaction.severity
        Organization: identifier.value name telecom.value
        Practitioner: identifier.value name.family
    """,
    "acct-contribution": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value name.family name.given birthDate
        Flag: status code.coding.display code.text subject.reference period.start
        Appointment: status start end participant.status participant.actor.reference
        Organization: identifier.value name
    """,
    "persons-handover": """
        Composition: status type.coding.code type.text subject.reference date author.reference title confidentiality custodian.reference
          event.code.text section.title section.code.coding.code section.entry.reference section.emptyReason.text
        Communication: status category.coding.code priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value name.family name.given birthDate
        MedicationRequest: status intent medicationCodeableConcept.coding.code medicationCodeableConcept.coding.display
          medicationCodeableConcept.text subject.reference dosageInstruction.text dosageInstruction.patientInstruction
          dosageInstruction.additionalInstruction.text dosageInstruction.timing.repeat.frequency dosageInstruction.timing.repeat.boundsPeriod.start
          dosageInstruction.route.coding.display dosageInstruction.method.text dosageInstruction.doseAndRate.doseQuantity.value
          dosageInstruction.doseAndRate.doseQuantity.unit dosageInstruction.maxDosePerPeriod.numerator.value dispenseRequest.validityPeriod.end
        MedicationAdministration: status medicationCodeableConcept.coding.code medicationCodeableConcept.text subject.reference effectiveDateTime
          dosage.text dosage.route.text dosage.dose.value
        MedicationStatement: status medicationCodeableConcept.text subject.reference effectivePeriod.start dosage.text
        Appointment: status start end participant.actor.reference participant.status
        Organization: identifier.system identifier.value name telecom.value
        CareTeam: status subject.reference participant.role.text participant.member.display
    """,
    "persons-transfer": """
        Composition: status type.coding.code type.text subject.reference date author.reference title confidentiality custodian.reference
          event.code.text section.title section.code.coding.code section.entry.reference section.emptyReason.text
        Communication: status category.coding.code priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value name.family name.given birthDate
        MedicationRequest: status intent medicationCodeableConcept.coding.code medicationCodeableConcept.coding.display
          medicationCodeableConcept.text subject.reference dosageInstruction.text dosageInstruction.patientInstruction
          dosageInstruction.additionalInstruction.text dosageInstruction.timing.repeat.frequency dosageInstruction.timing.repeat.boundsPeriod.start
          dosageInstruction.route.coding.display dosageInstruction.method.text dosageInstruction.doseAndRate.doseQuantity.value
          dosageInstruction.doseAndRate.doseQuantity.unit dosageInstruction.maxDosePerPeriod.numerator.value dispenseRequest.validityPeriod.end
        MedicationAdministration: status medicationCodeableConcept.coding.code medicationCodeableConcept.text subject.reference effectiveDateTime
          dosage.text dosage.route.text dosage.dose.value
        MedicationStatement: status medicationCodeableConcept.text subject.reference effectivePeriod.start dosage.text
        Organization: identifier.system identifier.value name telecom.value
        CareTeam: status subject.reference participant.role.text participant.member.display
    """,
    "persons-correction": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
          about.identifier.value
        Patient: identifier.system identifier.value name.family name.given birthDate
        Organization: identifier.value name telecom.value
    """,
    "probation-summary": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value name.family name.given birthDate
        CarePlan: status intent period.start subject.reference
        Appointment: status start end participant.status participant.actor.reference
        Organization: identifier.value name telecom.value
    """,
    "mandatory-test-referral": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
        Patient: identifier.system identifier.value name.family name.given gender birthDate
        ServiceRequest: status intent category.coding.code code.text subject.reference authoredOn reasonCode.text supportingInfo.reference
        Observation: status category.coding.code code.coding.code code.text subject.reference effectiveDateTime
          valueCodeableConcept.coding.code method.coding.code
        Organization: identifier.value name
    """,
    "referral": """
        Communication: status category.coding.code category.text priority sent subject.reference sender.reference payload.contentString
          about.reference reasonCode.coding.code
        Patient: identifier.system identifier.value name.family name.given gender birthDate telecom.value address.line address.postalCode
          communication.language.coding.code
        ServiceRequest: identifier.system identifier.value status intent priority category.coding.code category.text code.text subject.reference
          occurrencePeriod.start authoredOn requester.reference performer.display reasonCode.coding.code reasonCode.text supportingInfo.reference note.text
        MedicationRequest: status intent category.coding.code medicationCodeableConcept.coding.code medicationCodeableConcept.coding.display
          medicationCodeableConcept.text subject.reference requester.reference authoredOn courseOfTherapyType.text reasonCode.coding.code
          dosageInstruction.text dosageInstruction.patientInstruction dosageInstruction.additionalInstruction.text
          dosageInstruction.timing.repeat.frequency dosageInstruction.timing.repeat.boundsPeriod.start dosageInstruction.route.coding.display
          dosageInstruction.method.text dosageInstruction.doseAndRate.doseQuantity.value dosageInstruction.doseAndRate.doseQuantity.unit
          dosageInstruction.maxDosePerPeriod.numerator.value dispenseRequest.quantity.value dispenseRequest.validityPeriod.end
          dispenseRequest.numberOfRepeatsAllowed dispenseRequest.dispenseInterval.value dispenseRequest.expectedSupplyDuration.value
          substitution.allowedBoolean note.text statusReason.text
        MedicationAdministration: status category.coding.code medicationCodeableConcept.coding.code medicationCodeableConcept.text subject.reference
          request.reference effectiveDateTime dosage.text dosage.route.text dosage.dose.value note.text
        MedicationStatement: status medicationCodeableConcept.text subject.reference effectivePeriod.start dosage.text
        Observation: status category.coding.code code.coding.code code.coding.display code.text subject.reference effectiveDateTime issued
          valueCodeableConcept.coding.code valueCodeableConcept.text interpretation.coding.code method.coding.code note.text
          component.code.text component.valueQuantity.value
        CareTeam: status subject.reference participant.role.text participant.member.display
        Flag: status category.coding.code code.coding.display code.text subject.reference period.start
        CarePlan: status intent category.coding.code title description subject.reference addresses.reference author.reference period.start created
          activity.detail.status activity.detail.description activity.detail.code.text note.text
        Condition: clinicalStatus.coding.code verificationStatus.coding.code code.coding.code code.text subject.reference onsetDateTime
          recordedDate note.text
        AllergyIntolerance: clinicalStatus.coding.code type criticality code.text patient.reference recordedDate
          reaction.manifestation.text reaction.severity
        Appointment: status description serviceType.text start end minutesDuration participant.actor.reference participant.status participant.required
        Organization: identifier.value name telecom.value
        Practitioner: identifier.value name.family
    """,
    "report": """
        MeasureReport: status type measure reporter.reference period.start period.end group.code.coding.code group.code.text
          group.stratifier.code.text group.stratifier.stratum.value.text
        Organization: identifier.system identifier.value name
    """,
}


MUST_HAVE["indicators"] = MUST_HAVE["board-indicators"] = MUST_HAVE["report"]


def must_have(name: str) -> Iterator[str]:
    kind = ""
    for word in MUST_HAVE[name].split():
        if word.endswith(":"):
            kind = word[:-1]
        else:
            yield f"{kind}.{word}"


def held(value: Any, steps: list[str]) -> bool:
    if isinstance(value, list):
        return any(held(item, steps) for item in value)
    if not steps:
        return value is not None
    return isinstance(value, dict) and steps[0] in value and held(value[steps[0]], steps[1:])


def missing(name: str, entries: list[Any]) -> list[str]:
    found = []
    for path in must_have(name):
        kind, *steps = path.split(".")
        if not any(held(entry["resource"], steps) for entry in entries if entry["resource"]["resourceType"] == kind):
            found.append(path)
    return found


PRISON_NUMBER_GOES_TO = frozenset(
    {
        "write-back",
        "transfer",
        "transfer-correction",
        "acct-contribution",
        "assessment",
        "community-record",
        "engagement",
        "harm-disclosure",
        "mandatory-test-referral",
        "probation-summary",
        "record-notice-of-withdrawal",
        "prison-notice-of-withdrawal",
    }
)


@pytest.mark.parametrize("name", sorted(LETTERS))
def test_the_prison_number_goes_to_recipients_inside_prisons_alone(name: str) -> None:
    numbers = [
        identifier["value"]
        for entry in send(letter(name), name).bundle["entry"]
        if entry["resource"]["resourceType"] == "Patient"
        for identifier in entry["resource"]["identifier"]
    ]
    assert numbers == [] if name in ABOUT_NOBODY else ("A1234BC" in numbers) == (name in PRISON_NUMBER_GOES_TO)


@pytest.mark.parametrize("name", sorted(LETTERS))
def test_nothing_that_the_recipient_needs_is_missing(name: str) -> None:
    composed = letter(name)
    assert missing(name, composed["entry"]) == [], "the letter of this test holds all of it before minimisation"
    assert missing(name, send(composed, name).bundle["entry"]) == []


@pytest.mark.parametrize("name", sorted(LETTERS))
def test_the_list_can_fail(name: str) -> None:
    """Sabotage: each permitted path taken away in turn; where it carried something needed, the list says so."""
    composed = letter(name)
    decision = ask(resources=[entry["resource"] for entry in composed["entry"]], under=name)
    noticed = 0
    for path in decision.permitted:
        less = replace(decision, permitted=tuple(item for item in decision.permitted if item != path))
        noticed += bool(missing(name, minimise(composed, less, NAMING).bundle["entry"]))
    assert noticed >= len(decision.permitted) * 0.3


@pytest.mark.parametrize("name", sorted(LETTERS))
def test_every_reference_of_what_leaves_resolves(name: str) -> None:
    released = send(letter(name), name).bundle
    urls = {entry["fullUrl"] for entry in released["entry"]}
    assert all(entry["fullUrl"] == f"urn:uuid:{entry['resource']['id']}" for entry in released["entry"])
    literal = list(_references(released))
    assert literal
    assert set(literal) <= urls


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
