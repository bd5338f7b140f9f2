"""Migrations of the tables, in order. A test compares what they make with `schema.py`."""
