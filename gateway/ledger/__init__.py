"""The ledger: an append-only Merkle tree over every change of state, with a signed head that an edited database cannot follow."""

from gateway.ledger.entry import Entry, EntryError, record, record_all
from gateway.ledger.events import LedgerEvent
from gateway.ledger.export import (
    NotProvable,
    Prover,
    continues,
    export_lines,
    head_of,
    prove,
    prove_delivery,
    prove_entry,
)
from gateway.ledger.head import HeadFile, HeadInMemory, HeadKeeper
from gateway.ledger.ledger import Break, Ledger, LedgerFault
from gateway.ledger.verify import Verification

__all__ = [
    "Break",
    "Entry",
    "EntryError",
    "HeadFile",
    "HeadInMemory",
    "HeadKeeper",
    "Ledger",
    "LedgerEvent",
    "LedgerFault",
    "NotProvable",
    "Prover",
    "Verification",
    "continues",
    "export_lines",
    "head_of",
    "prove",
    "prove_delivery",
    "prove_entry",
    "record",
    "record_all",
]
