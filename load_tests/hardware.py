"""What a measurement was made on: figures without it mean nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from load_tests.recordings import CHECKOUT


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine, the software and the moment."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    onnxruntime: str
    rayscribe: str
    revision: str
    measured_at: str
    load_average: float

    def line(self) -> str:
        """All of it, for people."""
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB; {self.system}; Python {self.python}, "
            f"onnxruntime {self.onnxruntime}; rayscribe {self.rayscribe} ({self.revision}); {self.measured_at}; "
            f"load at start {self.load_average:.1f}"
        )


def read_hardware() -> Hardware:
    """Look around; the load is that of the last minute."""
    return Hardware(
        cpu=_cpu_model(),
        cores=_usable_cores(),
        memory_gib=psutil.virtual_memory().total / 2**30,
        system=_system(),
        python=platform.python_version(),
        onnxruntime=installed_version("onnxruntime"),
        rayscribe=installed_version("rayscribe"),
        revision=_revision(),
        measured_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        load_average=os.getloadavg()[0],
    )


def installed_version(package: str) -> str:
    """Its version, or "none"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def _revision() -> str:
    """The commit, with a mark where files differ from it; "unknown" outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    described = subprocess.run(
        [git, "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--exclude", "*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"
