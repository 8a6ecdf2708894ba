"""The first key, made as README.md says: by the real command, with the shipped config and the environment of a pod."""

from pathlib import Path

import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner

from serve_app.cli import app
from tests.fakes.postgres import PostgresServer
from tests.kuberay.rendering import ROOT

pytestmark = pytest.mark.unit


def test_a_key_is_made_in_the_database_that_the_environment_names(postgres: PostgresServer, tmp_path: Path) -> None:
    database = postgres.new_database()
    folder = make_url(postgres.url(database)).query["host"]
    # As the Secret rayscribe-database gives them to a pod.
    secret = {"PGHOST": str(folder), "PGDATABASE": database, "PGUSER": "postgres"}
    runner = CliRunner(env={**secret, "HOME": str(tmp_path), "XDG_DATA_HOME": None})

    def keys(*arguments: str) -> str:
        result = runner.invoke(app, ["keys", *arguments, "--config", str(ROOT / "configs" / "kuberay-gpu.yaml")])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert '"active"' not in keys("list", "--json")
    assert keys("create", "first", "--user", "me").strip()
    # What the CPU workers wait for.
    assert '"active"' in keys("list", "--json")
    assert list(tmp_path.iterdir()) == [], "nothing is kept in the pod"
