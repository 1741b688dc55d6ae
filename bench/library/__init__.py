"""Records of the instance library: best placements, bounds, updates and verification."""
