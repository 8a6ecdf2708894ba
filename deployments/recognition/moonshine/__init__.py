"""Moonshine tiny (Jeffries et al. 2024, arXiv:2410.15608) on ONNX Runtime, batched."""
