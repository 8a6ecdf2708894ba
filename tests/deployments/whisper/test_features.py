"""Features against those of transformers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from deployments.contracts import SAMPLE_RATE_HZ
from deployments.torch_runtime import Placement
from deployments.whisper.features import LogMel

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("mel_bands", [80, 128])
def test_features_are_those_of_transformers(mel_bands: int) -> None:
    extractor = WhisperFeatureExtractor(feature_size=mel_bands, chunk_length=4)
    noise = np.random.default_rng(0).normal(scale=0.1, size=4 * SAMPLE_RATE_HZ).astype(np.float32)
    windows = [noise, noise[:20_001] ** 3, noise[:1], noise[:0]]
    features = LogMel(extractor, Placement(torch.device("cpu"), torch.float32))(windows)
    theirs = extractor(windows, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")["input_features"]
    assert features.shape == (4, mel_bands, 400)
    torch.testing.assert_close(features, theirs, atol=1e-5, rtol=0)
