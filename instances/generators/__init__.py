"""Recipes that make instances."""
