"""The agreements that two people put in force, and tasks that are about one."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agreement",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("sealed_id", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text()),
        sa.Column("approved_at", sa.Text()),
        sa.Column("approved_note", sa.Text()),
        sa.Column("ended_at", sa.Text()),
        sa.ForeignKeyConstraint(["sealed_id"], ["sealed.id"], name=op.f("fk_agreement_sealed_id_sealed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement")),
    )
    op.create_index("ix_agreement_name", "agreement", ["name", "ended_at"])
    op.add_column("task", sa.Column("agreement", sa.Text()))
