"""What a plugin is, what it sees, and how it is found."""
