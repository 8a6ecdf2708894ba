from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployments.processors import usable_processors

pytestmark = pytest.mark.unit

ALL = len(os.sched_getaffinity(0))


def processors(folder: Path, own: str, **files: str) -> int:
    """Of a process in the cgroups that ``own`` names, where ``a__b`` is the file b of the folder a."""
    for name, content in files.items():
        path = folder / "cgroup" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    listed = folder / "own"
    listed.write_text(own)
    return usable_processors(folder / "cgroup", listed)


def test_without_a_quota_it_is_the_affinity(tmp_path: Path) -> None:
    assert processors(tmp_path, "0::/\n", cpu_dot_max="max 100000\n") == ALL
    assert usable_processors(tmp_path / "none", tmp_path / "none-either") == ALL
    assert usable_processors() <= ALL


@pytest.mark.parametrize(("quota", "expected"), [(100_000, 1), (199_999, 1), (50_000, 1), (1, 1), (10**9, ALL)])
def test_the_quota_of_version_2_counts(tmp_path: Path, quota: int, expected: int) -> None:
    assert processors(tmp_path, "0::/\n", cpu_dot_max=f"{quota} 100000\n") == expected


def test_the_quota_of_a_group_above_counts(tmp_path: Path) -> None:
    own = "0::/kubepods/pod1\n"
    assert (
        processors(tmp_path, own, kubepods__cpu_dot_max="100000 100000\n", kubepods__pod1__cpu_dot_max="max 1\n") == 1
    )


def test_the_quota_of_version_1_counts(tmp_path: Path) -> None:
    own = "4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n0::/\n"
    files = {"cpu,cpuacct__cpu_dot_cfs_quota_us": "100000\n", "cpu,cpuacct__cpu_dot_cfs_period_us": "100000\n"}
    assert processors(tmp_path, own, **files) == 1
    files["cpu,cpuacct__cpu_dot_cfs_quota_us"] = "-1\n"
    assert processors(tmp_path, own, **files) == ALL


@pytest.mark.parametrize("content", ["", "max", "a b", "100000 0", "1 2 3", "²000 100"])
def test_what_cannot_be_read_is_no_quota(tmp_path: Path, content: str) -> None:
    assert processors(tmp_path, "0::/\n", cpu_dot_max=content) == ALL
