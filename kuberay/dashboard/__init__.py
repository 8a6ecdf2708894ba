"""The Grafana dashboard of components/monitoring; ``python -m kuberay.dashboard`` writes it anew.

edge.py and stages.py say what is on it, promql.py has the forms that its queries share.
"""

from pathlib import Path

from kuberay.dashboard import edge, stages

DASHBOARD = Path(__file__).parents[1] / "components" / "monitoring" / "rayscribe.json"

ROWS = (
    edge.GLANCE,
    edge.TRAFFIC,
    edge.TIME,
    stages.STAGES,
    stages.RECOGNISER,
    stages.LIVE,
    edge.JOBS,
    edge.ERRORS,
    stages.NODES,
)
"""From what a caller notices to where it comes from."""
