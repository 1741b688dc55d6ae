"""Plugins: solvers and policies, how they are declared, found, called and versioned."""
