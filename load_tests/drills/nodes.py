"""A Ray cluster as KubeRay would make it, each pod a `ray start` of its own on this machine.

All nodes have the same address, and so the HTTP proxies of the workers the same port, which they share (SO_REUSEPORT):
the kernel spreads connections over them as the Service does over pods. The head's proxy has another one, since the
Service leaves the head out (excludeHeadPodFromServeSvc).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from load_tests.drills.manifest import WorkerGroup
from load_tests.processes import label_of

_HEAD_STORE_BYTES = 100_000_000
_WORKER_STORE_BYTES = 300_000_000
_START_TIMEOUT_S = 120.0
_TRIES = 6
_SHOWN_CHARACTERS = 2000
_STARTED = "Ray runtime started."
_HELPER_PORTS = (
    "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port",
    "--runtime-env-agent-port",
    "--metrics-export-port",
)


class NodeFailed(Exception):
    """A node did not start; the message ends with what it said."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Of this machine: the service on workers and on the head, and Ray's dashboard, GCS, client server and Redis."""

    http: int
    head_http: int
    dashboard: int
    gcs: int
    client: int
    redis: int


class RayNode:
    """One `ray start --block`, with a folder of its own."""

    def __init__(self, name: str, arguments: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        self._disk = folder / name
        ray = str(Path(sys.executable).with_name("ray"))
        self._command = [ray, "start", "--block", *arguments, "--temp-dir", str(self._disk)]
        self._environment = dict(environment)
        self._process = self._begun()

    def wait_until_started(self) -> None:
        """Return when its raylet runs. One that does not in its time is started again, as a pod would be.

        A raylet gives its helpers 15 s to start, which is little for a machine that is busy.

        Raises:
            NodeFailed: none of the tries worked.
        """
        for attempt in range(_TRIES):
            if attempt > 0:
                self.start_again()
            ends_at_s = time.monotonic() + _START_TIMEOUT_S
            while time.monotonic() < ends_at_s and not self.has_ended():
                if _STARTED in self._log.read_text():
                    return
                time.sleep(0.2)
            said = self._log.read_text()
            self.kill()
        raise NodeFailed(f"the node {self.name} did not start:\n{said[-_SHOWN_CHARACTERS:]}")

    def start_again(self) -> None:
        """After it was killed, with an empty disk, as a pod that is replaced; see wait_until_started.

        A head would take the address that it left there, and that the workers' processes still name, for that of
        another head.
        """
        shutil.rmtree(self._disk, ignore_errors=True)
        self._process = self._begun()

    def _begun(self) -> psutil.Popen:
        with self._log.open("w") as log:
            return psutil.Popen(
                self._command, env=self._environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def pids(self, label: str) -> list[int]:
        """Its processes that are for something: ``controller``, ``proxy``, the name of a deployment …"""
        found = []
        for process in self._process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if label_of(" ".join(process.cmdline()).strip()) == label:
                    found.append(process.pid)
        return found

    def drain(self) -> None:
        """What a pod gets that is told to go: SIGTERM. Ray drains the node, and it ends by itself."""
        self._process.send_signal(signal.SIGTERM)

    def has_ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """SIGKILL to all that runs on it, as when a machine loses its power."""
        with contextlib.suppress(psutil.Error):
            # Parents first: nobody is left to clean up, or to start anything again.
            for process in (self._process, *self._process.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    process.kill()
        for process in psutil.process_iter():
            # A start that fails ends before its children, and a GCS that is left has the head's port.
            with contextlib.suppress(psutil.Error):
                if any(f"{self._disk}/" in argument for argument in process.cmdline()):
                    process.kill()
        self._process.wait()


@dataclass
class Nodes:
    """The head, which runs no replicas, and workers that come and go."""

    ports: Ports
    group: WorkerGroup
    environment: dict[str, str]
    folder: Path
    token: str = field(repr=False)
    has_redis: bool = False
    workers: list[RayNode] = field(default_factory=list)
    _started: list[RayNode] = field(default_factory=list)
    _redis: subprocess.Popen[bytes] | None = None

    def start_redis(self) -> None:
        """Where the head keeps its state, if this machine has the program: else a head that dies takes all with it."""
        program = shutil.which("redis-server")
        if program is None:
            return
        arguments = ["--port", str(self.ports.redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        with (self.folder / "redis.log").open("w") as log:
            self._redis = subprocess.Popen([program, *arguments], stdout=log, stderr=log, start_new_session=True)
        self.has_redis = True
        # What KubeRay sets with gcsFaultToleranceOptions.
        self.environment |= {
            "RAY_REDIS_ADDRESS": f"127.0.0.1:{self.ports.redis}",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
        }

    def start_head(self) -> None:
        """As the head pod: no processors, so that no replica is placed on it."""
        arguments = ["--head", "--num-cpus", "0", "--num-gpus", "0", "--port", str(self.ports.gcs)]
        arguments += ["--dashboard-host", "127.0.0.1", "--dashboard-port", str(self.ports.dashboard)]
        arguments += ["--ray-client-server-port", str(self.ports.client)]
        self._start("head", arguments, _HEAD_STORE_BYTES).wait_until_started()

    def add_worker(self) -> RayNode:
        """Another pod of the group, which joins while this returns: see RayNode.wait_until_started."""
        arguments = ["--address", f"127.0.0.1:{self.ports.gcs}"]
        arguments += ["--num-cpus", self.group.cpus, "--num-gpus", "0", "--labels", self.group.labels]
        worker = self._start(f"w{len(self._started)}", arguments, _WORKER_STORE_BYTES)
        self.workers.append(worker)
        return worker

    @property
    def head(self) -> RayNode:
        """The node that the GCS and the controller are on."""
        return self._started[0]

    def worker_with(self, label: str) -> RayNode:
        """A worker that has such a process; see RayNode.pids.

        Raises:
            LookupError: none.
        """
        for worker in self.workers:
            if worker.pids(label):
                return worker
        raise LookupError(f"no worker has a process for {label}")

    def kill_all(self) -> None:
        """Workers after the head: they would only look for it."""
        for node in self._started:
            node.kill()
        if self._redis is not None:
            self._redis.kill()
            self._redis.wait()

    def _start(self, name: str, arguments: list[str], store_bytes: int) -> RayNode:
        # Nobody reads the logs through a driver.
        arguments = [*arguments, "--include-log-monitor", "false", "--object-store-memory", str(store_bytes)]
        for option, port in zip(_HELPER_PORTS, _free_ports(len(_HELPER_PORTS)), strict=True):
            arguments += [option, str(port)]
        node = RayNode(name, arguments, self.environment, self.folder)
        self._started.append(node)
        return node


@contextlib.contextmanager
def running_nodes(ports: Ports, group: WorkerGroup, environment: Mapping[str, str], workers: int) -> Iterator[Nodes]:
    """A head and workers that ask for a token, as the base manifests do.

    Args:
        ports: what the head listens on.
        group: what workers are like.
        environment: what the pods' Secrets would add to their environment.
        workers: how many.

    Raises:
        NodeFailed: a node does not start.
    """
    # Sockets' names have a hundred characters, and most of them are Ray's.
    folder = Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp"))
    token = secrets.token_hex(32)
    own = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(ports.http),
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": group.drain_timeout_s,
    }
    nodes = Nodes(ports, group, {**os.environ, **environment, **own}, folder, token)
    try:
        nodes.start_redis()
        nodes.start_head()
        for _ in range(workers):
            nodes.add_worker().wait_until_started()
        yield nodes
    finally:
        nodes.kill_all()
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
