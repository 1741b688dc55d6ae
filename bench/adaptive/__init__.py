"""Sequences and policies: adaptive placement, measured against the offline optimum."""
