"""Search for the instance on which a solver does worst."""
