"""Adapters move: other systems' protocols, bytes in, bytes out, receipts back. They never look at content."""
