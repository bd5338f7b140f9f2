"""Consent decides: facts and an agreement in, a decision and a minimised bundle out. Pure: no code list, no clock, no I/O."""
