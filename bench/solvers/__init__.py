"""Solvers that come with SlimBench, one plugin a file."""
