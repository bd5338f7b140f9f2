"""The identifier and code system URIs that Throughgate writes, in one place. It must never hold a code, a person or a policy.

National URIs are those of FHIR R4, UK Core and the NHS data dictionary; whatever begins with `https://throughgate.example/` is
local to this project, because no national URI exists (DESIGN section 6).
"""

from typing import Final

# Identifiers
NHS_NUMBER: Final = "https://fhir.nhs.uk/Id/nhs-number"
ODS: Final = "https://fhir.nhs.uk/Id/ods-organization-code"
ODS_SITE: Final = "https://fhir.nhs.uk/Id/ods-site-code"
GMC_NUMBER: Final = "https://fhir.hl7.org.uk/Id/gmc-number"
GMP_NUMBER: Final = "https://fhir.hl7.org.uk/Id/gmp-number"
PRISON_NUMBER: Final = "https://throughgate.example/id/prison-number"
AGENCY: Final = "https://throughgate.example/id/agency"
"""Three capital letters: the NOMIS agency id of an establishment."""
LOCAL_ID: Final = "https://throughgate.example/id/"
"""Prefix of any other identifier system that a sender uses and no URI is known for."""

# Code systems
LOCAL_CODE: Final = "https://throughgate.example/code/"
"""Prefix of every local code system: `test-purpose`, `test-method`, `substance-group`, `disposition`, `v2/<table>` and so on."""
TEST_PURPOSE: Final = LOCAL_CODE + "test-purpose"
TEST_METHOD: Final = LOCAL_CODE + "test-method"
SUBSTANCE_GROUP: Final = LOCAL_CODE + "substance-group"
TEST_RESULT: Final = LOCAL_CODE + "test-result"
"""`positive`, `negative`, `unknown`: what a drug test found, whatever words the laboratory used."""
DISPOSITION: Final = LOCAL_CODE + "disposition"
SUPERVISION: Final = LOCAL_CODE + "supervision"
ORDER_CONTROL: Final = LOCAL_CODE + "order-control"
SNOMED: Final = "http://snomed.info/sct"
DMD: Final = "https://dmd.nhs.uk"
"""dm+d in UK Core: the concept ids are SNOMED CT ids of the UK drug extension; both systems are read."""
LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACT_REASON: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
OBSERVATION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
DIAGNOSTIC_SERVICE: Final = "http://terminology.hl7.org/CodeSystem/v2-0074"
MEDICATION_REQUEST_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/medicationrequest-category"
CONSENT_SCOPE: Final = "http://terminology.hl7.org/CodeSystem/consentscope"
CONSENT_ACTION: Final = "http://terminology.hl7.org/CodeSystem/consentaction"
DATA_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
V2_TABLE: Final = "http://terminology.hl7.org/CodeSystem/v2-"
"""Prefix of an HL7 v2 table's code system: add the four digits."""

# Extensions and profiles
UK_CORE: Final = "https://fhir.hl7.org.uk/StructureDefinition/"
UK_CORE_VERIFICATION: Final = UK_CORE + "Extension-UKCore-NHSNumberVerificationStatus"
UK_CORE_VERIFICATION_CODES: Final = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland"
UK_CORE_ETHNIC_CATEGORY: Final = UK_CORE + "Extension-UKCore-EthnicCategory"
UK_CORE_ETHNIC_CODES: Final = "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland"
UK_CORE_NOMINATED_PHARMACY: Final = UK_CORE + "Extension-UKCore-NominatedPharmacy"
ESTABLISHMENT_EXTENSION: Final = "https://throughgate.example/extension/establishment"
"""`valueIdentifier` {system AGENCY, value}: the establishment in whose custody an observation was made."""
WITHDRAWN_EXTENSION: Final = "https://throughgate.example/extension/withdrawn-by-person"
"""`valueBoolean` true on an `inactive` Consent: the person took it back, it did not just lapse (R4 Consent has no status reason)."""
