"""All wire APIs that the service answers. Another one is a module of this folder and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from serve_app.dialects import (
    health,
    rayscribe,
    sixtydb,
    sixtydb_live,
    smallest_selfhost,
    smallest_waves,
    smallest_waves_live,
)
from serve_app.dialects.dialect import Dialect
from serve_app.dialects.openai import realtime
from serve_app.dialects.openai import routes as openai
from serve_app.jobs.contracts import CallbackForm

DIALECTS: tuple[Dialect, ...] = (
    smallest_selfhost.DIALECT,
    smallest_waves.DIALECT,
    smallest_waves_live.DIALECT,
    sixtydb.DIALECT,
    sixtydb_live.DIALECT,
    openai.DIALECT,
    realtime.DIALECT,
    rayscribe.DIALECT,
    health.DIALECT,
)

CALLBACK_FORMS: Mapping[str, CallbackForm] = {
    dialect.name: dialect.callbacks for dialect in DIALECTS if dialect.callbacks is not None
}
"""Who writes the webhooks of a job, by the name of the dialect that it came in through."""
