"""Measures the running service: accuracy, speed and scale, each beside the raw library. ``make bench`` runs all."""
