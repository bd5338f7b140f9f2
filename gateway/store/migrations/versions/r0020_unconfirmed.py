"""An index of the handovers that nobody has confirmed: how the gateway is was read from every letter that arrived."""

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
        ["state", "ended_at"],
        sqlite_where=sa.text(OF_WHICH),
        postgresql_where=sa.text(OF_WHICH),
    )
