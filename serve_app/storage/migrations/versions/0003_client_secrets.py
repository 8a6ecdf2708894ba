"""Client secrets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "client_secrets",
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(64), comment="That it was made with; None: the service was open"),
        sa.Column("session", sa.Text, nullable=False, comment="What a session begins with, in its dialect's form"),
        sa.Column("expires_at_s", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_client_secrets"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_client_secrets_user_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_client_secrets_key_id"),
    )
    op.create_index("ix_client_secrets_expires_at_s", "client_secrets", ["expires_at_s"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("client_secrets")
