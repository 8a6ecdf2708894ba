"""Alembic runs this file; Database.migrate() gives it the connection, inside a transaction of its own."""

from __future__ import annotations

from alembic import context

# The tables of jobs are on METADATA once their module is imported.
from serve_app.jobs import tables as _jobs_tables  # noqa: F401
from serve_app.storage.tables import METADATA

# render_as_batch: SQLite can alter little of a table, so alembic copies it.
context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
