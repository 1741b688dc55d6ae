"""Routing traces: reading, counting and recording them."""
