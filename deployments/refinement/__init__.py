"""Refinement: recognised words into text that reads well."""
