"""The Decode stage: bytes in any common container or codec become one mono waveform at SAMPLE_RATE_HZ."""
