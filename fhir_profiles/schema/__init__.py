"""The compiled R4 schema (`r4.json`) and its compiler. It must never be edited by hand: `python -m fhir_profiles.schema.compile` makes it."""
