"""Files of instances and placements, read with limits and full checks, written atomically."""
