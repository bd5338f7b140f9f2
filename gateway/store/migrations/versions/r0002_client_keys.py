"""Signed assertions: clients' public keys, assertions that were used, the scope of a bearer. Bearers of before have no scope and end."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("token")
    op.create_table(
        "token",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_token_client_id_client")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_token")),
    )
    op.create_index("ix_token_expires_at", "token", ["expires_at"], unique=False)
    op.create_table(
        "client_key",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("alg", sa.Text(), nullable=False),
        sa.Column("jwk", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_client_key_client_id_client")),
        sa.PrimaryKeyConstraint("client_id", "kid", name=op.f("pk_client_key")),
    )
    op.create_table(
        "assertion_used",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("jti_digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_assertion_used_client_id_client")),
        sa.PrimaryKeyConstraint("client_id", "jti_digest", name=op.f("pk_assertion_used")),
    )
    op.create_index("ix_assertion_used_expires_at", "assertion_used", ["expires_at"], unique=False)
    op.create_index("ix_message_channel", "message", ["channel", "sequence"], unique=False)
