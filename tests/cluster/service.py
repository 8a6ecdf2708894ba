"""A running Rayscribe, and what tests do to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import ray
from ray import serve
from ray.util import list_named_actors

MAX_UPLOAD_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RunningService:
    """Where the service listens, and a client for it."""

    url: str
    client: httpx.Client
    application: str = "rayscribe"

    def listen(self, audio: bytes, **fields: str) -> httpx.Response:
        return self.client.post("/v1/listen", files={"audio": ("recording", audio)}, data=fields)

    def kill_replicas(self, stage: str, most: int | None = None) -> int:
        """Kill processes of a stage, as a crash would, by default all; returns how many."""
        part = f"{self.application}#{stage}#"
        names = [actor for actor in list_named_actors(all_namespaces=True) if part in actor["name"]][:most]
        for actor in names:
            ray.kill(ray.get_actor(actor["name"], namespace=actor["namespace"]), no_restart=True)
        return len(names)

    def call(self, stage: str, method: str) -> Any:
        """Call a method of a stage directly."""
        handle = serve.get_deployment_handle(stage, self.application)
        return getattr(handle, method).remote().result(timeout_s=30)


def eventually(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether a condition comes true within a time that is far longer than it should take."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if condition():
            return True
        time.sleep(0.1)
    return condition()
