"""Language identification: which language each speech region is in, within the caller's candidates."""
