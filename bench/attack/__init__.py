"""Adversarial search for the small instances on which a solver does worst."""
