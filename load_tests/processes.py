"""The service's processes on this machine: their processor time and memory, by what they are for."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

_SESSION_FLAG = "--session-name="
# A scan of all processes takes about 50 ms of one core.
_LOOK_AGAIN_S = 10.0
_DAEMONS = ("raylet", "gcs_server", "dashboard", "log_monitor", "monitor.py", "haproxy", "runtime_env")


class ServiceNotLocal(Exception):
    """The processes behind a URL are not to be seen from here."""


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """Processes by label: ``Ingress``, ``Recognizer`` …, ``proxy``, ``controller``, ``ray daemons``, ``other``."""

    members: dict[str, tuple[psutil.Process, ...]]

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds so far, by label."""
        return self._summed(lambda process: sum(process.cpu_times()[:2]))

    def rss_bytes(self) -> dict[str, float]:
        """Resident memory now, by label; a page shared by several processes counts in each."""
        return self._summed(lambda process: float(process.memory_info().rss))

    def pss_bytes(self) -> dict[str, float]:
        """Proportional memory now, by label: shared pages are divided, so that the sum is what the service takes."""
        return self._summed(lambda process: float(process.memory_full_info().pss))

    def _summed(self, measure: Callable[[psutil.Process], float]) -> dict[str, float]:
        sums: dict[str, float] = {}
        for label, processes in self.members.items():
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    sums[label] = sums.get(label, 0.0) + measure(process)
        return sums


def find_service(url: str) -> ProcessGroup:
    """All processes of the Ray session that listens at a URL, its driver included.

    Raises:
        ServiceNotLocal: none on this machine does, or it belongs to somebody else.
    """
    port = httpx.URL(url).port or 80
    raylet = _raylet_above(_listener(port))
    session = next((arg for arg in raylet.cmdline() if arg.startswith(_SESSION_FLAG)), "")
    session_name = session.removeprefix(_SESSION_FLAG)
    found = {process.pid: process for process in (raylet, *raylet.children(recursive=True))}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if session_name and any(session_name in arg for arg in process.cmdline()):
                found.update({kin.pid: kin for kin in (process, *process.children(recursive=True))})
    driver = raylet.parent()
    if driver is not None and driver.pid > 1 and Path(driver.exe()).name.startswith("python"):
        found[driver.pid] = driver
    return ProcessGroup(_labelled(list(found.values()), driver))


def label_of(command: str) -> str:
    """What a process is for, by its command line or the title that Ray gives it."""
    if command.startswith("ray::"):
        # A replica at work adds its method to its title.
        title = command.removeprefix("ray::").split(".")[0]
        if title.startswith("ServeReplica:"):
            return title.split(":")[-1]
        return {"ProxyActor": "proxy", "ServeController": "controller"}.get(title, "ray daemons")
    return "ray daemons" if any(name in command for name in _DAEMONS) else "other"


@dataclass(slots=True)
class MemoryPeaks:
    """Highest resident memory seen, by label and of the sum."""

    by_label: dict[str, float] = field(default_factory=dict)
    total: float = 0.0

    def see(self, sample: dict[str, float]) -> None:
        """Take a sample in."""
        for label, size in sample.items():
            self.by_label[label] = max(self.by_label.get(label, 0.0), size)
        self.total = max(self.total, sum(sample.values()))


@contextlib.contextmanager
def watched_memory(url: str, every_s: float = 0.25) -> Iterator[MemoryPeaks]:
    """Sample the memory of the service while the block runs; new replicas are found as they come.

    Raises:
        ServiceNotLocal: see find_service.
    """
    peaks, ended = MemoryPeaks(), threading.Event()
    group = find_service(url)

    def watch(group: ProcessGroup) -> None:
        found_at_s = time.monotonic()
        while not ended.wait(every_s):
            if time.monotonic() - found_at_s > _LOOK_AGAIN_S:
                with contextlib.suppress(ServiceNotLocal, psutil.Error):
                    group = find_service(url)
                found_at_s = time.monotonic()
            peaks.see(group.rss_bytes())

    peaks.see(group.rss_bytes())
    watcher = threading.Thread(target=watch, args=(group,), daemon=True)
    watcher.start()
    try:
        yield peaks
    finally:
        ended.set()
        watcher.join()


def _listener(port: int) -> psutil.Process:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    return process
    raise ServiceNotLocal(f"no process that can be seen from here listens on port {port}")


def _raylet_above(process: psutil.Process) -> psutil.Process:
    for ancestor in (process, *process.parents()):
        if ancestor.name() == "raylet":
            return ancestor
    raise ServiceNotLocal(f"what listens there ({process.name()}) does not belong to a Ray session")


def _labelled(processes: list[psutil.Process], driver: psutil.Process | None) -> dict[str, tuple[psutil.Process, ...]]:
    members: dict[str, list[psutil.Process]] = {}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            is_driver = driver is not None and process.pid == driver.pid
            label = "driver" if is_driver else label_of(" ".join(process.cmdline()).strip())
            members.setdefault(label, []).append(process)
    return {label: tuple(group) for label, group in members.items()}
