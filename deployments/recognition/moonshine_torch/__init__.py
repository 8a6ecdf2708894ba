"""Moonshine (Jeffries et al. 2024, arXiv:2410.15608) of any size and language on torch and transformers."""
