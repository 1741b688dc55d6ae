"""Benchmarks of SlimBench's own speed beside the tools that its users would otherwise take."""
