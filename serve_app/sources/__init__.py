"""Audio that a caller names by URL instead of sending it."""
