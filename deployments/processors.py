"""How many processors this process may use, which in a container is fewer than the machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def usable_processors(cgroups: Path = _CGROUPS, own_cgroups: Path = _OWN_CGROUPS) -> int:
    """The processors that this process may run on, or what its cgroups' CPU quota is worth if that is less; at least 1.

    A share of a processor does not count: work on it would stand still for the rest of each of the quota's periods.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max) and scheduler/sched-bwc.rst (cpu.cfs_quota_us).

    Args:
        cgroups: where the cgroups are mounted.
        own_cgroups: the kernel's list of those of this process.
    """
    quotas = [quota for folder in _own_folders(cgroups, own_cgroups) if (quota := _quota(folder)) is not None]
    return max(1, int(min([len(os.sched_getaffinity(0)), *quotas])))


def _own_folders(cgroups: Path, own_cgroups: Path) -> Iterator[Path]:
    """The folders of this process's cgroups and of those above, as far as they are seen from here: all limits hold."""
    try:
        lines = own_cgroups.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, own = line.split(":", 2)
        # Version 2 has one tree, and no names of controllers.
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = cgroups / controllers if controllers else cgroups
        yield root
        folder = root
        # In a container the path may be the host's, and not be there.
        for part in Path(own).parts[1:]:
            folder = folder / part
            yield folder


def _quota(folder: Path) -> float | None:
    """Processors' worth of time in each period; None without a limit."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((folder / name).read_text() for name in names).split()
        except (OSError, ValueError):
            continue
        if quota.isdecimal() and period.isdecimal() and int(period) > 0:
            return int(quota) / int(period)
    return None
