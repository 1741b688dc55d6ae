"""The problem: instances, placements, and what a placement saves."""
