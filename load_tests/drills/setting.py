"""Everything that a drill needs: nodes, a database, an address for webhooks, a key, and the application on it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from load_tests.decoding import decode
from load_tests.drills.clients import Load, Speech
from load_tests.drills.cluster import Cluster
from load_tests.drills.manifest import Config, layered, on_one_machine, serve_config, worker_group
from load_tests.drills.nodes import Ports, running_nodes
from load_tests.live_speech import to_pcm
from load_tests.recordings import wheel_recordings
from serve_app.access.keys import KeyStore
from serve_app.access.users import UserStore
from serve_app.applications import service_application
from serve_app.settings import Settings
from serve_app.storage.database import Database
from tests.fakes.audio_files import encode_wav
from tests.fakes.postgres import PostgresServer, find_programs, running_postgres
from tests.fakes.web import Web, running_web

# Four seconds of speech at the beginning of the wheel's first recording, and silence that ends the utterance.
_SPEECH_S = 4.0
_SILENCE_S = 1.0
_SESSION_REPEATS = 2
_RATE_HZ = 16_000


class NothingToRunOn(Exception):
    """A program or a recording is missing; the message says which."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A running application and what surrounds it. ``config`` is what it was deployed with."""

    cluster: Cluster
    postgres: PostgresServer
    web: Web
    config: Config
    key: str
    speech: Speech

    def load(self, name: str) -> Load:
        """Clients of their own, whose jobs are delivered to a path of their own."""
        return Load(self.cluster.url, self.key, self.speech, f"{self.web.url}/{name}")

    def deliveries(self, load: Load) -> list[tuple[str, str]]:
        """Job and status of each webhook that a load has caused."""
        path = load.hook_url.removeprefix(self.web.url)
        bodies = [json.loads(hook.body) for hook in self.web.received if hook.path == path]
        return [(body["job_id"], body["status"]) for body in bodies]


@contextlib.contextmanager
def running_setting(ports: Ports, workers: int, layer: Any = None) -> Iterator[Setting]:
    """The embedded Serve config on a head and workers, deployed and answering.

    Args:
        ports: of this machine.
        workers: nodes of the worker group.
        layer: what a drill changes in the config beyond what one machine needs.

    Raises:
        NothingToRunOn: PostgreSQL or a recording is missing.
        NodeFailed, NotReady: it does not come up.
    """
    programs = find_programs()
    if programs is None:
        raise NothingToRunOn("PostgreSQL's programs are not installed: Debian's package postgresql has them")
    speech = _speech()
    with running_postgres(programs) as postgres, running_web() as web:
        database = postgres.new_database()
        # As the Secret rayscribe-database brings it.
        libpq = {"PGHOST": postgres.socket_folder, "PGUSER": "postgres", "PGDATABASE": database}
        with running_nodes(ports, worker_group(), {**libpq, "OMP_NUM_THREADS": "1"}, workers) as nodes:
            folder = nodes.folder / "data"
            folder.mkdir()
            config = layered(layered(serve_config(), on_one_machine(ports.head_http, folder)), layer or {})
            key = asyncio.run(_made_key(config, postgres.url(database)))
            cluster = Cluster(nodes, nodes.folder)
            cluster.deploy(config)
            cluster.wait_until_settled()
            cluster.wait_until_answering()
            yield Setting(cluster, postgres, web, config, key, speech)


async def _made_key(config: Config, database_url: str) -> str:
    access = Settings.model_validate(service_application(config["applications"])["args"]).access
    database = Database(database_url)
    try:
        await database.migrate()
        user = await UserStore(database, access).ensure("drills", None)
        return (await KeyStore(database, cache_s=0).create(user, "drills")).key
    finally:
        await database.close()


def _speech() -> Speech:
    recordings = wheel_recordings()
    if not recordings:
        raise NothingToRunOn("the recordings of the moonshine-voice wheel are missing: it is one of the requirements")
    samples = decode(recordings[0].read()).samples[: int(_SPEECH_S * _RATE_HZ)]
    silence = np.zeros(int(_SILENCE_S * _RATE_HZ), np.float32)
    stream = np.concatenate([samples, silence] * _SESSION_REPEATS)
    return Speech(encode_wav(samples), to_pcm(stream))
