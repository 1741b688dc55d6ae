"""Recipes of scenarios as TOML files."""
