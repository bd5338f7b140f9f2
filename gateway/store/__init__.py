"""The store remembers: one schema, two engines. Nothing outside this folder and `wiring.py` knows which one is in use."""
