"""Manifests, and the program that writes their dashboard."""
