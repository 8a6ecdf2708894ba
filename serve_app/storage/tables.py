"""The tables of users, keys and money. Other parts add theirs to the same METADATA, each in its own module.

Times are UTC, in seconds since 1970, in columns named ``*_at_s``. Money is in micro-units, 1e-6 of the operator's
currency, as integers: sums of them are exact.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData(
    # Alembic can only change a constraint that has a name, and SQLite gives it none.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

USERS = Table(
    "users",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("plan", String(200), nullable=False, comment="Name of a plan in the settings"),
    Column("balance_micros", BigInteger, nullable=False, comment="Sum of ledger.amount_micros of this user"),
    Column("webhook_secret", String(64), nullable=False),
    Column("created_at_s", Double, nullable=False),
)

API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("user_id", String(64), ForeignKey(USERS.c.id), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("key_sha256", LargeBinary(32), nullable=False, unique=True),
    Column("prefix", String(16), nullable=False, index=True, comment="Start of the key, to recognise it by"),
    Column("created_at_s", Double, nullable=False),
    Column("expires_at_s", Double, comment="None: never"),
    Column("revoked_at_s", Double),
)

CLIENT_SECRETS = Table(
    "client_secrets",
    METADATA,
    Column("sha256", LargeBinary(32), primary_key=True),
    Column("user_id", String(64), ForeignKey(USERS.c.id), nullable=False),
    Column(
        "key_id", String(64), ForeignKey(API_KEYS.c.id), comment="That it was made with; None: the service was open"
    ),
    Column("session", Text, nullable=False, comment="What a session begins with, in its dialect's form"),
    Column("expires_at_s", Double, nullable=False, index=True),
)

LEDGER = Table(
    "ledger",
    METADATA,
    Column("id", String(64), primary_key=True, comment="Of a job, of a live session, or made for a charge"),
    Column("user_id", String(64), ForeignKey(USERS.c.id), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("amount_micros", BigInteger, nullable=False, comment="Change of the balance"),
    Column("recorded_at_s", Double, nullable=False),
    Column("day", Date, nullable=False, comment="UTC day of recorded_at_s"),
    Column("note", String(500), comment="Of a top-up"),
    Column("key_id", String(64), comment="This and what follows: of a charge"),
    Column("dialect", String(64)),
    Column("outcome", String(32)),
    Column("audio_s", Double),
    Column("billable_s", Double),
    Column("diarized", Boolean),
    Column("base_micros", BigInteger),
    Column("surcharge_micros", BigInteger),
    CheckConstraint("kind IN ('charge', 'top_up')", name="kind"),
    Index(None, "user_id", "day"),
)

USAGE_DAYS = Table(
    "usage_days",
    METADATA,
    Column("user_id", String(64), ForeignKey(USERS.c.id), primary_key=True),
    Column("day", Date, primary_key=True, comment="UTC"),
    Column("requests", Integer, nullable=False),
    Column("audio_s", Double, nullable=False),
    Column("billable_s", Double, nullable=False, comment="What a plan's quota counts"),
)
