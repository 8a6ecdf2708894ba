"""Weights from anywhere: a model hub, a folder, or a bucket, each as a folder on this machine."""
