"""Errors of solvers and of the bounds that they claim."""

from __future__ import annotations


class SolverError(RuntimeError):
    """A solver cannot do what it was asked, or did not do what it promised."""


class ContradictionError(SolverError):
    """A verified placement lies above a bound claimed as proven, or two claims exclude each other."""
