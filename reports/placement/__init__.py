"""One instance and its placements, as text, figures and a page."""
