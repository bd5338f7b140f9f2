"""The witness: the same program, run by information governance on another host with a key of its own.

It keeps one signed head of one ledger and cosigns a newer one only when that is shown to continue it. It sees no message and no entry,
and MUST NOT be run by who runs the gateway: its whole worth is that it is somebody else's.
"""

from gateway.witness.keeper import Answer, Witness, WitnessError

__all__ = ["Answer", "Witness", "WitnessError"]
