"""Writes the file that kustomize puts into a ConfigMap."""

from kuberay.dashboard import DASHBOARD, ROWS
from kuberay.dashboard.grafana import as_text

DASHBOARD.write_text(as_text(ROWS))
