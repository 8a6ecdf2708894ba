"""The Diarizer stage: who speaks when."""
