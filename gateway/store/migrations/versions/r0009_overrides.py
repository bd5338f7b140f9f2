"""What people let go in an emergency, against what consents say; and when a letter that left so may not leave any more."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "override",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("limb", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("given_by", sa.Text(), nullable=False),
        sa.Column("given_role", sa.Text(), nullable=False),
        sa.Column("given_at", sa.Text(), nullable=False),
        sa.Column("tell_person", sa.Boolean(), nullable=False),
        sa.Column("until", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("second_by", sa.Text()),
        sa.Column("second_role", sa.Text()),
        sa.Column("second_at", sa.Text()),
        sa.Column("letter_id", sa.Text()),
        sa.Column("reviewed_by", sa.Text()),
        sa.Column("reviewed_at", sa.Text()),
        sa.Column("told_overdue", sa.Text()),
        sa.Column("ended_at", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_override")),
    )
    op.create_index("ix_override_ended_at", "override", ["ended_at"])
    op.create_index("ix_override_delivery_id", "override", ["delivery_id"])
    op.add_column("delivery", sa.Column("leaves_by", sa.Text()))
