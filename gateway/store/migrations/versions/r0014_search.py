"""What people search messages by, and the newest decisions under one agreement, are found without reading a table through."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("client", "establishment", "kind"):
        op.create_index(f"ix_message_{column}", "message", [column, "sequence"])
    op.create_index("ix_decision_agreement", "decision", ["agreement", "decided_at"])
