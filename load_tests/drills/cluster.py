"""The applications on the nodes: deployed by `serve deploy`, and looked at over the dashboard's API."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from load_tests.drills.manifest import Config
from load_tests.drills.nodes import Nodes

_READY_TIMEOUT_S = 420.0
_LOOK_EVERY_S = 0.5


class NotReady(Exception):
    """An application did not come up, or back; the message says what it waits for."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of a deployment."""

    deployment: str
    state: str
    pid: int


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One look at all applications. ``status`` is that of one that does not run, if there is one.

    ``homes`` are the applications of the deployments, ``wanted`` is how many replicas each is to have, and ``pending``
    are those not healthy. ``proxies`` are the states of the HTTP proxies: one that is not healthy may know no route
    yet.
    """

    status: str
    homes: dict[str, str]
    wanted: dict[str, int]
    pending: dict[str, str]
    replicas: tuple[Replica, ...]
    proxies: tuple[str, ...]

    def running(self, deployment: str) -> list[Replica]:
        """Those that take requests."""
        return [one for one in self.replicas if one.deployment == deployment and one.state == "RUNNING"]

    @property
    def is_settled(self) -> bool:
        """Whether every deployment is healthy and has as many replicas as it is to have, and no others."""
        counted = Counter(replica.deployment for replica in self.replicas)
        running = Counter(replica.deployment for replica in self.replicas if replica.state == "RUNNING")
        return self.status == "RUNNING" and not self.pending and counted == running == Counter(self.wanted)


class Cluster:
    """The applications on running nodes."""

    def __init__(self, nodes: Nodes, folder: Path) -> None:
        self.nodes = nodes
        self.url = f"http://127.0.0.1:{nodes.ports.http}"
        self._dashboard = f"http://127.0.0.1:{nodes.ports.dashboard}"
        self._file = folder / "serve.yaml"
        self._http = httpx.Client(
            base_url=self._dashboard,
            headers={"authorization": f"Bearer {nodes.token}"},
            timeout=30.0,
            trust_env=False,
        )

    def deploy(self, config: Config) -> None:
        """`serve deploy`; it returns when the config is taken, and the roll-out goes on.

        Raises:
            NotReady: it is refused.
        """
        self._file.write_text(yaml.safe_dump(config))
        command = [str(Path(sys.executable).with_name("serve")), "deploy", str(self._file), "-a", self._dashboard]
        done = subprocess.run(command, env=self.nodes.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotReady(f"serve deploy failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    @retry(
        retry=retry_if_exception_type(httpx.TransportError),
        stop=stop_after_delay(30),
        wait=wait_fixed(0.5),
        reraise=True,
    )
    def look(self) -> ClusterView:
        """What Serve says of itself now."""
        answer = self._http.get("/api/serve/applications/")
        answer.raise_for_status()
        return view_of(answer.json())

    def wait_until_settled(self, timeout_s: float = _READY_TIMEOUT_S) -> ClusterView:
        """Return when the roll-out is over, and its last old replica gone.

        Raises:
            NotReady: it takes too long, or failed.
        """
        ends_at_s = time.monotonic() + timeout_s
        while not (view := self.look()).is_settled:
            if time.monotonic() > ends_at_s or view.status == "DEPLOY_FAILED":
                raise NotReady(f"an application is {view.status}: {view.pending}; {view.replicas}")
            time.sleep(_LOOK_EVERY_S)
        return view

    def wait_until_answering(self, timeout_s: float = 120.0) -> None:
        """Return when all proxies are well and answer: they listen a second or two after the applications run.

        Raises:
            NotReady: they do not.
        """
        ends_at_s = time.monotonic() + timeout_s
        while not self._answers():
            if time.monotonic() > ends_at_s:
                raise NotReady(f"nothing answers at {self.url}")
            time.sleep(_LOOK_EVERY_S)

    def leases(self) -> int:
        """How many leases the Limiter holds. A process of its own asks: it may have to attach to a worker node."""
        home = self.look().homes["Limiter"]
        script = (
            "import ray; from ray import serve;"
            f"ray.init(address='127.0.0.1:{self.nodes.ports.gcs}', namespace='serve', log_to_driver=False);"
            f"print(serve.get_deployment_handle('Limiter', '{home}').load.remote().result(timeout_s=30).leases)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], env=self.nodes.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise NotReady(f"the Limiter does not answer:\n{done.stderr[-2000:]}")
        return int(done.stdout.split()[-1])

    def _answers(self) -> bool:
        if set(self.look().proxies) != {"HEALTHY"}:
            return False
        # Several proxies share the port: one answer says little.
        for _ in range(5):
            try:
                if httpx.get(f"{self.url}/health", timeout=5.0, trust_env=False).status_code != httpx.codes.OK:
                    return False
            except httpx.HTTPError:
                return False
        return True


def view_of(details: dict[str, Any]) -> ClusterView:
    """What /api/serve/applications/ answers, as far as it is used here."""
    applications = details["applications"]
    deployments = {name: one for each in applications.values() for name, one in each["deployments"].items()}
    return ClusterView(
        status=_worst({each["status"] for each in applications.values()}),
        homes={name: home for home, each in applications.items() for name in each["deployments"]},
        wanted={name: one["target_num_replicas"] for name, one in deployments.items()},
        pending={
            name: f"{one['status']} {one['message']}".strip()
            for name, one in deployments.items()
            if one["status"] != "HEALTHY"
        },
        replicas=tuple(
            Replica(name, replica["state"], replica.get("pid") or 0)
            for name, one in deployments.items()
            for replica in one["replicas"]
        ),
        proxies=tuple(proxy["status"] for proxy in details["proxies"].values()),
    )


def _worst(statuses: set[str]) -> str:
    """``RUNNING`` where all run."""
    return min(statuses, key=lambda one: (one != "DEPLOY_FAILED", one == "RUNNING", one), default="NOT_STARTED")
