"""Answers that a sender asked to be told later, each a message of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_STATES = "'queued', 'sending', 'delivered', 'refused', 'ambiguous', 'parked'"


def upgrade() -> None:
    op.create_table(
        "owed_answer",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Text(), nullable=False),
        sa.Column("intent_at", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("ck_owed_answer_state")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_owed_answer_message_id_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owed_answer")),
        sa.UniqueConstraint("message_id", name=op.f("uq_owed_answer_message_id")),
    )
    op.create_index("ix_owed_answer_state_due_at", "owed_answer", ["state", "due_at"])
