"""Runs before any test module is imported."""

import os

from hypothesis import settings

from serve_app.local_ray import prepare_environment

# Ray reads these when it is imported, which collecting the tests does.
os.environ.pop("RAY_ADDRESS", None)
prepare_environment()
if "PYTEST_XDIST_WORKER" in os.environ:
    # There is a process of tests on each processor already.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A machine that is busy is no failure, and a run that others wait for tries the same examples each time.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=2000)
settings.load_profile("ci" if os.environ.get("CI") else "local")
