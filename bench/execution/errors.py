"""Errors of the harness that belong to no single file format."""


class ExecutorError(ValueError):
    """Where runs were to be carried out is not what it must be."""
