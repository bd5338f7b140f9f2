"""A person's messages that are received or parked are found by the person: by their state alone a backlog of everybody's was read for each message."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

OF_A_PERSON = "person_id IS NOT NULL"


def upgrade() -> None:
    op.drop_index("ix_message_person_id", "message")
    op.create_index(
        "ix_message_person_id",
        "message",
        ["person_id", "state", "sequence"],
        sqlite_where=sa.text(OF_A_PERSON),
        postgresql_where=sa.text(OF_A_PERSON),
    )
