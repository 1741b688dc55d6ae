"""Lagrangian bounds, reduced-cost fixing, and branch and bound with them."""
