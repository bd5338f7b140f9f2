"""What a merge of two people moved, so that it can be taken apart."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "merge_journal",
        sa.Column("absorbed", sa.Text(), nullable=False),
        sa.Column("sealed_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["absorbed"], ["person.id"], name=op.f("fk_merge_journal_absorbed_person")),
        sa.PrimaryKeyConstraint("absorbed", name=op.f("pk_merge_journal")),
    )
