"""Questions that every message or letter asks are answered from an index, however much there is in the store."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_sealed_wrapped_by", "sealed")
    op.create_index("ix_sealed_wrapped_by", "sealed", ["wrapped_by", "category", "ends_at"])
    op.create_index("ix_message_of_nobody", "message", ["state", "person_id", "sequence"])
    op.create_index("ix_consent_message_id", "consent", ["message_id"])
    op.create_index("ix_delivery_supersedes", "delivery", ["supersedes"])
    op.create_index("ix_task_delivery_id", "task", ["delivery_id"])
    op.create_index("ix_contribution_token", "contribution", ["token"])
