"""Who asked to see what a message or a letter says, who said yes, and whether it was looked at."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "opening",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("note_id", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.Text(), nullable=False),
        sa.Column("settled_by", sa.Text()),
        sa.Column("approved", sa.Boolean()),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.Text()),
        sa.Column("told_at", sa.Text()),
        sa.ForeignKeyConstraint(["asked_by"], ["staff.id"], name=op.f("fk_opening_asked_by_staff")),
        sa.ForeignKeyConstraint(["settled_by"], ["staff.id"], name=op.f("fk_opening_settled_by_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opening")),
    )
    op.create_index("ix_opening_expires_at", "opening", ["expires_at"])
    op.create_index("ix_opening_about", "opening", ["about"])
    op.create_index("ix_opening_told_at", "opening", ["told_at", "opened_at"])
