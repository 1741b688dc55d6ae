"""Random numbers and shares that are the same on every machine."""
