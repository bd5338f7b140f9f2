"""Indexes without the rows that nobody looks for in them: an arrival wrote its page into each, with nothing or `installation` as the value."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

PARTIAL = (
    ("ix_sealed_ends_at", "sealed", ["ends_at"], "ends_at IS NOT NULL"),
    ("ix_sealed_wrapped_by", "sealed", ["wrapped_by", "category", "ends_at"], "wrapped_by <> 'installation'"),
    ("ix_message_bundle_index", "message", ["bundle_index"], "bundle_index IS NOT NULL"),
    ("ix_message_of_nobody", "message", ["state", "person_id", "sequence"], "person_id IS NULL"),
    ("ix_message_person_id", "message", ["person_id", "sequence"], "person_id IS NOT NULL"),
)


def upgrade() -> None:
    for name, table, columns, where in PARTIAL:
        op.drop_index(name, table)
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
