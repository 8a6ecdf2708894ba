"""Whisper (Radford et al. 2022, arXiv:2212.04356) and what was distilled or fine-tuned from it, on torch, batched."""
