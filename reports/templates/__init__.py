"""Page templates, and how they are filled."""
