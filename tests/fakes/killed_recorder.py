"""Records charges in processes of which each is killed a statement later than the one before; run with ``-m``.

Arguments: URL of the database, id of the user. Prints how many processes there were; the last one was not killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, event

from serve_app.access.ledger import Ledger
from serve_app.access.plans import Plan
from serve_app.access.pricing import Charge, Outcome
from serve_app.storage.database import Database

PLAN = Plan(price_per_audio_second=Decimal("0.01"))


def charge(number: int, user_id: str) -> Charge:
    """The charge of one of the processes."""
    return Charge(f"req_{number}", user_id, None, "smallest_selfhost", 10.0, 8.0, False, Outcome.COMPLETED)


async def _record(url: str, user_id: str, number: int) -> None:
    database = Database(url)
    await Ledger(database, billing=True).record(charge(number, user_id), PLAN)
    await database.close()


def _kill_after(statements: int) -> None:
    executed = 0

    def count(*_: Any) -> None:
        nonlocal executed
        executed += 1
        if executed == statements:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", count)
    # The last event before the transaction is stored.
    event.listen(Engine, "commit", count)


def _run_and_kill(url: str, user_id: str, number: int) -> bool:
    child = os.fork()
    if child == 0:
        _kill_after(number)
        asyncio.run(_record(url, user_id, number))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def main(url: str, user_id: str) -> None:
    number = 1
    while _run_and_kill(url, user_id, number):
        number += 1
    sys.stdout.write(f"{number}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
