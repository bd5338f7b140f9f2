"""Which client may read the feed of AuditEvents."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client", sa.Column("audit_reader", sa.Boolean(), nullable=False, server_default=sa.false()))
