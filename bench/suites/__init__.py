"""Suites: their files, what is to be run of them, and the suites that come with SlimBench."""
