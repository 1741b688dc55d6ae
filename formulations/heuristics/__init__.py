"""Methods that make and improve placements."""
