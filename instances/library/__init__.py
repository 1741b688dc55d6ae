"""The library of named instances with their best known placements and bounds."""
