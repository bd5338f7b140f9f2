"""What lint found about a Consent when it was taken in."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("consent", sa.Column("remarks", sa.Text(), nullable=False, server_default=""))
