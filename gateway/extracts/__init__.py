"""Pseudonymised extracts for approved evaluators: one table of one whole quarter for one agreement, asked for and approved by two people.

Nothing here MUST ever write who a row is about: not into the file, not into the ledger, not into an error.
"""
