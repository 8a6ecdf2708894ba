"""Recognisers that say at which frame of the audio each token is: CTC and transducers, on torch and transformers."""
