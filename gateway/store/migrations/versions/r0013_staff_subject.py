"""Who somebody of the staff is at the organisation's identity provider."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("staff", sa.Column("subject", sa.Text()))
    op.create_index("ix_staff_subject", "staff", ["subject"], unique=True)
