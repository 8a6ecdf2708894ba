"""From what a client sends to mono float32 at 16 kHz, message by message."""
