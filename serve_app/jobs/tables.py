"""The tables of jobs, of what is to be delivered, and of each attempt to. Times as in serve_app/storage/tables.py."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Double, ForeignKey, Index, Integer, String, Table, Text

from serve_app.storage.tables import METADATA, USERS

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", String(64), primary_key=True, comment="Later jobs have greater ids"),
    Column("user_id", String(64), ForeignKey(USERS.c.id), nullable=False),
    Column("key_id", String(64), comment="Of the request that brought it"),
    Column("plan", String(200), nullable=False, comment="Of the request that brought it"),
    Column("order_json", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("audio_stored", Boolean, nullable=False, comment="Until the audio is deleted"),
    Column("attempts", Integer, nullable=False, comment="How often a runner began with it"),
    Column("setbacks", Integer, nullable=False, comment="Attempts that count towards giving up"),
    Column("created_at_s", Double, nullable=False),
    Column("claimable_at_s", Double, nullable=False, comment="Not to be tried earlier"),
    Column("started_at_s", Double, comment="First attempt"),
    Column("ended_at_s", Double),
    Column("lease_id", String(64), unique=True, comment="While it runs; another one for each attempt"),
    Column("lease_until_s", Double),
    Column("transcript_json", Text),
    Column("failure_json", Text),
    CheckConstraint("status IN ('queued', 'running', 'completed', 'failed', 'cancelled')", name="status"),
    Index(None, "user_id", "id"),
    Index(None, "status", "created_at_s"),
    Index(None, "ended_at_s"),
)

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("id", String(64), primary_key=True, comment="The webhook-id header"),
    Column("job_id", String(64), ForeignKey(JOBS.c.id), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("method", String(16), nullable=False),
    Column("body", Text, nullable=False, comment="JSON, or nothing"),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at_s", Double, nullable=False, comment="During an attempt: when it is taken for lost"),
    CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
    Index(None, "state", "next_attempt_at_s"),
)

DELIVERY_ATTEMPTS = Table(
    "delivery_attempts",
    METADATA,
    Column("delivery_id", String(64), ForeignKey(DELIVERIES.c.id), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_s", Double, nullable=False),
    Column("duration_s", Double),
    Column("status", Integer, comment="Of the answer"),
    Column("error", String(500), comment="Where there was no answer"),
)
