"""Which NHS numbers the national service gave back as having no opt-out from uses beyond care."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checked_number",
        sa.Column("value_index", sa.LargeBinary(), nullable=False),
        sa.Column("checked_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("value_index", name=op.f("pk_checked_number")),
    )
