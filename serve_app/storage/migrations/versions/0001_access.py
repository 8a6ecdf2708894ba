"""Users, their keys, the ledger and the days' usage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the four tables."""
    op.create_table(
        "users",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("plan", sa.String(200), nullable=False, comment="Name of a plan in the settings"),
        sa.Column("balance_micros", sa.BigInteger, nullable=False, comment="Sum of ledger.amount_micros of this user"),
        sa.Column("webhook_secret", sa.String(64), nullable=False),
        sa.Column("created_at_s", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("key_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False, comment="Start of the key, to recognise it by"),
        sa.Column("created_at_s", sa.Double, nullable=False),
        sa.Column("expires_at_s", sa.Double, comment="None: never"),
        sa.Column("revoked_at_s", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_keys_user_id"),
        sa.UniqueConstraint("key_sha256", name="uq_api_keys_key_sha256"),
    )
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])
    op.create_index("ix_api_keys_prefix", "api_keys", ["prefix"])
    op.create_table(
        "ledger",
        sa.Column("id", sa.String(64), nullable=False, comment="Of a job, of a live session, or made for a charge"),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("amount_micros", sa.BigInteger, nullable=False, comment="Change of the balance"),
        sa.Column("recorded_at_s", sa.Double, nullable=False),
        sa.Column("day", sa.Date, nullable=False, comment="UTC day of recorded_at_s"),
        sa.Column("note", sa.String(500), comment="Of a top-up"),
        sa.Column("key_id", sa.String(64), comment="This and what follows: of a charge"),
        sa.Column("dialect", sa.String(64)),
        sa.Column("outcome", sa.String(32)),
        sa.Column("audio_s", sa.Double),
        sa.Column("billable_s", sa.Double),
        sa.Column("diarized", sa.Boolean),
        sa.Column("base_micros", sa.BigInteger),
        sa.Column("surcharge_micros", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_ledger"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_ledger_user_id"),
        sa.CheckConstraint("kind IN ('charge', 'top_up')", name="ck_ledger_kind"),
    )
    op.create_index("ix_ledger_user_id_day", "ledger", ["user_id", "day"])
    op.create_table(
        "usage_days",
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("day", sa.Date, nullable=False, comment="UTC"),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("audio_s", sa.Double, nullable=False),
        sa.Column("billable_s", sa.Double, nullable=False, comment="What a plan's quota counts"),
        sa.PrimaryKeyConstraint("user_id", "day", name="pk_usage_days"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_usage_days_user_id"),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("usage_days", "ledger", "api_keys", "users"):
        op.drop_table(table)
