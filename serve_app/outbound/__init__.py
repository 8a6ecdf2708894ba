"""Connections to addresses that callers name: audio by URL, and webhooks."""
