"""The service as a cluster runs it, on one machine: deployed, scaled, upgraded and broken under load."""
