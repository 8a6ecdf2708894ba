"""The stages of the graph: each folder holds one Serve deployment and the engines it can run."""
