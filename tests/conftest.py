"""Runs before any test module is imported."""

import os

from serve_app.local_ray import prepare_environment

# Ray reads these when it is imported, which collecting the tests does.
os.environ.pop("RAY_ADDRESS", None)
prepare_environment()
