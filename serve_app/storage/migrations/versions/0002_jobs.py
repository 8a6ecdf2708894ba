"""Jobs, their deliveries and each attempt to deliver."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), nullable=False, comment="Later jobs have greater ids"),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(64), comment="Of the request that brought it"),
        sa.Column("plan", sa.String(200), nullable=False, comment="Of the request that brought it"),
        sa.Column("order_json", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("audio_stored", sa.Boolean, nullable=False, comment="Until the audio is deleted"),
        sa.Column("attempts", sa.Integer, nullable=False, comment="How often a runner began with it"),
        sa.Column("setbacks", sa.Integer, nullable=False, comment="Attempts that count towards giving up"),
        sa.Column("created_at_s", sa.Double, nullable=False),
        sa.Column("claimable_at_s", sa.Double, nullable=False, comment="Not to be tried earlier"),
        sa.Column("started_at_s", sa.Double, comment="First attempt"),
        sa.Column("ended_at_s", sa.Double),
        sa.Column("lease_id", sa.String(64), comment="While it runs; another one for each attempt"),
        sa.Column("lease_until_s", sa.Double),
        sa.Column("transcript_json", sa.Text),
        sa.Column("failure_json", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_jobs_user_id"),
        sa.UniqueConstraint("lease_id", name="uq_jobs_lease_id"),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'completed', 'failed', 'cancelled')", name="ck_jobs_status"
        ),
    )
    op.create_index("ix_jobs_user_id_id", "jobs", ["user_id", "id"])
    op.create_index("ix_jobs_status_created_at_s", "jobs", ["status", "created_at_s"])
    op.create_index("ix_jobs_ended_at_s", "jobs", ["ended_at_s"])
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(64), nullable=False, comment="The webhook-id header"),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("body", sa.Text, nullable=False, comment="JSON, or nothing"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column(
            "next_attempt_at_s", sa.Double, nullable=False, comment="During an attempt: when it is taken for lost"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_deliveries_job_id"),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="ck_deliveries_state"),
    )
    op.create_index("ix_deliveries_job_id", "deliveries", ["job_id"])
    op.create_index("ix_deliveries_state_next_attempt_at_s", "deliveries", ["state", "next_attempt_at_s"])
    op.create_table(
        "delivery_attempts",
        sa.Column("delivery_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at_s", sa.Double, nullable=False),
        sa.Column("duration_s", sa.Double),
        sa.Column("status", sa.Integer, comment="Of the answer"),
        sa.Column("error", sa.String(500), comment="Where there was no answer"),
        sa.PrimaryKeyConstraint("delivery_id", "number", name="pk_delivery_attempts"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_delivery_attempts_delivery_id"),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("delivery_attempts", "deliveries", "jobs"):
        op.drop_table(table)
