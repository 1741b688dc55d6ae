"""Sequences of instances over periods, with users that move."""
