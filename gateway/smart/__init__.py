"""SMART Backend Services: a client proves itself with a signed assertion and gets a short bearer. No secret is ever shared.

Sources: hl7.org/fhir/smart-app-launch/backend-services.html, RFC 7523, RFC 6749.
"""
