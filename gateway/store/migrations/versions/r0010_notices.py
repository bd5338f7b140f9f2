"""Whose earlier recipients are to hear that a consent moved; tasks are found by what they are."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("person", sa.Column("to_notice", sa.Boolean()))
    op.create_index("ix_person_to_notice", "person", ["to_notice"])
    op.create_index("ix_task_code", "task", ["code", "ended_at"])
