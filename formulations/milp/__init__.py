"""Exact formulations as mixed-integer linear programs."""
