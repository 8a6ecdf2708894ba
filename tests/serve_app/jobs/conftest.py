from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from serve_app.storage.database import Database
from tests.fakes.job_bench import JobBench, add_user


@pytest.fixture
async def bench(database: Database, tmp_path: Path) -> AsyncIterator[JobBench]:
    for name in ("ann", "bob"):
        await add_user(database, name)
    bench = JobBench(database, tmp_path)
    yield bench
    await bench.audio.close()
