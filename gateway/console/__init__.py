"""The console: what an information governance officer asks of the gateway, as pages that a server renders. No script, nothing from elsewhere.

Metadata first: who, what, when, by which rule. It MUST NOT show the content of a message or a letter but in `opened.py`, nor put what names a
person into an address. A page is a row of `routes.py`; every page that is shown is an entry of the ledger before it leaves.
"""

from gateway.console.app import add_console

__all__ = ["add_console"]
