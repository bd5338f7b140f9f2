"""Whom a message names that waits for a person because it is nobody's yet."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "named_number",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("value_index", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_named_number_message_id_message")),
        sa.PrimaryKeyConstraint("message_id", "system", "value_index", name=op.f("pk_named_number")),
    )
    op.create_index("ix_named_number_value_index", "named_number", ["system", "value_index"])
