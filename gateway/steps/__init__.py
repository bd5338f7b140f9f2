"""The steps of the line. `gateway/pipeline.py` is the line itself; read it first."""
