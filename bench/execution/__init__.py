"""From a job to a verified row."""
