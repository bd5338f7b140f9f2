"""The HTTP side: intake, the mailbox, probes and the documents that describe them. FHIR JSON in and out, every error an OperationOutcome.

A route is one row of `gateway/api/routes.py`, which says who may call it; nothing is served that is not in that table. Nothing here
reads a body's meaning, and no error MUST ever quote what was sent.
"""

from gateway.api.app import create_app
from gateway.api.ports import Intake, MailboxItem

__all__ = ["Intake", "MailboxItem", "create_app"]
