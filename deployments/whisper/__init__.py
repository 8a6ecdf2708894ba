"""What the stages that run a Whisper checkpoint share: its features, and how its files are read."""
