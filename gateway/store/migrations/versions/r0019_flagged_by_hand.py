"""Whether somebody marked a person's record sensitive by hand: nobody did of those who are on file."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("person", sa.Column("flagged_by_hand", sa.Boolean()))
