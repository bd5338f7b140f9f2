"""Merges of people: who became whom, and who is kept apart by a person's word."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person_merge",
        sa.Column("absorbed", sa.Text(), nullable=False),
        sa.Column("survivor", sa.Text(), nullable=False),
        sa.Column("merged_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["absorbed"], ["person.id"], name=op.f("fk_person_merge_absorbed_person")),
        sa.ForeignKeyConstraint(["survivor"], ["person.id"], name=op.f("fk_person_merge_survivor_person")),
        sa.PrimaryKeyConstraint("absorbed", name=op.f("pk_person_merge")),
    )
    op.create_table(
        "person_apart",
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("second", sa.Text(), nullable=False),
        sa.Column("said_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["first"], ["person.id"], name=op.f("fk_person_apart_first_person")),
        sa.ForeignKeyConstraint(["second"], ["person.id"], name=op.f("fk_person_apart_second_person")),
        sa.PrimaryKeyConstraint("first", "second", name=op.f("pk_person_apart")),
    )
