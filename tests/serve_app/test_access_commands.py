from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from serve_app.access.keys import KeyStore
from serve_app.access.ledger import Ledger
from serve_app.access.plans import Plan
from serve_app.access.pricing import Charge, Outcome
from serve_app.access.users import User, UserStore
from serve_app.access.visit import Caller
from serve_app.cli import app
from serve_app.settings import AccessSettings
from serve_app.storage.database import Database

pytestmark = pytest.mark.unit

_CLI = CliRunner()


class _Installation:
    """A config file, the commands with it, and the database that a service with it would use."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._database_url = database_url
        self.config = folder / "config.yaml"
        self.write_config(storage={"database_url": database_url})

    def write_config(self, **settings: object) -> None:
        application = {"name": "rayscribe", "import_path": "serve_app.builder:build_app", "args": settings}
        self.config.write_text(yaml.safe_dump({"applications": [application]}))

    def run(self, command: str, *arguments: str) -> Result:
        """The words of the command are one string; what follows may hold a ``--``."""
        return _CLI.invoke(app, [*command.split(), "--config", str(self.config), *arguments])

    def ok(self, command: str, *arguments: str) -> str:
        result = self.run(command, *arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def with_database(self, action: Callable[[Database], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            database = Database(self._database_url)
            try:
                return await action(database)
            finally:
                await database.close()

        return asyncio.run(run())

    def authenticate(self, key: str) -> Caller:
        caller: Caller = self.with_database(lambda database: KeyStore(database, cache_s=0.0).authenticate(key))
        return caller


@pytest.fixture
def installation(tmp_path: Path, empty_database_url: str) -> _Installation:
    return _Installation(tmp_path, empty_database_url)


def test_a_key_is_made_and_printed_alone(installation: _Installation) -> None:
    result = installation.run("keys create", "laptop")
    key = result.stdout.removesuffix("\n")
    caller = installation.authenticate(key)
    assert (caller.user_name, caller.plan_name) == ("default", "default")
    assert result.stderr == f"{caller.key_id} of user default, plan default. Keep it: it cannot be shown again.\n"


def test_a_key_of_a_user_on_a_plan_for_some_days(installation: _Installation) -> None:
    key = installation.ok("keys create", "ci", "--user", "bob", "--plan", "local", "--expires-days", "30").strip()
    assert (installation.authenticate(key).user_name, installation.authenticate(key).plan_name) == ("bob", "local")
    (listed,) = json.loads(installation.ok("keys list", "--json"))
    days = datetime.fromisoformat(listed["expires_at"]) - datetime.fromisoformat(listed["created_at"])
    assert timedelta(days=30) - days < timedelta(minutes=5)
    assert (listed["user"], listed["name"], listed["status"], listed["revoked_at"]) == ("bob", "ci", "active", None)
    assert key.startswith(listed["prefix"])
    assert key not in json.dumps(listed)


def test_keys_are_listed_and_revoked(installation: _Installation) -> None:
    assert "rayscribe keys create NAME" in installation.run("keys list").stderr
    key = installation.ok("keys create", "laptop").strip()
    installation.ok("keys create", "server")
    key_id = installation.authenticate(key).key_id
    table = installation.ok("keys list")
    assert f"{key_id}  {key[:11]}…  default   laptop" in table
    assert installation.ok("keys revoke", key[:11]) == f"{key_id} (laptop) of user default is revoked.\n"
    assert [(row["name"], row["status"]) for row in json.loads(installation.ok("keys list", "--json"))] == [
        ("laptop", "revoked"),
        ("server", "active"),
    ]


def test_wallets(installation: _Installation) -> None:
    installation.ok("keys create", "laptop", "--user", "ann")
    assert installation.ok("wallet top-up", "ann", "12.5", "--note", "invoice 7") == "ann has 12.500000.\n"
    assert installation.ok("wallet top-up", "--", "ann", "-2") == "ann has 10.500000.\n"
    expected = [{"user": "ann", "plan": "default", "balance": "10.500000"}]
    assert json.loads(installation.ok("wallet show", "--json")) == expected
    assert json.loads(installation.ok("wallet show", "ann", "--json")) == expected
    assert installation.ok("wallet show").split() == ["user", "plan", "balance", "ann", "default", "10.500000"]


@pytest.mark.parametrize("amount", ["0", "x", "NaN", "0.0000001", "1e30"])
def test_other_amounts_are_refused(amount: str, tmp_path: Path) -> None:
    result = _CLI.invoke(app, ["wallet", "top-up", "ann", amount, "--config", str(tmp_path / "none.yaml")])
    assert result.exit_code == 2
    assert "Invalid value: give" in result.stderr


def test_usage(installation: _Installation) -> None:
    assert "Nothing from" in installation.run("usage").stderr

    async def record(database: Database) -> User:
        user = await UserStore(database, AccessSettings()).ensure("ann")
        charge = Charge("req_1", user.id, None, "openai", 12.0, 10.0, True, Outcome.COMPLETED)
        plan = Plan(price_per_audio_second=Decimal("0.001"))
        now = datetime.now(UTC).timestamp()
        await Ledger(database, billing=True, clock=lambda: now - 2 * 86400).record(charge, plan)
        return user

    installation.with_database(record)
    total = {"requests": 1, "audio_s": 12.0, "billable_s": 10.0, "charged": "0.013000"}
    for arguments in ((), ("--user", "ann"), ("--days", "3")):
        report = json.loads(installation.ok("usage", "--json", *arguments))
        assert report["total"] == total
        assert report["dialects"] == [{"dialect": "openai", **total}]
        assert [{**day, "day": ""} for day in report["days"]] == [{"day": "", **total}]
    assert json.loads(installation.ok("usage", "--json", "--days", "2"))["total"]["requests"] == 0
    table = [line.split() for line in installation.ok("usage").splitlines()]
    assert ["openai", "1", "12.0", "10.0", "0.013000"] in table
    assert ["total", "1", "12.0", "10.0", "0.013000"] in table


def test_the_webhook_secret_of_a_user(installation: _Installation) -> None:
    secret = installation.ok("webhook-secret")
    assert secret.startswith("whsec_")
    assert installation.ok("webhook-secret", "--user", "local") == secret
    installation.ok("keys create", "laptop")
    assert installation.ok("webhook-secret", "--user", "default") != secret


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("usage", "--user", "zoe"), "No such user: zoe\n"),
        (("wallet show", "zoe"), "No such user: zoe\n"),
        (("wallet top-up", "zoe", "1"), "No such user: zoe\n"),
        (("webhook-secret", "--user", "zoe"), "No such user: zoe\n"),
        (("keys revoke", "key_0"), "No such key: key_0\n"),
        (("keys create", "x", "--plan", "gold"), "Invalid parameter plan: not among default, local\n"),
        (("keys create", ""), "Invalid parameter name: give 1 to 200 printable characters\n"),
    ],
)
def test_what_is_not_there_is_named(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = _Installation(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/test.db").run(*arguments)
    assert (result.exit_code, result.stderr, result.stdout) == (1, message, "")


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ({"database_url": "mysql://u:hunter2@h/d"}, "database_url must start with sqlite"),
        ({"database_url": "postgresql+psycopg://u:hunter2@127.0.0.1:1/d"}, "The database does not answer\n"),
        ({"database": "x"}, "applications[0].args.storage.database: Extra inputs are not permitted"),
        ({"folder": "/dev/null/x"}, "Cannot use the storage folder: Not a directory: /dev/null/x\n"),
    ],
)
def test_a_database_that_cannot_be_used_is_an_error(storage: dict[str, str], message: str, tmp_path: Path) -> None:
    installation = _Installation(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/test.db")
    installation.write_config(storage=storage)
    result = installation.run("keys list")
    assert result.exit_code == 1
    assert message in result.stderr
    assert "hunter2" not in result.output


def test_the_database_is_in_the_folder_of_the_settings(tmp_path: Path) -> None:
    installation = _Installation(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/test.db")
    installation.write_config(storage={"folder": str(tmp_path / "data with a space and a %")})
    installation.ok("keys create", "laptop")
    folder = tmp_path / "data with a space and a %"
    assert (folder / "rayscribe.db").exists()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_commands_do_without_ray(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom serve_app.cli import app\n"
        "try:\n    app(sys.argv[1:])\n"
        "finally:\n    assert 'sqlalchemy' in sys.modules and 'ray' not in sys.modules"
    )
    config = _Installation(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/test.db").config
    subprocess.run([sys.executable, "-c", program, "wallet", "show", "--config", str(config)], check=True)
