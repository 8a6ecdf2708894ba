"""How many replicas each stage should have: by what it is short of, without flapping. docs/autoscaling.md explains."""
