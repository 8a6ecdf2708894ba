"""Live transcription: one engine under every socket dialect. A dialect only translates messages."""
