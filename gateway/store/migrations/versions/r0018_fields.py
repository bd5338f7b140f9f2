"""How many fields a letter was composed of, and how many of them left: nobody counted those of earlier decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decision", sa.Column("fields_composed", sa.Integer()))
    op.add_column("decision", sa.Column("fields_left", sa.Integer()))
