"""Indexes of the handovers that nobody has confirmed, and of what was decided: how the gateway is was read from every letter and decision."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

OF_WHICH = "state = 'delivered' AND letter = 'handover'"


def upgrade() -> None:
    op.create_index(
        "ix_delivery_unconfirmed",
        "delivery",
        ["letter", "state", "ended_at", "reason"],
        sqlite_where=sa.text(OF_WHICH),
        postgresql_where=sa.text(OF_WHICH),
    )
    op.create_index("ix_decision_outcome", "decision", ["outcome"])
