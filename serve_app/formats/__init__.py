"""Projections of a transcript's segments into files people open: plain text, SubRip (SRT) and WebVTT."""
